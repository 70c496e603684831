"""Scores: shipped ones load, wrong ones say what is wrong, scales don't follow outliers."""

import numpy as np
import pytest

from unstained.errors import BadSettings
from unstained.ranking.score import Score, Term, load_score, robust_scale, shipped_scores


def test_shipped_scores_load_and_their_weights_add_up_to_one():
    assert list(shipped_scores()) == ["productivity", "growth"]
    for name in shipped_scores():
        score = load_score(name)
        assert np.abs(score.weights).sum() == pytest.approx(1)
        assert score.title


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "quiet.yaml"
    path.write_text("terms:\n  er.intensity_mean: {direction: down, weight: 3}\n  nuclei.count: {}\n")
    score = load_score(path)
    assert score.title == "quiet"
    assert score.weights.tolist() == [-0.75, 0.25]
    assert score.missing(["nuclei.count"]) == ["er.intensity_mean"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("terms: {}", "terms"),
        ("terms: {a: {weight: -1}}", "weight"),
        ("columns: {a: {}}", "terms: Field required"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path, text, said):
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(BadSettings, match=said):
        load_score(path)


def test_no_such_score():
    with pytest.raises(BadSettings, match="productivity, growth"):
        load_score("yield")


def test_transforms():
    values = np.array([1.0, np.e, 0.0, -1.0, np.nan])
    np.testing.assert_allclose(Term(transform="log").transformed(values), [0, 1, *np.log([0.5, 0.5]), np.nan])
    np.testing.assert_allclose(Term(transform="sqrt").transformed(np.array([4.0, -1.0])), [2, 0])
    assert np.isnan(Term(transform="log").transformed(np.array([0.0, -1.0]))).all()


def test_the_scale_of_normal_values_is_their_deviation_and_an_outlier_moves_neither():
    values = np.random.default_rng(0).normal(5, 2, 2001)
    middle, spread = robust_scale(values)
    assert (middle, spread) == pytest.approx((5, 2), abs=0.15)
    values[0] = 1e9
    assert robust_scale(values) == pytest.approx((middle, spread), abs=0.01)
    assert robust_scale(np.array([np.nan])) == pytest.approx((np.nan, np.nan), nan_ok=True)
    assert robust_scale(np.array([0.0, 0, 0, 8])) == pytest.approx((0, np.std([0, 0, 0, 8])))


def test_a_score_needs_a_title_and_terms():
    with pytest.raises(BadSettings):
        Score.checked({"title": "t", "terms": {}})
