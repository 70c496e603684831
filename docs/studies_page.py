"""Write `docs/studies.md` and its pictures from the folders that `make studies` left (its arguments)."""

import json
import re
import shutil
import sys
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
losses`. What is trained is kept and shared between studies. The page holds those that were run so far.
Written by `docs/studies_page.py`; [which figure of the thesis is where](thesis.md).
"""


def main() -> None:
    """Write the page from one folder of studies, and add those on other plates."""
    folders = [Path(text) for text in sys.argv[1:]]
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    parts = [HEAD]
    for name in STUDIES:
        for folder in (each / name for each in folders if (each / name / "study.json").exists()):
            study = Study.model_validate(json.loads((folder / "study.json").read_text(encoding="utf-8")))
            shown = [picture for picture in SHOWN[name] if (folder / f"{picture}.png").exists()]
            parts.append(_part(study, folder, shown))
    PAGE.write_text("\n".join(parts), encoding="utf-8")
    print(PAGE)


def _part(study: Study, folder: Path, shown: list[str]) -> str:
    """Give one study as a chapter, and copy the pictures that it shows."""
    plate = re.sub(r"[^\w-]+", "-", study.data.split(":")[0].split(",")[0].removeprefix("plate "))
    text = as_text(study, shown)
    for picture in shown:
        place = PICTURES / f"{study.name}-{plate}-{picture}.png"
        shutil.copy(folder / f"{picture}.png", place)
        text = text.replace(f"({picture}.png)", f"(pictures/studies/{place.name})")
    return "\n".join(f"#{line}" if line.startswith("#") else line for line in text.splitlines()) + "\n"


if __name__ == "__main__":
    main()
