"""MMD against its definition in loops, and what a permutation test of whole groups promises."""

from itertools import combinations

import numpy as np
import pytest

from unstained.errors import BadInput
from unstained.trust.mmd import median_squared_distance, mmd2, permutation_test, window_statistics


def kernel(x, y, scale):
    return np.exp(-np.sum((x - y) ** 2) / scale)


def mmd2_in_loops(reference, sample, scale):
    """Gretton et al. 2012, equation 3, as it stands there."""
    n, m = len(reference), len(sample)
    within = sum(kernel(reference[i], reference[j], scale) for i in range(n) for j in range(n) if i != j)
    own = sum(kernel(sample[i], sample[j], scale) for i in range(m) for j in range(m) if i != j)
    across = sum(kernel(x, y, scale) for x in reference for y in sample)
    return within / (n * (n - 1)) + (own / (m * (m - 1)) if m > 1 else 0) - 2 * across / (n * m)


def crops(rng, fields, each, correlation, features=4):
    """Feature vectors of crops; those of a field share so much of their variance."""
    shared = rng.normal(size=(fields, 1, features)) * correlation**0.5
    return (shared + rng.normal(size=(fields, each, features)) * (1 - correlation) ** 0.5).reshape(
        -1, features
    )


@pytest.mark.parametrize("of_sample", [1, 2, 7])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_mmd2_is_what_its_definition_says(of_sample, offset):
    rng = np.random.default_rng(0)
    reference, sample = rng.normal(size=(9, 3)) + offset, rng.normal(0.4, size=(of_sample, 3)) + offset
    found = mmd2(reference, sample, 2.5)
    assert found == pytest.approx(mmd2_in_loops(reference, sample, 2.5), abs=1e-10)


def test_mmd2_is_0_on_average_where_nothing_differs():
    """Diagonal terms would add 1/19 + 1/19 = .105."""
    rng = np.random.default_rng(1)
    found = [mmd2(rng.normal(size=(20, 3)), rng.normal(size=(20, 3)), 6.0) for _ in range(500)]
    assert abs(np.mean(found)) < 0.003


def test_scale_is_the_lower_median_of_squared_distances_between_different_rows():
    assert median_squared_distance(np.array([[0.0], [1.0], [3.0]])) == pytest.approx(4)
    rows = np.random.default_rng(2).normal(size=(4, 2))  # 6 pairs: the third is the lower median
    pairs = sorted(np.sum((x - y) ** 2) for x, y in combinations(rows, 2))
    assert median_squared_distance(rows) == pytest.approx(pairs[2])


def test_every_window_of_a_stream_has_the_mmd2_of_its_fields():
    rng = np.random.default_rng(3)
    reference, streams = rng.normal(size=(12, 3)), rng.normal(size=(2, 8, 3))
    windows = np.array([1, 2, 5])
    block = np.array([[[kernel(x, y, 4.0) for x in each] for y in each] for each in streams])
    block[:, range(8), range(8)] = 0
    cross = np.array([[np.mean([kernel(x, y, 4.0) for x in reference]) for y in each] for each in streams])
    within = mmd2_in_loops(reference, reference[:1], 4.0) + 2 * np.mean(
        [kernel(reference[0], y, 4.0) for y in reference]
    )
    found = window_statistics(block, cross, np.full(2, within), windows)
    for stream, time, index in np.ndindex(2, 8, 3):
        newest = streams[stream, max(0, time + 1 - windows[index]) : time + 1]
        full = len(newest) == windows[index]
        expected = mmd2_in_loops(reference, newest, 4.0) if full else -np.inf
        assert found[stream, time, index] == pytest.approx(expected, abs=1e-10)


def test_p_value_is_the_share_of_all_splits_of_whole_groups_of_unequal_size():
    rng = np.random.default_rng(4)
    sizes, groups = (1, 2, 3, 2, 4, 3), "abcdef"
    rows = {name: rng.normal(size=(size, 2)) for name, size in zip(groups, sizes, strict=True)}
    together = np.concatenate(list(rows.values()))
    labels = np.repeat(list(groups), sizes)
    side = np.isin(labels, ["e", "f"])
    scale = median_squared_distance(together[~side])

    def split_mmd2(chosen):
        inside = np.isin(labels, chosen)
        return mmd2_in_loops(together[~inside], together[inside], scale)

    observed = split_mmd2(["e", "f"])
    exact = np.mean([split_mmd2(pair) >= observed - 1e-12 for pair in combinations(groups, 2)])
    found = permutation_test(together[~side], together[side], labels[~side], labels[side], rng, 4000)
    assert found.mmd2 == pytest.approx(observed, abs=1e-10)
    assert 0.1 < exact < 0.9
    assert found.p_value == pytest.approx(exact, abs=0.03)


def test_p_value_is_never_0():
    rng = np.random.default_rng(5)
    sample = rng.normal(9.0, size=(20, 3))
    found = permutation_test(rng.normal(size=(30, 3)), sample, np.arange(30), np.arange(100, 120), rng, 99)
    assert found.p_value == pytest.approx(1 / 100)


def test_p_values_are_uniform_where_nothing_differs():
    rng = np.random.default_rng(6)
    found = np.sort([
        permutation_test(
            rng.normal(size=(20, 2)), rng.normal(size=(10, 2)), np.arange(20), np.arange(20, 30), rng, 99
        ).p_value
        for _ in range(600)
    ])  # fmt: skip
    uniform = np.arange(1, 601) / 600
    assert np.abs(found - uniform).max() < 1.63 / 600**0.5  # Kolmogorov–Smirnov at 1 %


def test_whole_fields_keep_5_percent_where_crops_are_alike_and_single_crops_do_not():
    rng = np.random.default_rng(7)
    fields = np.repeat(np.arange(24), 8)
    fired = {"fields": 0, "crops": 0}
    for _ in range(200):
        made = crops(rng, 24, 8, 0.2, features=8)
        for unit, groups in (("fields", fields), ("crops", np.arange(len(made)))):
            found = permutation_test(made[:128], made[128:], groups[:128], groups[128:], rng, 99)
            fired[unit] += found.p_value <= 0.05
    assert 0.015 <= fired["fields"] / 200 <= 0.095
    assert fired["crops"] / 200 > 0.2


def test_order_of_rows_does_not_matter():
    rng = np.random.default_rng(8)
    reference, sample = crops(rng, 6, 3, 0.5), crops(rng, 4, 3, 0.5)
    ours, theirs = np.repeat(np.arange(6), 3), np.repeat(np.arange(10, 14), 3)
    mixed = rng.permutation(len(reference))
    in_order = permutation_test(reference, sample, ours, theirs, np.random.default_rng(0))
    shuffled = permutation_test(reference[mixed], sample, ours[mixed], theirs, np.random.default_rng(0))
    assert shuffled.p_value == in_order.p_value
    assert shuffled.mmd2 == pytest.approx(in_order.mmd2, abs=1e-12)


@pytest.mark.parametrize("values", [1, 16 * 7])
def test_batches_change_nothing(monkeypatch, values):
    rng = np.random.default_rng(11)
    sides = rng.normal(size=(8, 2)), rng.normal(0.5, size=(8, 2)), range(8), range(8, 16)
    at_once = permutation_test(*sides, np.random.default_rng(0), 100)
    monkeypatch.setattr("unstained.trust.mmd.BATCH_VALUES", values)
    assert permutation_test(*sides, np.random.default_rng(0), 100).p_value == at_once.p_value


def test_permuting_leaves_what_was_given_as_it_was():
    rng = np.random.default_rng(9)
    reference, sample = rng.normal(size=(8, 2)), rng.normal(size=(8, 2))
    before = reference.copy(), sample.copy()
    permutation_test(reference, sample, range(8), range(8, 16), rng)
    np.testing.assert_array_equal(reference, before[0])
    np.testing.assert_array_equal(sample, before[1])


GOOD = {"reference": np.random.default_rng(0).normal(size=(6, 2)), "sample": np.ones((3, 2)),
        "reference_groups": list("aabbcc"), "sample_groups": list("dde")}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sample": np.array([[1, 2], [np.nan, 0], [0, np.inf]])}, "2 of 3 rows of the sample hold NaN"),
        ({"reference": np.zeros((6, 2))}, "the reference is constant"),
        ({"reference": np.full((6, 2), 0.1) + 1e6}, "the reference is constant"),
        ({"sample": np.ones((3, 4))}, "length 4 can't be compared with a reference of length 2"),
        ({"sample": np.ones(3)}, r"not of shape \(3,\)"),
        ({"sample": np.ones((0, 2))}, r"not of shape \(0, 2\)"),
        ({"sample": [["a", "b"]] * 3}, "the sample must be numbers"),
        ({"sample_groups": list("dea")}, "groups stand on both sides: a"),
        ({"sample_groups": list("de")}, "the sample has 3 rows, but 2 groups"),
        ({"sample_groups": None}, "must name the field or well"),
        ({"sample_groups": ["d", "d", None]}, "must name the field or well"),
        ({"sample_groups": [1.0, np.nan, 2.0]}, "must name the field or well"),
        ({"sample_groups": list("ddd"), "reference_groups": list("abbbcc")}, "at least two groups"),
        ({"permutations": 0}, "at least 1 permutation"),
    ],
)
def test_bad_input_is_refused(changed, said):
    with pytest.raises(BadInput, match=said):
        permutation_test(**{**GOOD, **changed}, rng=np.random.default_rng(0))


def test_one_field_of_several_crops_can_be_tested():
    rng = np.random.default_rng(10)
    reference = crops(rng, 39, 4, 0.2)
    found = permutation_test(reference, np.full((4, 4), 5.0), np.repeat(np.arange(39), 4), ["new"] * 4, rng)
    assert found.p_value == pytest.approx(1 / 40, abs=0.02)  # one of 40 fields is as far off: itself
