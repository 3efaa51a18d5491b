"""From a `ModelConfig` to the sequence of layers that it stands for."""

from __future__ import annotations

import math
from collections.abc import Iterator

from textgen.config.model import ModelConfig
from textgen.model.layers import (
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


def layers(config: ModelConfig) -> list[Layer]:
    """Every layer of a network, in the order in which data passes them.

    >>> config = ModelConfig(vocab_size=65, num_layers=1, dropout=0.1, layer_norm=True)
    >>> [layer.name for layer in layers(config)]
    ['embedding', 'layer_0', 'norm_0', 'dropout_0', 'output']
    """
    stack: list[Layer] = [
        Embedding("embedding", "", config.vocab_size, config.embedding_dim)
    ]
    if config.embedding_dropout:
        stack.append(Dropout("embedding_dropout", "", config.embedding_dropout))
    for number in range(config.num_layers):
        stack += _block(config, number, source=stack[-1].name)
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
    """The layers that carry a state from one character to the next.

    >>> [layer.inputs for layer in recurrent_layers(ModelConfig(vocab_size=65, units=256))]
    [64, 256]
    """
    return [layer for layer in layers(config) if isinstance(layer, Recurrent)]


def weight_shapes(config: ModelConfig) -> dict[str, Shape]:
    """Name and shape of every weight, in the order in which data passes them.

    >>> weight_shapes(ModelConfig(vocab_size=65, num_layers=1, units=8, embedding_dim=4))
    {'embedding': (65, 4),
     'layers.0.kernel': (4, 32),
     'layers.0.recurrent_kernel': (8, 32),
     'layers.0.bias': (32,),
     'output.kernel': (8, 65),
     'output.bias': (65,)}
    """
    return {
        layer.weight_name(name): shape
        for layer in layers(config)
        for name, shape in layer.shapes.items()
    }


def num_parameters(config: ModelConfig) -> int:
    """How many numbers training adjusts.

    >>> num_parameters(ModelConfig(vocab_size=65, units=256))
    874881
    """
    return sum(math.prod(shape) for shape in weight_shapes(config).values())
