"""Verdicts beside predictions: their order, who gives them, and what is said before anyone measured trust."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from unstained.arrays import Planes, RawPlane
from unstained.networks.bundle import ModelCard, bundled_models
from unstained.prediction.engine import Prediction
from unstained.prediction.labeller import Labeller

Verdict: TypeAlias = dict[str, Any]
"""`verdict` (`trust`, `caution` or `refuse`), `reason`, and what else a judge has to say; any JSON."""

Judge: TypeAlias = Callable[[ModelCard, RawPlane, Prediction], Verdict | None]
"""Takes a model's card, the label-free field (Y X) as recorded, and what the model made of it."""

TRUST, CAUTION, REFUSE = VERDICTS = ("trust", "caution", "refuse")
"""From best to worst."""

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


def predict_judged(
    labeller: Labeller, plane: RawPlane, pixel_size_um: float | None, judge: Judge | None
) -> tuple[Planes, Verdict | None]:
    """Predict a field's stains (stain Y X), and judge them in the same pass; None without a judge."""
    if judge is None:
        return labeller.engine.predict(plane, pixel_size_um), None
    prediction = labeller.engine.predict_with_embedding(plane, pixel_size_um)
    return prediction.stains, judge(labeller.card, plane, prediction)


def word_of(told: Any) -> str | None:
    """Give the word of a verdict as a plate keeps it; None where nobody judged."""
    return told.get("verdict") if isinstance(told, Mapping) else told


def worse(*verdicts: str) -> str:
    """Give the worst of some words for verdicts."""
    return max(verdicts, key=VERDICTS.index)


def worst(verdicts: Iterable[Verdict | None]) -> Verdict | None:
    """Give the worst of several verdicts; None where none was given."""
    given = [verdict for verdict in verdicts if verdict is not None]
    return max(given, key=lambda verdict: VERDICTS.index(verdict["verdict"]), default=None)
