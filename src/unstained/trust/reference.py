"""What a model knows as normal: features of the fields that it was made from, and how far others lie off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unstained.errors import BadInput
from unstained.trust.features import FieldFeatures, Vector

LEAST_SPREAD = 0.02
"""A feature's spread is at least so large a share of what corruptions make of it: few fields show little."""

NORMAL_MAD = 1.4826
"""Times the median absolute deviation is the standard deviation of a normal distribution."""

USUAL_SHARE = 0.975
"""So much of what clean fields vary by, in its largest directions, is left out where drift is watched for."""

FEWEST_WELLS = 3

SHRINKAGE = 0.3
"""Of clean fields' covariance towards one variance for all: few fields tell little of small variances."""


class Whitening(NamedTuple):
    """A linear map of points (… F), of which the directions that vary most are left out."""

    centre: Vector  # (F)
    axes: Vector  # (F F), symmetric, so that one found of slightly other points is nearly the same

    @classmethod
    def of(cls, points: Vector, left_out: int) -> "Whitening":
        """Take points (N F), N > 1, and the number of directions to leave out."""
        covariance = np.cov(points.T, ddof=1) * (1 - SHRINKAGE)
        covariance += np.eye(len(covariance)) * np.trace(covariance) / len(covariance) * SHRINKAGE
        variances, axes = np.linalg.eigh(covariance)  # rising
        kept = len(variances) - left_out
        return cls(points.mean(axis=0), axes[:, :kept] / np.sqrt(variances[:kept]) @ axes[:, :kept].T)

    def __call__(self, points: Vector) -> Vector:
        """Map points (… F)."""
        white: Vector = (points - self.centre) @ self.axes
        return white


@dataclass(frozen=True)
class Reference:
    """Clean fields of a model: one row each."""

    names: tuple[str, ...]  # of the plain features
    fields: tuple[str, ...]  # `A01/2`; parts of one field carry its name
    plain: Vector  # (field, feature)
    pooled: Vector  # (field, 256)
    centre: Vector  # (feature)
    spread: Vector  # (feature)

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        fields: Sequence[str],
        found: Sequence[FieldFeatures],
        further: Vector | None = None,
    ) -> "Reference":
        """Take clean fields; corrupted ones, `further` (N feature), say how much a feature can vary."""
        plain = np.stack([each.plain for each in found])
        further = plain if further is None else further
        centre = np.median(plain, axis=0)
        deviation = NORMAL_MAD * np.median(np.abs(plain - centre), axis=0)
        reach = np.ptp(np.percentile(np.vstack([plain, further]), (5, 95), axis=0), axis=0)
        spread = np.maximum(deviation, np.maximum(LEAST_SPREAD * reach, 1e-6))
        pooled = np.stack([each.pooled for each in found])
        return cls(tuple(names), tuple(fields), plain, pooled, centre, spread)

    @property
    def wells(self) -> tuple[str, ...]:
        """Give each field's well."""
        return tuple(name.split("/")[0] for name in self.fields)

    def standardised(self, plain: Vector) -> Vector:
        """Give features (… feature) in spreads off the centre."""
        off: Vector = (plain - self.centre) / self.spread
        return off

    def compressed(self, plain: Vector) -> Vector:
        """Give the same with far-off values drawn in, as distances are taken between them."""
        drawn_in: Vector = np.arcsinh(self.standardised(plain))
        return drawn_in

    def drift(self, plain: Vector) -> Vector:
        """Say how far fields (… feature) lie off the clean ones: the root mean square, drawn in."""
        far: Vector = np.sqrt(np.mean(self.compressed(plain) ** 2, axis=-1))
        return far

    def unusual(self, plain: Vector) -> Vector:
        """Give what fields (… feature) have that clean ones don't vary by, (… feature), whitened.

        Clean fields differ most in what doesn't matter, such as how many cells they show: the directions
        that hold 97.5 % of their variance, half of all at most, are left out; what remains is measured in
        deviations.
        """
        return self._whitening(self.compressed(plain))

    @cached_property
    def own_unusual(self) -> Vector:
        """Give the same of the reference's own fields (N feature), each well as all others see it.

        So they lie as new clean fields will; by a map that they had a part in, they would lie closer.

        Raises
        ------
        BadInput
            There are fewer than three wells.
        """
        if len(set(self.wells)) < FEWEST_WELLS:
            raise BadInput(
                f"the reference has {len(self.fields)} fields of {len(set(self.wells))} wells; to say what is"
                f" unusual among them takes {FEWEST_WELLS} wells"
            )
        return self.unusual_apart(self.plain, self.wells)

    def unusual_apart(self, plain: Vector, wells: Sequence[str | None]) -> Vector:
        """Give what is unusual in fields (N feature) of wells that the reference may hold, too.

        Each is seen as all other wells of the reference see it, as new ones are; None stands for a new well.
        """
        points, known = self.compressed(plain), np.array(self.wells)
        found = self._whitening(points)
        for well in set(self.wells) & set(wells):
            others = self.compressed(self.plain[known != well])
            inside = np.array([each == well for each in wells])
            found[inside] = Whitening.of(others, self._left_out)(points[inside])
        return found

    @cached_property
    def _whitening(self) -> Whitening:
        return Whitening.of(self.compressed(self.plain), self._left_out)

    @cached_property
    def _left_out(self) -> int:
        """Count the directions that hold so much of the variance; never more than half of all."""
        variances = np.linalg.eigvalsh(np.cov(self.compressed(self.plain).T))[::-1]
        shares = np.cumsum(variances) / max(float(variances.sum()), 1e-12)
        return min(int(np.searchsorted(shares, USUAL_SHARE)) + 1, len(shares) // 2)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give all that it is, for `reference.npz`."""
        return {
            "names": np.array(self.names),
            "fields": np.array(self.fields),
            "plain": self.plain.astype(np.float32),
            "pooled": self.pooled.astype(np.float32),
            "centre": self.centre,
            "spread": self.spread,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Reference":
        """Take what `arrays` gave."""
        names, fields = (tuple(map(str, arrays[name])) for name in ("names", "fields"))
        plain, pooled, centre, spread = (
            np.asarray(arrays[name], dtype=np.float64) for name in ("plain", "pooled", "centre", "spread")
        )
        return cls(names, fields, plain, pooled, centre, spread)
