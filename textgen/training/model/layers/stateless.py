"""Layers without state: each builds its Keras layer and returns the output tensor."""

from __future__ import annotations

from typing import Any

from textgen.model import layers
from textgen.training.backend.devices import seen_share
from textgen.training.backend.floats import DTYPE
from textgen.training.backend.loaded import keras
from textgen.training.model.layers.base import Building

# Wider than Keras' default, so that characters differ from the first step on.
EMBEDDING_STDDEV = 1.0


def embedding(layer: layers.Embedding, ids: Any, building: Building) -> Any:
    """Look up the vector of each id; keep the Keras layer for tied outputs."""
    # Only tied outputs use the reverse direction; otherwise it is a plain look-up.
    built = keras.layers.ReversibleEmbedding(
        layer.vocab_size,
        layer.width,
        embeddings_initializer=keras.initializers.RandomNormal(
            stddev=EMBEDDING_STDDEV, seed=next(building.seeds)
        ),
        embeddings_regularizer=building.penalty(),
        name=layer.name,
        dtype=DTYPE,
    )
    building.embeddings[layer.name] = built
    return built(ids)


def normalization(layer: layers.Normalization, x: Any, building: Building) -> Any:
    """Normalize over the units."""
    return keras.layers.LayerNormalization(
        epsilon=layer.epsilon, name=layer.name, dtype=DTYPE
    )(x)


def dropout(layer: layers.Dropout, x: Any, building: Building) -> Any:
    """Drop whole features, so that all time steps share one mask."""
    return Dropout(layer.rate, seed=next(building.seeds), name=layer.name, dtype=DTYPE)(x)


def residual(layer: layers.Residual, x: Any, building: Building) -> Any:
    """Add the outputs of earlier layers."""
    earlier = [building.outputs[source] for source in layer.sources]
    return keras.layers.Add(name=layer.name, dtype=DTYPE)([*earlier, x])


def projection(layer: layers.Projection, x: Any, building: Building) -> Any:
    """Multiply by a matrix at every position."""
    return _dense(layer.outputs, layer.name, building, bias=False)(x)


def output(layer: layers.Output, x: Any, building: Building) -> Any:
    """Compute logits with a matrix of the layer's own, or with that of the embedding."""
    if layer.tied_to is None:
        return _dense(layer.vocab_size, layer.name, building, bias=True)(x)
    tied = building.embeddings[layer.tied_to]
    return Bias(name=layer.name, dtype=DTYPE)(tied(x, reverse=True))


def _dense(width: int, name: str, building: Building, *, bias: bool) -> Any:
    return keras.layers.Dense(
        width,
        use_bias=bias,
        kernel_initializer=building.glorot(),
        kernel_regularizer=building.penalty(),
        name=name,
        dtype=DTYPE,
    )


@keras.saving.register_keras_serializable("textgen")
class Dropout(keras.layers.SpatialDropout1D):
    """Drop whole features of a lane: the same ones on one device and on several."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drop features in training, where every lane has its own mask."""
        share = seen_share()
        if share is None:
            return super().call(inputs, training=training)
        # Drawn for the lanes of all devices, as one device would.
        lanes, _, features = inputs.shape
        ones = keras.ops.ones((share.number * lanes, 1, features), inputs.dtype)
        factors = super().call(ones, training=training)
        first = (share.index * lanes, 0, 0)
        return inputs * keras.ops.slice(factors, first, (lanes, 1, features))


@keras.saving.register_keras_serializable("textgen")
class Bias(keras.layers.Layer):
    """Add a trained bias to each feature; tied embeddings have none of their own."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the `(features,)` weight."""
        self.bias = self.add_weight(
            shape=(input_shape[-1],), initializer="zeros", name="bias"
        )

    def call(self, inputs: Any) -> Any:
        """Return `inputs + bias`, of the shape of `inputs`."""
        return inputs + self.bias
