"""Time this machine on a few real fields: steps of training, prediction, reading, objects, writing."""

import copy
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from unstained.arrays import Plane, RawPlane
from unstained.cost.flop import forward_flop, step_flop
from unstained.cost.times import MachineTimes
from unstained.errors import MissingChannel
from unstained.imaging.corruptions import corrupt
from unstained.measurement.known import KnownStain, described_stain
from unstained.measurement.objects import measure_objects
from unstained.networks.bundle import Model, ModelCard
from unstained.networks.normalisation import StainScale
from unstained.networks.resampling import working_shape
from unstained.networks.unet import LIT_MIRRORS, MIRRORS, UNet
from unstained.plates.listing import field_path
from unstained.plates.plate import FieldName, Plate, create_plate
from unstained.plates.regions import whole_field
from unstained.plates.splitting import Split
from unstained.prediction.engine import Engine
from unstained.prediction.plates import summarised
from unstained.segmentation.recipes import segment
from unstained.stains.catalogue import STAINS, find_stain, stains_in
from unstained.training.crops import TrainingPlanes, draw_batch
from unstained.training.fitting import Fitting, in_channels_last
from unstained.training.pairs import Grid, make_pairs
from unstained.training.recipes import TrainingSettings
from unstained.trust.examples import all_changes, view_of
from unstained.trust.features import field_features

ROUNDS = 3
"""So often every stage is timed, in turn, so that what else runs here is met at several times."""

STEPS = 5
"""Training steps of a round; one more before the first, which isn't counted."""

SEVERITY, CORRUPTED_PX = 3, 512
"""How corruption is timed: every kind, of middle strength, on a corner of so many px."""

FORWARD_PX = 512
"""The network alone is timed on a square of so many px of the working grid."""

UNTRAINED = "untrained"
"""Name of the model that stands for those that aren't there yet."""

Clock = Callable[[], float]
Taken = dict[str, list[float]]


class Bench(NamedTuple):
    """What is timed."""

    plate: Plate
    model: Model
    settings: TrainingSettings
    device: str = "cpu"
    fields: int = 1  # so many of the plate are looked at


def untrained(plate: Plate) -> Model:
    """Make a model of the default recipe that has learnt nothing, for a plate's first stain that is known.

    The network sees every pixel (working scale 1) and averages all mirror images: as dear as it gets.
    """
    settings = TrainingSettings()
    stains = stains_in(plate.channels)[:1] or ("nuclei",)
    stained = {STAINS[name].channel_in(plate.channels) for name in stains_in(plate.channels)}
    label_free_channels = [name for name in plate.channels if name not in stained] or list(plate.channels)
    target = STAINS[stains[0]].channel_in(plate.channels) or label_free_channels[0]
    card = ModelCard(
        name=UNTRAINED,
        stains=stains,
        input=label_free_channels[0],
        targets=(target,),
        described=tuple(find_stain(name) for name in stains),
        network=settings.network,
        scales=(StainScale(),),
        average_flips=settings.average_flips,
        pixel_size_um=plate.pixel_size_um,
    )
    return Model(card, UNet(settings.network).eval())


def measure_times(
    bench: Bench,
    tell: Callable[[int, int], None] = lambda _done, _all: None,
    clock: Clock = time.perf_counter,
) -> MachineTimes:
    """Time every stage on real fields, several times in turn; gives means, as a long run would meet them.

    The plate isn't changed; what is written is written into a folder of the system's for temporary files.

    Raises
    ------
    MissingChannel
        The plate lacks the model's input channel.
    """
    plate, card = bench.plate, bench.model.card
    if card.input not in plate.channels:
        raise MissingChannel(card.input, str(plate.path), plate.channels)
    fields = _spread(plate.fields, bench.fields)
    engine = Engine(bench.model, device=bench.device, quiet=True)
    bench = bench._replace(device=str(engine.device))  # `auto` is one of its own
    taken: Taken = {}
    busy = time.process_time(), time.perf_counter()
    planes = _prepared(bench, fields[0], taken, clock)
    steps = _Steps(bench, planes)
    for number in range(ROUNDS):
        steps.take(taken, clock, warm_up=number == 0)
        _forwards(bench, taken, clock)
        name = fields[number % len(fields)]
        with tempfile.TemporaryDirectory() as scratch:
            stored = _label(bench, engine, name, Path(scratch), taken, clock)
        tell(number + 1, ROUNDS)
    threads = torch.get_num_threads()
    spent = (time.process_time() - busy[0]) / max(time.perf_counter() - busy[1], 1e-9)
    shape = plate.shape(fields[0])
    means = {name: float(np.mean(values)) for name, values in taken.items()}
    return MachineTimes(
        machine=this_machine(),
        device=str(engine.device),
        input=card.input,
        threads=threads,
        cpu_share=float(np.clip(spent, 1e-3, 1)),
        field_px=shape,
        working_megapixels=float(np.prod(working_shape(shape, engine.zoom(plate.pixel_size_um)))) / 1e6,
        stains=len(card.stains),
        mirrors=_mirrors(card),
        step_flop=step_flop(bench.settings.network, bench.settings.crops.side, bench.settings.batch),
        forward_flop=1e6 * forward_flop(card.network),
        **stored,
        **means,
    )


def this_machine() -> str:
    """Name the processor, as far as the system tells."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


@contextmanager
def _timed(taken: Taken, stage: str, clock: Clock, share: float = 1.0) -> Iterator[None]:
    """Add what the block takes, `share` of it, to a stage."""
    began = clock()
    yield
    taken.setdefault(f"{stage}_s", []).append(share * (clock() - began))


def _prepared(bench: Bench, name: FieldName, taken: Taken, clock: Clock) -> Sequence[TrainingPlanes]:
    """Make one field ready to train on; where the stain isn't in the plate, its input stands for it."""
    card = bench.model.card
    targets = [channel if channel in bench.plate.channels else card.input for channel in card.targets]
    grid = Grid(card.normalisation, scale=card.working_scale, follow_light=card.light_deg is not None)
    split = Split((whole_field(bench.plate, name),), (), (), "field")
    with _timed(taken, "prepare", clock):
        return make_pairs(bench.plate, split, (card.input, *targets), grid).train


class _Steps:
    """Training steps as `training.fitting` takes them, on a copy of the network that is thrown away."""

    def __init__(self, bench: Bench, planes: Sequence[TrainingPlanes]) -> None:
        self.settings, self.planes = bench.settings.updated(steps=1000), planes
        network = in_channels_last(UNet(self.settings.network)).to(bench.device)
        self.fitting = Fitting(network, self.settings, planes, (), lambda _: None)
        found = self.fitting.configure_optimizers()
        self.optimiser, self.device = found["optimizer"], bench.device
        self.rng = np.random.default_rng(self.settings.seed)

    def take(self, taken: Taken, clock: Clock, *, warm_up: bool) -> None:
        if warm_up:
            self._step({}, clock)
        for _ in range(STEPS):
            self._step(taken, clock)

    def _step(self, taken: Taken, clock: Clock) -> None:
        with _timed(taken, "step", clock):
            with _timed(taken, "draw", clock):
                drawn = draw_batch(self.planes, self.settings.batch, self.settings.crops, self.rng)
            label_free, stained = (planes.to(self.device) for planes in drawn)
            self.fitting.training_step((label_free, stained), 0).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.fitting.network.parameters(), 1.0)
            self.optimiser.step()
            self.optimiser.zero_grad()
            if self.device.startswith("cuda"):
                torch.cuda.synchronize()  # else a GPU has only been told what to do


def _forwards(bench: Bench, taken: Taken, clock: Clock) -> None:
    """Run the network alone on one square of noise: how long it takes doesn't depend on what is seen."""
    network = copy.deepcopy(bench.model.network).to(bench.device)
    planes = torch.randn(1, 1, FORWARD_PX, FORWARD_PX, device=bench.device)
    planes = planes.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), _timed(taken, "forward", clock, share=1e6 / FORWARD_PX**2):
        network(planes).cpu()


def _label(
    bench: Bench, engine: Engine, name: FieldName, folder: Path, taken: Taken, clock: Clock
) -> Mapping[str, float]:
    """Label one field from reading to writing; gives what is read and written, bytes and objects."""
    plate, card = bench.plate, bench.model.card
    with _timed(taken, "read", clock):
        plane = plate.read(name, card.input)
    with _timed(taken, "predict", clock):
        prediction = engine.predict_with_embedding(plane, plate.pixel_size_um)
        field_features(card, plane, prediction)
    _corrupt(plane, plate.pixel_size_um, taken, clock)
    writer = create_plate(
        folder / "predicted.zarr", name="timed", channels=card.stains, pixel_size_um=plate.pixel_size_um
    )
    summary, size_um = summarised(card), plate.pixel_size_um
    known = {stain: described_stain(summary, stain) for stain in card.stains}
    shown = dict(zip(card.stains, prediction.stains, strict=True))
    if card.name == UNTRAINED:  # it has predicted nothing that objects could be found in
        shown = {stain: _real(plate, name, each, plane) for stain, each in known.items()}
    with _timed(taken, "segment", clock):
        labels = {
            stain: segment(shown[stain], each.recipe(size_um, predicted=True), pixel_size_um=size_um)
            for stain, each in known.items()
        }
    with _timed(taken, "measure", clock):
        tables = {
            stain: measure_objects(
                labels[stain], shown[stain], pixel_size_um=size_um, features=each.stain.features
            )
            for stain, each in known.items()
        }
    with _timed(taken, "write", clock):
        writer.write_field(name, prediction.stains)
        for stain, found in labels.items():
            writer.write_labels(name, stain, found)
            writer.write_table(name, stain, tables[stain])
    written = [path for path in (folder / "predicted.zarr" / field_path(name)).rglob("*") if path.is_file()]
    image = [path for path in written if not {"labels", "tables"} & set(path.parts)]
    return {
        "read_bytes": float(plane.nbytes),
        "read_objects": len(image) / len(card.stains),
        "written_bytes": float(sum(path.stat().st_size for path in written)),
        "written_objects": float(len(written)),
    }


def _corrupt(plane: RawPlane, pixel_size_um: float | None, taken: Taken, clock: Clock) -> None:
    """Corrupt a corner in every way, and take the mean for the whole field."""
    changes = [change for change in all_changes() if change.severity == SEVERITY]
    corner, rng = plane[:CORRUPTED_PX, :CORRUPTED_PX], np.random.default_rng(0)
    view = view_of([corner], pixel_size_um)
    with _timed(taken, "corrupt", clock, share=plane.size / corner.size / len(changes)):
        for change in changes:
            corrupt(corner, change.kind, change.strength, view, rng)


def _real(plate: Plate, name: FieldName, known: KnownStain, plane: RawPlane) -> Plane:
    """Read the real stain of a field; the label-free plane where there is none."""
    held = known.target in plate.channels
    return np.asarray(plate.read(name, str(known.target)) if held else plane, dtype=np.float32)


def _mirrors(card: ModelCard) -> int:
    if not card.average_flips:
        return 1
    return len(MIRRORS if card.light_deg is None else LIT_MIRRORS)


def _spread(fields: Sequence[FieldName], number: int) -> list[FieldName]:
    """Take so many fields, evenly over the plate."""
    places = np.linspace(0, len(fields) - 1, min(number, len(fields)) + 2).round().astype(int)[1:-1]
    return [fields[place] for place in places]
