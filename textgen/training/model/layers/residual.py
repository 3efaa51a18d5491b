"""Connections that skip layers."""

from __future__ import annotations

from typing import Any

from textgen.model import layers
from textgen.training.backend.keras import load_keras
from textgen.training.model.layers.base import Building, Kind

keras = load_keras()


def build(layer: layers.Residual, x: Any, building: Building) -> Any:
    """Add the outputs of earlier layers."""
    earlier = [building.outputs[source] for source in layer.sources]
    return keras.layers.Add(name=layer.name)([*earlier, x])


RESIDUAL = Kind(build)
