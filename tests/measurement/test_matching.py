"""Matching of objects on label planes drawn by hand."""

import numpy as np
import pytest

from unstained.errors import BadInput
from unstained.measurement.agreement import average_precision, match_objects
from unstained.measurement.matching import NO_OBJECTS


def drawn(*boxes: tuple[int, int, int, int, int]) -> np.ndarray:
    """Draw boxes (label, top, bottom, left, right) on 20 × 40 px."""
    labels = np.zeros((20, 40), np.int32)
    for label, top, bottom, left, right in boxes:
        labels[top:bottom, left:right] = label
    return labels


REAL = drawn((1, 0, 10, 0, 10), (2, 0, 10, 15, 25), (3, 12, 18, 0, 6))
PREDICTED = drawn((5, 0, 10, 1, 11), (9, 0, 10, 20, 30), (2, 12, 18, 30, 36))
# IoU of 1 and 5 is 90 / 110 = .818; of 2 and 9 it is 50 / 150; 3 and the predicted 2 lie apart


def test_scores_of_a_known_case():
    found = match_objects(REAL, PREDICTED)
    assert found.pairs == ((1, 5),)
    assert found.iou == pytest.approx((90 / 110,))
    assert (found.f1, found.precision, found.recall) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert found.jaccard == pytest.approx(1 / 5)


def test_average_precision_counts_the_thresholds_that_an_overlap_passes():
    # .818 passes .5, .55 … .8: seven of ten, each with 1 / (3 + 3 − 1)
    assert average_precision(REAL, PREDICTED) == pytest.approx(7 / 10 / 5)
    assert average_precision(REAL, PREDICTED, thresholds=(0.5,)) == pytest.approx(1 / 5)


def test_equal_labels_match_fully_whatever_their_numbers():
    renumbered = np.array([0, 7, 300, 41], np.int32)[REAL]
    found = match_objects(REAL, renumbered)
    assert found.f1 == found.precision == found.recall == 1
    assert dict(found.pairs) == {1: 7, 2: 300, 3: 41}
    assert average_precision(REAL, renumbered) == 1


def test_numbering_of_either_side_changes_no_score():
    rng = np.random.default_rng(0)
    real, predicted = (
        np.kron(rng.integers(0, 9, (8, 8)), np.ones((4, 4), int)).astype(np.int32),
        np.kron(rng.integers(0, 9, (16, 16)), np.ones((2, 2), int)).astype(np.int32),
    )
    predicted = np.where(rng.random(real.shape) < 0.7, real, predicted).astype(np.int32)
    order = np.concatenate([[0], 1 + rng.permutation(8)]).astype(np.int32)
    before, after = match_objects(real, predicted), match_objects(order[real], order[::1][predicted])
    assert before.f1 > 0
    assert before.f1 == after.f1
    assert average_precision(real, predicted) == pytest.approx(average_precision(order[real], predicted))


def test_two_halves_of_one_object_count_once():
    real = drawn((1, 0, 10, 0, 10))
    halves = drawn((1, 0, 10, 0, 5), (2, 0, 10, 5, 10))  # IoU .5 each
    found = match_objects(real, halves)
    assert (len(found.pairs), found.real, found.predicted) == (1, 1, 2)
    assert found.f1 == pytest.approx(2 / 3)
    assert match_objects(real, halves, iou=0.51).f1 == 0
    merged = match_objects(halves, real)
    assert (len(merged.pairs), merged.f1) == (1, pytest.approx(2 / 3))


def test_swapping_sides_swaps_precision_and_recall():
    one = match_objects(REAL, drawn((1, 0, 10, 0, 10)))
    other = match_objects(drawn((1, 0, 10, 0, 10)), REAL)
    assert (one.precision, one.recall) == (other.recall, other.precision) == (1, pytest.approx(1 / 3))


def test_without_objects_nothing_is_claimed():
    none = drawn()
    assert match_objects(none, none).f1 is None
    assert average_precision(none, none) is None
    assert match_objects(none, REAL).f1 == 0
    assert match_objects(none, REAL).recall is None
    assert match_objects(REAL, none).precision is None


def test_fields_add_up_by_their_objects():
    total = sum([match_objects(REAL, PREDICTED), match_objects(REAL, REAL)], NO_OBJECTS)
    assert (total.real, total.predicted, len(total.pairs)) == (6, 6, 4)
    assert total.f1 == pytest.approx(4 / 6)


def test_bad_questions_are_refused():
    with pytest.raises(BadInput, match="differ in shape"):
        match_objects(REAL, PREDICTED[:10])
    with pytest.raises(ValueError, match=r"\.5"):
        match_objects(REAL, PREDICTED, iou=0.3)
