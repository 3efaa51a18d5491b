"""Connections that skip layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textgen.generation.network.layers.base import (
    BoundLayer,
    Floats,
    Layer,
    Outputs,
    Pointwise,
)
from textgen.model import layers


class Residual:
    """Add the outputs of earlier layers to x."""

    num_vectors = 0

    def __init__(
        self, description: layers.Residual, weights: Mapping[str, Floats], *, copy: bool
    ) -> None:
        self.sources = description.sources

    def bind(self, memory: Floats, outputs: Outputs) -> BoundLayer:
        """Read the outputs from where `Kept` writes them."""
        return _BoundResidual(self.sources, outputs)


class _BoundResidual(Pointwise):
    def __init__(self, sources: tuple[str, ...], outputs: Outputs) -> None:
        self.sources, self.outputs = sources, outputs

    def step(self, x: Any) -> Any:
        for source in self.sources:
            # Not in place: x may be a view of a layer's state.
            x = self.outputs[source] + x
        return x


class Kept:
    """A layer whose output a later `Residual` adds.

    Args:
        names: under which its output is kept.
        passes_on: False if the next layer reads this one's input, not its output.
    """

    def __init__(self, layer: Layer, names: set[str], passes_on: bool = True) -> None:
        self.layer, self.names, self.passes_on = layer, names, passes_on
        self.num_vectors = layer.num_vectors

    def bind(self, memory: Floats, outputs: Outputs) -> BoundLayer:
        """Bind the layer itself, and remember where its output goes."""
        bound = self.layer.bind(memory, outputs)
        return _BoundKept(bound, self.names, self.passes_on, outputs)


class _BoundKept:
    def __init__(
        self, layer: BoundLayer, names: set[str], passes_on: bool, outputs: Outputs
    ) -> None:
        self.layer, self.names, self.passes_on = layer, names, passes_on
        self.outputs = outputs

    def step(self, x: Any) -> Any:
        return self._keep(x, self.layer.step(x))

    def read(self, x: Any) -> Any:
        return self._keep(x, self.layer.read(x))

    def _keep(self, x: Any, y: Any) -> Any:
        for name in self.names:
            self.outputs[name] = y
        return y if self.passes_on else x
