"""A field of real cells that comes with the package: label-free, and stained."""

from importlib.resources import files
from pathlib import Path

from unstained.napari.layers import LayerData, image_layer
from unstained.plates.images import read_image

FOLDER = "samples/hela-rpe1-crop/images"


def sample_field() -> list[LayerData]:
    """Give the label-free plane and the real stain of a field of HeLa and RPE-1 cells (Y X)."""
    folder = Path(str(files("unstained"))) / FOLDER
    light, stain = (read_image(folder / f"A01_f2_{channel}.tif")[0] for channel in ("TL", "DNA"))
    hidden = image_layer(stain, "DNA, real stain", "#3c8cff", stain, visible=False)
    return [image_layer(light, "label-free", None, light), hidden]
