"""Make the docs' pictures of the app from screenshots: python docs/app_pictures.py FOLDER.

The browser's test writes screenshots where UNSTAINED_SCREENSHOTS says; those named here are taken.
"""

import sys
from pathlib import Path

from PIL import Image

OUT = Path(__file__).resolve().parent / "pictures" / "app"
NAMES = ("label", "plate", "trust")
MOST_BYTES = 200_000
HEIGHT_PX = 900
TRIED = ((1280, 256), (1280, 128), (1000, 128), (1000, 64), (800, 64), (640, 64))


def main(folder: Path) -> None:
    """Write each picture as large and with as many colours as fit into `MOST_BYTES`."""
    OUT.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        with Image.open(folder / f"{name}.png") as shot:
            picture = shot.convert("RGB").crop((0, 0, shot.width, min(shot.height, HEIGHT_PX)))
        out = OUT / f"{name}.png"
        for width, colours in TRIED:
            height = round(picture.height * width / picture.width)
            few = picture.resize((width, height), Image.Resampling.LANCZOS)
            few = few.quantize(colours, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
            few.save(out, optimize=True)
            if out.stat().st_size <= MOST_BYTES:
                break
        print(f"{out}: {out.stat().st_size / 1000:.0f} kB, {width} px, {colours} colours")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
