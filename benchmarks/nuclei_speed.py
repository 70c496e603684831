"""How fast nuclei are segmented and measured beside the same steps as scikit-image and SciPy offer them.

Usage: python benchmarks/nuclei_speed.py
Both take turns on the same drawn field of 2048² with 1,000 nuclei, one thread each. The plain way is the same
recipe, with every step that was made faster in its plain form: openings by distance transforms, watersheds of
the whole plane, sorted pixels, `regionprops_table`. Counted are seconds of the processor, which other work on
the machine disturbs less than those of the clock. Objects have to be the same, pixel by pixel, and numbers to
rounding. Writes results/nuclei-speed.json.
"""

import time
from contextlib import ExitStack
from unittest.mock import patch

import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_edt, gaussian_filter, maximum_filter
from skimage.measure import regionprops_table
from skimage.segmentation import watershed

from record import write_result
from unstained.arrays import Labels, Mask, Plane
from unstained.measurement import objects
from unstained.measurement.objects import measure_objects
from unstained.segmentation import background, nuclei, regions, thresholds
from unstained.segmentation.nuclei import segment_nuclei

SIDE_PX, NUCLEI, RADIUS_PX = 2048, 1000, 14
ROUNDS = 7
SEED = 0
PROPERTIES = ("label", "centroid", "area", "equivalent_diameter_area", "perimeter", "eccentricity",
              "solidity", "intensity_mean", "intensity_max")  # fmt: skip


def field_of_nuclei(seed: int) -> Plane:
    """Draw 1,000 ellipses (Y X) of many sizes and brightnesses, some touching, on uneven light; photons."""
    rng = np.random.default_rng(seed)
    bodies = np.zeros((SIDE_PX, SIDE_PX), np.float32)
    across = int(np.ceil(np.sqrt(NUCLEI)))
    pitch = SIDE_PX / across
    rows, columns = np.indices(bodies.shape)
    for number in range(NUCLEI):
        y, x = (np.array(divmod(number, across)) + 0.5) * pitch + rng.normal(0, 0.22 * pitch, 2)
        long, short = RADIUS_PX * rng.uniform(0.85, 1.3), RADIUS_PX * rng.uniform(0.7, 1.0)
        angle, height = rng.uniform(0, np.pi), rng.lognormal(0, 0.3)
        near = tuple(slice(max(int(at) - 30, 0), max(int(at) + 30, 0)) for at in (y, x))
        along = (rows[near] - y) * np.cos(angle) + (columns[near] - x) * np.sin(angle)
        aside = (columns[near] - x) * np.cos(angle) - (rows[near] - y) * np.sin(angle)
        inside = (along / long) ** 2 + (aside / short) ** 2 <= 1
        bodies[near] = np.maximum(bodies[near], height * inside)
    light = 200 + 150 * rows / SIDE_PX - 80 * columns / SIDE_PX
    return rng.poisson(light + 600 * gaussian_filter(bodies, 1.2)).astype(np.float32)


def plain_distance(inside: Mask) -> Plane:
    """Distance to the outside."""
    return distance_transform_edt(inside).astype(np.float32)


def plain_opened(inside: Mask, radius_px: float) -> Mask:
    """Open with a disk: far enough from the outside, then near enough to what is left."""
    left = distance_transform_edt(np.pad(inside, 1, mode="edge"))[1:-1, 1:-1] > radius_px
    return distance_transform_edt(~left) <= radius_px if left.any() else left


def plain_flood(height: Plane, seeds: Labels, inside: Mask) -> Labels:
    """Watershed of the whole plane."""
    return watershed(-height, seeds, mask=inside).astype(np.int32)


def plain_squares(plane: Plane, reach_px: int) -> Plane:
    """Maximum filter."""
    return maximum_filter(plane, size=2 * reach_px + 1, mode="nearest")


def plain_numbered(labels: Labels, keep: np.ndarray) -> Labels:
    """Keep some labels, then renumber."""
    kept = labels if keep.ndim == 0 else np.where(keep[labels], labels, 0)
    present = np.bincount(kept.ravel()) > 0
    present[0] = False
    return np.where(present, np.cumsum(present), 0)[kept].astype(np.int32)


def plain_quantile(labels: Labels, plane: Plane, share: float) -> np.ndarray:
    """Quantile by label, from pixels sorted by label and value."""
    inside = labels > 0
    which, values = labels[inside], plane[inside]
    counts = np.bincount(which, minlength=1)
    first = np.cumsum(counts) - counts + np.floor(share * np.maximum(counts - 1, 0)).astype(int)
    quantiles = np.zeros(len(counts), np.float32)
    quantiles[1:] = values[np.lexsort((values, which))][first[1:]]
    return quantiles


def plain_spread(values: np.ndarray) -> tuple[float, float]:
    """Median, and spread from the distances to it."""
    return float(np.median(values)), float(1.4826 * np.median(np.abs(values - np.median(values))))


def plain_gaussian(plane: Plane, sigma_px: float, *, mode: str = "nearest", truncate: float = 4.0) -> Plane:
    """Gaussian filter."""
    return gaussian_filter(plane, sigma_px, mode=mode, truncate=truncate)


def plain_shrink(plane: Plane, step: int) -> Plane:
    """Means of blocks."""
    padded = np.pad(plane, [(0, -size % step) for size in plane.shape], mode="edge")
    rows, columns = (size // step for size in padded.shape)
    return padded.reshape(rows, step, columns, step).mean(axis=(1, 3), dtype=np.float32)


def plain_properties(labels: Labels, plane: Plane) -> dict[str, np.ndarray]:
    """Properties, object by object."""
    return regionprops_table(labels, plane.astype(np.float64), properties=PROPERTIES)


PLAIN = (
    (nuclei, "inner_distance", plain_distance), (nuclei, "quantile_by_label", plain_quantile),
    (nuclei, "highest_in_squares", plain_squares), (regions, "highest_in_squares", plain_squares),
    (regions, "opened", plain_opened), (regions, "flood", plain_flood),
    (regions, "_numbered", plain_numbered), (regions, "gaussian", plain_gaussian),
    (nuclei, "gaussian", plain_gaussian), (background, "gaussian", plain_gaussian),
    (nuclei, "shrink", plain_shrink), (background, "shrink", plain_shrink),
    (nuclei, "middle_and_spread", plain_spread), (thresholds, "middle_and_spread", plain_spread),
    (background, "middle_and_spread", plain_spread), (objects, "object_properties", plain_properties),
)  # fmt: skip
"""Module, name and plain form of each step that was made faster."""


def run(plane: Plane) -> tuple[float, Labels, pd.DataFrame]:
    """Segment and measure; gives the processor's seconds, labels and table."""
    begun = time.process_time()
    labels = segment_nuclei(plane)
    table = measure_objects(labels, plane, pixel_size_um=None)
    return time.process_time() - begun, labels, table


def run_plain(plane: Plane) -> tuple[float, Labels, pd.DataFrame]:
    """Do the same with every step in its plain form."""
    with ExitStack() as steps:
        for module, name, plain in PLAIN:
            steps.enter_context(patch.object(module, name, plain))
        return run(plane)


def main() -> None:
    """Take turns, compare objects and numbers, and write the median."""
    plane = field_of_nuclei(SEED)
    run(plane[:256, :256])
    ours, plain = [], []
    for _ in range(ROUNDS):
        seconds, labels, table = run(plane)
        ours.append(seconds)
        seconds, same_labels, same_table = run_plain(plane)
        plain.append(seconds)
        np.testing.assert_array_equal(labels, same_labels)
        pd.testing.assert_frame_equal(table, same_table, rtol=1e-9, atol=1e-7)
    faster = np.divide(plain, ours)
    print(ours, plain, faster)
    write_result(
        "nuclei-speed",
        title="nuclei of 2048² segmented and measured, times faster than plain scikit-image",
        value=float(np.median(faster)), goal=3.0, comparison=">=", interval=[faster.min(), faster.max()],
        against={"plain, s": np.median(plain), "ours, s": np.median(ours)},
        data=f"drawn field of 2048² with {NUCLEI} ellipses, {len(table)} found",
        command="OMP_NUM_THREADS=1 python benchmarks/nuclei_speed.py", seed=SEED, issue=6,
        notes=f"median and range of {ROUNDS} rounds; processor seconds, one thread each; the diameter is"
        " estimated, so nuclei are sought twice. Labels are the same pixel by pixel, tables to rounding",
    )  # fmt: skip


if __name__ == "__main__":
    main()
