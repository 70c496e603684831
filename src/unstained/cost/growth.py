"""How a run grows with its fields: a pipeline of stages, each with so many workers; where the bottleneck is.

A plan on paper: what a stage takes is measured on one machine, what an object store and a network allow is
taken from their documentation. Stages work at the same time, each on another field, with room between them.
"""

import heapq
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import Field

from unstained.cost.prices import Machine
from unstained.cost.times import MachineTimes, labelling_work, total
from unstained.settings import Settings


class Stage(NamedTuple):
    """One stage of a pipeline: `workers` fields at a time, each `seconds` long."""

    name: str
    seconds: float
    workers: float = 1

    @property
    def fields_per_s(self) -> float:
        """What it lets through."""
        return math.inf if self.seconds == 0 else self.workers / self.seconds


class Store(Settings):
    """An object store, and the way there.

    The defaults are S3's: at least 5,500 reads and 3,500 writes a second and prefix, 100 to 200 ms to the
    first byte (AWS, "Best practices design patterns: optimizing Amazon S3 performance"). The rest is assumed.
    """

    latency_s: float = Field(0.1, gt=0, description="of one request")
    at_once: int = Field(16, ge=1, description="requests that a machine keeps open")
    megabytes_per_s: float = Field(300.0, gt=0, description="of one machine, either way")
    reads_per_s: float = Field(5500.0, gt=0, description="of one prefix")
    writes_per_s: float = Field(3500.0, gt=0, description="of one prefix")
    prefixes: int = Field(1, ge=1, description="over which plates are spread")
    read_per_1000: float = Field(0.0004, ge=0, description="money")
    written_per_1000: float = Field(0.005, ge=0, description="money")
    gb_month: float = Field(0.023, ge=0, description="money")


class Fleet(Settings):
    """What a run may take."""

    within_h: float = Field(24.0, gt=0, description="machines are added until a run takes no longer")
    most_machines: int = Field(1000, ge=1)
    cores: int = Field(4, ge=1, description="of a machine, for all that isn't the network")
    start_s: float = Field(180.0, ge=0, description="until a machine is up and the model loaded")


S3, A_DAY = Store(), Fleet()
"""What is planned with where nothing else is said."""


def slowest(stages: Sequence[Stage]) -> Stage:
    """Give the stage that lets the fewest fields through: the bottleneck."""
    return min(stages, key=lambda stage: stage.fields_per_s)


def pipeline_s(stages: Sequence[Stage], fields: int) -> float:
    """Give the time for so many fields: the first through all stages, the others behind the bottleneck.

    Exact where every stage has one worker; with more of them exact to the time that one field takes.
    """
    if fields == 0:
        return 0.0
    return sum(stage.seconds for stage in stages) + (fields - 1) / slowest(stages).fields_per_s


def simulated_s(stages: Sequence[Stage], fields: int) -> float:
    """Simulate the same field by field: each takes the first worker that is free at each stage, in order."""
    ready = [0.0] * fields
    for stage in stages:
        free = [0.0] * round(stage.workers)
        for index, arrived in enumerate(ready):
            ready[index] = max(arrived, heapq.heappop(free)) + stage.seconds
            heapq.heappush(free, ready[index])
        ready.sort()
    return max(ready, default=0.0)


def stages_of(
    times: MachineTimes, machine: Machine, store: Store, fleet: Fleet, machines: int
) -> tuple[Stage, ...]:
    """Give the stages of labelling on so many machines of a kind, plates lying in an object store.

    A machine keeps requests open while it computes, so latency only counts where `at_once` is too small.
    """
    work = total(labelling_work(times))
    network_s = work.flop / machine.flop_per_s + work.launches * machine.overhead_s
    waiting_s = store.latency_s / store.at_once
    megabytes_per_s = 1e6 * store.megabytes_per_s
    return (
        Stage("read", times.read_objects * waiting_s + times.read_bytes / megabytes_per_s, machines),
        Stage("network", network_s, machines),
        Stage("objects", work.host_s, machines * fleet.cores),
        Stage("write", times.written_objects * waiting_s + times.written_bytes / megabytes_per_s, machines),
        Stage("store reads", times.read_objects / store.reads_per_s, store.prefixes),
        Stage("store writes", times.written_objects / store.writes_per_s, store.prefixes),
    )


def growth(
    times: MachineTimes, machine: Machine, fields: int, store: Store = S3, fleet: Fleet = A_DAY
) -> Mapping[str, float | str]:
    """Tell what a run of so many fields takes: machines, hours, money and its parts, bottleneck.

    Under a stage's name stands the share of the time for which it is busy.
    """
    one = slowest(stages_of(times, machine, store, fleet, 1)[:4]).fields_per_s  # the machines' own stages
    wanted = math.ceil(fields / one / max(3600 * fleet.within_h - fleet.start_s, 1.0))
    machines = min(max(wanted, 1), fleet.most_machines)
    stages = stages_of(times, machine, store, fleet, machines)
    seconds = fleet.start_s + pipeline_s(stages, fields)
    rent = machines * seconds / 3600 * machine.on_demand_per_hour
    requests = fields * (
        times.read_objects * store.read_per_1000 + times.written_objects * store.written_per_1000
    ) / 1000  # fmt: skip
    kept = fields * (times.read_bytes + times.written_bytes) / 1e9 * store.gb_month
    limit = slowest(stages)
    starting = fleet.start_s > seconds / 2
    return {
        "fields": fields, "machines": machines, "hours": seconds / 3600, "money": rent + requests + kept,
        "rent": rent, "requests": requests, "kept_a_month": kept,
        "bottleneck": "starting" if starting else limit.name,
        "starting": fleet.start_s / seconds,
        **{stage.name: fields / stage.fields_per_s / seconds for stage in stages},
    }  # fmt: skip
