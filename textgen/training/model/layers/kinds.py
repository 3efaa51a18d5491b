"""The table from layer descriptions to how Keras builds them."""

from __future__ import annotations

from textgen.model import layers
from textgen.training.model.layers.base import Kind
from textgen.training.model.layers.dense import OUTPUT, PROJECTION
from textgen.training.model.layers.dropout import DROPOUT
from textgen.training.model.layers.embedding import EMBEDDING
from textgen.training.model.layers.normalization import NORMALIZATION
from textgen.training.model.layers.recurrent import RECURRENT
from textgen.training.model.layers.residual import RESIDUAL

KINDS: dict[type[layers.Layer], Kind] = {
    layers.Embedding: EMBEDDING,
    layers.Recurrent: RECURRENT,
    layers.Normalization: NORMALIZATION,
    layers.Dropout: DROPOUT,
    layers.Residual: RESIDUAL,
    layers.Projection: PROJECTION,
    layers.Output: OUTPUT,
}
