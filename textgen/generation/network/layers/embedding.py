"""Ids to vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textgen.generation.network.layers.base import Floats, Pointwise
from textgen.model import layers


class Embedding(Pointwise):
    """Look up the row of each id."""

    def __init__(
        self, description: layers.Embedding, weights: Mapping[str, Floats], *, copy: bool
    ) -> None:
        self.matrix = description.own(weights)["embedding"]

    def step(self, x: Any) -> Any:
        """`(...)` ids to `(..., width)`."""
        return self.matrix.take(x, axis=0)
