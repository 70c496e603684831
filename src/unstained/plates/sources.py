"""Which recorded planes there are, and what each shows: from a manifest, file names, or one file."""

import csv
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from unstained.arrays import RawPlane
from unstained.errors import BadInput, BadSettings, UnstainedWarning, listed
from unstained.plates.fields import row_name, well_name
from unstained.plates.images import IMAGE_SUFFIXES, Scene, scan_image
from unstained.plates.presets import PRESETS, Preset, read_index
from unstained.plates.vendor import READERS

MANIFEST = "manifest.csv"
PATTERN_EXAMPLE = r"--pattern '(?P<well>[A-P]\d\d)_f(?P<field>\d+)_(?P<channel>\w+)\.tif'"
_REQUIRED_COLUMNS = ("path", "well", "field", "channel")
_GROUPS = {"well", "row", "column", "field", "channel", "z", "t"}


@dataclass(frozen=True)
class PlaneSource:
    """One recorded plane: what it shows, where it is."""

    well: str
    field: int
    channel: str
    z: int | None
    t: int | None
    path: Path | str
    pixel_size_um: float | None
    read: Callable[[], RawPlane]
    place: str | None = None  # where known; fields of equal place show the same cells


@dataclass(frozen=True)
class Shown:
    """What a manifest row or a file's name says of its content; None = it doesn't say."""

    well: str | None = None
    field: int | None = None
    channel: str | None = None
    z: int | None = None
    t: int | None = None
    pixel_size_um: float | None = None


def from_manifest(path: Path) -> list[PlaneSource]:
    """List the planes of a manifest: `path,well,field,channel[,z][,t][,pixel_size_um]`, paths relative to it.

    Raises
    ------
    BadInput
        A column or a file is missing, or a value isn't what it should be.
    """
    if not path.is_file():
        raise BadInput(f"no manifest at {path}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"can't read the manifest {path}: {error}") from error
    missing = [name for name in _REQUIRED_COLUMNS if not rows or name not in rows[0]]
    if missing:
        found = listed(rows[0]) if rows else "no rows"
        raise BadInput(f"the manifest {path} lacks {listed(missing)}; it has: {found}")
    planes = []
    for line, row in enumerate(rows, start=2):
        if not row["path"]:
            raise BadInput(f"{path}, line {line}: no path")
        planes += _planes_of(path.parent / row["path"], _shown_by_row(row, f"{path}, line {line}"))
    return planes


def from_folder(folder: Path, preset: str | None, pattern: str | None) -> list[PlaneSource]:
    """List the planes of a folder whose file names follow a preset or a regular expression.

    Raises
    ------
    BadInput, BadSettings
        No image, no or several naming schemes that fit, or a pattern that can't be used.
    """
    files = _image_files(folder)
    if pattern is None and preset is None and any(file.suffix.lower() in READERS for file in files):
        return _from_vendor_files(files)
    scheme = _custom(pattern) if pattern is not None else _preset(folder, files, preset)
    index = read_index(folder) if scheme.has_index else {}
    matched = [
        (file, match) for file in files if (match := scheme.match(file.relative_to(folder).as_posix()))
    ]
    if not matched:
        raise BadInput(f"no file name in {folder} fits {scheme.name}; one of them is {files[0].name}")
    if len(matched) < len(files):
        left = sorted({file.name for file in files} - {file.name for file, _ in matched})
        warnings.warn(
            f"{len(files) - len(matched)} images in {folder} don't fit {scheme.name} and are left out,"
            f" the first is {left[0]}",
            UnstainedWarning,
            stacklevel=2,
        )
    planes = []
    for file, match in matched:
        shown = _shown_by_name(match, str(file))
        entry = index.get(file.name)
        if entry is not None:
            shown = replace(shown, channel=entry.channel or shown.channel, pixel_size_um=entry.pixel_size_um)
        planes += _planes_of(file, shown)
    return planes


def from_file(path: Path) -> list[PlaneSource]:
    """List the planes of one file as well A01; its places become fields 0, 1, …."""
    return _planes_of(path, Shown(well="A01"))


def _from_vendor_files(files: Iterable[Path]) -> list[PlaneSource]:
    """Give each file a well of its own: A01, A02, … in the order of their names, 12 to a row."""
    planes = []
    for count, file in enumerate(file for file in files if file.suffix.lower() in READERS):
        planes += _planes_of(file, Shown(well=f"{row_name(count // 12)}{count % 12 + 1:02d}"))
    return planes


def _planes_of(path: Path, shown: Shown) -> list[PlaneSource]:
    """List every plane of a file; what its name or manifest row says goes before what it says of itself."""
    scenes = scan_image(path)
    if len(scenes) > 1 and shown.field is not None:
        raise BadInput(f"{path} holds {len(scenes)} places, but it is named as field {shown.field} alone")
    return [plane for number, scene in enumerate(scenes) for plane in _planes_of_scene(scene, number, shown)]


def _planes_of_scene(scene: Scene, number: int, shown: Shown) -> list[PlaneSource]:
    for axis, said, count in (
        ("channels", shown.channel, len(scene.channels)),
        ("z planes", shown.z, scene.z_count),
        ("times", shown.t, scene.t_count),
    ):
        if said is not None and said != "" and count > 1:
            raise BadInput(
                f"{scene.path} holds {count} {axis}, but it is named as {said} alone; leave that name out"
            )
    return [
        PlaneSource(
            well=shown.well or "A01",
            field=number if shown.field is None else shown.field,
            channel=shown.channel or name or f"C{c + 1}",
            z=z if scene.z_count > 1 else shown.z,
            t=t if scene.t_count > 1 else shown.t,
            path=scene.path,
            pixel_size_um=shown.pixel_size_um or scene.pixel_size_um,
            read=lambda c=c, z=z, t=t: scene.read(c, z, t),  # type: ignore[misc]
        )
        for t in range(scene.t_count)
        for c, name in enumerate(scene.channels)
        for z in range(scene.z_count)
    ]


def _image_files(folder: Path) -> list[Path]:
    """Find the images in a folder and below, without hidden ones and thumbnails."""
    suffixes = (*IMAGE_SUFFIXES, *READERS)
    files = [
        file
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in suffixes
        and not file.name.startswith(".")
        and "_thumb" not in file.name.lower()
    ]
    if not files:
        raise BadInput(f"no images in {folder}; known kinds: {listed(suffixes)}")
    return files


def _preset(folder: Path, files: list[Path], name: str | None) -> Preset:
    if name is not None:
        if name not in PRESETS:
            raise BadSettings("preset", f"no preset {name!r}", known=PRESETS)
        return PRESETS[name]
    names = [file.relative_to(folder).as_posix() for file in files]
    fitting = [preset for preset in PRESETS.values() if any(preset.match(name) for name in names)]
    if len(fitting) == 1:
        return fitting[0]
    known = f"give --preset ({listed(PRESETS)}), a {MANIFEST}, or for example {PATTERN_EXAMPLE}"
    if fitting:
        raise BadInput(
            f"file names in {folder} fit several schemes ({listed(p.name for p in fitting)}); {known}"
        )
    raise BadInput(f"file names in {folder} (such as {files[0].name}) fit no known scheme; {known}")


def _custom(pattern: str) -> Preset:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise BadSettings("pattern", f"{pattern!r} is no regular expression: {error}") from error
    unknown = sorted(set(compiled.groupindex) - _GROUPS)
    if unknown or not compiled.groupindex:
        what = f"unknown group {unknown[0]!r}" if unknown else "no named group"
        raise BadSettings(
            "pattern", f"{what} in {pattern!r}; an example: {PATTERN_EXAMPLE}", known=sorted(_GROUPS)
        )
    return Preset(f"the pattern {pattern!r}", compiled)


def _shown_by_row(row: Mapping[str, str | None], where: str) -> Shown:
    given = {name: (row.get(name) or "").strip() for name in (*_REQUIRED_COLUMNS, "z", "t", "pixel_size_um")}
    size = given["pixel_size_um"]
    try:
        pixel_size_um = float(size) if size else None
    except ValueError:
        pixel_size_um = -1.0
    if pixel_size_um is not None and not 0 < pixel_size_um < 1000:
        raise BadInput(f"{where}: pixel_size_um is {size!r}, it must be a number of µm")
    return Shown(
        _well(given["well"], where),
        _whole(given["field"], "field", where),
        given["channel"] or None,
        _whole(given["z"], "z", where),
        _whole(given["t"], "t", where),
        pixel_size_um,
    )


def _shown_by_name(match: re.Match[str], where: str) -> Shown:
    given = {name: (text or "").strip() for name, text in match.groupdict().items()}
    well = given.get("well", "")
    if given.get("row") and given.get("column"):
        row = row_name(int(given["row"]) - 1) if given["row"].isdigit() else given["row"]
        well = f"{row}{given['column']}"
    return Shown(
        _well(well, where) if well else None,
        _whole(given.get("field", ""), "field", where) or 0,
        given.get("channel") or None,
        _whole(given.get("z", ""), "z", where),
        _whole(given.get("t", ""), "t", where),
    )


def _well(text: str, where: str) -> str:
    try:
        return well_name(text)
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from error


def _whole(text: str, name: str, where: str) -> int | None:
    if not text:
        return None
    if not text.isdigit():
        raise BadInput(f"{where}: {name} is {text!r}, it must be a whole number")
    return int(text)
