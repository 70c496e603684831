"""A plate against the fields that a model was made from: whether it differs, in what, and if that harms."""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from pydantic import Field

from unstained.errors import BadInput
from unstained.prediction.verdicts import VERDICTS
from unstained.settings import Settings
from unstained.trust.features import Vector
from unstained.trust.mmd import permutation_test
from unstained.trust.verdict import Trust, in_words

FEWEST_WELLS = 4
"""On either side; with fewer, too few permutations are possible for a p-value to mean anything."""

ALPHA = 0.05
MOST_NAMED = 3

FAR = 1.0
"""Drawn-in deviations by which a feature's median has to lie off to be named."""


class DriftCheck(Settings):
    """What is known of a plate beside a model's reference."""

    model: str
    fields: int
    wells: int
    reference_fields: int
    reference_wells: int
    mmd2: float | None = Field(None, description="unbiased; null = too few wells")
    p_value: float | None = None
    permutations: int | None = None
    drifted: bool | None = Field(None, description="p below .05; null = not tested")
    harmful: bool = Field(False, description="more than half of the fields are expected to be worse")
    moved: dict[str, float] = Field({}, description="feature → how far its median lies off, in deviations")
    verdicts: dict[str, int]
    says: str


def check_fields(
    name: str,
    trust: Trust,
    plain: Mapping[str, Vector],
    verdicts: Sequence[str],
    *,
    own: Mapping[str, str] = MappingProxyType({}),
    permutations: int = 2000,
) -> DriftCheck:
    """Hold fields (`A01/2` → plain features) against a model's reference; whole wells are permuted.

    `verdicts` are the fields' own, one word each. `own` names the wells that the model was made from: well →
    what it was called then. The reference may hold them, and would be nearer to them than to new ones.

    Raises
    ------
    BadInput
        There are no fields.
    """
    if not plain:
        raise BadInput("there are no fields to check")
    fields = list(plain)
    features = np.stack([plain[field] for field in fields])
    wells = [field.split("/")[0] for field in fields]
    numbers = Counter(verdicts)
    moved = _moved(trust, features)
    test = None
    if min(len(set(wells)), len(set(trust.reference.wells))) >= FEWEST_WELLS:
        test = permutation_test(
            trust.reference.own_unusual,
            trust.reference.unusual_apart(features, [own.get(well) for well in wells]),
            [f"reference {well}" for well in trust.reference.wells],
            wells,
            np.random.default_rng(0),
            permutations,
        )
    drifted = None if test is None else test.p_value < ALPHA
    harmful = 2 * sum(trust.suffers(each) for each in features) > len(fields)
    return DriftCheck(
        model=name,
        fields=len(fields),
        wells=len(set(wells)),
        reference_fields=len(trust.reference.fields),
        reference_wells=len(set(trust.reference.wells)),
        mmd2=None if test is None else test.mmd2,
        p_value=None if test is None else test.p_value,
        permutations=None if test is None else test.permutations,
        drifted=drifted,
        harmful=harmful,
        moved=moved,
        verdicts={word: numbers[word] for word in VERDICTS if numbers[word]},
        says=_said(drifted, harmful, list(moved)),
    )


def _moved(trust: Trust, features: Vector) -> dict[str, float]:
    off = np.median(trust.reference.compressed(features), axis=0)
    order = np.argsort(-np.abs(off))[:MOST_NAMED]
    return {trust.reference.names[index]: round(float(np.sinh(off[index])), 2)
            for index in order if abs(off[index]) >= FAR}  # fmt: skip


def _said(drifted: bool | None, harmful: bool, moved: Sequence[str]) -> str:
    words = list(dict.fromkeys(in_words(name) for name in moved))
    how = f" in {' and '.join(words)}" if words else ""
    harm = "predictions are expected to suffer" if harmful else "predictions are expected to hold"
    if drifted is None:
        return f"too few wells to test; {harm}" + (f"; unlike the reference{how}" if words else "")
    return f"{'unlike' if drifted else 'like'} the reference{how if drifted else ''}; {harm}"
