"""How a model of one phenotype does on another, and what closes the gap: a few stained fields, or none."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from unstained.errors import BadInput
from unstained.networks.bundle import Model
from unstained.networks.unet import LIT_MIRRORS, MIRRORS
from unstained.plates.plate import FieldName
from unstained.prediction.engine import Engine
from unstained.studies.figures import curves, dots
from unstained.studies.study import SHORT, Answer, Row, mean_row
from unstained.studies.workbench import Scored, Variant, Workbench, score_model, some_of
from unstained.training.batch_norm import settle_batch_norm
from unstained.training.optimisers import LEARNING_RATES

STAIN, CONDITION = "nuclei", "phenotype"
FEW = (2, 4, 8, 16)
SHARE_OF_RATE = 0.25
"""Learning rate of going on from a model, as a share of the usual one, at which two fields make it worse; of
eight both learn as much. Chosen on validation wells."""


def phenotypes(bench: Workbench) -> Answer:
    """Train on each phenotype, test on each; then go on with few fields of the other, or none stained."""
    groups = {
        name: {"train": _fields(bench.training_fields, wells), "test": _fields(bench.test_fields, wells)}
        for name, wells in _wells(bench).items()
    }
    for name, fields in groups.items():
        if not fields["train"] or not fields["test"]:
            raise BadInput(f"{bench.plate.path}: {CONDITION} {name!r} lacks training or test wells (--test)")
    learnt = {
        name: replace(bench.variant(f"trained on {name}", STAIN), fields=fields["train"])
        for name, fields in groups.items()
    }
    across: list[Row] = []
    closing: list[Row] = []
    for own, variant in learnt.items():
        for other, fields in groups.items():
            scored = [bench.score(variant, seed, fields=fields["test"]) for seed in bench.seeds]
            across.append(_row(scored, train=own, test=other))
        for other in (name for name in groups if name != own):
            closing += _closed(bench, variant, (own, other), groups[other])
    lines = {}
    for own, other, start in dict.fromkeys((row["from"], row["to"], row["start"]) for row in closing):
        rows = [row for row in closing if (row["from"], row["to"], row["start"]) == (own, other, start)]
        if len(rows) > 1:
            told = f"{start}, to {other}"
            lines[told] = ([row["fields"] for row in rows], [row["pcc"] for row in rows])
    figures = {
        "across": dots([{**row, "variant": f"{row['train']} → {row['test']}"} for row in across],
                       ("pcc", *SHORT.values())),
        "closing": curves(lines, "stained fields of the other phenotype", "PCC on its test fields"),
    }  # fmt: skip
    return Answer({"across": across, "closing": closing}, _findings(across, closing), figures)


def _closed(
    bench: Workbench, variant: Variant, way: tuple[str, str], fields: dict[str, tuple[FieldName, ...]]
) -> list[Row]:
    """Give what few stained fields, and none, do for a model on another phenotype."""
    own, other = way
    place = {"from": own, "to": other}
    tested = fields["test"]
    as_it_is = [bench.score(variant, seed, fields=tested) for seed in bench.seeds]
    settled = [
        score_model(re_estimated(bench.model(variant, seed), bench, fields["train"]), bench.plate, STAIN,
                    bench.targets[STAIN], tested)
        for seed in bench.seeds
    ]  # fmt: skip
    rows = [
        _row(as_it_is, **place, start=f"from {own}", fields=0),
        _row(settled, **place, start="batch norm of the other, unstained", fields=0),
    ]
    gently = SHARE_OF_RATE * (bench.base.learning_rate or LEARNING_RATES[bench.base.optimiser])
    for few in (number for number in FEW if number < len(fields["train"])):
        found: dict[str, list[Scored]] = {f"from {own}": [], "from nothing": []}
        for seed in bench.seeds:
            chosen = some_of(fields["train"], few, seed)
            nothing = bench.variant(f"{other} alone, {few}", STAIN)
            goes_on = bench.variant(f"{own} → {other}, {few}", STAIN, learning_rate=gently)
            for each, start, scored in zip((goes_on, nothing), (variant, None), found.values(), strict=True):
                limited = replace(each, fields=chosen, start=start)
                scored.append(bench.score(limited, seed, fields=tested))
        rows += [_row(scored, **place, start=name, fields=few) for name, scored in found.items()]
    return rows


def re_estimated(model: Model, bench: Workbench, fields: Sequence[FieldName]) -> Model:
    """Give a model whose batch norm has the statistics of other, unstained fields (Li et al. 2017, AdaBN)."""
    engine, network = Engine(model), copy.deepcopy(model.network)
    step, regions = network.settings.multiple, []
    for name in fields:
        plane = engine.seen(bench.plate.read(name, bench.input), bench.plate.pixel_size_um).plane
        rows, columns = (side // step * step for side in plane.shape)
        regions.append(torch.from_numpy(np.ascontiguousarray(plane[:rows, :columns]))[None])
    settle_batch_norm(network, regions, MIRRORS if model.card.light_deg is None else LIT_MIRRORS)
    return Model(model.card, network, model.extras)


def _wells(bench: Workbench) -> dict[str, tuple[str, ...]]:
    """Give the wells of each phenotype, of each well's own condition."""
    known = bench.plate.conditions
    if CONDITION not in known or known[CONDITION].nunique() < 2:
        raise BadInput(f"{bench.plate.path}: its plate map names no two phenotypes (column {CONDITION!r})")
    return {str(name): tuple(rows["well"]) for name, rows in known.groupby(CONDITION)}


def _fields(fields: Sequence[FieldName], wells: Sequence[str]) -> tuple[FieldName, ...]:
    return tuple(name for name in fields if name.well in wells)


def _row(scored: Sequence[Scored], **place: object) -> Row:
    found = mean_row("", scored)
    return {**place, **{name: found[name] for name in ("pcc", "pcc_spread", *SHORT.values(), "bias_number")}}


def _findings(across: Sequence[Row], closing: Sequence[Row]) -> list[str]:
    sentences = []
    for row in (each for each in across if each["train"] != each["test"]):
        at_home = next(each for each in across if each["train"] == each["test"] == row["test"])
        way = [each for each in closing if each["from"] == row["train"] and each["to"] == row["test"]]
        enough = [each["fields"] for each in way if each["start"].startswith("from ")
                  and each["start"] != "from nothing" and each["pcc"] >= at_home["pcc"] - 0.005]  # fmt: skip
        none = next(each for each in way if each["start"].startswith("batch norm"))
        sentences.append(
            f"{row['train']} → {row['test']}: PCC {row['pcc']:.3f}, trained there {at_home['pcc']:.3f};"
            f" {_closing(enough, max(each['fields'] for each in way))};"
            f" batch norm re-estimated without stains gives {none['pcc']:.3f}."
        )
    return sentences


def _closing(enough: Sequence[int], most: int) -> str:
    if not enough:
        return f"not even {most} stained fields close the gap to .005"
    return f"{min(enough)} stained fields close the gap to .005" if min(enough) else "no gap to close"
