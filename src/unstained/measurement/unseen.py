"""Which fields may be scored: whether a model saw a field is told by its pixels, not by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from unstained.errors import BadInput
from unstained.plates.plate import FieldName, Plate, fingerprint
from unstained.plates.regions import Region, whole_field

Choice: TypeAlias = Literal["test", "all"]
SEEN = ("train", "validation")
MOST_NAMED = 6


@dataclass(frozen=True)
class Selection:
    """What is scored, what the floors may learn from, and what there is to say about it."""

    scored: tuple[Region, ...]
    training: tuple[Region, ...]  # of the same plate; empty where the model never saw it
    notes: tuple[str, ...]


def input_fingerprints(predicted: Plate, truth: Plate, channel: str | None) -> dict[FieldName, str | None]:
    """Give the fingerprint of the label-free plane of every field that both plates have.

    It is the predicted plate's own record of what it was predicted from, or else that of the truth plate's
    channel; None where neither tells.
    """
    prints: dict[FieldName, str | None] = {}
    for name in common_fields(predicted, truth):
        known = predicted.field_info(name).get("input_fingerprints", {}).get(channel)
        if known is None and channel in truth.channels:
            known = fingerprint(truth.read(name, str(channel)))
        prints[name] = known
    return prints


def common_fields(predicted: Plate, truth: Plate) -> tuple[FieldName, ...]:
    """Name the fields that both plates have.

    Raises
    ------
    BadInput
        There is none.
    """
    both = tuple(name for name in predicted.fields if name in set(truth.fields))
    if not both:
        raise BadInput(
            f"{predicted.path} and {truth.path} have no field in common; "
            "give the plate whose label-free images were predicted"
        )
    return both


def select_regions(
    truth: Plate, prints: Mapping[FieldName, str | None], card: Mapping[str, Any], choice: Choice
) -> Selection:
    """Choose what to score: what the model never saw (`test`), or every field (`all`).

    Parameters
    ----------
    prints
        Field → fingerprint of its label-free plane; None where that isn't known.
    card
        What the predicted plate tells of its model: `fingerprints` (role → field → fingerprint) and `split`.

    Raises
    ------
    BadInput
        The model saw every field, or that can't be told, and only unseen ones were asked for.
    """
    roles = {name: _roles(print_, card) for name, print_ in prints.items() if print_ is not None}
    untold = tuple(name for name in prints if name not in roles)
    training = tuple(
        region
        for name, found in roles.items()
        if "train" in found
        for region in _parts(truth, name, found, card, "train")
    )
    if choice == "all":
        scored = tuple(whole_field(truth, name) for name in prints)
        notes = (*_notes_on_all(roles, card, len(scored)), *_notes_on_untold(untold))
        return Selection(scored, training, notes)
    scored = tuple(region for name, found in roles.items() for region in _unseen(truth, name, found, card))
    if not roles:
        raise BadInput(
            f"neither plate tells which images were predicted, so whether the model saw those of {truth.path}"
            " can't be told; score them all the same with --fields all"
        )
    if not scored:
        raise BadInput(
            f"the model saw every field of {truth.path} in training, so none can test it; "
            "score them all the same with --fields all"
        )
    left_out = tuple(f"left out: {note}" for note in _notes_on_untold(untold))
    return Selection(scored, training, (*_notes_on_test(roles, scored, card), *left_out))


def _roles(print_: str, card: Mapping[str, Any]) -> dict[str, str]:
    """Role → the name that a field of this fingerprint had when the model was made."""
    return {
        role: name
        for role, prints in card.get("fingerprints", {}).items()
        for name, known in prints.items()
        if known == print_
    }


def _unseen(
    truth: Plate, name: FieldName, roles: Mapping[str, str], card: Mapping[str, Any]
) -> tuple[Region, ...]:
    if not roles.keys() & set(SEEN):
        return (whole_field(truth, name),)
    return _parts(truth, name, roles, card, "test") if "test" in roles else ()


def _parts(
    truth: Plate, name: FieldName, roles: Mapping[str, str], card: Mapping[str, Any], role: str
) -> tuple[Region, ...]:
    """Regions that a field has in a role; all of it where the split doesn't name it."""
    regions = [Region.parse(text) for text in card.get("split", {}).get(role, ())]
    named = [region for region in regions if str(region.field) == roles[role]]
    return tuple(region._replace(field=name) for region in named) or (whole_field(truth, name),)


def _split_warnings(card: Mapping[str, Any]) -> list[str]:
    return [f"split: {warning}" for warning in card.get("split", {}).get("warnings", ())]


def _notes_on_all(
    roles: Mapping[FieldName, Mapping[str, str]], card: Mapping[str, Any], scored: int
) -> tuple[str, ...]:
    seen = [name for name, found in roles.items() if found.keys() & set(SEEN)]
    if not seen:
        return ()
    return (
        *_split_warnings(card),
        f"not an honest test: the model saw {len(seen)} of the {scored} scored fields in training or "
        f"validation ({_named(seen)}); --fields test scores the others",
    )


def _notes_on_untold(untold: Sequence[FieldName]) -> tuple[str, ...]:
    if not untold:
        return ()
    told = "which image was predicted isn't known, so neither is whether the model saw it"
    return (f"{_named(untold)}: {told}",)


def _notes_on_test(
    roles: Mapping[FieldName, Mapping[str, str]], scored: tuple[Region, ...], card: Mapping[str, Any]
) -> tuple[str, ...]:
    if not any(roles.values()):
        return ("the model never saw this plate: every field is a test",)
    level = card.get("split", {}).get("level")
    notes = _split_warnings(card)
    if level == "half":
        parts = ", ".join(str(region) for region in scored[:MOST_NAMED])
        notes.append(f"tested on other parts of the images that the model was trained on: {parts}")
    elif level == "field":
        notes.append("tested on other fields of wells that the model was trained on")
    return tuple(notes)


def _named(fields: Sequence[FieldName]) -> str:
    more = f", … {len(fields) - MOST_NAMED} more" if len(fields) > MOST_NAMED else ""
    return ", ".join(str(name) for name in fields[:MOST_NAMED]) + more
