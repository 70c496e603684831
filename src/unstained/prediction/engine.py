"""From one label-free field in camera units to its stains in camera units: grid, scale, network, and back."""

import copy
import math
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unstained.arrays import Plane, Planes, RawPlane
from unstained.errors import BadSettings, UnstainedWarning
from unstained.networks.bundle import Model
from unstained.networks.light import Light
from unstained.networks.normalisation import Indices
from unstained.networks.unet import LIT_MIRRORS, MIRRORS, UNet
from unstained.prediction.backends import (
    MEASURED_PX,
    Backend,
    Running,
    Taken,
    WholeUNet,
    choose_backend,
    make_backend,
    refuse_missing,
)
from unstained.prediction.graphs import whole_bytes_per_pixel
from unstained.prediction.grids import Seen, as_recorded, measure_field, pixel_scale, refuse_unusable
from unstained.prediction.tiling import Tiling, predict_outputs, predict_windows

OUTPUT_COPIES = 4
"""So many arrays of a window's stains are there at once: a mirror image's, their mean, spread and change."""

CPU_MEMORY_GIB = 3.25
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


class Engine:
    """A model made ready on a device; it keeps a copy of the network, the model itself stays as it is.

    Several threads may use it: the network is run for one of them at a time.

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
    running
        By which library and how exactly the network is run; what it leaves to `auto` is measured on the first
        field, and `taken` says what came of it.

    Raises
    ------
    BadSettings, MissingExtra
        There is no such device, or what `running` names can't run on it, or isn't installed.
    """

    def __init__(
        self,
        model: Model,
        *,
        device: str = "cpu",
        memory_gib: float | None = None,
        tiling: Tiling | None = None,
        quiet: bool = False,
        running: Running | None = None,
    ) -> None:
        self.card = model.card
        self.device = find_device(device)
        self.memory_gib = memory_gib
        self.tiling = tiling
        self.taken: Taken | None = None
        self.running = running or Running()
        self._network = copy.deepcopy(model.network).eval()
        self._backend = self._made_backend()
        mirrors = MIRRORS if self.card.light_deg is None else LIT_MIRRORS
        self._mirrors = mirrors if self.card.average_flips else mirrors[:1]
        self._warned = quiet
        self._one_pass = threading.Lock()

    @property
    def way(self) -> Running:
        """How the network is run: as asked, or as measured on the first field."""
        return self.running if self.taken is None else self.taken.running

    def settle(self, plane: RawPlane, pixel_size_um: float | None = None) -> None:
        """Measure on a field (Y X) what `running` leaves open, as the first prediction would."""
        if not self.way.is_settled:
            refuse_unusable(plane)
            field = measure_field(self.card, plane, self.zoom(pixel_size_um), pixel_size_um)
            self._tiling(field.normalised.shape, field.normalised.window)

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
        field = measure_field(self.card, plane, self.zoom(pixel_size_um), pixel_size_um)
        if field.turns:
            (upright,) = self._outputs(field.seen().plane, embed=False)
        else:  # a window at a time: not even the field needs to be there in float32
            (upright,) = predict_windows(
                field.normalised.shape,
                field.normalised.window,
                lambda window: self._forward(window, embed=False),
                self._tiling(field.normalised.shape, field.normalised.window),
            )
        return as_recorded(self.card, upright, field, plane.shape)

    def predict_with_embedding(self, plane: RawPlane, pixel_size_um: float | None = None) -> Prediction:
        """Predict as `predict` does, and give the bottleneck of the same pass (of the unmirrored field)."""
        if self.tiling is not None and self.tiling.mode == "centre":
            raise BadSettings("tiling", "windows that lie anywhere give no embedding; use mode 'exact'")
        refuse_unusable(plane)
        seen = self.seen(plane, pixel_size_um)
        upright, spread, bottleneck = self._outputs(seen.plane, embed=True)
        variance = np.maximum(upright.var(axis=(1, 2)), np.finfo(np.float32).tiny)
        dissent = spread.mean(axis=(1, 2)) / variance
        return Prediction(
            as_recorded(self.card, upright, seen, plane.shape),
            np.rot90(bottleneck, -seen.turns, axes=(1, 2)),
            seen.plane,
            dissent,
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

    def seen(self, plane: RawPlane, pixel_size_um: float | None = None) -> Seen:
        """Bring a field (Y X) to what the network sees."""
        return measure_field(self.card, plane, self.zoom(pixel_size_um), pixel_size_um).seen()

    def _outputs(self, plane: Plane, *, embed: bool) -> list[Planes]:
        tiling = self._tiling(plane.shape, lambda rows, columns: plane[np.ix_(rows, columns)])
        return predict_outputs(plane, lambda window: self._forward(window, embed=embed), tiling)

    def _forward(self, window: Planes, *, embed: bool) -> list[Planes]:
        """Run the network on (1 Y X): stains (stain Y X) in network units.

        To embed, also the variance between mirror images (stain Y X), and the bottleneck.
        """
        assert self._backend is not None
        with self._one_pass, torch.inference_mode(), _exact_float32():
            planes = torch.from_numpy(np.ascontiguousarray(window))[None].to(self.device)
            mean, bottleneck = self._backend(planes)
            mean = self._in_units(mean)
            spread = torch.zeros_like(mean) if embed else None
            for number, axes in enumerate(self._mirrors[1:], start=2):
                apart = self._in_units(self._backend(planes.flip(axes))[0]).flip(axes) - mean
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
        most_px = self._memory_bytes() / self._bytes_per_pixel()
        if math.prod(shape) <= most_px:
            longest = -(-max(shape) // network.multiple) * network.multiple
            return Tiling.for_network(network, longest + 2 * network.halo)
        return Tiling.for_network(network, math.isqrt(int(most_px)))

    def fields_in_memory(self, shape: tuple[int, ...], pixel_size_um: float | None = None) -> int:
        """Count the fields of a shape (Y X) of which the memory allows a whole pass each at once."""
        pixels = math.prod(shape) * self.zoom(pixel_size_um) ** 2
        return int(self._memory_bytes() / (self._bytes_per_pixel() * max(pixels, 1.0)))

    def _tiling(self, shape: tuple[int, ...], window: Callable[[Indices, Indices], Plane]) -> Tiling:
        """Choose windows for a plane of `shape`; on the first one also what runs the network, if open."""
        if self._backend is None:
            middles = (np.arange(max(0, side - MEASURED_PX) // 2, side)[:MEASURED_PX] for side in shape)
            part = window(*middles)
            margins = [(0, -side % self.card.network.multiple) for side in part.shape]
            planes = torch.from_numpy(np.pad(part, margins, mode="reflect"))[None, None].to(self.device)
            with torch.inference_mode(), _exact_float32():
                found = choose_backend(self._network, self.device, self.running, planes)
            self._backend, self.taken = found
        return self.tiling or self.tiling_for(shape)

    def _made_backend(self) -> Backend | None:
        """Make what runs the network; nothing while it has to be measured first."""
        if not isinstance(self._network, UNet):
            if self.running != Running():
                raise BadSettings("running", "only a U-Net is run by anything else than torch in fp32")
            return WholeUNet(self._network, self.device, self.card.network)
        if self.running.is_settled:
            return make_backend(self._network, self.device, self.running)
        refuse_missing(self.running, self.device)
        return None

    def _bytes_per_pixel(self) -> float:
        """Give what a pass needs at its peak, per pixel of the working grid, together with its output."""
        network = self.card.network
        most = whole_bytes_per_pixel(network) if self._backend is None else self._backend.bytes_per_pixel
        return most + 4.0 * OUTPUT_COPIES * network.outputs

    def _memory_bytes(self) -> float:
        if self.memory_gib is not None:
            return self.memory_gib * 2**30
        if self.device.type == "cuda":
            return float(torch.cuda.mem_get_info(self.device)[0]) / 2
        return CPU_MEMORY_GIB * 2**30


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


@contextmanager
def _exact_float32() -> Iterator[None]:
    """Keep CUDA from rounding float32 to 10 bits (TF32), which would make tiles differ from one pass."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
