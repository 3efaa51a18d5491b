"""A graph of ONNX while it is built: nodes, weights, and what goes in and out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[Any]


class Stored(NamedTuple):
    """A weight as it is stored: numbers, and scales if these are whole."""

    values: Array
    scale: Array | None = None

    def map(self, change: Callable[[Array], Array]) -> Stored:
        """The same change of the order of the numbers and of their scales."""
        scale = None if self.scale is None else change(self.scale)
        return Stored(change(self.values), scale)


class Graph:
    """Grows node by node; names of results are made here."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def add(
        self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any
    ) -> list[str]:
        """A node with some results; returns their names."""
        number = len(self.nodes)
        names = [f"{kind}_{number}_{each}" for each in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names

    def one(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node with one result; returns its name."""
        (name,) = self.add(kind, *inputs, **attributes)
        return name

    def constant(self, value: Any, dtype: Any = np.int64) -> str:
        """A small array that is known."""
        name = f"constant_{len(self.initializers)}"
        self._store(name, np.asarray(value, dtype))
        return name

    def weight(self, name: str, stored: Stored) -> str:
        """A weight in single precision."""
        self._store(name, stored.values)
        if stored.scale is None:
            return name
        # A reader computes this once: both factors are constants.
        self._store(f"{name}.scale", stored.scale)
        numbers = self.one("Cast", name, to=TensorProto.FLOAT)
        return self.one("Mul", numbers, f"{name}.scale")

    def take(
        self, name: str, shape: Sequence[int | str], kind: int = TensorProto.FLOAT
    ) -> str:
        """Something that goes in."""
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def give(self, value: str, name: str, shape: Sequence[int | str]) -> None:
        """Something that comes out."""
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def _store(self, name: str, array: Array) -> None:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
