"""What can be said of a prediction before anyone measured how far it can be trusted."""

from unstained.networks.bundle import ModelCard, bundled_models
from unstained.prediction.plates import Verdict, worse

ENOUGH_FIELDS = "2 to 20"
"""So many stained fields are enough to go on from a model of simulated images."""


def doubted(card: ModelCard, verdict: Verdict | None) -> Verdict:
    """Lower the verdict on a real image where the model has only seen simulated ones: never `trust`."""
    if verdict is None:
        return {"verdict": "caution", "reason": advice(card)}
    reason = f"{verdict['reason']}; {advice(card)}"
    return {**verdict, "verdict": worse(verdict["verdict"], "caution"), "reason": reason}


def advice(card: ModelCard) -> str:
    """Say what a model of simulated images is worth on real ones, and how to make it worth more."""
    start = card.name if card.name in bundled_models() else "ITS-PATH"
    return (
        f"{card.name} has only seen simulated images; stain {ENOUGH_FIELDS} fields and go on from it:"
        f" unstained train P.zarr --stain {','.join(card.stains)} --input {card.input} --target CHANNEL"
        f" --from {start} --out MODEL"
    )
