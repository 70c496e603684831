"""A workplace in small: images of bright blobs, a plate of them, and a model whose stain is its input."""

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from typer.testing import CliRunner

from unstained.cli import app
from unstained.networks.bundle import Model, ModelCard, save_model
from unstained.networks.normalisation import StainScale
from unstained.networks.unet import UNet, UNetSettings

SHAPE = (96, 112)
DIAMETER_PX = 13.0
PIXEL_SIZE_UM = 0.5
FIELDS = ("A01/0", "A01/1", "A02/0", "A02/1")


@dataclass(frozen=True)
class Ran:
    """What a command gave."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> dict[str, Any]:
        """The machine-readable last line."""
        found: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return found


def unstained(*words: object) -> Ran:
    """Run a command in this process; a bug raises here with its own traceback."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="session")
def run():
    """Give the function that runs a command."""
    return unstained


def blobs(rng: np.random.Generator) -> np.ndarray:
    """Draw a dozen blobs that don't touch, 1 inside and 0 outside with soft edges."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    field = np.zeros(SHAPE)
    for row in range(3):
        for column in range(4):
            cy, cx = 16 + 32 * row + rng.uniform(-5, 5), 14 + 28 * column + rng.uniform(-5, 5)
            distance = np.hypot(y - cy, x - cx)
            field = np.maximum(field, 1 / (1 + np.exp((distance - DIAMETER_PX / 2) / 0.7)))
    return field


def write_images(folder: Path) -> Path:
    """Write four fields of two wells as TIFF, with a manifest; the stain is what the light shows."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    rows = []
    for name in FIELDS:
        well, field = name.split("/")
        signal = blobs(rng)
        for channel, dark, bright in (("TL", 1000, 600), ("DNA", 200, 3000)):
            plane = dark + bright * signal + rng.normal(0, 10, SHAPE)
            path = folder / "images" / f"{well}_f{field}_{channel}.tif"
            tifffile.imwrite(path, plane.astype(np.uint16))
            rows.append({"path": f"images/{path.name}", "well": well, "field": field, "channel": channel})
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def make_model(**changes: Any) -> Model:
    """Make a model whose stain is its normalised input, ELU of it below 0."""
    settings = UNetSettings(width=2, depth=1, residual=True, dropout=False)
    network = UNet(settings)
    with torch.no_grad():
        for weights in network.parameters():
            weights.zero_()
        for layer in (network.down[0].skip, network.up[0].skip, network.head):
            layer.weight[0, 0] = 1
    values = {
        "name": "blobs", "stains": ("nuclei",), "input": "TL", "targets": ("DNA",), "network": settings,
        "scales": (StainScale(offset=200, gain=1000),), "pixel_size_um": PIXEL_SIZE_UM,
        "object_diameters_px": [DIAMETER_PX],
    }  # fmt: skip
    return Model(ModelCard(**{**values, **changes}), network.eval())


@pytest.fixture(scope="session")
def model_like():
    """Give the function that makes a model with a card as wanted."""
    return make_model


@pytest.fixture(scope="session")
def images(tmp_path_factory) -> Path:
    """Give a folder of images with a manifest."""
    return write_images(tmp_path_factory.mktemp("source") / "bilder für morgen")


@pytest.fixture(scope="session")
def plate(tmp_path_factory, images) -> Path:
    """Give an imported plate."""
    out = tmp_path_factory.mktemp("plates") / "plate.zarr"
    assert unstained("import", images, "--out", out, "--pixel-size-um", PIXEL_SIZE_UM).code == 0
    return out


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """Give a saved model that fits the plate."""
    return save_model(make_model(), tmp_path_factory.mktemp("models") / "blobs")


@pytest.fixture(scope="session")
def predicted(tmp_path_factory, plate, model) -> Path:
    """Give a predicted plate that is measured."""
    out = tmp_path_factory.mktemp("predicted") / "predicted.zarr"
    assert unstained("predict", plate, "--model", model, "--out", out, "--device", "cpu").code == 0
    assert unstained("measure", out).code == 0
    return out


def hash_of(folder: Path) -> str:
    """Hash every file below a folder, with its name."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found.update(str(path.relative_to(folder)).encode())
        found.update(path.read_bytes())
    return found.hexdigest()


@pytest.fixture(scope="session")
def hashed():
    """Give the function that hashes a folder."""
    return hash_of
