"""What things cost, as data: machines by the hour, staining by the plate; shipped as YAML, to be edited."""

import datetime
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import Field

from unstained.settings import Settings, read_yaml

SHIPPED = "prices.yaml"


class Machine(Settings):
    """A machine to rent, and how fast it is."""

    title: str
    kind: Literal["cpu", "gpu"]
    on_demand_per_hour: float = Field(gt=0)
    spot_per_hour: float | None = Field(None, gt=0, description="typical; it can be taken away at any time")
    peak_tflops: float = Field(gt=0, description="float32, 10¹² FLOP/s, of the maker's data sheet")
    share: float = Field(gt=0, le=1, description="of the peak that networks like ours are taken to reach")
    overhead_s: float = Field(0.0, ge=0, description="wait of a GPU at each training step or prediction")
    source: str

    @property
    def flop_per_s(self) -> float:
        """What it is taken to compute."""
        return 1e12 * self.peak_tflops * self.share


class Staining(Settings):
    """What one plate costs at the bench."""

    reagents_per_plate: float = Field(ge=0)
    hands_on_hours: float = Field(ge=0)
    person_per_hour: float = Field(ge=0)
    microscope_hours: float = Field(ge=0, description="of the stained channels alone")
    microscope_per_hour: float = Field(ge=0)
    source: str

    @property
    def per_plate(self) -> float:
        """Reagents, hands and microscope."""
        hands = self.hands_on_hours * self.person_per_hour
        return self.reagents_per_plate + hands + self.microscope_hours * self.microscope_per_hour


class Beginning(Settings):
    """What comes before the first plate that isn't stained, and the controls that go on."""

    stained_plates: float = Field(ge=0, description="that a model is trained on")
    person_hours: float = Field(ge=0)
    control_share: float = Field(ge=0, le=1, description="of later plates that are stained, too")
    source: str


class Prices(Settings):
    """All prices, of one date, region and currency."""

    date: datetime.date
    region: str
    currency: str
    here_per_hour: float = Field(ge=0, description="of the machine that this runs on")
    out_per_gb: float = Field(ge=0, description="bringing predicted stains back from the cloud")
    machines: dict[str, Machine]
    staining: Staining
    beginning: Beginning


def load_prices(path: Path | None = None) -> Prices:
    """Load prices from a YAML file; without one, those that come with the package.

    Raises
    ------
    BadSettings
        The file can't be read, lacks an entry, or has one that is unknown or out of range.
    """
    chosen = path or shipped_prices()
    return Prices.checked(read_yaml(chosen), str(chosen))


def shipped_prices() -> Path:
    """Give the file of the prices that come with the package, to copy and edit."""
    return Path(str(files("unstained"))) / "cost" / SHIPPED
