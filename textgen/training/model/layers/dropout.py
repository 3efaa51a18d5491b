"""Dropout between layers."""

from __future__ import annotations

from typing import Any

from textgen.model import layers
from textgen.training.backend.keras import load_keras
from textgen.training.model.layers.base import Building, Kind

keras = load_keras()


def build(layer: layers.Dropout, x: Any, building: Building) -> Any:
    """Drop whole features, so that all time steps share one mask."""
    return keras.layers.SpatialDropout1D(
        layer.rate, seed=next(building.seeds), name=layer.name
    )(x)


DROPOUT = Kind(build)
