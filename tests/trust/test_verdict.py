"""A verdict follows from the truth: good fields are trusted, spoilt and foreign ones refused."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from unstained.errors import BadModel
from unstained.prediction.engine import Engine
from unstained.trust.examples import Bench, Change, corrupted, view_of
from unstained.trust.kept import ENVELOPE, QUALITY, to_files, trust_of
from unstained.trust.making import TrustSettings, make_trust
from unstained.trust.verdict import describe


def judged(trust, model, plane):
    prediction = Engine(model, quiet=True).predict_with_embedding(plane, 0.5)
    return trust.judge(model.card, plane, prediction), prediction.stains[0]


def unseen(plate, index=9):
    name = plate.fields[index]
    return plate.read(name, "TL"), plate.read(name, "DNA").astype(np.float32)


def pcc(first, second):
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


@pytest.mark.parametrize("index", [9, 10, 11])
def test_a_clean_field_of_another_well_is_trusted(blob_plate, blob_model, blob_trust, index):
    plane, real = unseen(blob_plate, index)
    verdict, stain = judged(blob_trust, blob_model, plane)
    assert verdict["verdict"] == "trust"
    assert verdict["expected_pcc"] == pytest.approx(pcc(stain, real), abs=0.08)
    assert verdict["pcc_at_least"] <= verdict["expected_pcc"]
    assert "expected PCC" in verdict["reason"]


def test_a_field_defocused_until_its_pcc_has_halved_is_refused_and_the_reason_names_focus(
    blob_plate, blob_model, blob_trust
):
    plane, real = unseen(blob_plate)
    blurred = gaussian_filter(plane.astype(np.float32), 6.0)
    noisy = blurred + np.random.default_rng(0).normal(0, 10, plane.shape)
    verdict, stain = judged(blob_trust, blob_model, noisy)
    assert pcc(stain, real) < 0.5
    assert verdict["verdict"] == "refuse"
    assert verdict["expected_pcc"] < 0.75


def test_expected_pcc_falls_as_the_true_one_does(blob_plate, blob_model, blob_trust):
    plane, real = unseen(blob_plate)
    view, rng = view_of([plane], 0.5), np.random.default_rng(1)
    expected, true = [], []
    for severity in range(1, 6):
        seen, _ = corrupted(plane, Change.of("defocus", severity), view, rng)
        verdict, stain = judged(blob_trust, blob_model, seen)
        expected.append(verdict["expected_pcc"])
        true.append(pcc(stain, real))
    np.testing.assert_allclose(expected, true, atol=0.1)
    assert expected[4] < expected[0] - 0.2


def test_gain_and_bias_that_saturate_nothing_are_no_reason_to_refuse(blob_plate, blob_model, blob_trust):
    plane, _ = unseen(blob_plate)
    for changed in (plane * 0.8, plane + 120.0):
        assert judged(blob_trust, blob_model, changed)[0]["verdict"] == "trust"


def test_another_kind_of_image_is_refused(blob_plate, blob_model, blob_trust):
    rng = np.random.default_rng(0)
    x = np.arange(96.0) + np.zeros((96, 1))
    stripes = 3000 + 900 * np.sign(np.sin(x / 1.2)) + rng.normal(0, 1, x.shape)
    assert judged(blob_trust, blob_model, stripes)[0]["verdict"] == "refuse"
    inverted = 2 * 1000 - unseen(blob_plate)[0].astype(np.float32)
    verdict, stain = judged(blob_trust, blob_model, inverted)
    assert pcc(stain, unseen(blob_plate)[1]) < 0
    assert verdict["verdict"] == "refuse"


def test_a_constant_field_is_refused_in_words(blob_model, blob_trust):
    verdict, _ = judged(blob_trust, blob_model, np.full((96, 96), 700, np.uint16))
    assert verdict == {"verdict": "refuse", "reason": "the field is constant: there is nothing in it"}


def test_few_fields_promise_little(blob_plate, blob_model, blob_split):
    few = dataclasses.replace(blob_split, validation=blob_split.validation[:2])
    trust = make_trust(blob_model, blob_plate, few, TrustSettings(each=1, measured=1))
    verdict, _ = judged(trust, blob_model, unseen(blob_plate)[0])
    assert verdict["verdict"] == "caution"
    assert verdict["pcc_at_least"] is None
    assert "tried on 2 fields only" in verdict["reason"]
    assert "no bound from 2 wells, 9 are needed" in verdict["reason"]


def test_no_trust_without_fields_or_where_none_is_asked_for(blob_plate, blob_model, blob_split):
    nothing = dataclasses.replace(blob_split, validation=())
    assert make_trust(blob_model, blob_plate, nothing) is None
    assert make_trust(blob_model, blob_plate, blob_split, TrustSettings(each=0)) is None


def test_test_regions_are_never_looked_at(blob_plate, blob_model, blob_split, blob_trust, monkeypatch):
    read, original = [], type(blob_plate).read

    def watched(self, name, channel):
        read.append(name)
        return original(self, name, channel)

    monkeypatch.setattr(type(blob_plate), "read", watched)
    few = dataclasses.replace(blob_split, validation=blob_split.validation[:1])
    make_trust(blob_model, blob_plate, few, TrustSettings(each=1, measured=1))
    assert set(read) == {blob_plate.fields[0]}


def test_a_bundle_keeps_what_is_known(blob_plate, blob_model, blob_trust):
    again = trust_of("blobs", to_files(blob_trust))
    plane, _ = unseen(blob_plate)
    prediction = Engine(blob_model, quiet=True).predict_with_embedding(plane, 0.5)
    one, other = (each.judge(blob_model.card, plane, prediction) for each in (blob_trust, again))
    assert one == other
    assert again.envelope == blob_trust.envelope


def test_a_bundle_without_it_says_nothing_and_a_damaged_one_says_so(blob_trust):
    files = to_files(blob_trust)
    assert trust_of("blobs", {}) is None
    assert trust_of("blobs", {QUALITY: files[QUALITY]}) is None
    with pytest.raises(BadModel, match="model 'blobs': "):
        trust_of("blobs", {**files, QUALITY: files[QUALITY][:100]})
    with pytest.raises(BadModel, match="damaged"):
        trust_of("blobs", {**files, ENVELOPE: b"{}"})


def test_the_envelope_ends_where_predictions_suffer(blob_trust):
    """Blobs of 6 px stand a slight blur, not one of their own size; uneven light is normalised away."""
    low, high = blob_trust.envelope.limits("defocus")
    assert low == 0
    assert 1 <= high < 5
    assert blob_trust.envelope.limits("vignetting")[1] >= 0.2
    assert blob_trust.envelope.limits("no such thing") is None
    curve = next(each for each in blob_trust.envelope.curves["nuclei"] if each.kind == "defocus")
    assert curve.pcc[0] == pytest.approx(1.0)
    assert curve.pcc[-1] < 0.95


@pytest.mark.parametrize(
    ("kind", "severity", "said"),
    [
        ("defocus", 4.0, "out of focus by about 3 µm"),
        ("magnification", -5.0, "magnified 0.7 times"),
        ("saturation", 3.0, "saturated (10% of its pixels)"),
        ("contrast", 2.0, "of unusual contrast"),
    ],
)
def test_a_cause_is_told_in_words(kind, severity, said):
    assert describe(kind, severity) == said


def test_defocus_is_named_as_the_cause(blob_plate, blob_model, blob_trust):
    plane, _ = unseen(blob_plate)
    seen, _ = corrupted(plane, Change.of("defocus", 5), view_of([plane], 0.5), np.random.default_rng(3))
    verdict, _ = judged(blob_trust, blob_model, seen)
    assert verdict["looks_like"] in {"defocus", "thesis_defocus", "motion"}


def test_examples_measure_real_and_predicted_objects(blob_plate, blob_model, blob_split):
    from unstained.trust.examples import UNCHANGED, make_examples

    regions = blob_split.validation[:1]
    bench = Bench.of(Engine(blob_model, quiet=True), blob_plate, regions)
    (found,) = make_examples(bench, [(regions[0], UNCHANGED)], np.random.default_rng(0), measure=True)
    assert found.pcc[0] > 0.95
    assert found.real[0]["count"] == pytest.approx(found.predicted[0]["count"], abs=2)
    assert found.saturated == 0
