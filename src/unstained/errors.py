"""One tree of errors that a user can put right; each says what was asked, what was found, what to do."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any


class UnstainedError(Exception):
    """Something the user can put right; its text is one clear line."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Between processes the text travels; `__init__` would put together again what is whole already.
        return _made_again, (type(self), str(self))


def _made_again(kind: type[UnstainedError], text: str) -> UnstainedError:
    return kind.__new__(kind, text)


class UnstainedWarning(UserWarning):
    """Something the user should know, though the work went on."""


def listed(names: Iterable[object], most: int = 12) -> str:
    """Join names for a message, shortened where there are many."""
    texts = [str(name) for name in names]
    shown = ", ".join(texts[:most]) or "nothing"
    return shown + (f", … ({len(texts)} in all)" if len(texts) > most else "")


class BadSettings(UnstainedError):
    """A setting is unknown, of the wrong type or out of range."""

    def __init__(self, source: str, fault: str, known: Iterable[str] = ()) -> None:
        names = list(known)
        super().__init__(f"{source}: {fault}" + (f"; known settings: {listed(names, 60)}" if names else ""))


class BadInput(UnstainedError):
    """A file, folder or table can't be used as it is."""


class MissingChannel(UnstainedError):
    """A channel was asked for that the plate doesn't have."""

    def __init__(self, channel: str, where: str, known: Iterable[str]) -> None:
        super().__init__(f"no channel {channel!r} in {where}; it holds: {listed(known)}")


class UnknownField(UnstainedError):
    """A well or field was named that the plate doesn't have."""

    def __init__(self, name: str, where: str, known: Iterable[object]) -> None:
        super().__init__(f"no well or field {name!r} in {where}; it holds: {listed(known)}")


class ModelNotFound(UnstainedError):
    """No model has this name or path."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"no model {name!r}; give the path of a model, or a bundled one: {listed(known)}")


class BadModel(UnstainedError):
    """A model's files are damaged, incomplete or of a newer format."""


class WrongModel(UnstainedError):
    """A model doesn't fit these images: another channel, or a pixel size beyond a factor of two."""


class OutputExists(UnstainedError):
    """An output is there already."""

    def __init__(self, path: object) -> None:
        super().__init__(f"{path} exists already; choose another name or add --overwrite")


class OutputFailed(UnstainedError):
    """An output can't be written: no permission, no space."""

    def __init__(self, path: object, reason: object) -> None:
        super().__init__(f"can't write {path}: {reason}")


class MissingExtra(UnstainedError):
    """An optional package is needed."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(f"{module} is not installed; run: pip install 'unstained[{extra}]'")


class SampleUnavailable(UnstainedError):
    """Sample data can't be fetched or isn't what it should be."""


def refuse_existing(out: Path, overwrite: bool) -> None:
    """Raise `OutputExists` where `out` is there and may not be replaced."""
    if out.exists() and not overwrite:
        raise OutputExists(out)


def one_line(error: BaseException, most: int = 200) -> str:
    """Shorten a library's error to one line that ours can quote."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= most else text[:most] + "…"
