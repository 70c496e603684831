"""How microscopes name their files: one regular expression each, and Opera's index of channel names."""

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from unstained.errors import BadInput, one_line


@dataclass(frozen=True)
class Preset:
    """A naming scheme: what a file's path below the source folder says of its content."""

    name: str
    pattern: re.Pattern[str]
    has_index: bool = False

    def match(self, path: str) -> re.Match[str] | None:
        """Read a path with `/` between folders; None where it doesn't follow this scheme."""
        return self.pattern.search(path)


@dataclass(frozen=True)
class IndexEntry:
    """What Opera's index says of one file."""

    channel: str | None
    pixel_size_um: float | None


_PATTERNS = {
    # plate_A01_s1_w1.tif, also TimePoint_1/…, ZStep_1/…, and a unique id after the wavelength
    "imagexpress": r"(?:TimePoint_(?P<t>\d+)/)?(?:ZStep_(?P<z>\d+)/)?(?:[^/]*_|^|(?<=/))"
    r"(?P<well>A?[A-Pa-p]\d{2})(?=_[sw]\d)"
    r"(?:_s(?P<field>\d+))?(?:_(?P<channel>w\d))?"
    r"(?:[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12})?\.(?:tif|tiff|TIF)$",
    # r01c01f01p01-ch1sk1fk1fl1.tiff: row, column, field, plane, channel, time
    "opera": r"(?:^|/)r(?P<row>\d{2})c(?P<column>\d{2})f(?P<field>\d{2,})p(?P<z>\d{2,})-(?P<channel>ch\d+)"
    r"(?:sk(?P<t>\d+))?(?:fk\d+)?(?:fl\d+)?\.tiff?$",
    # Plate_B03_T0001F001L01A01Z01C01.tif: time, field, line, action, plane, channel
    "cellvoyager": r"_(?P<well>A?[A-P]\d{2})_T(?P<t>\d{4})F(?P<field>\d{3})L\d{2}A\d{2}Z(?P<z>\d{2,3})"
    r"(?P<channel>C\d{2})\.tif$",
}

PRESETS = {
    name: Preset(name, re.compile(text), has_index=name == "opera") for name, text in _PATTERNS.items()
}
"""ImageXpress (MetaXpress), Opera/Operetta/Phenix (Harmony, Columbus), CellVoyager (CV7000, CV8000)."""


def read_index(folder: Path) -> dict[str, IndexEntry]:
    """Read channel names and pixel size from Index.idx.xml or Index.xml, by file name; empty without one.

    Harmony 5 writes them with every image, Harmony 6 once per channel.

    Raises
    ------
    BadInput
        The index is damaged.
    """
    found = [path for name in ("Index.idx.xml", "Index.xml") for path in sorted(folder.rglob(name))]
    if not found:
        return {}
    try:
        root = ElementTree.parse(found[0]).getroot()
        by_channel: dict[str, IndexEntry] = {}
        for entry in root.iterfind(".//{*}Map/{*}Entry[@ChannelID]"):  # several maps, each with part of it
            channel = entry.get("ChannelID", "")
            by_channel[channel] = _entry(entry, by_channel.get(channel))
        return {
            image.findtext("{*}URL", ""): _entry(image, by_channel.get(image.findtext("{*}ChannelID", "")))
            for image in root.iterfind(".//{*}Image")
        }
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise BadInput(f"can't read {found[0]}: {one_line(error)}") from error


def _entry(element: ElementTree.Element, otherwise: IndexEntry | None = None) -> IndexEntry:
    size_m = element.findtext("{*}ImageResolutionX")
    channel = element.findtext("{*}ChannelName")
    return IndexEntry(
        channel or (otherwise.channel if otherwise else None),
        float(size_m) * 1e6 if size_m else (otherwise.pixel_size_um if otherwise else None),
    )
