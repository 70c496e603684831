"""What every study gives: tables, sentences, pictures, and the thesis' own numbers beside them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from pydantic import Field

from unstained.measurement.downstream import MEASURES
from unstained.settings import Settings
from unstained.studies.workbench import Scored, Variant, Workbench

Row: TypeAlias = dict[str, Any]

SHORT = {"count": "number", "area_um2": "area", "intensity_total": "total", "intensity_mean": "mean"}
"""What tables call the four measurements of a field."""


class Study(Settings):
    """The answer to one question of method, on one plate."""

    schema_: Literal["unstained.study/1"] = Field("unstained.study/1", alias="schema")
    name: str
    title: str
    data: str = Field(description="which plate, how much of it, simulated or not")
    tables: dict[str, tuple[Row, ...]]
    findings: tuple[str, ...] = Field((), description="what the numbers say, a sentence each")
    thesis: tuple[Row, ...] = Field((), description="the thesis' numbers, of its own private images")
    steps: int
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """What a study's function gives; the frame around it is the same for all."""

    tables: Mapping[str, Sequence[Row]]
    findings: Sequence[str] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)
    thesis: Sequence[Row] = ()


Run: TypeAlias = Callable[[Workbench], Answer]


def described(bench: Workbench) -> str:
    """Say which data a study's numbers are from."""
    plate, split = bench.plate, bench.split
    kind = ", simulated" if plate.info.get("simulated") else ""
    wells = len({region.field.well for region in split.test})
    return (
        f"plate {plate.name}{kind}: {len(bench.test_fields)} test fields of {wells} wells,"
        f" {len(bench.training_fields)} training fields; split by {split.level}"
    )


def framed(name: str, title: str, bench: Workbench, answer: Answer) -> Study:
    """Put the frame around an answer."""
    return Study(
        name=name,
        title=title,
        data=described(bench),
        tables={table: tuple(rows) for table, rows in answer.tables.items()},
        findings=tuple(answer.findings),
        thesis=tuple(answer.thesis),
        steps=bench.steps,
        seeds=bench.seeds,
    )


def write_study(folder: Path, study: Study, figures: Mapping[str, Figure]) -> None:
    """Write `study.json`, a CSV file for each table, a PNG for each figure, and all of it as `study.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.json").write_text(
        study.model_dump_json(by_alias=True, indent=1) + "\n", encoding="utf-8"
    )
    for name, rows in study.tables.items():
        pd.DataFrame(list(rows)).to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=80)
    (folder / "study.md").write_text(as_text(study, tuple(figures)), encoding="utf-8")


def as_text(study: Study, figures: Sequence[str] = ()) -> str:
    """Give a study as Markdown."""
    lines = [f"# {study.title}", ""]
    seeds = ", ".join(map(str, study.seeds))
    lines += [f"Data: {study.data}. {study.steps} steps a training; means over seeds {seeds}.", ""]
    lines += [f"- {sentence}" for sentence in study.findings] + [""] * bool(study.findings)
    for name, rows in study.tables.items():
        lines += [f"## {name.replace('-', ' ')}", "", *markdown_table(rows), ""]
    lines += [line for name in figures for line in (f"![{name}]({name}.png)", "")]
    if study.thesis:
        lines += ["## The thesis' numbers", "", "Of its own private images, so never like for like.", ""]
        lines += [*markdown_table(study.thesis), ""]
    return "\n".join(lines)


def markdown_table(rows: Sequence[Row]) -> list[str]:
    """Give rows as the lines of a Markdown table."""
    if not rows:
        return []
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    return head + ["| " + " | ".join(_shown(row.get(name)) for name in names) + " |" for row in rows]


def mean_rows(bench: Workbench, variants: Iterable[Variant], **score: Any) -> list[Row]:
    """Score variants with every seed; one row each, means over seeds."""
    return [mean_row(variant.label, [bench.score(variant, seed, **score) for seed in bench.seeds])
            for variant in variants]  # fmt: skip


def mean_row(label: str, scored: Sequence[Scored]) -> Row:
    """Give what tables show of one variant: PCC with its spread over seeds, downstream figures, sharpness."""
    evaluations = [each.evaluation for each in scored]
    pcc = [each.mean.pcc or 0.0 for each in evaluations]  # a constant prediction has none: it failed
    row: Row = {"variant": label, "pcc": mean_of(pcc), "pcc_spread": _spread(pcc)}
    if failed := sum(each.mean.pcc is None for each in evaluations):
        row["failed"] = failed
    if any(each.mean.pcc_target is not None for each in evaluations):
        row["pcc_target"] = mean_of([each.mean.pcc_target for each in evaluations])
    row["ssim"] = mean_of([each.mean.ssim for each in evaluations])
    for measure in MEASURES:
        row[SHORT[measure]] = mean_of([each.downstream[measure].pearson for each in evaluations])
    row["bias_number"] = mean_of([each.downstream["count"].bias for each in evaluations])
    row["finest_px"] = mean_of([each.sharpness.finest_px for each in scored])
    return row


def mean_of(values: Sequence[float | None]) -> float | None:
    """Average what is known, to four digits; None where nothing is."""
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 4) if known else None


def _spread(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(max(known) - min(known)), 4) if len(known) > 1 else None


def _shown(value: Any) -> str:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}"
    return str(value)
