"""The table from layer descriptions to their NumPy implementations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from textgen.generation.network.layers.attention import Attention
from textgen.generation.network.layers.base import Layer, Weights
from textgen.generation.network.layers.convolution import Convolution
from textgen.generation.network.layers.recurrent import LookedUp, Recurrent
from textgen.generation.network.layers.stateless import (
    Residual,
    embedding,
    normalization,
    output,
    projection,
)
from textgen.model import layers

KINDS: dict[type[layers.Layer], Callable[[Any, Weights], Layer] | None] = {
    layers.Embedding: embedding,
    layers.Convolution: Convolution,
    layers.Recurrent: Recurrent,
    layers.Attention: Attention,
    layers.Normalization: normalization,
    layers.Dropout: None,
    layers.Residual: Residual,
    layers.Projection: projection,
    layers.Output: output,
}
"""None for layers that only training needs."""

MAX_TABLE_BYTES = 32 * 2**20
"""Size up to which the products of the first layer's input are computed in advance."""


def make_layers(
    descriptions: Sequence[layers.Layer], weights: Weights
) -> list[tuple[Layer, list[str]]]:
    """The layers of a network, ready to be bound to buffers.

    Args:
        weights: may be modified, and are used by the layers from now on.

    Returns:
        Each layer, and the names under which later layers read its output.
    """
    sources = {source for each in descriptions for source in each.sources}
    made: list[tuple[layers.Layer, Layer, list[str]]] = []
    for description in descriptions:
        if make := KINDS[type(description)]:
            made.append((description, make(description, weights), []))
        # The output of a layer that does nothing is that of the layer before it.
        if description.name in sources:
            made[-1][2].append(description.name)
    return _with_table(made, weights)


def _with_table(
    made: Sequence[tuple[layers.Layer, Layer, list[str]]], weights: Weights
) -> list[tuple[Layer, list[str]]]:
    """Replace an embedding and the recurrent layer after it by one table, if possible."""
    every = [(layer, names) for _, layer, names in made]
    (first, _, kept), (_, second, names) = made[:2]
    if isinstance(first, layers.Embedding) and isinstance(second, Recurrent):
        matrix = first.own(weights)["embedding"]
        if len(matrix) * second.weights.bias.nbytes <= MAX_TABLE_BYTES:
            return [(LookedUp(matrix, second, kept), names), *every[2:]]
    return every
