"""Write `docs/studies.md` and its pictures from the folders that `make studies` left (its arguments).

Chapters of studies or plates that aren't in these folders stay as they are.
"""

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from unstained.studies.catalogue import STUDIES
from unstained.studies.study import Study, as_text

DOCS = Path(__file__).resolve().parent
PAGE, PICTURES = DOCS / "studies.md", DOCS / "pictures" / "studies"
SHOWN = {
    "downstream": ("table-4",), "gfp": ("table-3",), "scale": ("table-2",),
    "losses": ("golgi-pictures", "nuclei-spectrum"),
    "recipes": ("initial-weights", "regularisation", "augmentation", "optimiser", "data"),
    "phenotypes": ("closing",), "background": ("steps", "measurements"), "tiling": ("pictures",),
    "split": ("split",),
    "composites": ("pictures",), "stability": ("defocus", "pictures"), "harm": ("expected-and-true",),
    "drift-power": ("run-lengths", "offline"),
    "embeddings": ("map", "severities", "autoencoder-course", "autoencoder-samples", "autoencoder-epochs"),
}  # fmt: skip
"""Which pictures the page shows; the others are drawn by the same command."""

HEAD = """# Studies

The thesis' questions, answered on a simulated plate ([the digital twin](twin.md)) by `make studies`; each
is one command on any plate with truth, for example `unstained study losses plate.zarr --input DIC --out
losses`. What is trained is kept and shared between studies; all take 2.8 hours on two cores
(`study-time`). How far figures move when they are run again is in [limits](limits.md). Written by
`docs/studies_page.py`; [which figure of the thesis is where](thesis.md).
"""


def main() -> None:
    """Write the chapters of some folders of studies; those of other studies and plates stay."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    chapters = dict(_kept())
    for study, folder in _studies([Path(text) for text in sys.argv[1:]]):
        shown = [picture for picture in SHOWN[study.name] if (folder / f"{picture}.png").exists()]
        chapters[study.title, _plate(study.data)] = _part(study, folder, shown)
    order = {kind.title: place for place, kind in enumerate(STUDIES.values())}
    places, place = {}, 0
    for title, plate in chapters:  # a title of its own stays behind what it follows
        places[title, plate] = place = order.get(title, place)
    text = "\n".join([HEAD, *(chapters[key] for key in sorted(chapters, key=lambda key: places[key]))])
    PAGE.write_text(text, encoding="utf-8")
    for picture in PICTURES.glob("*.png"):
        if picture.name not in text:
            picture.unlink()
    print(PAGE)


def _kept() -> Iterator[tuple[tuple[str, str], str]]:
    """Give the chapters that the page has, by title and plate."""
    if not PAGE.exists():
        return
    for part in re.split(r"^(?=## )", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title, data = re.match(r"## (.*)\n\nData: (.*)", part).groups()
        yield (title, _plate(data)), part.rstrip("\n") + "\n"


def _studies(folders: list[Path]) -> Iterator[tuple[Study, Path]]:
    for folder in (each / name for name in STUDIES for each in folders):
        if (folder / "study.json").exists():
            kept = json.loads((folder / "study.json").read_text(encoding="utf-8"))
            yield Study.model_validate(kept), folder


def _plate(data: str) -> str:
    """Name the plate that a study's data line begins with, as file names have it."""
    return re.sub(r"[^\w-]+", "-", data.split(":")[0].split(",")[0].removeprefix("plate "))


def _part(study: Study, folder: Path, shown: list[str]) -> str:
    """Give one study as a chapter, and copy the pictures that it shows."""
    plate = _plate(study.data)
    text = as_text(study, shown)
    for picture in shown:
        place = PICTURES / f"{study.name}-{plate}-{picture}.png"
        shutil.copy(folder / f"{picture}.png", place)
        text = text.replace(f"({picture}.png)", f"(pictures/studies/{place.name})")
    return "\n".join(f"#{line}" if line.startswith("#") else line for line in text.splitlines()) + "\n"


if __name__ == "__main__":
    main()
