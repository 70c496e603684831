"""An ONNX graph written as formulas: values that know their type, and operators that add nodes."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unstained.prediction.graphs import IR_VERSION, OnnxNodes, required

OPSET = 18
"""The first in which `Resize` shrinks without aliasing; read by onnxruntime from 1.14."""

Kind: TypeAlias = Literal["float32", "float64", "int64", "bool"]

Shape: TypeAlias = Sequence[int | str]
"""Lengths, or names of those that are free."""


class Graph:
    """A graph that is being written.

    Raises
    ------
    MissingExtra
        onnx isn't installed.
    """

    def __init__(self) -> None:
        self.nodes = OnnxNodes(required("onnx", "export"))
        self._helper = self.nodes.onnx.helper

    def value(self, name: str, kind: Kind = "float32") -> "Value":
        """Give a value that is there already, by its name."""
        return Value(self, name, kind)

    def constant(self, values: Any, kind: Kind = "float32") -> "Value":
        """Give numbers as they are: one, a list, or an array."""
        array: NDArray[Any] = np.asarray(values, dtype=kind)
        name = f"constant_{len(self.nodes.constants)}"
        self.nodes.constants.append(self.nodes.onnx.numpy_helper.from_array(array, name))
        return Value(self, name, kind)

    def add(self, operation: str, *inputs: "Value | None", kind: Kind, **attributes: Any) -> "Value":
        """Add a node, and give its first output; inputs that are left out are None."""
        names = ["" if value is None else value.name for value in inputs]
        if operation == "TopK":  # whose second output can't be left out
            made = f"TopK_{len(self.nodes.nodes)}"
            node = self._helper.make_node(operation, names, [made, f"{made}_at"], **attributes)
            self.nodes.nodes.append(node)
            return Value(self, made, kind)
        return Value(self, self.nodes.add_node(operation, names, **attributes), kind)

    def either(self, condition: "Value", value: "Value", operation: str, **attributes: Any) -> "Value":
        """Give what an operation makes of a value where a condition holds, else the value itself."""
        branches = {}
        for branch, (kind, more) in {"then": (operation, attributes), "else": ("Identity", {})}.items():
            made = f"{branch}_{len(self.nodes.nodes)}"
            node = self._helper.make_node(kind, [value.name], [made], **more)
            info = self._helper.make_tensor_value_info(made, self.nodes.onnx.TensorProto.FLOAT, None)
            branches[f"{branch}_branch"] = self._helper.make_graph([node], branch, [], [info])
        return self.add("If", condition, kind=value.kind, **branches)

    def finished(
        self, taken: tuple["Value", Shape], given: tuple["Value", Shape], name: str, known: dict[str, str]
    ) -> bytes:
        """Write the model: what it takes, what it gives under a name, what is known of it; all float32."""
        kind = self.nodes.onnx.TensorProto.FLOAT
        self.nodes.add_node("Identity", [given[0].name], name=name)
        takes = [self._helper.make_tensor_value_info(taken[0].name, kind, list(taken[1]))]
        gives = [self._helper.make_tensor_value_info(name, kind, list(given[1]))]
        graph = self._helper.make_graph(self.nodes.nodes, "unstained", takes, gives, self.nodes.constants)
        opsets = [self._helper.make_opsetid("", OPSET)]
        model = self._helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="unstained"
        )
        self._helper.set_model_props(model, known)
        return bytes(model.SerializeToString())


class Value:
    """What a node gives; numbers beside it in a formula are taken in its own type."""

    def __init__(self, graph: Graph, name: str, kind: Kind) -> None:
        self.graph, self.name, self.kind = graph, name, kind

    def to(self, operation: str, *more: Any, kind: Kind | None = None, **attributes: Any) -> "Value":
        """Apply an operation whose first input this is; further inputs are values or numbers of its type."""
        inputs = [each if each is None else self._like(each) for each in more]
        return self.graph.add(operation, self, *inputs, kind=kind or self.kind, **attributes)

    def cast(self, kind: Kind) -> "Value":
        """Change the type; to whole numbers, fractions are cut off."""
        return self.to("Cast", kind=kind, to=getattr(self.graph.nodes.onnx.TensorProto, _NAMES[kind]))

    def whole(self, *numbers: int) -> "Value":
        """Give whole numbers (n), such as a shape or axes, beside this value."""
        return self.graph.constant(list(numbers), "int64")

    def length(self, axis: int) -> "Value":
        """Give the length along an axis: whole, (1)."""
        return self.to("Shape", kind="int64", start=axis, end=axis + 1)

    def shaped(self, *lengths: "int | Value") -> "Value":
        """Give the same numbers in another shape; lengths are whole, (1)."""
        return self.to("Reshape", joined(self.graph, lengths))

    def taken(self, at: "Value", axis: int) -> "Value":
        """Take the entries `at` (whole, (n)) along an axis."""
        return self.to("Gather", at, axis=axis)

    def mean(self, *axes: int) -> "Value":
        """Average over axes, which stay with length 1; over all, gives (1)."""
        if not axes:
            return self.shaped(-1).mean(0)
        return self.to("ReduceMean", self.whole(*axes), keepdims=1)

    def total(self, axis: int) -> "Value":
        """Add up along an axis, which stays with length 1."""
        return self.to("ReduceSum", self.whole(axis), keepdims=1)

    def at_least(self, other: Any) -> "Value":
        """Give the larger of two."""
        return self.to("Max", other)

    def at_most(self, other: Any) -> "Value":
        """Give the smaller of two."""
        return self.to("Min", other)

    def where(self, this: "Value", other: "Value") -> "Value":
        """Give `this` where this value is true, else `other`."""
        return self.to("Where", this, other, kind=this.kind)

    def __add__(self, other: Any) -> "Value":
        return self.to("Add", other)

    def __sub__(self, other: Any) -> "Value":
        return self.to("Sub", other)

    def __rsub__(self, other: Any) -> "Value":
        return self._like(other).to("Sub", self)

    def __mul__(self, other: Any) -> "Value":
        return self.to("Mul", other)

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, other: Any) -> "Value":
        return self.to("Div", other)

    def __floordiv__(self, other: Any) -> "Value":
        return self.to("Div", other)  # as whole numbers that aren't below 0 are divided in ONNX

    def __mod__(self, other: Any) -> "Value":
        return self.to("Mod", other)

    def __gt__(self, other: Any) -> "Value":
        return self.to("Greater", other, kind="bool")

    def __ge__(self, other: Any) -> "Value":
        return self.to("GreaterOrEqual", other, kind="bool")

    def __le__(self, other: Any) -> "Value":
        return self.to("LessOrEqual", other, kind="bool")

    def __and__(self, other: "Value") -> "Value":
        return self.to("And", other)

    def _like(self, other: Any) -> "Value":
        return other if isinstance(other, Value) else self.graph.constant(other, self.kind)


_NAMES = {"float32": "FLOAT", "float64": "DOUBLE", "int64": "INT64", "bool": "BOOL"}


def joined(graph: Graph, lengths: Sequence["int | Value"], kind: Kind = "int64") -> Value:
    """Join numbers and values (1) to one value (n)."""
    values = [each if isinstance(each, Value) else graph.constant([each], kind) for each in lengths]
    return graph.add("Concat", *values, kind=kind, axis=0)


def counting(length: Value) -> Value:
    """Give 0, 1, 2 … up to a length (whole, (1)), without it."""
    scalar = length.to("Squeeze")
    return length.graph.add(
        "Range", length.graph.constant(0, "int64"), scalar, length.graph.constant(1, "int64"), kind="int64"
    )
