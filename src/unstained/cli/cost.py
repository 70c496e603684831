"""`unstained cost`: time and money of training and labelling, here and in the cloud, against staining."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unstained.cli.options import Json, Overwrite, SettingsFile, place
from unstained.cli.task import counted, task

if TYPE_CHECKING:
    from unstained.cost.estimate import BreakEven, Costs, Row


def cost(
    plate: Annotated[
        str | None,
        typer.Argument(metavar="[P.zarr]", help="A plate [default: 96 wells of four fields of 2048² px]."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="A bundled model or a path [default: none trained].")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for cost.json, cost.csv, cost.png.")
    ] = None,
    plates: Annotated[int, typer.Option(metavar="N", min=1, help="So many plates are to be labelled.")] = 20,
    steps: Annotated[int, typer.Option(metavar="N", min=1, help="Of the training that comes before.")] = 2000,
    prices: Annotated[
        Path | None, typer.Option(metavar="F.yaml", help="Your prices [default: those of the package].")
    ] = None,
    device: Annotated[str, typer.Option(help="What is timed: cpu, cuda, or auto: CUDA if any.")] = "auto",
    overwrite: Overwrite = False,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Tell time and money of training and labelling, here and on cloud machines, against staining.

    A few fields are timed from reading to writing, and a few training steps; that takes about a minute.
    Prices are a dated table with its sources: copy and edit it.

    Example: unstained cost plate.zarr --model hela-rpe1-nuclei --plates 50 --out cost
    """
    with task("cost", json=json) as told:
        from unstained import pipeline
        from unstained.cost.costing import CostRequest
        from unstained.networks.bundle import load_model_bundle
        from unstained.plates.plate import open_plate

        asked = {"prices": prices, "plates": plates, "steps": steps, "device": device}
        found = pipeline.cost(
            None if plate is None else open_plate(place(plate)),
            None if model is None else load_model_bundle(model),
            out,
            CostRequest.checked(asked, "cost"),
            overwrite=overwrite,
            telling=told.telling(),
        )
        for line in _lines(found):
            told.say(line)
        if out is not None:
            told.say(f"wrote {out}")
        told.found(out=out, **found.model_dump(mode="json", by_alias=True))


def _lines(found: "Costs") -> list[str]:
    times, money = found.times, found.prices.currency
    fields = " + ".join(f"{name} {seconds:.2f}" for name, seconds in found.field_parts_s.items())
    training = " + ".join(f"{name} {seconds:.0f}" for name, seconds in found.training_parts_s.items())
    shared = times.device == "cpu" and times.cpu_share < 0.8
    busy = f"; busy with other work, which left {times.cpu_share:.0%} of a core" if shared else ""
    return [
        f"measured here: {times.machine}, {times.device}, {counted(times.threads, 'thread')}{busy}",
        f"a training step {times.step_s:.3f} s; a field, s: {fields}",
        f"a training of {found.steps} steps, s: {training}",
        "",
        "training here, hours    " + "".join(f"{steps:>8} steps" for steps in _steps(found)),
        *(_training_line(found, fields) for fields in _fields(found)),
        "",
        f"{'machine':<14}{'training h':>12}{money:>9}{'spot':>8}{'plate h':>10}{money:>9}{'spot':>8}"
        f"{'cheaper from':>14}",
        *(_machine_line(found, each) for each in found.break_even),
        "",
        _verdict(found),
    ]


def _steps(found: "Costs") -> list[int]:
    from unstained.cost.estimate import TABLE_STEPS

    return sorted({*TABLE_STEPS})


def _fields(found: "Costs") -> list[int]:
    from unstained.cost.estimate import TABLE_FIELDS

    return sorted({*TABLE_FIELDS})


def _training_line(found: "Costs", fields: int) -> str:
    hours = [_row(found, "training", "here", fields, steps).hours for steps in _steps(found)]
    return f"{f'  {fields} fields':<24}" + "".join(f"{value:>14.2f}" for value in hours)


def _machine_line(found: "Costs", each: "BreakEven") -> str:
    asked = next(row for row in found.rows if row.machine == each.machine)  # the training asked about
    plate = next(row for row in found.rows if row.what == "labelling" and row.machine == each.machine)
    cells = f"{each.machine:<14}"
    for row, wide in ((asked, 12), (plate, 10)):
        spot = "–" if row.spot is None else f"{row.spot:.2f}"
        cells += f"{row.hours:>{wide}.2f}{row.on_demand:>9.2f}{spot:>8}"
    return cells + f"{'never' if each.plates is None else f'{each.plates} plates':>14}"


def _row(found: "Costs", what: str, machine: str, fields: int, steps: int) -> "Row":
    wanted = (what, machine, fields, steps)
    return next(row for row in found.rows if (row.what, row.machine, row.fields, row.steps) == wanted)


def _verdict(found: "Costs") -> str:
    here, prices = found.break_even[0], found.prices
    staining = f"staining costs {found.staining_per_plate:.0f} {prices.currency} a plate"
    if here.plates is None:
        return f"{staining}; labelling here never costs less"
    saved = "saves" if here.saved >= 0 else "costs another"
    return (
        f"{staining}; labelling here costs less from {counted(here.plates, 'plate')} on and {saved} "
        f"{abs(here.saved):.0f} on {counted(found.plates, 'plate')} (prices of {prices.date}, "
        f"{prices.region}; check and edit them: --prices)"
    )
