"""What makes a well or a clone good: a weighted sum of columns, each on the scale of a reference."""

from collections.abc import Collection
from importlib.resources import files
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from unstained.errors import BadSettings
from unstained.settings import Settings, read_yaml

Vector = NDArray[np.float64]


ROUNDING = 1e-9
"""A spread that is this small beside the values is none."""


class Term(Settings):
    """One column of a score."""

    weight: float = Field(1.0, gt=0, description="beside those of the other columns")
    direction: Literal["up", "down"] = Field("up", description="whether more is better, or less")
    transform: Literal["none", "log", "sqrt"] = Field("none", description="before it is put to scale")

    def transformed(self, values: Vector) -> Vector:
        """Transform values; for a logarithm, what isn't above 0 counts as half of the least that is.

        Light over background can be below 0 where nothing is expressed: the worst there is, not unknown.
        """
        flat = values.astype(np.float64)
        if self.transform == "none":
            return flat
        positive = flat[flat > 0]
        if not len(positive):
            return np.full(flat.shape, np.nan)
        floored = np.where(flat <= 0, positive.min() / 2, flat)  # NaN stays NaN
        return np.log(floored) if self.transform == "log" else np.sqrt(np.maximum(flat, 0))

    @property
    def sign(self) -> int:
        """+1 where more is better, −1 where less is."""
        return 1 if self.direction == "up" else -1


class Score(Settings):
    """What wells are put in order by."""

    title: str
    terms: dict[str, Term] = Field(min_length=1, description="column, as `stain.measure` or `cells.measure`")

    @property
    def weights(self) -> Vector:
        """Give the columns' weights with their signs; their sizes add up to 1."""
        signed = np.array([term.sign * term.weight for term in self.terms.values()], dtype=np.float64)
        weights: Vector = signed / np.abs(signed).sum()
        return weights

    def missing(self, columns: Collection[str]) -> list[str]:
        """Name what a table lacks."""
        return [name for name in self.terms if name not in columns]


def load_score(name_or_path: str | Path) -> Score:
    """Load a shipped score by its name (`productivity`, `growth`), or one from a YAML file.

    Raises
    ------
    BadSettings
        There is none, or the file isn't a score.
    """
    shipped = shipped_scores()
    path = shipped.get(str(name_or_path), Path(name_or_path))
    if not path.exists():
        raise BadSettings("--by", f"no score {str(name_or_path)!r}; a YAML file, or: {', '.join(shipped)}")
    return Score.checked({"title": path.stem, **read_yaml(path)}, str(path))


def shipped_scores() -> dict[str, Path]:
    """Scores that come with the package, by name."""
    folder = Path(str(files("unstained"))) / "ranking" / "scores"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"), reverse=True)}


def robust_scale(values: Vector) -> tuple[float, float]:
    """Give median and 1.4826 · median absolute deviation; the standard deviation where that is 0.

    Both are NaN without values; a column that doesn't vary has scale 0.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return np.nan, np.nan
    middle = float(np.median(known))
    scale = 1.4826 * float(np.median(np.abs(known - middle))) or float(known.std())
    return middle, 0.0 if scale <= ROUNDING * float(np.abs(known).max()) else scale
