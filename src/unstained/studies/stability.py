"""How predictions and measurements suffer as images get worse, and what training on bad images helps."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from unstained.errors import BadInput, MissingChannel
from unstained.imaging.corruptions import KINDS, find_kind
from unstained.measurement.downstream import MEASURES, pearson
from unstained.measurement.intervals import mean_interval
from unstained.plates.plate import FieldName, Plate, fingerprint
from unstained.plates.regions import Region, whole_field
from unstained.prediction.engine import Engine
from unstained.prediction.labeller import Labeller
from unstained.prediction.plates import roles_of
from unstained.studies.figures import curves, pictures
from unstained.studies.study import SHORT, Answer, Row, Study
from unstained.studies.workbench import Workbench
from unstained.trust.envelope import TOLERANCE
from unstained.trust.examples import CLEAN, UNCHANGED, Bench, Change, Example, corrupted, make_examples
from unstained.trust.finding_envelope import find_envelope

STAIN = "nuclei"
USUAL_KINDS = ("thesis_defocus", "contrast", "brightness", "defocus")
"""The thesis' three corruptions, and defocus as a microscope does it."""

CORRUPTED = 0.5
"""Share of corrupted crops in the training that is to be more stable."""

MOST_FIELDS = 24
SHOWN_SEVERITIES = (1, 3, 5)

THESIS = (
    {"figure": "43", "says": "trained on corrupted crops, correlation falls later and less in all three"},
)


def stability_of(labeller: Labeller, plate: Plate, kinds: Sequence[str], most: int) -> tuple[Study, Answer]:
    """Corrupt fields that a model wasn't made from, at most so many; gives the study and its figures.

    Raises
    ------
    BadInput, MissingChannel
        All fields were seen in training, or the plate lacks the model's channels.
    """
    card = labeller.card
    for channel in (card.input, *card.targets):
        if channel not in plate.channels:
            raise MissingChannel(channel, str(plate.path), plate.channels)
    regions = [whole_field(plate, name) for name in plate.fields if not _seen(labeller, plate, name)]
    if not regions:
        raise BadInput(f"{plate.path}: model {card.name!r} was made from every field; bring others")
    regions = regions[:: -(-len(regions) // most)]
    bench = Bench.of(labeller.engine, plate, regions)
    examples = tried(bench, regions, kinds)
    rows = severity_rows(card.stains, examples)
    envelope = find_envelope(card.stains, examples)
    limits = [
        {"corruption": kind, "unit": KINDS[kind].unit, "from": limit[0], "to": limit[1]}
        for kind in kinds if (limit := envelope.limits(kind))
    ]  # fmt: skip
    figures = {**stability_figures(rows), "pictures": shown(bench, regions[0], kinds[:3])}
    answer = Answer({"severities": rows, "envelope": limits}, figures=figures)
    simulated = ", simulated" if plate.info.get("simulated") else ""
    study = Study(
        name="stability",
        title=f"How {card.name} stands images that get worse",
        data=f"plate {plate.name}{simulated}: {len(regions)} fields that the model wasn't made from",
        tables={name: tuple(table) for name, table in answer.tables.items()},
        findings=tuple(_said(limit) for limit in limits),
        steps=int(card.training.get("steps") or 0),
        seeds=(int(card.training.get("seed", 0)),),
    )
    return study, answer


def _seen(labeller: Labeller, plate: Plate, name: FieldName) -> bool:
    roles = roles_of(labeller.card, fingerprint(plate.read(name, labeller.card.input)))
    return bool({"train", "validation"} & set(roles))


def _said(limit: Row) -> str:
    return (
        f"{limit['corruption']} from {limit['from']:g} to {limit['to']:g} ({limit['unit']}):"
        f" correlations stay within {TOLERANCE:g} of those of clean fields."
    )


def tried(bench: Bench, regions: Sequence[Region], kinds: Sequence[str], seed: int = 0) -> list[Example]:
    """Predict and measure every region clean, and with every severity of every corruption."""
    changes = [UNCHANGED, *(Change.of(kind, step) for kind in kinds for step in find_kind(kind).severities)]
    plan = [(region, change) for change in changes for region in regions]
    return list(make_examples(bench, plan, np.random.default_rng(seed), measure=True))


def severity_rows(stains: Sequence[str], examples: Sequence[Example]) -> list[Row]:
    """Give one row for each stain, corruption and severity; severity 0 is clean."""
    rng = np.random.default_rng(0)
    kinds = [kind for kind in dict.fromkeys(each.kind for each in examples) if kind != CLEAN]
    rows: list[Row] = []
    for index, stain in enumerate(stains):
        for kind in kinds:
            own = [each for each in examples if each.kind in (kind, CLEAN)]
            for severity in sorted({each.severity for each in own}):
                chosen = [each for each in own if each.severity == severity]
                strength = KINDS[kind].severities.get(severity, KINDS[kind].neutral)
                place = {"stain": stain, "corruption": kind, "severity": severity, "strength": strength}
                rows.append({**place, "unit": KINDS[kind].unit, **_figures(chosen, index, rng)})
    return rows


def _figures(examples: Sequence[Example], index: int, rng: np.random.Generator) -> Row:
    """Sum up what one corruption of one severity does to one stain."""
    pcc = [example.pcc[index] or 0.0 for example in examples]  # a constant prediction has none: it failed
    interval = mean_interval([example.well for example in examples], pcc, rng)
    ssim = [example.ssim[index] for example in examples if example.ssim and example.ssim[index] is not None]
    row: Row = {
        "saturated": round(float(np.mean([example.saturated for example in examples])), 4),
        "pcc": round(float(np.mean(pcc)), 4),
        "pcc_low": None if interval is None else round(interval[0], 4),
        "pcc_high": None if interval is None else round(interval[1], 4),
        "ssim": round(float(np.mean(np.array(ssim, dtype=float))), 4) if ssim else None,
    }
    for measure in MEASURES:
        pairs = [
            (example.real[index][measure], example.predicted[index][measure])
            for example in examples
            if example.real
        ]
        known = np.array([pair for pair in pairs if None not in pair], dtype=float).reshape(-1, 2)
        found = pearson(known[:, 0], known[:, 1])
        row[SHORT[measure]] = None if found is None else round(found, 4)
    return row


def stability_figures(rows: Sequence[Row], measures: Sequence[str] = ("pcc", "number")) -> dict[str, Figure]:
    """Draw, for every corruption, how figures fall with severity; one line for each stain and variant."""
    found = {}
    for kind in dict.fromkeys(str(row["corruption"]) for row in rows):
        lines: dict[str, tuple[list[float], list[float]]] = {}
        for row in rows:
            if row["corruption"] != kind:
                continue
            for measure in measures:
                if row.get(measure) is not None:
                    name = " ".join([str(row["stain"]), str(row.get("variant", "")), measure])
                    lines.setdefault(name, ([], []))
                    lines[name][0].append(float(row["severity"]))
                    lines[name][1].append(float(row[measure]))
        found[kind.replace("_", "-")] = curves(lines, f"severity of {kind}", "PCC, Pearson over fields")
    return found


def lost_area(rows: Sequence[Row], kind: str) -> float:
    """Give the mean loss of PCC against clean over the severities of a corruption."""
    own = {row["severity"]: float(row["pcc"]) for row in rows if row["corruption"] == kind}
    return float(np.mean([own[0] - value for severity, value in own.items() if severity != 0]))


def shown(bench: Bench, region: Region, kinds: Sequence[str]) -> Figure:
    """Draw a field and its first predicted stain, clean and at growing severities."""
    rng, rows = np.random.default_rng(0), {}
    real = bench.truth(region)[0]
    for kind in kinds:
        seen, made = {}, {}
        for severity in (0, *SHOWN_SEVERITIES):
            change = Change.of(kind, severity) if severity else UNCHANGED
            plane, _ = corrupted(bench.label_free(region), change, bench.view, rng)
            seen[f"severity {severity}"] = plane
            made[f"severity {severity}"] = bench.engine.predict(plane, bench.plate.pixel_size_um)[0]
        rows[f"{kind}, seen"] = seen
        rows[f"{kind}, predicted"] = {**made, "real": real}
    return pictures(rows)


def stability(bench: Workbench) -> Answer:
    """Corrupt test fields in the thesis' three ways and by defocus; train with and without corruptions."""
    regions = bench.split.test[:: -(-len(bench.split.test) // MOST_FIELDS)]
    names = {"plain": 0.0, "trained on corruptions": CORRUPTED}
    rows: list[Row] = []
    pictured = None
    for label, share in names.items():
        variant = bench.variant("default" if not share else label, STAIN, **_crops(share))
        by_seed = []
        for seed in bench.seeds:
            model = bench.model(variant, seed)
            trial = Bench.of(Engine(model, quiet=True), bench.plate, regions)
            bench.tell(f"corrupt {label}, seed {seed}")
            by_seed.append(severity_rows((STAIN,), tried(trial, regions, USUAL_KINDS)))
            pictured = pictured or shown(trial, regions[0], ("defocus", "contrast"))
        rows += [{"variant": label, **_mean_of(same)} for same in zip(*by_seed, strict=True)]
    figures = {**stability_figures(rows), **({"pictures": pictured} if pictured else {})}
    return Answer({"severities": rows}, _findings(rows, tuple(names)), figures, THESIS)


def _crops(share: float) -> dict[str, dict[str, float]]:
    return {"crops": {"corrupted": share}} if share else {}


def _mean_of(rows: Sequence[Row]) -> Row:
    """Give the mean of the same row over seeds."""
    first = rows[0]
    return {
        name: round(float(np.mean([row[name] for row in rows])), 4)
        if isinstance(value, float) and all(row[name] is not None for row in rows)
        else value
        for name, value in first.items()
    }


def _findings(rows: Sequence[Row], labels: Sequence[str]) -> list[str]:
    plain, trained = ([row for row in rows if row["variant"] == label] for label in labels)
    clean = [next(float(row["pcc"]) for row in own if row["severity"] == 0) for own in (plain, trained)]
    told = [f"clean fields: PCC {clean[0]:.3f} plain, {clean[1]:.3f} trained on corruptions (may cost .01)."]
    areas = [[lost_area(own, kind) for kind in USUAL_KINDS] for own in (plain, trained)]
    cut = 1 - sum(areas[1]) / max(sum(areas[0]), 1e-9)
    each = ", ".join(
        f"{kind} {before:.3f} → {after:.3f}" for kind, before, after in zip(USUAL_KINDS, *areas, strict=True)
    )
    told.append(f"mean loss of PCC over severities: {each}; in all {cut:.0%} less (goal: 50 %).")
    gains = [row for row in plain if row["corruption"] in ("contrast", "brightness")
             and row["saturated"] < 0.01 and row["severity"] != 0]  # fmt: skip
    if gains:
        worst = max(clean[0] - float(row["pcc"]) for row in gains)
        told.append(f"gain and bias that saturate less than 1 % of pixels cost {worst:.3f} of PCC at most.")
    return told
