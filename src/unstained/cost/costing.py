"""From a plate and a model to costs: time this machine, then put prices to it."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from pydantic import Field

from unstained.cost.estimate import Costs, Plans, find_costs
from unstained.cost.measuring import Bench, measure_times, untrained
from unstained.cost.prices import Prices
from unstained.networks.bundle import Model
from unstained.plates.importing import import_plate
from unstained.plates.plate import Plate
from unstained.settings import Settings
from unstained.training.recipes import TrainingSettings

BUILT_IN = "hela-rpe1-crop"
"""Real images that come with the package; they are timed where no plate is given."""

USUAL_FIELDS, USUAL_PX = 96 * 4, (2048, 2048)
"""The plate that is costed then: 96 wells of four fields, and their size."""

NO_MODEL = "no model was given: costed is the default recipe on every pixel, the dearest there is"


class CostRequest(Settings):
    """What is to be costed."""

    prices: Path | None = Field(None, description="YAML of prices; null = those that come with the package")
    plates: int = Field(20, ge=1, description="so many plates are to be labelled")
    steps: int = Field(2000, ge=1, description="of the training that comes before")
    fields: int = Field(1, ge=1, description="so many fields of the plate are timed")
    device: str = "cpu"


def costs_of(
    plate: Plate | None,
    model: Model | None,
    prices: Prices,
    request: CostRequest,
    tell: Callable[[int, int], None] = lambda _done, _all: None,
) -> Costs:
    """Time every stage here, and tell what trainings and plates come to.

    Raises
    ------
    MissingChannel
        The plate lacks the model's input channel.
    BadSettings
        There is no such device here.
    """
    plans = Plans(USUAL_FIELDS if plate is None else len(plate.fields), request.steps, request.plates)
    with _timed_plate(plate) as timed:
        chosen = model or untrained(timed)
        settings = TrainingSettings(network=chosen.card.network)
        times = measure_times(Bench(timed, chosen, settings, request.device, request.fields), tell)
    if plate is None:
        times = times.for_fields_of(USUAL_PX)
    name = "96 wells of four fields" if plate is None else plate.name
    return find_costs(times, prices, plans, plate=name, model=None if model is None else model.name)


@contextmanager
def _timed_plate(plate: Plate | None) -> Iterator[Plate]:
    """Give the plate, or one made of the built-in images for as long as it is needed."""
    if plate is not None:
        yield plate
        return
    with tempfile.TemporaryDirectory() as scratch:
        manifest = Path(str(files("unstained"))) / "samples" / BUILT_IN / "manifest.csv"
        yield import_plate(manifest, Path(scratch) / "timed.zarr")
