"""A plate like the reference passes, another is told apart, in what, and whether predictions suffer."""

import numpy as np
import pytest

from unstained.errors import BadInput
from unstained.prediction.engine import Engine
from unstained.trust.check import check_fields
from unstained.trust.examples import Change, corrupted, view_of
from unstained.trust.features import field_features


def features(plate, model, spoil=lambda plane: plane):
    engine, found = Engine(model, quiet=True), {}
    for name in plate.fields:
        plane = spoil(plate.read(name, "TL"))
        prediction = engine.predict_with_embedding(plane, 0.5)
        found[str(name)] = field_features(model.card, plane, prediction).plain
    return found


def checked(trust, plain):
    return check_fields("blobs", trust, plain, [trust.judged(each)["verdict"] for each in plain.values()])


@pytest.fixture(scope="module")
def clean(blob_plate, blob_model):
    return features(blob_plate, blob_model)


def test_fields_like_the_reference_pass(blob_trust, clean):
    unseen = {
        name: plain for name, plain in clean.items() if name.split("/")[0] not in blob_trust.reference.wells
    }
    more = {f"D{index:02}/0": plain for index, plain in enumerate(list(clean.values())[::2])}
    found = checked(blob_trust, {**unseen, **more})
    assert found.p_value > 0.05
    assert found.drifted is False
    assert found.harmful is False
    assert found.says.startswith("like the reference")
    assert found.reference_wells == 9


def test_a_models_own_plate_is_like_itself(blob_trust):
    reference = blob_trust.reference
    plain = dict(zip(reference.fields, reference.plain.astype(float), strict=True))
    wells = dict(zip((name.split("/")[0] for name in plain), reference.wells, strict=True))
    found = check_fields("blobs", blob_trust, plain, ["trust"] * len(plain), own=wells)
    assert found.p_value > 0.5
    np.testing.assert_allclose(
        reference.unusual_apart(reference.plain, reference.wells), reference.own_unusual
    )
    new = reference.unusual_apart(reference.plain, [None] * len(reference.wells))
    np.testing.assert_allclose(new, reference.unusual(reference.plain))
    assert np.linalg.norm(new) < np.linalg.norm(reference.own_unusual)


def test_a_defocused_plate_is_told_apart(blob_plate, blob_model, blob_trust):
    rng = np.random.default_rng(0)

    def spoil(plane):
        return corrupted(plane, Change.of("defocus", 5), view_of([plane], 0.5), rng)[0]

    found = checked(blob_trust, features(blob_plate, blob_model, spoil))
    assert found.p_value < 0.01
    assert found.drifted
    assert found.harmful
    assert "unlike the reference in" in found.says
    assert "suffer" in found.says
    assert max(abs(value) for value in found.moved.values()) > 1


def test_few_wells_are_not_tested_but_judged(blob_trust, clean):
    found = checked(blob_trust, {name: clean[name] for name in ("A01/0", "A02/0")})
    assert found.p_value is None
    assert found.drifted is None
    assert found.verdicts == {"trust": 2}
    assert found.says.startswith("too few wells to test")


def test_no_field_is_refused(blob_trust):
    with pytest.raises(BadInput, match="no fields to check"):
        checked(blob_trust, {})
