"""Layers as nodes of ONNX.

Between them, values have the form `(time, batch, width)`, as its recurrent nodes read them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from onnx import TensorProto

from textgen.exporting.onnx_graph import Array, Graph, Stored
from textgen.exporting.weights import SCALE
from textgen.model import layers

BATCH, TIME = "batch", "time"
NEXT = "next."
"""Before the name of a state that comes out."""


@dataclass
class Building:
    """A network on its way into a graph.

    Args:
        stored: see `textgen.exporting.weights.stored_weights`.
        outputs: of the layers so far, by their names.
    """

    graph: Graph
    stored: Mapping[str, np.ndarray]
    outputs: dict[str, str] = field(default_factory=dict)

    def own(self, layer: layers.Layer, name: str) -> Stored:
        """A weight of a layer as it is stored."""
        return self.named(layer.weight_name(name))

    def named(self, full: str) -> Stored:
        """A weight by its name in a checkpoint."""
        return Stored(self.stored[full], self.stored.get(full + SCALE))

    def weight(self, layer: layers.Layer, name: str) -> str:
        """The same in the graph."""
        return self.graph.weight(layer.weight_name(name), self.own(layer, name))

    def take(self, layer: layers.Layer, name: str) -> str:
        """A state of a layer, with the batch first."""
        shape: list[int | str] = [BATCH, *layer.states[name]]
        return self.graph.take(layer.weight_name(name), shape)

    def give(self, layer: layers.Layer, name: str, value: str) -> None:
        """What that state has become."""
        shape: list[int | str] = [BATCH, *layer.states[name]]
        self.graph.give(value, NEXT + layer.weight_name(name), shape)


def connect(description: list[layers.Layer], ids: str, building: Building) -> str:
    """Add layers one after the other; returns the name of the last result."""
    x = ids
    for layer in description:
        x = KINDS[type(layer)](layer, x, building)
        building.outputs[layer.name] = x
    return x


def embedding(layer: layers.Embedding, ids: str, building: Building) -> str:
    """`(time, batch)` ids to vectors."""
    return building.graph.one("Gather", building.weight(layer, "embedding"), ids)


def recurrent(layer: layers.Recurrent, x: str, building: Building) -> str:
    """A node of the cell; a coupled LSTM is an LSTM whose input gate is 1 - forget gate."""
    graph, node = building.graph, NODES[layer.cell]
    kernels = [
        graph.weight(
            layer.weight_name(name),
            node.arranged(building.own(layer, name)).map(lambda a: a.T[np.newaxis]),
        )
        for name in ("kernel", "recurrent_kernel")
    ]
    bias = graph.weight(f"{layer.block}.bias", Stored(node.biases(building, layer)))
    first, second = graph.constant([0]), graph.constant([1])
    states = [graph.one("Unsqueeze", building.take(layer, s), first) for s in layer.states]
    y, *after = graph.add(
        *(node.kind, x, *kernels, bias, "", *states),
        outputs=1 + len(states),
        hidden_size=layer.units,
        **node.attributes,
    )
    for name, value in zip(layer.states, after, strict=True):
        building.give(layer, name, graph.one("Squeeze", value, first))
    return graph.one("Squeeze", y, second)


class Node(NamedTuple):
    """How a cell becomes a node.

    Args:
        gates: for each gate of the node the block of a checkpoint's kernel, and its sign:
            `1 - sigmoid(x)` is `sigmoid(-x)`.
    """

    kind: str
    gates: tuple[tuple[int, int], ...]
    attributes: Mapping[str, Any] = MappingProxyType({})

    def arranged(self, stored: Stored) -> Stored:
        """A weight with its gates, along the last axis, in the order of the node."""
        signs = [sign for _, sign in self.gates]
        scale = stored.scale
        return Stored(
            self._blocks(stored.values, signs),
            None if scale is None else self._blocks(scale, [1] * len(signs)),
        )

    def biases(self, building: Building, layer: layers.Recurrent) -> Array:
        """`(1, 2 * gates * units)`: that of the input and that of the state."""
        own = np.atleast_2d(self.arranged(building.own(layer, "bias")).values)
        both = own if len(own) == 2 else np.concatenate([own, np.zeros_like(own)])
        return both.reshape(1, -1)

    def _blocks(self, array: Array, signs: Sequence[int]) -> Array:
        blocks = np.split(array, len({block for block, _ in self.gates}), axis=-1)
        chosen = zip((block for block, _ in self.gates), signs, strict=True)
        return np.concatenate([sign * blocks[block] for block, sign in chosen], axis=-1)


NODES = {
    # Input, output, forget, cell; Keras has input, forget, cell, output.
    "lstm": Node("LSTM", ((0, 1), (3, 1), (1, 1), (2, 1))),
    "coupled": Node("LSTM", ((0, -1), (2, 1), (0, 1), (1, 1))),
    # The reset gate after the product.
    "gru": Node("GRU", ((0, 1), (1, 1), (2, 1)), {"linear_before_reset": 1}),
    "rnn": Node("RNN", ((0, 1),)),
}


def convolution(layer: layers.Convolution, x: str, building: Building) -> str:
    """x + relu(convolution of the inputs before and x)"""
    graph, width, size = building.graph, layer.width, layer.size
    # (size * inputs, outputs), the present input first, to (outputs, inputs, oldest first).
    kernel = building.own(layer, "kernel")
    turned = kernel.values.reshape(size, width, width)[::-1].transpose(2, 1, 0)
    scale = None if kernel.scale is None else kernel.scale.reshape(width, 1, 1)
    weight = graph.weight(layer.weight_name("kernel"), Stored(turned, scale))
    bias = building.weight(layer, "bias")
    present = graph.one("Transpose", x, perm=[1, 0, 2])
    # The state has the newest first.
    before = graph.one("Slice", building.take(layer, "inputs"), *_reversed(graph))
    seen = graph.one("Concat", before, present, axis=1)
    newest = graph.one("Slice", seen, *_last(graph, size - 1))
    building.give(layer, "inputs", graph.one("Slice", newest, *_reversed(graph)))
    columns = graph.one("Transpose", seen, perm=[0, 2, 1])
    found = graph.one("Relu", graph.one("Conv", columns, weight, bias))
    return graph.one("Add", x, graph.one("Transpose", found, perm=[2, 0, 1]))


def _reversed(graph: Graph) -> list[str]:
    """The other inputs of a Slice that turns the second axis round."""
    values = ([-1], [np.iinfo(np.int64).min], [1], [-1])
    return [graph.constant(value) for value in values]


def _last(graph: Graph, count: int) -> list[str]:
    """The other inputs of a Slice that takes the last rows of the second axis."""
    values = ([-count], [np.iinfo(np.int64).max], [1])
    return [graph.constant(value) for value in values]


def attention(layer: layers.Attention, x: str, building: Building) -> str:
    """x + (mean of the last inputs, weighted by softmax of query and input) V

    The state holds the last inputs, the newest last, and how many of them there are.
    """
    graph, size = building.graph, layer.size
    present = graph.one("Transpose", x, perm=[1, 0, 2])
    count = building.take(layer, "count")
    seen = graph.one("Concat", building.take(layer, "memory"), present, axis=1)
    building.give(layer, "memory", graph.one("Slice", seen, *_last(graph, size)))
    query = graph.one("MatMul", present, building.weight(layer, "query_kernel"))
    query = graph.one("Add", query, building.weight(layer, "query_bias"))
    turned = graph.one("Transpose", seen, perm=[0, 2, 1])
    root = graph.constant(1 / math.sqrt(layer.units), np.float32)
    scores = graph.one("Mul", graph.one("MatMul", query, turned), root)
    is_seen, added = _is_seen(graph, seen, present, count, size)
    least = graph.constant(np.finfo(np.float32).min, np.float32)
    shares = graph.one("Softmax", graph.one("Where", is_seen, scores, least), axis=-1)
    mean = graph.one("MatMul", shares, seen)
    value = graph.one("MatMul", mean, building.weight(layer, "value_kernel"))
    most = graph.constant(size, np.float32)
    building.give(layer, "count", graph.one("Min", graph.one("Add", count, added), most))
    return graph.one("Add", x, graph.one("Transpose", value, perm=[1, 0, 2]))


def _is_seen(
    graph: Graph, seen: str, present: str, count: str, size: int
) -> tuple[str, str]:
    """Which inputs each output sees, `(batch, time, size + time)`, and how many are new."""
    zero, one, second = graph.constant(0), graph.constant(1), graph.constant(1)
    lengths = [
        graph.one("Gather", graph.one("Shape", each), second, axis=0)
        for each in (present, seen)
    ]
    time, place = (graph.one("Range", zero, length, one) for length in lengths)
    time = graph.one("Unsqueeze", time, graph.constant([1]))
    age = graph.one("Sub", graph.one("Add", time, graph.constant(size)), place)
    is_near = graph.one(
        "And",
        graph.one("GreaterOrEqual", age, zero),
        graph.one("Less", age, graph.constant(size)),
    )
    # What the memory does not hold yet stands at its beginning.
    empty = graph.one("Sub", graph.constant(size, np.float32), count)
    is_there = graph.one("GreaterOrEqual", graph.one("Cast", place, to=FLOAT), empty)
    is_there = graph.one("Unsqueeze", is_there, graph.constant([1]))
    return graph.one("And", is_near, is_there), graph.one("Cast", lengths[0], to=FLOAT)


def normalization(layer: layers.Normalization, x: str, building: Building) -> str:
    """Layer normalisation over the units."""
    scale, offset = (building.weight(layer, n) for n in ("norm_scale", "norm_offset"))
    return building.graph.one(
        "LayerNormalization", x, scale, offset, axis=-1, epsilon=layer.epsilon
    )


def dropout(layer: layers.Dropout, x: str, building: Building) -> str:
    """Nothing: it is for training."""
    return x


def residual(layer: layers.Residual, x: str, building: Building) -> str:
    """x + the outputs of earlier layers"""
    for source in layer.sources:
        x = building.graph.one("Add", x, building.outputs[source])
    return x


def projection(layer: layers.Projection, x: str, building: Building) -> str:
    """x K"""
    return building.graph.one("MatMul", x, building.weight(layer, "kernel"))


def output(layer: layers.Output, x: str, building: Building) -> str:
    """x K + b"""
    graph = building.graph
    if layer.tied_to is None:
        kernel = building.weight(layer, "kernel")
    else:
        turned = building.named(layer.tied_to).map(np.transpose)
        kernel = graph.weight(f"{layer.tied_to}.transposed", turned)
    product = graph.one("MatMul", x, kernel)
    return graph.one("Add", product, building.weight(layer, "bias"))


FLOAT = TensorProto.FLOAT
KINDS: dict[type[layers.Layer], Callable[[Any, str, Building], str]] = {
    layers.Embedding: embedding,
    layers.Convolution: convolution,
    layers.Recurrent: recurrent,
    layers.Attention: attention,
    layers.Normalization: normalization,
    layers.Dropout: dropout,
    layers.Residual: residual,
    layers.Projection: projection,
    layers.Output: output,
}
