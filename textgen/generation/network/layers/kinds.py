"""The table from layer descriptions to what computes them in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from textgen.generation.network.layers.base import Floats, Layer
from textgen.generation.network.layers.dense import Output, Projection
from textgen.generation.network.layers.embedding import Embedding
from textgen.generation.network.layers.normalization import Normalization
from textgen.generation.network.layers.recurrent import LookedUp, Recurrent
from textgen.generation.network.layers.residual import Kept, Residual
from textgen.model import layers

KINDS: dict[type[layers.Layer], Callable[..., Layer] | None] = {
    layers.Embedding: Embedding,
    layers.Recurrent: Recurrent,
    layers.Normalization: Normalization,
    layers.Dropout: None,
    layers.Residual: Residual,
    layers.Projection: Projection,
    layers.Output: Output,
}
"""None for what does nothing when a network predicts."""


def make_layers(
    descriptions: Sequence[layers.Layer], weights: Mapping[str, Floats], *, copy: bool
) -> list[Layer]:
    """The layers of a network, ready to be bound to buffers.

    Args:
        weights: of the whole network, by their names in a checkpoint.
        copy: whether to leave the arrays as they are.
    """
    made: list[tuple[Any, set[str]]] = []
    for description in descriptions:
        make = KINDS[type(description)]
        if make is not None:
            made.append((make(description, weights, copy=copy), set()))
        # A layer that does nothing has the output of the layer before.
        made[-1][1].add(description.name)
    sources = {source for description in descriptions for source in description.sources}
    return _with_table([(layer, names & sources) for layer, names in made])


def _with_table(made: Sequence[tuple[Any, set[str]]]) -> list[Layer]:
    """Wrap the layers whose outputs are kept; make a table of the first two if possible."""
    kept = [Kept(layer, names) if names else layer for layer, names in made]
    (first, names), (second, _) = made[:2]
    if not (isinstance(first, Embedding) and isinstance(second, Recurrent)):
        return kept
    if not LookedUp.is_worthwhile(first.matrix, second):
        return kept
    beside = [Kept(first, names, passes_on=False)] if names else []
    table = LookedUp(first.matrix, second)
    return [*beside, Kept(table, made[1][1]) if made[1][1] else table, *kept[2:]]
