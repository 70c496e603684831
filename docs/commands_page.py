"""Write `docs/commands.md` from the commands themselves; a test keeps the page current."""

from pathlib import Path
from typing import Any

import typer

from unstained.cli import app

PAGE = Path(__file__).resolve().parent / "commands.md"
HEAD = """# Commands

Written by `make docs` from the commands themselves. Exit codes: 0 done, 1 something that you can put right,
said in one line, 2 a mistyped command, 130 interrupted. With `--json` the last line of the output is one JSON
object.
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(rendered(), encoding="utf-8")
    print(PAGE)


def rendered() -> str:
    """Give the page."""
    return "\n".join([HEAD, *(_section(name, command) for name, command in commands().items())])


def commands() -> dict[str, Any]:
    """Give every command by its words, such as `study split`."""
    found: dict[str, Any] = {}
    waiting = [((), typer.main.get_command(app))]
    while waiting:
        words, command = waiting.pop(0)
        inner = getattr(command, "commands", {})
        waiting += [((*words, name), each) for name, each in inner.items()]
        if not inner:
            found[" ".join(words)] = command
    return found


def options(command: Any) -> set[str]:
    """Name the options of a command, `--help` included."""
    return {"--help", "-h"} | {word for each in command.params for word in (*each.opts, *each.secondary_opts)}


def _section(name: str, command: Any) -> str:
    paragraphs = [" ".join(part.split()) for part in (command.help or "").split("\n\n")]
    shown = [
        f"`{part.removeprefix('Example: ')}`" if part.startswith("Example: ") else part for part in paragraphs
    ]
    rows = [_row(each) for each in command.params]
    table = ["| argument or option | what it says | if left out |", "|---|---|---|", *rows]
    return "\n\n".join([f"## unstained {name}", *shown, "\n".join(table)]) + "\n"


def _row(parameter: Any) -> str:
    told, _, rest = (parameter.help or "").partition("[default: ")
    default = rest.removesuffix("]").removesuffix("].") or _default(parameter)
    cells = (f"`{_word(parameter)}`", told.strip(), default)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _word(parameter: Any) -> str:
    """Write an argument as `SOURCE`, an option as `--out DIR`, a switch as `--json`."""
    word = str(parameter.opts[0])
    if not word.startswith("-"):
        return str(parameter.metavar or word.upper())
    takes = parameter.metavar or parameter.name.upper()
    return word if getattr(parameter, "is_flag", False) else f"{word} {takes}"


def _default(parameter: Any) -> str:
    if parameter.required:
        return "**needed**"
    if getattr(parameter, "is_flag", False) or parameter.default in (None, ""):
        return ""
    return f"`{parameter.default}`"


if __name__ == "__main__":
    main()
