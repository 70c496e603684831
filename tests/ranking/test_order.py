"""Orders and their uncertainty: known answers, and coverage of what intervals promise."""

import numpy as np
import pytest

from unstained.ranking.order import (
    Known,
    chance_of_top,
    known_scores,
    rank_intervals,
    safe_to_drop,
    tie_groups,
    worth_of_staining,
)


def of_means(*means, deviation=0.5):
    mean = np.array(means, dtype=float)
    spread = np.full(len(mean), deviation)
    drawn = mean + spread * np.random.default_rng(0).standard_normal((4000, len(mean)))
    return Known(mean, spread, spread, drawn)


def test_without_error_the_rank_is_certain():
    known = known_scores(np.array([3.0, 1.0, 2.0]), np.zeros(3), 0.0, np.random.default_rng(0))
    low, high = rank_intervals(known)
    assert low.tolist() == high.tolist() == [1, 3, 2]
    assert chance_of_top(known, 1).tolist() == [1, 0, 0]
    assert tie_groups(known).tolist() == [1, 3, 2]


def test_estimates_are_drawn_to_the_mean_by_their_share_of_error():
    rng = np.random.default_rng(1)
    score = rng.normal(10, np.sqrt(2), 4000)  # half of it is error
    known = known_scores(score, np.ones(4000), 0.0, rng)
    slope = np.polyfit(score, known.mean, 1)[0]
    assert slope == pytest.approx(0.5, abs=0.03)
    np.testing.assert_allclose(known.deviation, np.sqrt(0.5), rtol=0.05)


@pytest.mark.parametrize("model_error", [0.0, 0.7])
def test_nine_of_ten_true_ranks_lie_in_their_intervals(model_error):
    rng, held = np.random.default_rng(2), []
    for _ in range(60):
        seen = rng.normal(0, 1, 24)
        true = seen + rng.normal(0, model_error, 24)
        known = known_scores(seen + rng.normal(0, 0.6, 24), np.full(24, 0.6), model_error, rng)
        low, high = rank_intervals(known)
        rank = np.argsort(np.argsort(-true)) + 1
        held.append(((low <= rank) & (rank <= high)).mean())
    assert np.mean(held) == pytest.approx(0.9, abs=0.03)


def test_what_resampling_alone_would_claim_is_wider_than_needed():
    # the same plates with draws around the raw scores: the error is counted twice, ranks are spread too far
    rng, ours, naive = np.random.default_rng(3), [], []
    for _ in range(40):
        true = rng.normal(0, 1, 24)
        score = true + rng.normal(0, 1, 24)
        known = known_scores(score, np.ones(24), 0.0, rng)
        raw = Known(score, np.ones(24), np.ones(24), score + rng.standard_normal((4000, 24)))
        best = np.argsort(-true)[:5]
        for each, found in ((known, ours), (raw, naive)):
            chance = chance_of_top(each, 5)
            found.append(np.mean((chance - np.isin(np.arange(24), best)) ** 2))
    assert np.mean(ours) < np.mean(naive)


def test_chances_add_up_to_the_number_that_is_looked_for():
    assert chance_of_top(of_means(3, 2, 1, 0, -1), 2).sum() == pytest.approx(2)


def test_equals_are_tied_and_the_better_one_is_not():
    assert tie_groups(of_means(5.0, 1.0, 0.9, 1.1, -4.0)).tolist() == [1, 2, 2, 2, 3]


def test_a_stain_tells_most_at_the_limit_between_chosen_and_not():
    known = of_means(4.0, 2.0, 1.1, 1.0, -1.0, -3.0)
    worth = worth_of_staining(known, np.zeros(6), 3)
    assert set(np.argsort(-worth)[:2]) == {2, 3}
    assert worth[0] < 1e-3 * worth.max() > worth[5]
    # σ·φ(d/σ) − d·Φ(−d/σ) by hand: d = 0.1, σ = 0.5
    assert worth[2] == pytest.approx(0.5 * 0.391043 - 0.1 * 0.420740, abs=1e-5)
    assert worth_of_staining(known, known.deviation, 3).max() == 0


def test_what_can_go_together_keeps_the_risk():
    known = of_means(3.0, 2.0, 0.0, -0.2, -3.0, -4.0)
    gone = safe_to_drop(known, 2, 0.1)
    assert gone.tolist() == [False, False, True, True, True, True]
    assert (known.ranks[:, gone] <= 2).any(axis=1).mean() <= 0.1
    close = of_means(1.0, 0.8, 0.6, 0.4, 0.2, 0.0)
    numbers = [int(safe_to_drop(close, 2, risk).sum()) for risk in (0.01, 0.2, 0.9)]
    assert numbers[0] == 0 < numbers[1] < numbers[2]
