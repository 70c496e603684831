"""Settings: frozen, validated, and refusing what they don't know; one class beside each stage's functions."""

from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from unstained.errors import BadSettings


class Settings(BaseModel):
    """What a stage can be told; never changed once made."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def checked(cls, values: dict[str, Any], source: str = "settings") -> Self:
        """Make settings from plain values; the first thing wrong becomes one line.

        Raises
        ------
        BadSettings
            A value has the wrong type or range, or a name is unknown.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise BadSettings(source, _first_fault(error), known=sorted(cls.model_fields)) from error

    def updated(self, **changes: Any) -> Self:
        """Give a copy with some values changed, checked like new ones; `None` keeps what was there."""
        given = {name: value for name, value in changes.items() if value is not None}
        return type(self).checked({**self.model_dump(), **given})


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a flat YAML file of settings.

    Raises
    ------
    BadSettings
        The file can't be read or isn't a mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadSettings(str(path), " ".join(str(error).split())) from error
    if not isinstance(values, dict):
        raise BadSettings(str(path), "it must hold lines of 'name: value'")
    return {str(name): value for name, value in values.items()}


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"])
    said = str(fault["msg"]).removeprefix("Value error, ")
    return f"{where}: {said}" if where else said
