"""What cutting a field into windows does to it: seams, segmentation, time (thesis, Figs. 4 and 5)."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from unstained.arrays import Labels, Plane, Planes, RawPlane
from unstained.errors import BadSettings
from unstained.measurement.image_metrics import image_agreement
from unstained.measurement.matching import match_objects
from unstained.networks.bundle import Model
from unstained.prediction.engine import Engine
from unstained.prediction.tiling import Tiling
from unstained.segmentation.recipes import Recipe, segment
from unstained.studies.figures import dots, pictures
from unstained.studies.study import Answer, Row
from unstained.studies.workbench import Workbench

STAIN = "nuclei"
WINDOWS = (64, 128, 256)
BORDERS = (0, 15, 30)
"""Half of what windows overlap by, px: the thesis' 30 px are twice 15."""

MOST_FIELDS = 8


def tiling(bench: Workbench) -> Answer:
    """Predict fields whole and in windows of several sizes and overlaps; compare with the whole."""
    variant, seed = bench.variant("default", STAIN), bench.seeds[0]
    model = bench.model(variant, seed)
    names = bench.test_fields[:: -(-len(bench.test_fields) // MOST_FIELDS)]
    lights = [bench.plate.read(name, bench.input) for name in names]
    reals = [bench.plate.read(name, bench.targets[STAIN]) for name in names]
    size_um = bench.plate.pixel_size_um
    engine = Engine(model)
    whole = [engine.predict(light, size_um)[0] for light in lights]
    labels = [segment(plane, variant.stain.objects, pixel_size_um=size_um) for plane in whole]
    rows: list[Row] = []
    shown = {"real": reals[0], "whole": whole[0]}
    for name, cut in _tilings(model).items():
        windows = Engine(model, tiling=cut)
        planes, seconds = _timed(lambda light, by=windows: by.predict(light, size_um), lights)  # type: ignore[misc]
        rows.append({"windows": name, **_against(planes, whole, reals, cut), "seconds": seconds,
                     "f1": _f1(planes, labels, variant.stain.objects, size_um)})  # fmt: skip
        if cut is not None and cut.tile == min(WINDOWS):
            shown[name] = planes[0]
    worst = max(rows, key=lambda row: row["rms"])
    findings = [
        f"largest difference from one pass: {worst['rms']:.3f} of the stain's standard deviation, at"
        f" {worst['windows']}; exact windows {rows[1]['rms']:.1e}.",
    ]
    cut_out = {title: plane[:256, :256] for title, plane in shown.items()}
    named = [{**row, "variant": row["windows"]} for row in rows]
    figures = {"windows": dots(named, ("pcc", "f1", "rms")), "pictures": pictures({STAIN: cut_out})}
    return Answer({"windows": rows}, findings, figures)


def _tilings(model: Model) -> dict[str, Tiling | None]:
    """Name the whole field, exact windows, and every window with every border that leaves half a side."""
    network = model.card.network
    found: dict[str, Tiling | None] = {"whole": None, "exact": Tiling.for_network(network, 512)}
    for tile in WINDOWS:
        for halo in (border for border in BORDERS if 4 * border <= tile):
            try:
                cut = Tiling(tile=tile, halo=halo, multiple=network.multiple, mode="centre")
            except (BadSettings, ValueError):
                continue
            found[f"{tile} px, overlap {2 * halo} px"] = cut
    return found


def _timed(predict: Callable[[RawPlane], Planes], lights: Sequence[RawPlane]) -> tuple[list[Plane], float]:
    """Predict fields (Y X); gives the first stain of each, and the processor's seconds a field."""
    began = time.process_time()
    planes = [predict(light)[0] for light in lights]
    return planes, round((time.process_time() - began) / len(lights), 3)


def _against(
    planes: Sequence[Plane], whole: Sequence[Plane], reals: Sequence[RawPlane], cut: Tiling | None
) -> Row:
    pairs = list(zip(planes, whole, reals, strict=True))
    differences = [np.sqrt(np.mean((ours - one) ** 2)) / one.std() for ours, one, _ in pairs]
    scores = [image_agreement(ours, real)["pcc"] or 0.0 for ours, _, real in pairs]
    return {
        "overlap_px": None if cut is None else 2 * cut.halo,
        "pcc": round(float(np.mean(scores)), 4),
        "rms": float(np.mean(differences)),
    }


def _f1(planes: Sequence[Plane], labels: Sequence[Labels], recipe: Recipe, size_um: float | None) -> float:
    """Score the objects of tiled predictions against those of whole ones, at an overlap of half."""
    counts = np.zeros(3)
    for plane, whole in zip(planes, labels, strict=True):
        found = segment(plane, recipe, pixel_size_um=size_um)
        matches = match_objects(whole, found)
        counts += len(matches.pairs), whole.max(), found.max()
    return round(float(2 * counts[0] / max(counts[1] + counts[2], 1)), 4)
