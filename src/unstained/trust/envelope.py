"""Where a model's numbers hold: how strong a corruption may be before predictions and measurements suffer."""

from pydantic import Field

from unstained.settings import Settings

TOLERANCE = 0.05
"""A prediction holds as long as its correlations stay within this of those of clean fields."""


class Curve(Settings):
    """What one corruption does to one stain, by strength; the neutral one is among them."""

    kind: str
    unit: str
    strengths: tuple[float, ...] = Field(description="from least to most")
    pcc: tuple[float | None, ...] = Field(description="mean over fields, as a share of that of clean ones")
    downstream: tuple[float | None, ...] = Field(
        (), description="by how much correlations of what is measured fall, mean; () = too few fields"
    )
    saturated: tuple[float, ...] = Field(description="mean share of pixels at the camera's limits")
    holds: tuple[float, float] = Field(description="between these strengths, all stays within the tolerance")


class Envelope(Settings):
    """A model's operating envelope; the content of `envelope.json`."""

    fields: int = Field(description="so many fields it was found on")
    tolerance: float = TOLERANCE
    curves: dict[str, tuple[Curve, ...]] = Field(description="by stain")

    def limits(self, kind: str) -> tuple[float, float] | None:
        """Give the strengths between which every stain holds; None where the corruption wasn't tried."""
        found = [curve.holds for curves in self.curves.values() for curve in curves if curve.kind == kind]
        return (max(each[0] for each in found), min(each[1] for each in found)) if found else None
