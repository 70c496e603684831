"""From one label-free field in camera units to its stains in camera units: grid, scale, network, and back."""

import copy
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import shift
from torch import Tensor

from unstained.arrays import Plane, Planes, RawPlane
from unstained.errors import BadInput, BadSettings, UnstainedWarning, WrongModel
from unstained.networks.bundle import Model, ModelCard
from unstained.networks.light import Light, field_light, quarter_turns
from unstained.networks.resampling import network_plane, resample
from unstained.networks.unet import LIT_MIRRORS, MIRRORS, UNetSettings
from unstained.prediction.tiling import Tiling, predict_outputs

MOST_ZOOM = 2.0
"""A model isn't used on pixels that are more than this many times larger or smaller than its own."""

CPU_MEMORY_GIB = 2.5
"""What a network may use at once where nothing else is said; on a GPU, half of what is free there."""


@dataclass(frozen=True)
class Prediction:
    """What one pass over a field gives.

    Attributes
    ----------
    stains
        (stain Y X), same Y and X as the field, in the stain's camera units.
    bottleneck
        (256 Y/16 X/16) of the field's working grid, rounded up: the network's innermost features.
    seen
        (Y X) the field as the network saw it: working grid, network units, turned to the model's light.
    dissent
        (stain): variance between predictions of mirror images over that of their mean, network units; 0
        where the model predicts one image only.
    turns
        By 90°, as `numpy.rot90` takes them, that brought the field to the model's light.
    light
        From where relief falls in the field as recorded; None for models that don't go by it.
    """

    stains: Planes
    bottleneck: Planes
    seen: Plane
    dissent: NDArray[np.float32]
    turns: int = 0
    light: Light | None = None

    @property
    def embedding(self) -> NDArray[np.float32]:
        """The bottleneck's mean over the field, (256)."""
        pooled: NDArray[np.float32] = self.bottleneck.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)
        return pooled


class Seen(NamedTuple):
    """A field as the network sees it."""

    plane: Plane  # (Y X) working grid, network units, turned so that light falls as in training
    turns: int  # by 90°, as `numpy.rot90` takes them
    zoom: float  # working-grid pixels per field pixel
    light: Light | None  # of the field as recorded; None for models that don't go by it


class Engine:
    """A model made ready on a device; it keeps a copy of the network, the model itself stays as it is.

    Parameters
    ----------
    device
        `cpu`, `cuda` (or `cuda:1` …), or `auto`: CUDA where there is any.
    memory_gib
        What the network may use at once; larger fields are predicted in tiles, with the same result.
    tiling
        Use this one whatever the memory, for example `THESIS_TILING`.
    quiet
        Don't warn where a pixel size isn't known.
    """

    def __init__(
        self,
        model: Model,
        *,
        device: str = "cpu",
        memory_gib: float | None = None,
        tiling: Tiling | None = None,
        quiet: bool = False,
    ) -> None:
        self.card = model.card
        self.device = find_device(device)
        self.memory_gib = memory_gib
        self.tiling = tiling
        self._network = copy.deepcopy(model.network).eval().to(self.device)
        mirrors = MIRRORS if self.card.light_deg is None else LIT_MIRRORS
        self._mirrors = mirrors if self.card.average_flips else mirrors[:1]
        self._warned = quiet

    def predict(self, plane: RawPlane, pixel_size_um: float | None = None) -> Planes:
        """Predict every stain (stain Y X) of one field (Y X), in the camera units of the training stains.

        Where the microscope records a stain a little beside the label-free image, the prediction lies so too.

        Raises
        ------
        BadInput
            The field is empty, or has pixels that aren't finite numbers.
        WrongModel
            Its pixel size is beyond a factor of two of the model's.
        """
        refuse_unusable(plane)
        seen = self.seen(plane, pixel_size_um)
        (upright,) = self._outputs(seen, embed=False)
        return self._recorded(upright, seen, plane.shape)

    def predict_with_embedding(self, plane: RawPlane, pixel_size_um: float | None = None) -> Prediction:
        """Predict as `predict` does, and give the bottleneck of the same pass (of the unmirrored field)."""
        if self.tiling is not None and self.tiling.mode == "centre":
            raise BadSettings("tiling", "windows that lie anywhere give no embedding; use mode 'exact'")
        refuse_unusable(plane)
        seen = self.seen(plane, pixel_size_um)
        upright, spread, bottleneck = self._outputs(seen, embed=True)
        variance = np.maximum(upright.var(axis=(1, 2)), np.finfo(np.float32).tiny)
        return Prediction(
            self._recorded(upright, seen, plane.shape),
            np.rot90(bottleneck, -seen.turns, axes=(1, 2)),
            seen.plane,
            spread.mean(axis=(1, 2)) / variance,
            seen.turns,
            seen.light,
        )

    def embed(self, plane: RawPlane, pixel_size_um: float | None = None) -> NDArray[np.float32]:
        """Give the pooled bottleneck (256) of one field (Y X)."""
        return self.predict_with_embedding(plane, pixel_size_um).embedding

    def zoom(self, pixel_size_um: float | None) -> float:
        """Working-grid pixels per field pixel; warns once where a pixel size isn't known and 1:1 is taken."""
        scale = pixel_scale(self.card, pixel_size_um)
        if scale is None and not self._warned:
            self._warned = True
            whose = "the images" if pixel_size_um is None else f"model {self.card.name!r}"
            message = f"the pixel size of {whose} is not known; their pixels are taken as equal, 1:1"
            warnings.warn(message, UnstainedWarning, stacklevel=4)
        return (scale or 1.0) * self.card.working_scale

    def seen(self, plane: RawPlane, pixel_size_um: float | None = None) -> "Seen":
        """Bring a field (Y X) to what the network sees."""
        zoom = self.zoom(pixel_size_um)
        working = network_plane(plane, self.card.normalisation, zoom)
        light = None
        if self.card.light_deg is not None:
            known_um = pixel_size_um if self.card.pixel_size_um else None  # as in training
            light = field_light(plane, self.card.normalisation, zoom, known_um)
        turns = self._turns(light)
        return Seen(np.ascontiguousarray(np.rot90(working, turns)), turns, zoom, light)

    def _turns(self, light: Light | None) -> int:
        """Count the turns by 90° after which a field's light falls as the network knows it."""
        if light is None or self.card.light_deg is None:
            return 0
        return quarter_turns(light if light.is_certain else Light(self.card.light_deg, 0.0))

    def _outputs(self, seen: "Seen", *, embed: bool) -> list[Planes]:
        tiling = self.tiling or self.tiling_for(seen.plane.shape)
        return predict_outputs(seen.plane, lambda window: self._forward(window, embed=embed), tiling)

    def _recorded(self, upright: Planes, seen: "Seen", shape: tuple[int, ...]) -> Planes:
        """Bring stains (stain Y X) in network units to the field's own grid, `shape` px, and camera units."""
        stains = np.rot90(upright, -seen.turns, axes=(1, 2))
        camera = np.empty((len(stains), shape[0], shape[1]), np.float32)
        for index, scale in enumerate(self.card.scales):
            camera[index] = scale.undo(resample(stains[index], (shape[0], shape[1])))
        for stain, offset in zip(camera, self.card.offsets_px, strict=False):
            moved_px = np.asarray(offset) * self.card.working_scale / seen.zoom
            stain[:] = shift(stain, moved_px, order=1, mode="nearest")
        return camera

    def _forward(self, window: Planes, *, embed: bool) -> list[Planes]:
        """Run the network on (1 Y X): stains (stain Y X) in network units.

        To embed, also the variance between mirror images (stain Y X), and the bottleneck.
        """
        with torch.inference_mode(), _exact_float32():
            planes = torch.from_numpy(np.ascontiguousarray(window))[None].to(self.device)
            planes = planes.contiguous(memory_format=torch.channels_last)
            levels = self._network.encode(planes)
            bottleneck = levels[-1]
            mean = self._in_units(self._network.decode(levels))
            spread = torch.zeros_like(mean) if embed else None
            del levels
            for number, axes in enumerate(self._mirrors[1:], start=2):
                apart = self._in_units(self._network(planes.flip(axes))).flip(axes) - mean
                mean += apart / number
                if spread is not None:  # the running mean and variance of Welford (1962)
                    spread += (apart.square() * ((number - 1) / number) - spread) / number
            outputs = [mean] if spread is None else [mean, spread, bottleneck]
            return [output[0].cpu().contiguous().numpy() for output in outputs]

    def _in_units(self, stains: Tensor) -> Tensor:
        return stains.sigmoid() if self.card.units == "probability" else stains

    def tiling_for(self, shape: tuple[int, ...]) -> Tiling:
        """One window for the whole plane where memory allows, else the largest windows that it allows."""
        network = self.card.network
        most_px = self._memory_bytes() / bytes_per_pixel(network)
        if math.prod(shape) <= most_px:
            longest = -(-max(shape) // network.multiple) * network.multiple
            return Tiling.for_network(network, longest + 2 * network.halo)
        return Tiling.for_network(network, math.isqrt(int(most_px)))

    def _memory_bytes(self) -> float:
        if self.memory_gib is not None:
            return self.memory_gib * 2**30
        if self.device.type == "cuda":
            return float(torch.cuda.mem_get_info(self.device)[0]) / 2
        return CPU_MEMORY_GIB * 2**30


def pixel_scale(card: ModelCard, pixel_size_um: float | None) -> float | None:
    """Model pixels per image pixel; None where either size isn't known.

    Raises
    ------
    BadInput, WrongModel
        The size isn't a length, or is beyond a factor of two of the model's.
    """
    if pixel_size_um is None:
        return None
    if not (math.isfinite(pixel_size_um) and pixel_size_um > 0):
        raise BadInput(f"a pixel can't be {pixel_size_um} µm wide; give the side of a pixel in µm, like 0.65")
    if card.pixel_size_um is None:
        return None
    scale = pixel_size_um / card.pixel_size_um
    if not 1 / MOST_ZOOM <= scale <= MOST_ZOOM:
        raise WrongModel(
            f"the images' pixel size is {pixel_size_um:g} µm, and model {card.name!r} was trained at "
            f"{card.pixel_size_um:g} µm, more than a factor of {MOST_ZOOM:g} away; "
            "use another model or, if the size is wrong, give the right one with --pixel-size-um"
        )
    return scale


def find_device(name: str) -> torch.device:
    """Find a device by name; `auto` is CUDA where there is any, else the CPU.

    Raises
    ------
    BadSettings
        There is no such device here.
    """
    here = torch.cuda.device_count()
    if name == "auto":
        return torch.device("cuda" if here else "cpu")
    kind, _, number = name.partition(":")
    known = ["auto", "cpu", *(["cuda"] if here else []), *(f"cuda:{index}" for index in range(here))]
    if name not in known:
        raise BadSettings("device", f"no device {name!r} here; there are: {', '.join(known)}")
    return torch.device(kind, int(number)) if number else torch.device(kind)


def refuse_unusable(plane: RawPlane) -> None:
    """Refuse a plane (Y X) without pixels, or with pixels that aren't finite numbers.

    Raises
    ------
    BadInput
    """
    if plane.size == 0:
        raise BadInput(f"the image has no pixels (its shape is {plane.shape})")
    if np.issubdtype(plane.dtype, np.floating):
        with np.errstate(over="ignore"):
            wrong = plane.size - int(np.count_nonzero(np.isfinite(plane.astype(np.float32, copy=False))))
        if wrong:
            raise BadInput(f"{wrong} of {plane.size} pixels are NaN or infinite; replace them first")


def bytes_per_pixel(network: UNetSettings) -> float:
    """Memory that a pass needs at its peak, per pixel of the working grid.

    The most is alive at the top of the way up: the features of all levels, the joined ones, and what the
    convolutions make of them. Measured for the thesis' network: 510 to 530 bytes, on 1024² to 2048² px.
    """
    return 4.0 * network.width * (11 if network.residual else 9)


@contextmanager
def _exact_float32() -> Iterator[None]:
    """Keep CUDA from rounding float32 to 10 bits (TF32), which would make tiles differ from one pass."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
