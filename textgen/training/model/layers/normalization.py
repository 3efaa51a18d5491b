"""Layer normalisation."""

from __future__ import annotations

from typing import Any

from textgen.model import layers
from textgen.training.backend.keras import load_keras
from textgen.training.model.layers.base import Building, Kind

keras = load_keras()


def build(layer: layers.Normalization, x: Any, building: Building) -> Any:
    """Normalise over the units."""
    return keras.layers.LayerNormalization(epsilon=layer.epsilon, name=layer.name)(x)


NORMALIZATION = Kind(build, {"norm_scale": "gamma", "norm_offset": "beta"})
