"""The sequence of layers that a `ModelConfig` describes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from textgen.model.layers import (
    Attention,
    Convolution,
    Dropout,
    Embedding,
    Layer,
    Normalization,
    Output,
    Projection,
    Recurrent,
    Residual,
    Shape,
)

if TYPE_CHECKING:
    # Only for annotations: `ModelConfig` offers these functions as methods.
    from textgen.config.model import ModelConfig


def layers(config: ModelConfig) -> list[Layer]:
    """Every layer of a network, in the order of the forward pass.

    >>> from textgen.config.model import ModelConfig
    >>> config = ModelConfig(vocab_size=65, num_layers=1, dropout=0.1, layer_norm=True)
    >>> [layer.name for layer in layers(config)]
    ['embedding', 'layer_0', 'norm_0', 'dropout_0', 'output']
    """
    stack: list[Layer] = [
        Embedding("embedding", "", config.vocab_size, config.embedding_dim)
    ]
    if config.embedding_dropout:
        stack.append(Dropout("embedding_dropout", "", config.embedding_dropout))
    if config.conv:
        stack.append(
            Convolution("convolution", "convolution", config.embedding_dim, config.conv)
        )
    blocks = []
    for number in range(config.num_layers):
        stack += _block(config, number, source=stack[-1].name)
        if config.attention and number == 0:
            stack.append(
                Attention("attention", "attention", config.units, config.attention)
            )
        blocks.append(stack[-1].name)
    if config.sum_layers and config.num_layers > 1:
        stack.append(Residual("sum", "", sources=tuple(blocks[:-1])))
    stack += _head(config)
    return stack


def _block(config: ModelConfig, number: int, source: str) -> Iterator[Layer]:
    """`y = dropout(norm(cell(x)))`, plus x from `source` where the widths allow it."""
    block = f"layers.{number}"
    inputs = config.units if number else config.embedding_dim
    yield Recurrent(
        f"layer_{number}",
        block,
        config.cell,
        inputs,
        config.units,
        config.recurrent_dropout,
        config.weight_drop,
    )
    if config.layer_norm:
        yield Normalization(f"norm_{number}", block, config.units)
    if config.dropout:
        yield Dropout(f"dropout_{number}", block, config.dropout)
    if config.residual and inputs == config.units:
        yield Residual(f"residual_{number}", block, sources=(source,))


def _head(config: ModelConfig) -> Iterator[Layer]:
    width = config.units
    if config.tie_embeddings and width != config.embedding_dim:
        width = config.embedding_dim
        yield Projection("projection", "projection", config.units, width)
    tied_to = "embedding" if config.tie_embeddings else None
    yield Output("output", "output", width, config.vocab_size, tied_to)


def recurrent_layers(config: ModelConfig) -> list[Recurrent]:
    """The layers with a recurrent cell.

    >>> from textgen.config.model import ModelConfig
    >>> [layer.inputs for layer in recurrent_layers(ModelConfig(vocab_size=65, units=256))]
    [64, 256]
    """
    return [layer for layer in layers(config) if isinstance(layer, Recurrent)]


def state_places(config: ModelConfig) -> dict[str, slice]:
    """Where the state of a text, one row of numbers, holds each array that a layer carries.

    >>> from textgen.config.model import ModelConfig
    >>> state_places(ModelConfig(vocab_size=65, num_layers=1, units=256))
    {'layers.0.h': slice(0, 256, None), 'layers.0.c': slice(256, 512, None)}
    """
    places, end = {}, 0
    for layer in layers(config):
        for name, shape in layer.states.items():
            start, end = end, end + math.prod(shape)
            places[layer.weight_name(name)] = slice(start, end)
    return places


def weight_shapes(config: ModelConfig) -> dict[str, Shape]:
    """What `ModelConfig.weight_shapes` returns."""
    return {
        layer.weight_name(name): shape
        for layer in layers(config)
        for name, shape in layer.shapes.items()
    }
