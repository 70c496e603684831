"""A folded U-Net as a graph of another library: ONNX Runtime or OpenVINO, on the CPU."""

from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unstained.errors import MissingExtra
from unstained.networks.unet import UNetSettings
from unstained.prediction.folding import Convolution, FoldedUNet, run_graph

OPSET, IR_VERSION = 17, 8
"""Of ONNX; what any onnxruntime reads that `pyproject.toml` allows."""

LIBRARIES = {"onnx": ("export", ("onnx", "onnxruntime")), "openvino": ("openvino", ("openvino",))}
"""Back end → the extra that brings it, and what must be installed."""


def refuse_missing_library(backend: str) -> None:
    """Raise `MissingExtra` where what a back end needs isn't installed; torch always is."""
    extra, modules = LIBRARIES.get(backend, ("", ()))
    for module in modules:
        required(module, extra)


class OnnxUNet:
    """A folded network in ONNX Runtime.

    Raises
    ------
    MissingExtra
        onnx or onnxruntime isn't installed.
    """

    name = "onnx"

    def __init__(self, network: FoldedUNet) -> None:
        runtime = required("onnxruntime", "export")
        self.bytes_per_pixel = whole_bytes_per_pixel(network.settings)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.enable_cpu_mem_arena = False  # it would keep the memory of the largest field for good
        self._session = runtime.InferenceSession(
            onnx_graph(network), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """Give stains and bottleneck of planes (1 inputs Y X) on the CPU."""
        stains, bottleneck = self._session.run(None, {"planes": planes.contiguous().numpy()})
        return torch.from_numpy(stains), torch.from_numpy(bottleneck)


class OpenvinoUNet:
    """A folded network in OpenVINO, in `fp32` or `bf16`.

    Raises
    ------
    MissingExtra
        openvino isn't installed.
    """

    name = "openvino"

    def __init__(self, network: FoldedUNet, precision: str = "fp32") -> None:
        openvino = required("openvino", "openvino")
        nodes = _OpenvinoNodes(required("openvino.opset8", "openvino"))
        self.bytes_per_pixel = whole_bytes_per_pixel(network.settings)
        taken = nodes.of.parameter([1, network.settings.inputs, -1, -1], np.float32)
        model = openvino.Model(list(run_graph(taken, network, nodes)), [taken], "unet")
        # it takes bf16 by itself where the processor has it, which changes results
        self._compiled = openvino.Core().compile_model(model, "CPU", {
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        })  # fmt: skip

    def __call__(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """Give stains and bottleneck of planes (1 inputs Y X) on the CPU."""
        found = self._compiled([planes.contiguous().numpy()])
        return torch.from_numpy(found[0].copy()), torch.from_numpy(found[1].copy())


def onnx_graph(network: FoldedUNet) -> bytes:
    """Write a folded network as ONNX: `planes` (1 inputs Y X) → `stains`, `bottleneck`; any Y and X.

    Raises
    ------
    MissingExtra
        onnx isn't installed.
    """
    nodes = OnnxNodes(required("onnx", "export"))
    helper, kind = nodes.onnx.helper, nodes.onnx.TensorProto.FLOAT
    found = run_graph("planes", network, nodes)
    names = ("stains", "bottleneck")
    for name, node in zip(names, found, strict=True):
        nodes.add_node("Identity", [node], name=name)
    given = helper.make_tensor_value_info("planes", kind, [1, network.settings.inputs, "Y", "X"])
    made = [helper.make_tensor_value_info(name, kind, None) for name in names]
    graph = helper.make_graph(nodes.nodes, "unet", [given], made, nodes.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return bytes(model.SerializeToString())


def whole_bytes_per_pixel(network: UNetSettings) -> float:
    """Memory that a pass of whole planes needs at its peak, per pixel.

    The most is alive at the top of the way up: the features of all levels, the joined ones, and what the
    convolutions make of them. Measured for the thesis' network in torch: 510 to 530 bytes, 1024² to 2048² px.
    """
    return 4.0 * network.width * (11 if network.residual else 9)


class OnnxNodes:
    """Operations whose planes are names of values in an ONNX graph."""

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._written: dict[int, tuple[Convolution, list[str]]] = {}

    def add_node(self, kind: str, inputs: list[str], *, name: str | None = None, **attributes: Any) -> str:
        made = name or f"{kind}_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [made], **attributes))
        return made

    def convolve(self, planes: str, by: Convolution) -> str:
        side, inputs = by.weight.shape[-1], [planes, *self._arrays(by)]
        return self.add_node("Conv", inputs, kernel_shape=[side, side], pads=[side // 2] * 4)

    def rise(self, planes: str, by: Convolution) -> str:
        inputs = [planes, *self._arrays(by)]
        return self.add_node("ConvTranspose", inputs, kernel_shape=[2, 2], strides=[2, 2])

    def pool(self, planes: str) -> str:
        return self.add_node("MaxPool", [planes], kernel_shape=[2, 2], strides=[2, 2])

    def elu(self, planes: str) -> str:
        return self.add_node("Elu", [planes])

    def join(self, one: str, other: str) -> str:
        return self.add_node("Concat", [one, other], axis=1)

    def add(self, one: str, other: str) -> str:
        return self.add_node("Add", [one, other])

    def _arrays(self, by: Convolution) -> list[str]:
        """Name a convolution's arrays, which are written once however often it is used."""
        if id(by) not in self._written:
            names = [f"{part}_{len(self.constants)}" for part in by._fields]
            for name, values in zip(names, by, strict=True):
                self.constants.append(self.onnx.numpy_helper.from_array(_array(values), name))
            self._written[id(by)] = by, names
        return self._written[id(by)][1]


class _OpenvinoNodes:
    """Operations whose planes are nodes of an OpenVINO graph."""

    def __init__(self, of: Any) -> None:
        self.of = of

    def convolve(self, planes: Any, by: Convolution) -> Any:
        margin = [by.weight.shape[-1] // 2] * 2
        weight = self.of.constant(_array(by.weight))
        made = self.of.convolution(planes, weight, [1, 1], margin, margin, [1, 1])
        return self.of.add(made, self.of.constant(_array(by.bias)[None, :, None, None]))

    def rise(self, planes: Any, by: Convolution) -> Any:
        made = self.of.convolution_backprop_data(planes, self.of.constant(_array(by.weight)), [2, 2])
        return self.of.add(made, self.of.constant(_array(by.bias)[None, :, None, None]))

    def pool(self, planes: Any) -> Any:
        return self.of.max_pool(planes, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)

    def elu(self, planes: Any) -> Any:
        return self.of.elu(planes, 1.0)

    def join(self, one: Any, other: Any) -> Any:
        return self.of.concat([one, other], 1)

    def add(self, one: Any, other: Any) -> Any:
        return self.of.add(one, other)


def _array(values: Tensor) -> Any:
    return np.ascontiguousarray(values.cpu().numpy())


def required(module: str, extra: str) -> Any:
    """Import an optional package, or say which extra brings it."""
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise MissingExtra(package, extra) from error
