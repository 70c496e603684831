"""How much a naive split flatters: crops of the same photos on both sides, against fields held out whole."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import Field

from unstained.errors import BadInput
from unstained.measurement.image_metrics import Moments
from unstained.plates.plate import Plate
from unstained.plates.regions import Region, whole_field
from unstained.plates.splitting import Split
from unstained.prediction.labeller import Labeller
from unstained.settings import Settings
from unstained.studies.figures import dots
from unstained.studies.study import Answer, Row
from unstained.studies.workbench import Workbench, keep
from unstained.training.models import Subject, fit_model, with_origin
from unstained.training.pairs import Grid, make_pairs
from unstained.training.recipes import TrainingSettings

BLOCK_PX = 128
"""Side of a naive crop on the working grid, as in studies that cut photos first and split the pieces."""


class SplitScore(Settings):
    """One training and its test."""

    pcc: float | None = Field(description="over all test pixels together, against the stain as recorded")
    train: int = Field(description="regions trained on")
    test: int = Field(description="regions tested on")


class SplitStudy(Settings):
    """The two scores side by side, of one plate and one seed."""

    naive: SplitScore
    honest: SplitScore
    honest_level: str = Field(description="what parts training from test: well, field or half")
    block_px: int = Field(description="side of a naive crop, px of the images")
    steps: int | None
    seed: int
    notes: tuple[str, ...] = ()


def split(bench: Workbench) -> Answer:
    """Train on crops dealt out at random and on fields held out whole, with every seed."""
    stain = next(iter(bench.targets))
    subject = Subject(stain, bench.input, {stain: bench.targets[stain]}, bench.stains)
    rows: list[Row] = []
    gaps = []
    for seed in bench.seeds:
        settings = bench.base.updated(steps=bench.steps, seed=seed)
        described = bench.stain(stain).model_dump(mode="json")
        place = bench.place_for("split", {"stain": described, "settings": settings.model_dump(mode="json")})
        if not place.exists():
            bench.tell(f"train on both splits, {stain}, seed {seed}")
            answer = study_split(bench.plate, subject, settings, bench.split, **bench.devices)
            keep(place, answer.model_dump_json())
        found = SplitStudy.model_validate_json(place.read_text(encoding="utf-8"))
        rows += [{"split": name, "seed": seed, **each.model_dump()}
                 for name, each in (("naive", found.naive), (found.honest_level, found.honest))]  # fmt: skip
        gaps.append((found.naive.pcc or 0.0) - (found.honest.pcc or 0.0))
    findings = [
        f"squares of the same fields on both sides differ in PCC by {np.mean(gaps):+.3f} from fields held"
        f" out by {bench.split.level} ({stain}; by seed {', '.join(f'{gap:+.3f}' for gap in gaps)})."
    ]
    named = [{**row, "variant": f"{row['split']}, seed {row['seed']}"} for row in rows]
    return Answer({"split": rows}, findings, {"split": dots(named, ("pcc",))})


def study_split(
    plate: Plate,
    subject: Subject,
    settings: TrainingSettings,
    honest: Split,
    **devices: Any,
) -> SplitStudy:
    """Train twice with the same settings, on an honest and a naive split of the same fields; score both.

    The naive split cuts every field into squares and deals them out at random, as many for each role as the
    honest split has area. The honest one gets the squares of its own fields, and both see upright crops of
    one square, so that nothing but the split differs. `devices` go to Lightning's Trainer.

    Raises
    ------
    BadInput
        The fields are too small to be cut into squares.
    """
    side = min(settings.crops.side, BLOCK_PX)
    settings = settings.updated(crops=settings.crops.updated(side=side, rotate_deg=0.0, scale=1.0))
    grid = Grid(scale=settings.working_scale)
    scale = make_pairs(plate, honest, subject.channels, grid, stains=subject.stains).working_scale
    block_px = round(BLOCK_PX / scale)
    naive = naive_split(plate, honest, block_px, np.random.default_rng(settings.seed))
    grid = Grid(scale=scale)
    scores = {}
    for name, split in (("honest", in_squares(plate, honest, block_px)), ("naive", naive)):
        scores[name] = _score(plate, subject, settings, split, grid, **devices)
    return SplitStudy(
        **scores,
        honest_level=honest.level,
        block_px=block_px,
        steps=settings.steps,
        seed=settings.seed,
        notes=honest.warnings,
    )


def naive_split(plate: Plate, honest: Split, block_px: int, rng: np.random.Generator) -> Split:
    """Cut the fields of an honest split into squares; deal them out at random, in the same shares of area."""
    areas = {role: sum(map(_area, honest.regions(role))) for role in ("train", "validation", "test")}
    fields = sorted({region.field for role in areas for region in honest.regions(role)})
    squares = [square for name in fields for square in _squares(whole_field(plate, name), block_px)]
    counts = {
        role: max(round(len(squares) * area / sum(areas.values())), int(area > 0))
        for role, area in areas.items()
    }
    if len(squares) < len(counts):
        raise BadInput(
            f"{plate.path}: its fields give {len(squares)} squares of {block_px} px; too few to split"
        )
    dealt = [squares[index] for index in rng.permutation(len(squares))]
    test, validation = counts["test"], counts["validation"]
    return Split(
        train=tuple(sorted(dealt[test + validation :])),
        validation=tuple(sorted(dealt[test : test + validation])),
        test=tuple(sorted(dealt[:test])),
        level="half",
        warnings=("A naive split, made to be compared: training and test are crops of the same images.",),
        validation_level="half",
    )


def in_squares(plate: Plate, honest: Split, block_px: int) -> Split:
    """Give a split with the squares of its whole fields in their place; parts of fields stay as they are."""
    roles = []
    for role in ("train", "validation", "test"):
        regions = []
        for region in honest.regions(role):
            whole = region == whole_field(plate, region.field)
            regions += _squares(region, block_px) if whole else [region]
        roles.append(tuple(regions))
    return replace(honest, train=roles[0], validation=roles[1], test=roles[2])


def _score(
    plate: Plate, subject: Subject, settings: TrainingSettings, split: Split, grid: Grid, **devices: Any
) -> SplitScore:
    pairs = make_pairs(plate, split, subject.channels, grid, stains=subject.stains)
    model, _ = fit_model(subject, pairs, settings, **devices)
    labeller = Labeller(with_origin(model, plate, split, pairs))
    return SplitScore(
        pcc=_pooled_pcc(plate, subject, labeller, split.test), train=len(split.train), test=len(split.test)
    )


def _pooled_pcc(
    plate: Plate, subject: Subject, labeller: Labeller, regions: Sequence[Region]
) -> float | None:
    """Correlate predicted and real stain over the pixels of all regions together."""
    sums = Moments()
    for name in sorted({region.field for region in regions}):
        predicted = labeller.predict(plate.read(name, subject.input), plate.pixel_size_um)
        real = plate.read(name, subject.channels[1])
        for region in regions:
            if region.field == name:
                rows, columns = slice(*region.rows), slice(*region.columns)
                sums = sums + Moments.of(predicted[rows, columns], real[rows, columns])
    return sums.pcc


def _squares(region: Region, side_px: int) -> list[Region]:
    (top, bottom), (left, right) = region.rows, region.columns
    return [
        Region(region.field, (y, y + side_px), (x, x + side_px))
        for y in range(top, bottom - side_px + 1, side_px)
        for x in range(left, right - side_px + 1, side_px)
    ]


def _area(region: Region) -> int:
    (top, bottom), (left, right) = region.rows, region.columns
    return (bottom - top) * (right - left)
