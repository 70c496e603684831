"""What a model knows as normal: features of the fields that it was made from, and how far others lie off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unstained.trust.features import FieldFeatures, Vector

LEAST_SPREAD = 0.02
"""A feature's spread is at least so large a share of what corruptions make of it: few fields show little."""

NORMAL_MAD = 1.4826
"""Times the median absolute deviation is the standard deviation of a normal distribution."""


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
        further: Vector,
    ) -> "Reference":
        """Take clean fields; corrupted ones, `further` (N feature), say how much a feature can vary."""
        plain = np.stack([each.plain for each in found])
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
