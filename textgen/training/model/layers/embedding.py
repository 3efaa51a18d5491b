"""Ids to vectors."""

from __future__ import annotations

from typing import Any

from textgen.model import layers
from textgen.training.backend.keras import load_keras
from textgen.training.model.layers.base import Building, Kind

keras = load_keras()

# Wider than Keras' default, so that characters differ from the first step on.
STDDEV = 1.0


def build(layer: layers.Embedding, x: Any, building: Building) -> Any:
    """Look up the vectors; keep the Keras layer for tied outputs."""
    # Reversible only matters to tied embeddings; otherwise it is a plain look-up.
    embedding = keras.layers.ReversibleEmbedding(
        layer.vocab_size,
        layer.width,
        embeddings_initializer=keras.initializers.RandomNormal(
            stddev=STDDEV, seed=next(building.seeds)
        ),
        embeddings_regularizer=building.penalty(),
        name=layer.name,
    )
    building.embeddings[layer.name] = embedding
    return embedding(x)


EMBEDDING = Kind(build, {"embedding": "embeddings"})
