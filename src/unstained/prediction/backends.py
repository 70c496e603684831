"""What runs a network: torch, ONNX Runtime or OpenVINO behind one small face, and how one is chosen."""

import statistics
import time
from typing import Any, Literal, NamedTuple, Protocol

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional

from unstained.errors import BadSettings, MissingExtra
from unstained.networks.unet import UNet, UNetSettings
from unstained.prediction.folding import fold
from unstained.prediction.graphs import OnnxUNet, OpenvinoUNet, refuse_missing_library, whole_bytes_per_pixel
from unstained.prediction.patches import PatchedUNet
from unstained.settings import Settings

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

MOST_PCC_LOSS, MOST_INTENSITY_ERROR = 0.0005, 0.005
"""What a coarser precision may cost where `auto` may choose it; see `rounding_cost`."""

MOST_DIFFERENCE = 1e-4
"""Largest difference from torch in fp32, as a share of the range, that is still float rounding."""

MEASURED_PX = 768
"""Side of the part of the first field on which `auto` measures."""

BLOCK_PX = 32

ROUNDS = 3


class Running(Settings):
    """By what a network is run, and how exactly."""

    backend: Literal["torch", "onnx", "openvino", "auto"] = "torch"
    precision: Literal["fp32", "bf16", "fp16", "auto"] = "fp32"

    @model_validator(mode="after")
    def _onnx_is_exact(self) -> "Running":
        if self.backend == "onnx" and self.precision in ("bf16", "fp16"):
            raise ValueError(f"backend onnx runs in fp32 only, not in {self.precision}")
        if self.backend == "openvino" and self.precision == "fp16":
            raise ValueError("backend openvino runs in fp32 or bf16, not in fp16")
        return self

    def __str__(self) -> str:
        return f"{self.backend} {self.precision}"

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to be measured."""
        return "auto" not in (self.backend, self.precision)


class Backend(Protocol):
    """A network made ready to run: planes (1 1 Y X) float32 → stains and bottleneck, float32.

    Stains are (1 stain Y X) in network units, the bottleneck (1 256 Y/16 X/16). Y and X are multiples of what
    the network needs. `bytes_per_pixel` is what a pass needs at its peak, per pixel.
    """

    name: str
    bytes_per_pixel: float

    def __call__(self, planes: Tensor) -> tuple[Tensor, Tensor]: ...


class Taken(NamedTuple):
    """What `auto` measured and took."""

    running: Running
    seconds: dict[str, float]  # way of running → median for the part of the first field, those within bounds
    refused: dict[str, str]  # way of running → why it wasn't considered

    def __str__(self) -> str:
        times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in self.seconds.items())
        reasons = "".join(f"; {name}: {reason}" for name, reason in self.refused.items())
        return f"took {self.running} ({times}{reasons})"


class WholeUNet:
    """A network that is run as it is, on whole windows; any that encodes and decodes as a U-Net does."""

    name = "torch"

    def __init__(self, network: nn.Module, device: torch.device, settings: UNetSettings) -> None:
        self._network: Any = network.eval().to(device)
        self.bytes_per_pixel = whole_bytes_per_pixel(settings)

    def __call__(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """Give stains and bottleneck of planes (1 inputs Y X)."""
        levels = self._network.encode(planes)
        return self._network.decode(levels), levels[-1]


def make_backend(network: UNet, device: torch.device, running: Running) -> Backend:
    """Make a copy of a network ready to run; the network itself stays as it is.

    Raises
    ------
    BadSettings
        The back end isn't one for this device.
    MissingExtra
        Its library isn't installed.
    """
    folded = fold(network)
    if running.backend == "torch":
        return PatchedUNet(folded, device, DTYPES[running.precision])
    if device.type != "cpu":
        raise BadSettings("backend", f"{running.backend} runs on the CPU here; on {device} there is torch")
    return OnnxUNet(folded) if running.backend == "onnx" else OpenvinoUNet(folded, running.precision)


def choose_backend(
    network: UNet, device: torch.device, running: Running, planes: Tensor
) -> tuple[Backend, Taken]:
    """Measure all ways of running that `running` leaves open on planes (1 1 Y X), and take the fastest.

    Those in fp32 must give what torch gives, but for float rounding; coarser ones must keep within
    `MOST_PCC_LOSS` and `MOST_INTENSITY_ERROR`. Libraries that aren't installed are left out.

    Raises
    ------
    BadSettings
        None is left.
    """
    expected, _ = make_backend(network, device, Running())(planes)
    backends, refused = {}, {}
    for way in ways_of(running, device):
        try:
            backend = make_backend(network, device, way)
        except MissingExtra as error:
            refused[str(way)] = str(error)
            continue
        fault = fault_of(backend(planes)[0], expected, way.precision)
        if fault:
            refused[str(way)] = fault
        else:
            backends[way] = backend
    if not backends:
        raise BadSettings("running", "; ".join(f"{way}: {fault}" for way, fault in refused.items()))
    seconds = {way: _median_seconds(backend, planes) for way, backend in backends.items()}
    best = min(seconds, key=lambda way: seconds[way])
    return backends[best], Taken(best, {str(way): time for way, time in seconds.items()}, refused)


def refuse_missing(running: Running, device: torch.device) -> None:
    """Refuse what can't be run, as far as it shows before anything is measured.

    Raises
    ------
    BadSettings, MissingExtra
        The back end isn't one for this device, or its library isn't installed.
    """
    if not ways_of(running, device):
        raise BadSettings("running", f"{running} doesn't run on {device}; there is torch")
    refuse_missing_library(running.backend)


def ways_of(running: Running, device: torch.device) -> list[Running]:
    """List what `running` leaves open, torch in fp32 first."""
    on_cpu = device.type == "cpu"
    every = [Running(backend="torch", precision="fp32"), Running(backend="torch", precision="bf16")]
    if on_cpu:
        every.append(Running(backend="onnx", precision="fp32"))
        every += [Running(backend="openvino", precision="fp32")]
        every += [Running(backend="openvino", precision="bf16")]
    else:
        every.append(Running(backend="torch", precision="fp16"))
    fits = [way for way in every if running.backend in ("auto", way.backend)]
    return [way for way in fits if running.precision in ("auto", way.precision)]


def fault_of(stains: Tensor, expected: Tensor, precision: str) -> str:
    """Say why stains (1 stain Y X) aren't what torch gives in fp32, within bounds; nothing where they are."""
    if precision == "fp32":
        span = max(float(expected.max() - expected.min()), torch.finfo(torch.float32).tiny)
        off = float((stains - expected).abs().max()) / span
        return f"differs by {off:.1e} of the range" if not off <= MOST_DIFFERENCE else ""
    loss, error = rounding_cost(stains, expected)
    if not (loss <= MOST_PCC_LOSS and error <= MOST_INTENSITY_ERROR):
        return f"PCC loss {loss:.5f}, intensity error {error:.2%}"
    return ""


def rounding_cost(stains: Tensor, expected: Tensor) -> tuple[float, float]:
    """Give PCC loss and intensity error of coarser arithmetic, for the worst of stains (1 stain Y X).

    The loss is 1 − PCC of both, which is more than what the PCC with a real stain loses as long as rounding
    knows nothing of it. The intensity error compares the light of blocks of `BLOCK_PX`, about a cell each:
    the sum of their differences, over that of their light above the first percentile.
    """
    tiny = torch.finfo(torch.float64).tiny
    costs = []
    for found, right in zip(stains[0].double(), expected[0].double(), strict=True):
        one, other = found - found.mean(), right - right.mean()
        length = one.square().sum().sqrt() * other.square().sum().sqrt()
        loss = 1 - (one * other).sum() / length.clamp(min=tiny)
        dark = right.flatten().kthvalue(max(1, right.numel() // 100)).values
        side = min(BLOCK_PX, *right.shape)
        apart, light = (functional.avg_pool2d(each[None], side) for each in (found - right, right - dark))
        costs.append(torch.stack([loss, apart.abs().sum() / light.sum().clamp(min=tiny)]))
    worst = torch.stack(costs).amax(dim=0)  # which, unlike max(), is NaN where anything is
    return float(worst[0]), float(worst[1])


def _median_seconds(backend: Backend, planes: Tensor) -> float:
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        found, _ = backend(planes)
        found.cpu()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)
