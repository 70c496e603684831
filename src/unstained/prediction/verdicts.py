"""What can be said of a prediction before anyone measured how far it can be trusted."""

from typing import Any

from unstained.arrays import RawPlane
from unstained.networks.bundle import ModelCard, bundled_models
from unstained.prediction.engine import Prediction

ENOUGH_FIELDS = "2 to 20"
"""So many stained fields are enough to go on from a model of simulated images."""


def caution_simulated(card: ModelCard, label_free: RawPlane, prediction: Prediction) -> dict[str, Any] | None:
    """Say of real images that the model has seen simulated ones alone; None of other models."""
    return {"verdict": "caution", "reason": advice(card)} if card.simulated else None


def advice(card: ModelCard) -> str:
    """Say what a model of simulated images is worth on real ones, and how to make it worth more."""
    start = card.name if card.name in bundled_models() else "ITS-PATH"
    return (
        f"{card.name} has only seen simulated images; stain {ENOUGH_FIELDS} fields and go on from it:"
        f" unstained train P.zarr --stain {','.join(card.stains)} --input {card.input} --target CHANNEL"
        f" --from {start} --out MODEL"
    )
