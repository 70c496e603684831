"""The command line: each command parses, calls one public function, prints; stages are imported inside."""

from typing import Annotated

import typer

from unstained.cli import app as web_app
from unstained.cli import cost, data, embed, export, models, ranking, results, stories, study, trust
from unstained.version import __version__

app = typer.Typer(
    name="unstained",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",  # else [default: …] in a help text is taken for a colour
    pretty_exceptions_enable=False,  # a bug keeps Python's own traceback
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    stories.demo, stories.screen, data.sample, data.twin, data.import_, data.check,
    models.models, models.train, results.predict, results.measure, results.evaluate,
    ranking.rank, results.report, study.study, trust.stability, embed.embed, cost.cost, web_app.app,
    export.export,
):  # fmt: skip
    app.command(command.__name__.rstrip("_"))(command)
app.add_typer(trust.drift)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"unstained {__version__}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version.")
    ] = False,
) -> None:
    """Fluorescent labels for unstained cells: predict stains from label-free images, and measure the cells.

    Begin with: unstained demo
    """


def main() -> None:
    """Run the command line; the entry point `unstained`."""
    app()
