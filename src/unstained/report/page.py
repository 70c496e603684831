"""One self-contained HTML page on a predicted plate: pictures, figures, charts, origins; it loads nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from unstained.errors import OutputFailed, UnstainedError
from unstained.measurement.evaluation import Evaluation
from unstained.measurement.plates import stored_tables
from unstained.plates.plate import Plate, open_plate
from unstained.ranking.ranking import Ranking
from unstained.report.charts import ramp_css
from unstained.report.content import choose_fields
from unstained.report.origin import origin_of
from unstained.report.ranked import ranked
from unstained.report.sections import Plates
from unstained.report.strips import strips
from unstained.report.together import together
from unstained.report.wording import Values

Scores = Evaluation | Values


def write_report(  # noqa: PLR0913 (all but two have a default)
    predicted: Plate,
    out: Path,
    *,
    truth: Plate | None = None,
    evaluation: Scores | Sequence[Scores] | None = None,
    run: Mapping[str, Any] | None = None,
    source: Plate | None = None,
    ranking: Ranking | None = None,
) -> Path:
    """Write a page on a predicted plate to `out`; an earlier page there is replaced.

    Parameters
    ----------
    truth
        Plate with the real stain (and, as a rule, the label-free images).
    evaluation
        What `evaluate_plate` gave, or its JSON; several, where there are several stains.
    run
        Record of the run that made the predictions, shown as it is.
    source
        Plate with the label-free images; None = `truth`, or the plate that was predicted if it is there.
    ranking
        Of this plate's wells; it goes before all else.

    Raises
    ------
    OutputFailed
        No permission or no space.
    """
    scores = _by_stain(evaluation)
    plates = Plates(predicted, truth, source or truth or _source_of(predicted))
    tables = stored_tables(predicted)
    sections = [plates.section(stain, scores.get(stain), tables) for stain in predicted.channels]
    shown = dict.fromkeys(
        shown.name for stain in predicted.channels for shown in choose_fields(predicted, scores.get(stain))
    )
    page = _render(
        title=predicted.name,
        model=", ".join(str(card.get("name")) for card in predicted.info.get("models", ())),
        ranked=None if ranking is None else ranked(ranking),
        sections=sections,
        together=together(predicted, truth, tables),
        simulated=bool(predicted.info.get("simulated")),
        origin=origin_of(predicted, truth, run, shown, scores.values()),
        strips=strips(predicted, truth, plates.source),
        ramp=ramp_css(),
    )
    return _write_whole(out, page)


def _by_stain(evaluation: Scores | Sequence[Scores] | None) -> dict[str, Values]:
    if evaluation is None:
        return {}
    several = evaluation if isinstance(evaluation, Sequence) else [evaluation]
    plain = [each.to_json() if isinstance(each, Evaluation) else each for each in several]
    return {each["stain"]: each for each in plain}


def _source_of(predicted: Plate) -> Plate | None:
    """Open the plate that was predicted; None where it is gone, as a page can do without it."""
    path = predicted.info.get("source")
    try:
        return None if path is None else open_plate(path)
    except UnstainedError:
        return None


def _render(**values: Any) -> str:
    environment = Environment(
        loader=PackageLoader("unstained", "report"),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("page.html.j2").render(**values)


def _write_whole(out: Path, page: str) -> Path:
    unfinished = out.with_name(f".{out.name}.unfinished")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(page, encoding="utf-8", newline="\n")
        unfinished.replace(out)
    except OSError as error:
        raise OutputFailed(out, error) from error
    return out
