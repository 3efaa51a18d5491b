"""Layers without state: they treat every position alike."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from textgen.generation.network.layers.base import BoundLayer, Floats, Outputs, Weights
from textgen.model import layers


class Pointwise:
    """A function of `(..., inputs)` that returns `(..., outputs)`.

    Args:
        function: can be pickled, like everything in a network; so it is not a closure.
    """

    room = state_size = 0

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._bound = BoundLayer(step=function, read=function)

    def bind(self, memory: Floats, outputs: Outputs) -> BoundLayer:
        """Return the function: it needs no buffers."""
        return self._bound


def embedding(layer: layers.Embedding, weights: Weights) -> Pointwise:
    """Look up the row of each id."""
    matrix = layer.own(weights)["embedding"]
    return Pointwise(partial(matrix.take, axis=0))


def normalization(layer: layers.Normalization, weights: Weights) -> Pointwise:
    """Layer normalisation (Ba, Kiros & Hinton 2016).

    (x - mean(x)) / sqrt(var(x) + epsilon) * scale + offset     over the units
    """
    own = layer.own(weights)
    scale, offset = own["norm_scale"], own["norm_offset"]
    # A product with a column of 1/units is the mean, and faster than `mean`.
    average = np.full((layer.units, 1), 1 / layer.units, np.float32)
    return Pointwise(partial(_normalize, average, layer.epsilon, scale, offset))


def _normalize(
    average: Floats, epsilon: float, scale: Floats, offset: Floats, x: Any
) -> Any:
    centred = x - x.dot(average)
    variance = np.square(centred).dot(average)
    centred /= np.sqrt(variance + epsilon)
    centred *= scale
    centred += offset
    return centred


def projection(layer: layers.Projection, weights: Weights) -> Pointwise:
    """x K"""
    kernel = layer.own(weights)["kernel"]
    return Pointwise(partial(_product, kernel))


def _product(kernel: Floats, x: Any) -> Any:
    return x.dot(kernel)


def output(layer: layers.Output, weights: Weights) -> Pointwise:
    """x K + b; K is the transposed embedding if they are tied."""
    own = layer.own(weights)
    kernel = weights[layer.tied_to].T if layer.tied_to else own["kernel"]
    return Pointwise(partial(_affine, kernel, own["bias"]))


def _affine(kernel: Floats, bias: Floats, x: Any) -> Any:
    y = x.dot(kernel)
    y += bias
    return y


class Residual:
    """Add the outputs of earlier layers to x."""

    room = state_size = 0

    def __init__(self, layer: layers.Residual, weights: Weights) -> None:
        self._sources = layer.sources

    def bind(self, memory: Floats, outputs: Outputs) -> BoundLayer:
        """Read the outputs of earlier layers from `outputs`."""

        def add(x: Any) -> Any:
            for source in self._sources:
                # Not in place: x may be a view of a layer's state.
                x = outputs[source] + x
            return x

        return BoundLayer(step=add, read=add)
