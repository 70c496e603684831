"""From what stages take to hours and money: trainings, plates, here and in the cloud, against staining."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import Field

from unstained.cost.prices import Prices
from unstained.cost.times import MachineTimes, Training, Work, labelling_work, total, training_work
from unstained.settings import Settings

HERE = "here"
"""What tables call the machine that was measured."""

TABLE_FIELDS, TABLE_STEPS = (10, 100, 600), (500, 2000, 8000)
"""Trainings of the table: by amount of data (the thesis had about 600 photos) and by steps."""

HOUR_S = 3600.0


class Plans(NamedTuple):
    """What is to be costed."""

    plate_fields: int  # of a plate to label
    steps: int = 2000  # of the training that comes before
    plates: int = 20  # so many are to be labelled


class Row(Settings):
    """Time and money of one training, or of labelling one plate, on one machine."""

    what: Literal["training", "labelling"]
    machine: str
    fields: int
    steps: int | None = Field(description="of a training")
    hours: float
    on_demand: float = Field(description="money; here, that of an hour here")
    spot: float | None = Field(description="money; null where there is no such thing")


class BreakEven(Settings):
    """From how many plates on one machine costs less than staining every plate."""

    machine: str
    beginning: float = Field(description="stained plates to learn from, a person's hours, the training")
    per_plate: float = Field(description="labelling, and the share of plates that are stained as controls")
    plates: int | None = Field(description="the first number at which it is no dearer; null: never")
    saved: float = Field(description="on all plates asked about; below 0 where it costs more")


class Costs(Settings):
    """All that `unstained cost` finds; the content of `cost.json`."""

    schema_: Literal["unstained.cost/1"] = Field("unstained.cost/1", alias="schema")
    model: str | None
    plate: str
    plate_fields: int
    plates: int
    steps: int
    times: MachineTimes
    training_parts_s: dict[str, float] = Field(description="of the training asked about, here")
    field_parts_s: dict[str, float] = Field(description="of one field, here")
    rows: tuple[Row, ...]
    staining_per_plate: float
    break_even: tuple[BreakEven, ...]
    prices: Prices


def find_costs(times: MachineTimes, prices: Prices, plans: Plans, *, plate: str, model: str | None) -> Costs:
    """Put time and money together.

    The training that break-even counts on has the fields of as many plates as `prices.beginning` stains.
    """
    learnt_from = max(1, round(plans.plate_fields * prices.beginning.stained_plates))
    asked = Training.of(learnt_from, plans.steps)
    trainings = [(learnt_from, plans.steps), *((n, s) for n in TABLE_FIELDS for s in TABLE_STEPS)]
    rows = [
        row
        for fields, steps in dict.fromkeys(trainings)
        for row in training_rows(times, prices, fields, steps)
    ]
    return Costs(
        model=model,
        plate=plate,
        plate_fields=plans.plate_fields,
        plates=plans.plates,
        steps=plans.steps,
        times=times,
        training_parts_s=_seconds(training_work(times, asked)),
        field_parts_s=_seconds(labelling_work(times)),
        rows=(*rows, *labelling_rows(times, prices, plans.plate_fields)),
        staining_per_plate=prices.staining.per_plate,
        break_even=tuple(_break_evens(rows, times, prices, plans)),
        prices=prices,
    )


def training_rows(times: MachineTimes, prices: Prices, fields: int, steps: int) -> list[Row]:
    """Cost one training on every machine, here first."""
    work = total(training_work(times, Training.of(fields, steps)))
    rows = []
    for name, hours in _hours(work, prices).items():
        money, spot = _money(prices, name, hours)
        rows.append(
            Row(
                what="training",
                machine=name,
                fields=fields,
                steps=steps,
                hours=hours,
                on_demand=money,
                spot=spot,
            )
        )
    return rows


def labelling_rows(times: MachineTimes, prices: Prices, fields: int) -> list[Row]:
    """Cost labelling one plate on every machine, here first; in the cloud its stains are brought back."""
    work = total(labelling_work(times)).times(fields)
    brought_back = times.written_bytes * fields / 1e9 * prices.out_per_gb
    rows = []
    for name, hours in _hours(work, prices).items():
        money, spot = _money(prices, name, hours, 0.0 if name == HERE else brought_back)
        rows.append(
            Row(
                what="labelling",
                machine=name,
                fields=fields,
                steps=None,
                hours=hours,
                on_demand=money,
                spot=spot,
            )
        )
    return rows


def break_even(beginning: float, per_plate: float, staining_per_plate: float) -> int | None:
    """Give the first n with beginning + n · per_plate ≤ n · staining_per_plate; None where there is none."""
    if per_plate >= staining_per_plate:
        return 0 if beginning <= 0 and per_plate == staining_per_plate else None
    return math.ceil(beginning / (staining_per_plate - per_plate) - 1e-9)


def _break_evens(
    trainings: Sequence[Row], times: MachineTimes, prices: Prices, plans: Plans
) -> list[BreakEven]:
    stained, begin = prices.staining.per_plate, prices.beginning
    at_first = begin.stained_plates * stained + begin.person_hours * prices.staining.person_per_hour
    found = []
    for training, labelling in zip(
        trainings, labelling_rows(times, prices, plans.plate_fields), strict=False
    ):  # the first trainings, one for each machine, are those asked about
        beginning = at_first + training.on_demand
        per_plate = labelling.on_demand + begin.control_share * stained
        found.append(
            BreakEven(
                machine=labelling.machine,
                beginning=beginning,
                per_plate=per_plate,
                plates=break_even(beginning, per_plate, stained),
                saved=plans.plates * (stained - per_plate) - beginning,
            )
        )
    return found


def _hours(work: Work, prices: Prices) -> dict[str, float]:
    elsewhere = {name: work.seconds_on(machine) / HOUR_S for name, machine in prices.machines.items()}
    return {HERE: work.seconds_here / HOUR_S, **elsewhere}


def _money(prices: Prices, name: str, hours: float, further: float = 0.0) -> tuple[float, float | None]:
    """Give the money on demand, and on the spot market where there is one."""
    if name == HERE:
        return hours * prices.here_per_hour + further, None
    machine = prices.machines[name]
    spot = None if machine.spot_per_hour is None else hours * machine.spot_per_hour + further
    return hours * machine.on_demand_per_hour + further, spot


def _seconds(parts: Mapping[str, Work]) -> dict[str, float]:
    return {name: work.seconds_here for name, work in parts.items()}
