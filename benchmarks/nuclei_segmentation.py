"""Score the segmentation of nuclei against annotated ones, beside a plain scikit-image recipe.

Every second image of the set, from the first on in the manifest's order, was used to choose the defaults
(`--half tuning`); the figures are those of the others (`--half reported`), which were left alone until then.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter, label
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed

from record import write_result
from unstained.arrays import Labels, Plane
from unstained.measurement.matching import average_precision, match_objects
from unstained.segmentation.nuclei import segment_nuclei
from unstained.segmentation.regions import keep_labels

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "nuclei-masks"
HALVES = {"tuning": 0, "reported": 1}
SEED = 0
DRAWS = 2000


def otsu_watershed(plane: Plane, min_distance: int = 10, smallest_px: int = 30) -> Labels:
    """Segment nuclei as scikit-image's examples do; of 3 … 20 px, 10 did best on the tuning half."""
    smooth = gaussian_filter(plane, 1)
    parts, _ = label(binary_fill_holes(smooth > threshold_otsu(smooth)))
    parts = keep_labels(parts, np.bincount(parts.ravel()) >= smallest_px)
    distance = distance_transform_edt(parts > 0)
    peaks = peak_local_max(distance, min_distance=min_distance, labels=parts, exclude_border=False)
    seeds = np.zeros(parts.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-distance, seeds, mask=parts > 0).astype(np.int32)


Method = Callable[[Plane], Labels]

METHODS: dict[str, Method] = {"unstained": segment_nuclei, "otsu-watershed": otsu_watershed}


def images(folder: Path, half: str) -> list[tuple[str, Plane, Labels]]:
    """Read one half of the set: well, plane (Y X), annotated nuclei (Y X)."""
    planes = pd.read_csv(folder / "manifest.csv", keep_default_na=False)
    annotated = pd.read_csv(folder / "labels.csv", keep_default_na=False).set_index("well")["path"]
    return [(well, tifffile.imread(folder / path).astype(np.float32),
             tifffile.imread(folder / annotated[well]).astype(np.int32))
            for path, well in planes.loc[HALVES[half]::2, ["path", "well"]].itertuples(index=False)]


def score(found: list[tuple[str, Plane, Labels]], method: Method) -> pd.DataFrame:
    """Score one method on every image: objects, pairs at IoU .5, F1, AP over IoU .5–.95."""
    rows = []
    for well, plane, real in found:
        predicted = method(plane)
        matches = match_objects(real, predicted)
        rows.append({"well": well, "real": matches.real, "predicted": matches.predicted,
                     "pairs": len(matches.pairs), "f1": matches.f1 or 0.0,
                     "ap": average_precision(real, predicted) or 0.0})
    return pd.DataFrame(rows)


def pooled_f1(scores: pd.DataFrame) -> float:
    """F1 over all objects together."""
    return float(2 * scores["pairs"].sum() / (scores["real"].sum() + scores["predicted"].sum()))


def interval(values: np.ndarray) -> list[float]:
    """95 % interval of the mean, from resampling images."""
    rng = np.random.default_rng(SEED)
    means = values[rng.integers(0, len(values), (DRAWS, len(values)))].mean(axis=1)
    return [float(end) for end in np.percentile(means, (2.5, 97.5))]


def write_figures(scores: dict[str, pd.DataFrame]) -> None:
    """Write the two figures of the reported half."""
    ours, plain = scores["unstained"], scores["otsu-watershed"]
    gain = (ours["f1"] - plain["f1"]).to_numpy()
    shared = {
        "data": "nuclei-masks, 32 of its 64 images (every second one of the manifest, from the second on); "
                "the defaults were chosen on the other 32",
        "command": "python benchmarks/nuclei_segmentation.py",
        "seed": SEED,
        "notes": "mean over images; " + "; ".join(
            f"{name}: pooled over {table['real'].sum()} nuclei {pooled_f1(table):.3f}, AP over IoU .5–.95 "
            f"{table['ap'].mean():.3f}" for name, table in scores.items()),
    }
    write_result("nuclei-segmentation-f1", title="F1 at IoU 0.5 of segmented against annotated nuclei",
                 value=ours["f1"].mean(), goal=0.8, comparison=">=", interval=interval(ours["f1"].to_numpy()),
                 against={"otsu-watershed": plain["f1"].mean()}, **shared)
    write_result("nuclei-segmentation-over-otsu", title="F1 at IoU 0.5 above plain Otsu and watershed",
                 value=gain.mean(), goal=0.05, comparison=">=", interval=interval(gain),
                 against={}, **shared)


def main() -> None:
    """Score both methods on one half; the reported one is written to results/."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", choices=HALVES, default="reported")
    parser.add_argument("--data", type=Path, default=DATA)
    chosen = parser.parse_args()
    found = images(chosen.data, chosen.half)
    scores = {name: score(found, method) for name, method in METHODS.items()}
    for name, table in scores.items():
        means = table[["f1", "ap"]].mean()
        print(f"{name}: F1 {means['f1']:.3f} (pooled {pooled_f1(table):.3f}), AP {means['ap']:.3f}")
    if chosen.half == "reported":
        write_figures(scores)


if __name__ == "__main__":
    main()
