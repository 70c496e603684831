"""What each stage takes on one machine, and what a training or a plate comes to from that."""

from collections.abc import Mapping
from typing import NamedTuple, Self

from pydantic import Field

from unstained.cost.prices import Machine
from unstained.plates.fields import FieldName
from unstained.plates.regions import Region
from unstained.settings import Settings
from unstained.training.batch_norm import MOST_REGIONS, SIDE
from unstained.training.fitting import VALIDATIONS
from unstained.training.models import MOST_CALIBRATED, MOST_REGISTERED
from unstained.trust.examples import parts_of
from unstained.trust.finding_envelope import FEWEST_FIELDS
from unstained.trust.making import AS_USUAL, TrustSettings, planned
from unstained.trust.verdict import FEWEST_TRIED

VALIDATION_SHARE = 0.1
"""Of a plate's fields so many validate where nothing else is said; see `plates.splitting`."""


class MachineTimes(Settings):
    """What the stages take here; seconds per field unless said otherwise, bytes and objects per field."""

    machine: str
    device: str
    input: str = Field(description="label-free channel that was read")
    threads: int
    cpu_share: float = Field(gt=0, description="of one core that the measurement had")
    field_px: tuple[int, int] = Field(description="rows and columns of a field")
    working_megapixels: float = Field(gt=0, description="of a field on the network's working grid")
    stains: int = Field(ge=1)
    mirrors: int = Field(ge=1, description="mirror images whose predictions are averaged")
    step_s: float = Field(gt=0, description="one training step, crops included")
    draw_s: float = Field(ge=0, description="drawing the crops of one step")
    step_flop: float = Field(gt=0)
    forward_s: float = Field(gt=0, description="the network alone, per megapixel of the working grid")
    forward_flop: float = Field(gt=0, description="per megapixel of the working grid")
    prepare_s: float = Field(ge=0, description="making a field ready to train on")
    corrupt_s: float = Field(ge=0, description="corrupting a field, to learn when a model may be believed")
    read_s: float = Field(ge=0)
    predict_s: float = Field(gt=0, description="the network, all around it, and what a verdict needs")
    write_s: float = Field(ge=0, description="stains, labels and tables")
    segment_s: float = Field(ge=0)
    measure_s: float = Field(ge=0)
    read_bytes: float = Field(ge=0)
    read_objects: float = Field(ge=0, description="files or objects that are read")
    written_bytes: float = Field(ge=0)
    written_objects: float = Field(ge=0)

    def for_fields_of(self, field_px: tuple[int, int]) -> Self:
        """Give the times for fields of another size (rows, columns): what a field takes goes by its area."""
        ratio = field_px[0] * field_px[1] / (self.field_px[0] * self.field_px[1])
        scaled = {name: ratio * getattr(self, name) for name in _BY_AREA}
        return self.model_copy(update={**scaled, "field_px": field_px})

    @property
    def network_s(self) -> float:
        """What of `predict_s` is the network's."""
        return min(self.predict_s, self.forward_s * self.working_megapixels * self.mirrors)

    @property
    def flop_per_s(self) -> float:
        """What the network's steps reach here."""
        return self.step_flop / max(self.step_s - self.draw_s, 1e-9)


_BY_AREA = (
    "working_megapixels", "prepare_s", "corrupt_s", "read_s", "predict_s", "write_s", "segment_s",
    "measure_s", "read_bytes", "read_objects", "written_bytes", "written_objects",
)  # fmt: skip


class Work(NamedTuple):
    """Work, as it is taken from this machine to others."""

    host_s: float = 0.0  # that no network does: as long elsewhere as here
    network_s: float = 0.0  # here
    flop: float = 0.0
    launches: float = 0.0  # steps and predictions, each of which a GPU waits for

    def times(self, number: float) -> "Work":
        """Do it so many times."""
        return Work(*(number * part for part in self))

    def plus(self, other: "Work") -> "Work":
        """Do one after the other."""
        return Work(*(sum(parts) for parts in zip(self, other, strict=True)))

    @property
    def seconds_here(self) -> float:
        """Give what it takes on the machine that was measured."""
        return self.host_s + self.network_s

    def seconds_on(self, machine: Machine) -> float:
        """Give what it takes on another: its FLOP/s for the network, this machine's time for the rest."""
        return self.host_s + self.flop / machine.flop_per_s + self.launches * machine.overhead_s


class Training(NamedTuple):
    """How much is trained on, and how long; fields may be parts of fields, such as 0.875."""

    train: float
    validation: float
    steps: int
    trust: TrustSettings = AS_USUAL

    @classmethod
    def of(cls, fields: float, steps: int) -> Self:
        """Part fields as a training does where nobody says how; the test fields aren't among them."""
        validation = max(VALIDATION_SHARE * fields, 0.125)
        return cls(fields - validation, validation, steps)


def training_work(times: MachineTimes, plan: Training) -> Mapping[str, Work]:
    """Give the parts of a training: preparing, steps, validating, finishing the model, its trust."""
    network = _forward(times)
    step = Work(times.draw_s, times.step_s - times.draw_s, times.step_flop, 1)
    validations = plan.steps // max(1, plan.steps // VALIDATIONS) + 1 if plan.validation else 0
    largest = min(1.0, SIDE**2 / 1e6 / times.working_megapixels)
    passes = (
        min(plan.train, MOST_REGIONS) * times.mirrors * largest
        + min(plan.train, MOST_CALIBRATED)
        + min(plan.validation or plan.train, MOST_REGISTERED) * times.mirrors
    )
    return {
        "prepare": Work(host_s=times.prepare_s).times(plan.train + plan.validation),
        "steps": step.times(plan.steps),
        "validate": network.times(validations * plan.validation),
        "finish": network.times(passes),
        "trust": _trust(times, plan),
    }


def labelling_work(times: MachineTimes) -> Mapping[str, Work]:
    """Give the stages of labelling one field."""
    return {
        "read": Work(host_s=times.read_s),
        "predict": _predict(times),
        "segment": Work(host_s=times.segment_s),
        "measure": Work(host_s=times.measure_s),
        "write": Work(host_s=times.write_s),
    }


def total(parts: Mapping[str, Work]) -> Work:
    """Add up parts."""
    whole = Work()
    for part in parts.values():
        whole = whole.plus(part)
    return whole


def _forward(times: MachineTimes) -> Work:
    """One pass over a field, one image."""
    megapixels = times.working_megapixels
    return Work(0.0, times.forward_s * megapixels, times.forward_flop * megapixels, 1)


def _predict(times: MachineTimes) -> Work:
    flop = times.forward_flop * times.working_megapixels * times.mirrors
    return Work(times.predict_s - times.network_s, times.network_s, flop, times.mirrors)


def _trust(times: MachineTimes, plan: Training) -> Work:
    """Predict clean and corrupted parts of fields, as `trust.making` plans; each reads its whole field."""
    if not plan.trust.each:
        return Work()
    rows, columns = times.field_px
    whole = Region(FieldName("A01", 0), (0, rows), (0, columns))
    cut = len(parts_of(whole))
    few = plan.validation < FEWEST_TRIED
    tried = plan.validation + (plan.train if few else 0)
    parts = min(round(max(1.0, tried) * cut), plan.trust.most_clean)
    corrupted = len(planned([whole] * parts, plan.trust))
    others = 0 if few else min(round(plan.train), plan.trust.most_clean)
    examples = parts + corrupted
    found = Work(host_s=times.segment_s + times.measure_s) if parts >= FEWEST_FIELDS else Work()
    by_area = _predict(times).times(examples + others).plus(found.times(examples))
    by_area = by_area.plus(Work(host_s=times.corrupt_s).times(corrupted)).times(1 / cut)
    reading = Work(host_s=(1 + times.stains) * times.read_s).times(examples + others)
    return by_area.plus(reading)
