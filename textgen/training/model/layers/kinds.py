"""The table from layer descriptions to how Keras builds them."""

from __future__ import annotations

from textgen.model import layers
from textgen.training.model.layers.attention import attention
from textgen.training.model.layers.base import Kind
from textgen.training.model.layers.convolution import convolution
from textgen.training.model.layers.recurrent import recurrent
from textgen.training.model.layers.stateless import (
    dropout,
    embedding,
    normalization,
    output,
    projection,
    residual,
)

KINDS: dict[type[layers.Layer], Kind] = {
    layers.Embedding: Kind(embedding, {"embedding": "embeddings"}),
    layers.Convolution: Kind(convolution, {"kernel": "kernel", "bias": "bias"}),
    layers.Recurrent: Kind(
        recurrent,
        {
            "kernel": "cell.kernel",
            "recurrent_kernel": "cell.recurrent_kernel",
            "bias": "cell.bias",
        },
    ),
    layers.Attention: Kind(
        attention,
        {
            "query_kernel": "query_kernel",
            "query_bias": "query_bias",
            "value_kernel": "value_kernel",
        },
    ),
    layers.Normalization: Kind(
        normalization, {"norm_scale": "gamma", "norm_offset": "beta"}
    ),
    layers.Dropout: Kind(dropout),
    layers.Residual: Kind(residual),
    layers.Projection: Kind(projection, {"kernel": "kernel"}),
    layers.Output: Kind(output, {"kernel": "kernel", "bias": "bias"}),
}
