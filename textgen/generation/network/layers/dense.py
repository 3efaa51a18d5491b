"""Products with a matrix at every position."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textgen.generation.network.layers.base import Floats, Pointwise
from textgen.model import layers


class Projection(Pointwise):
    """x K"""

    def __init__(
        self, description: layers.Projection, weights: Mapping[str, Floats], *, copy: bool
    ) -> None:
        self.kernel = description.own(weights)["kernel"]

    def step(self, x: Any) -> Any:
        """`(..., inputs)` to `(..., outputs)`."""
        return x.dot(self.kernel)


class Output(Pointwise):
    """x K + b, with the transposed embedding as K where they are tied."""

    def __init__(
        self, description: layers.Output, weights: Mapping[str, Floats], *, copy: bool
    ) -> None:
        own, tied_to = description.own(weights), description.tied_to
        self.kernel = weights[tied_to].T if tied_to else own["kernel"]
        self.bias = own["bias"]

    def step(self, x: Any) -> Any:
        """`(..., inputs)` to logits `(..., vocab_size)`."""
        logits = x.dot(self.kernel)
        logits += self.bias
        return logits
