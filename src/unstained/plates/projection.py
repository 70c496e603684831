"""Recorded planes brought together into fields: times become fields, z becomes channels or one plane."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from unstained.arrays import RawPlane
from unstained.errors import BadInput, BadSettings, listed
from unstained.plates.fields import FieldName
from unstained.plates.sharpness import detail
from unstained.plates.sources import PlaneSource

Stack = tuple[PlaneSource, ...]
"""The z planes of one channel of one field."""

_ONE_Z = re.compile(r"z=(\d+)")


@dataclass(frozen=True)
class FieldSource:
    """What a field of the new plate is made of."""

    name: FieldName
    place: str
    t: int | None
    stacks: dict[str, Stack]  # channel of the new plate to the planes it is made of


def check_projection(project: str) -> None:
    """Refuse what `project` can't be.

    Raises
    ------
    BadSettings
        It is none of channels, best, max, z=N.
    """
    if project not in ("channels", "best", "max") and not _ONE_Z.fullmatch(project):
        raise BadSettings("project", f"{project!r} is not known", known=("channels", "best", "max", "z=N"))


def arrange(planes: Sequence[PlaneSource], project: str) -> tuple[FieldSource, ...]:
    """Sort planes into fields and their channels, in the order of wells and fields.

    A field of several times becomes as many fields, numbered anew within its well, all of one place.

    Raises
    ------
    BadInput
        Two planes claim to be the same one, a field lacks a channel, or a stack lacks the z asked for.
    """
    _refuse_duplicates(planes)
    by_time: dict[tuple[FieldName, int | None], list[PlaneSource]] = {}
    for plane in planes:
        by_time.setdefault((FieldName(plane.well, plane.field), plane.t), []).append(plane)
    names = _renumbered(sorted(by_time, key=lambda key: (key[0], -1 if key[1] is None else key[1])))
    channels = list(dict.fromkeys(plane.channel for plane in planes))
    deep = {
        plane.channel for group in by_time.values() for plane in group if _depth(group, plane.channel) > 1
    }
    fields = tuple(
        FieldSource(
            name,
            by_time[key][0].place or str(key[0]),
            key[1],
            _stacks(by_time[key], channels, deep, project, str(name)),
        )
        for key, name in names.items()
    )
    _refuse_missing(fields)
    return fields


def project_stack(stack: Stack, project: str) -> tuple[RawPlane, int | None]:
    """Make one plane (Y X) of a stack; the z it was taken from, where it was taken from one.

    Raises
    ------
    BadInput
        The planes differ in size or type.
    """
    if len(stack) == 1:
        return stack[0].read(), stack[0].z
    planes = [source.read() for source in stack]
    for source, plane in zip(stack, planes, strict=True):
        if plane.shape != planes[0].shape or plane.dtype != planes[0].dtype:
            raise BadInput(
                f"{source.path} is {described(plane)}, but {stack[0].path}, of the same stack,"
                f" is {described(planes[0])}"
            )
    if project == "max":
        return np.max(planes, axis=0), None
    best = int(np.argmax([detail(plane) for plane in planes]))
    return planes[best], stack[best].z


def described(plane: RawPlane) -> str:
    """Write a plane's size and type for a message."""
    return f"{plane.shape[1]}×{plane.shape[0]} px {plane.dtype}"


def _depth(group: Iterable[PlaneSource], channel: str) -> int:
    return len({plane.z for plane in group if plane.channel == channel})


def _refuse_duplicates(planes: Sequence[PlaneSource]) -> None:
    seen: dict[tuple[object, ...], PlaneSource] = {}
    for plane in planes:
        key = (plane.well, plane.field, plane.channel, plane.z, plane.t)
        if key in seen:
            parts = [f"{plane.well}/{plane.field}", f"channel {plane.channel}"]
            parts += [f"{axis} {at}" for axis, at in (("z", plane.z), ("t", plane.t)) if at is not None]
            raise BadInput(
                f"two images are both {', '.join(parts)}: {seen[key].path} and {plane.path};"
                " leave one out, or tell them apart by a manifest or --pattern"
            )
        seen[key] = plane


def _renumbered(
    keys: Sequence[tuple[FieldName, int | None]],
) -> dict[tuple[FieldName, int | None], FieldName]:
    """Name the new fields: as they were, but numbered anew in wells with several times."""
    in_well: dict[str, list[tuple[FieldName, int | None]]] = {}
    for key in keys:
        in_well.setdefault(key[0].well, []).append(key)
    names = {}
    for well, members in in_well.items():
        timed = len(members) > len({field for field, _ in members})
        for count, key in enumerate(members):
            names[key] = FieldName(well, count) if timed else key[0]
    return names


def _stacks(
    group: Sequence[PlaneSource], channels: Sequence[str], deep: set[str], project: str, where: str
) -> dict[str, Stack]:
    stacks: dict[str, Stack] = {}
    for channel in channels:
        stack = tuple(
            sorted(
                (plane for plane in group if plane.channel == channel),
                key=lambda p: -1 if p.z is None else p.z,
            )
        )
        if channel in deep and project == "channels":
            stacks |= {f"{channel}_z{plane.z or 0:02d}": (plane,) for plane in stack}
        elif stack:
            stacks[channel] = _chosen(stack, channel in deep, project, f"{where} channel {channel}")
    return stacks


def _chosen(stack: Stack, is_deep: bool, project: str, where: str) -> Stack:
    match = _ONE_Z.fullmatch(project)
    if match is None or not is_deep:
        return stack
    chosen = tuple(plane for plane in stack if plane.z == int(match[1]))
    if not chosen:
        raise BadInput(f"{where} has no plane {project}; it holds z {listed(plane.z for plane in stack)}")
    return chosen


def _refuse_missing(fields: Sequence[FieldSource]) -> None:
    wanted = list(dict.fromkeys(channel for field in fields for channel in field.stacks))
    for field in fields:
        missing = [channel for channel in wanted if channel not in field.stacks]
        if missing:
            other = next(each for each in fields if missing[0] in each.stacks)
            raise BadInput(
                f"field {field.name} has no channel {listed(missing)} (it has {listed(field.stacks)}),"
                f" but field {other.name} has; a plate's fields need the same channels: import them apart"
                + (", or choose one z plane with --project best" if "_z" in missing[0] else "")
            )
