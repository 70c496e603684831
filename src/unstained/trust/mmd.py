"""Do two samples share a source? Maximum mean discrepancy, and a permutation test that keeps groups whole."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unstained.errors import BadInput, listed

Array: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.intp]
Groups: TypeAlias = Sequence[object] | NDArray[Any]
"""What each row belongs to: the field of a crop, or the well of a field."""

BATCH_VALUES = 2**21
"""Float64 values that one batch of permutations or bootstraps may take: 16 MB."""
ROUNDING = 1e-12


class PermutationTest(NamedTuple):
    """How far apart two samples are, and how often chance alone brings as much."""

    mmd2: float
    p_value: float
    permutations: int


def permutation_test(
    reference: Array,
    sample: Array,
    reference_groups: Groups,
    sample_groups: Groups,
    rng: np.random.Generator,
    permutations: int = 1000,
) -> PermutationTest:
    """Test whether `reference` (N F) and `sample` (M F) share a source, by permuting whole groups.

    Rows of a group (crops of a field, fields of a well) are alike, so they stay together; permuted one
    by one, they would give small p-values without any difference. Groups may differ in size. Features
    should be of like scale; the kernel is that of `gaussian_kernel`, its scale from the reference.

    Returns
    -------
    The unbiased MMD² (Gretton et al. 2012, JMLR 13) and p = (1 + k)/(1 + permutations), never 0
    (Phipson & Smyth 2010).

    Raises
    ------
    BadInput
        Values are NaN or infinite, lengths disagree, a group stands on both sides, the reference is
        constant, or some permutation would leave a side with fewer than two rows.
    """
    reference, sample = checked_features(reference, "the reference"), checked_features(sample, "the sample")
    same_length(reference, sample)
    if permutations < 1:
        raise BadInput(f"a test needs at least 1 permutation, not {permutations}")
    numbers = _numbered(reference, sample, reference_groups, sample_groups)
    sizes = np.bincount(numbers).astype(np.float64)
    in_sample = np.isin(np.arange(len(sizes)), numbers[len(reference) :])
    _enough_rows(sizes, in_sample)
    together = np.concatenate([reference, sample])[np.argsort(numbers, kind="stable")]  # group after group
    kernel = without_diagonal(gaussian_kernel(together, together, median_squared_distance(reference)))
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
    by_group = np.add.reduceat(kernel, starts, axis=0)
    sums = np.add.reduceat(np.ascontiguousarray(by_group.T), starts, axis=0)  # (group group)
    observed = _split_mmd2(in_sample[None].astype(np.float64), sums, sizes)[0]
    # Where few splits are possible, many equal the observed one, but for rounding.
    level = observed - ROUNDING
    batch = max(1, BATCH_VALUES // len(sizes))
    reached = 0
    for first in range(0, permutations, batch):
        rows = min(batch, permutations - first)
        splits = rng.permuted(np.broadcast_to(in_sample, (rows, len(sizes))), axis=1).astype(np.float64)
        reached += int(np.count_nonzero(_split_mmd2(splits, sums, sizes) >= level))
    return PermutationTest(float(observed), (1 + reached) / (1 + permutations), permutations)


def mmd2(reference: Array, sample: Array, scale: float) -> float:
    """Give the unbiased MMD² of `reference` (N F) and `sample` (M F); a sample of one has no term of its own.

    `scale` is that of `gaussian_kernel`. Pairs of a row with itself don't count: kept in the sums, they
    would add 1/(N − 1) + 1/(M − 1) where nothing differs.
    """
    rows, others = len(reference), len(sample)
    within = without_diagonal(gaussian_kernel(reference, reference, scale)).sum() / (rows * (rows - 1))
    across = gaussian_kernel(reference, sample, scale).mean()
    own = without_diagonal(gaussian_kernel(sample, sample, scale)).sum() / max(others * (others - 1), 1)
    return float(within + own - 2 * across)


def window_statistics(block: Array, cross: Array, within: Array, windows: Indices) -> Array:
    """Give the unbiased MMD² of each window that ends at each field, against the reference (… T windows).

    `block` is the kernel of a stream's fields with one another (… T T), its diagonal 0, `cross` their
    mean kernel with the reference (… T), `within` that of the reference with itself (…). −∞ where a
    window isn't full yet. A window of one field has no term of its own.
    """
    sums = _before(_before(block, -1), -2)  # sums[i, j]: of the i first rows and j first columns
    level = _before(cross, -1)
    end = np.arange(level.shape[-1])
    found = np.full((*cross.shape, len(windows)), -np.inf)
    for index, width in enumerate(windows):
        first, last = end[:-width], end[width:]
        own = sums[..., last, last] - 2 * sums[..., first, last] + sums[..., first, first]
        across = level[..., last] - level[..., first]
        found[..., width - 1 :, index] = mmd2_of_sums(own, across, within[..., None], width)
    return found


def mmd2_of_sums(own: Array, across: Array, within: Array | float, width: Indices) -> Array:
    """Put an unbiased MMD² together from kernel sums of a window, and its mean within the reference."""
    found: Array = within + own / np.maximum(width * (width - 1), 1) - 2 * across / width
    return found


def gaussian_kernel(a: Array, b: Array, scale: float) -> Array:
    """Give exp(−d²/scale) of every row of `a` (N F) and of `b` (M F), as (N M)."""
    kernel = squared_distances(a, b)
    kernel *= -1 / scale
    return np.exp(kernel, out=kernel)


def squared_distances(a: Array, b: Array) -> Array:
    """Give the squared Euclidean distance of every row of `a` (N F) and of `b` (M F), as (N M)."""
    middle = a.mean(axis=0)  # |a|² + |b|² − 2ab loses digits where all rows are far from 0
    a, b = a - middle, b - middle
    left = np.column_stack([a, np.einsum("nf,nf->n", a, a), np.ones(len(a))])
    right = np.column_stack([-2 * b, np.ones(len(b)), np.einsum("mf,mf->m", b, b)])
    distances: Array = left @ right.T
    return np.maximum(distances, 0, out=distances)


def median_squared_distance(reference: Array) -> float:
    """Give the (lower) median of d² over all pairs of different rows of `reference` (N F).

    Raises
    ------
    BadInput
        There is one row only, or more than half of the pairs are equal.
    """
    if len(reference) < 2:
        raise BadInput("the reference has one row only; distances need at least two")
    pairs = squared_distances(reference, reference)[np.triu_indices(len(reference), 1)]
    middle = (len(pairs) - 1) // 2
    median = float(np.partition(pairs, middle)[middle])
    if median <= ROUNDING * float(np.square(reference).sum(axis=1).max()):
        raise BadInput("the reference is constant: most of its rows are equal, so no distance can be judged")
    return median


def without_diagonal(kernel: Array) -> Array:
    """Set the diagonal of `kernel` (N N) to 0, in place."""
    np.fill_diagonal(kernel, 0)
    return kernel


def checked_features(values: Array, what: str) -> Array:
    """Give `values` as float64 (N F), one feature vector a row.

    Raises
    ------
    BadInput
        It isn't a table of numbers, is empty, or holds NaN or infinite values.
    """
    try:
        table = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{what} must be numbers, one feature vector a row (N F)") from error
    if table.ndim != 2 or 0 in table.shape:
        raise BadInput(f"{what} must be feature vectors (N F), not of shape {table.shape}")
    wrong = np.count_nonzero(~np.isfinite(table).all(axis=1))
    if wrong:
        raise BadInput(f"{wrong} of {len(table)} rows of {what} hold NaN or infinite values; leave them out")
    return table


def same_length(reference: Array, sample: Array) -> None:
    """Refuse feature vectors of another length than those of the reference."""
    if reference.shape[-1] != sample.shape[-1]:
        raise BadInput(
            f"feature vectors of length {sample.shape[-1]} can't be compared with a reference of length"
            f" {reference.shape[-1]}"
        )


def checked_groups(groups: Groups | None, rows: int, what: str) -> NDArray[np.str_]:
    """Give the group of each of so many rows, as text.

    Raises
    ------
    BadInput
        Groups are missing, empty, or not one for each row.
    """
    known = None if groups is None else list(groups)
    if known is None or any(group is None or group != group or group == "" for group in known):
        raise BadInput(f"{what} must name the field or well of each row: without it chance can't be judged")
    if len(known) != rows:
        raise BadInput(f"{what} has {rows} rows, but {len(known)} groups")
    return np.array([str(group) for group in known])


def _numbered(reference: Array, sample: Array, ours: Groups, theirs: Groups) -> Indices:
    """Give the number of each row's group, rows of the reference first."""
    ours = checked_groups(ours, len(reference), "the reference")
    theirs = checked_groups(theirs, len(sample), "the sample")
    shared = np.intersect1d(ours, theirs)
    if len(shared):
        raise BadInput(
            f"groups stand on both sides: {listed(shared)}; if they are others, add the plate's name"
        )
    return np.unique(np.concatenate([ours, theirs]), return_inverse=True)[1]


def _enough_rows(sizes: Array, in_sample: NDArray[np.bool_]) -> None:
    ordered, groups = np.sort(sizes), np.count_nonzero(in_sample)
    fewest = min(ordered[:groups].sum(), ordered[: len(sizes) - groups].sum())
    if fewest < 2:
        raise BadInput("both sides need at least two groups, or groups of at least two rows each")


def _split_mmd2(splits: Array, sums: Array, sizes: Array) -> Array:
    """Give the MMD² of each split (B group), 1 where a group is in the sample, as (B).

    With the kernel summed by groups, each sum over a side is a quadratic form in the split.
    """
    own = _quadratic(splits, sums)
    all_of_sample = splits @ sums.sum(axis=1)
    others = splits @ sizes
    rows = sizes.sum() - others
    within = sums.sum() - 2 * all_of_sample + own
    found: Array = within / (rows * (rows - 1)) + own / (others * (others - 1))
    found -= 2 * (all_of_sample - own) / (rows * others)
    return found


def _quadratic(vectors: Array, symmetric: Array) -> Array:
    """Give vᵀ S v for each of `vectors` (B G); hardly more than half of the symmetric S is multiplied."""
    upper = np.triu(2 * symmetric)
    np.fill_diagonal(upper, symmetric.diagonal())
    panel = max(64, len(upper) // 8)
    found = np.zeros(len(vectors))
    for first in range(0, len(upper), panel):
        part = vectors[:, first : first + panel] @ upper[first : first + panel, first:]
        found += np.einsum("bg,bg->b", part, vectors[:, first:])
    return found


def _before(values: Array, axis: int) -> Array:
    """Give running sums along an axis, from 0 on: one longer than `values`."""
    shape = list(values.shape)
    shape[axis] = 1
    found: Array = np.concatenate([np.zeros(shape), np.cumsum(values, axis=axis)], axis=axis)
    return found
