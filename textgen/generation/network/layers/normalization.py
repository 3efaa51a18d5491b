"""Layer normalisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from textgen.generation.network.layers.base import Floats, Pointwise
from textgen.model import layers


class Normalization(Pointwise):
    """Layer normalisation (Ba, Kiros & Hinton 2016).

    (y - mean(y)) / sqrt(var(y) + epsilon) * scale + offset     over the units
    """

    def __init__(
        self,
        description: layers.Normalization,
        weights: Mapping[str, Floats],
        *,
        copy: bool,
    ) -> None:
        own = description.own(weights)
        self.scale, self.offset = own["norm_scale"], own["norm_offset"]
        self.epsilon = description.epsilon
        # A product with a column of 1/units is the mean, and faster than `mean`.
        units = description.units
        self.average = np.full((units, 1), 1 / units, np.float32)

    def step(self, x: Any) -> Any:
        """`(..., units)` to `(..., units)`."""
        centred = x - x.dot(self.average)
        variance = np.square(centred).dot(self.average)
        centred /= np.sqrt(variance + self.epsilon)
        centred *= self.scale
        centred += self.offset
        return centred
