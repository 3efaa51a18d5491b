"""Products with a matrix at every position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textgen.model import layers
from textgen.training.backend.keras import load_keras
from textgen.training.model.layers.base import Building, Kind

if TYPE_CHECKING:
    import keras  # mypy accepts base classes from a module, not from a variable
else:
    keras = load_keras()


def build_projection(layer: layers.Projection, x: Any, building: Building) -> Any:
    """Multiply by a matrix."""
    return _dense(layer.outputs, layer.name, building, bias=False)(x)


def build_output(layer: layers.Output, x: Any, building: Building) -> Any:
    """Logits from a matrix of the layer's own, or from the embedding's."""
    if layer.tied_to is None:
        return _dense(layer.vocab_size, layer.name, building, bias=True)(x)
    embedding = building.embeddings[layer.tied_to]
    return Bias(name=layer.name)(embedding(x, reverse=True))


def _dense(width: int, name: str, building: Building, *, bias: bool) -> Any:
    return keras.layers.Dense(
        width,
        use_bias=bias,
        kernel_initializer=building.glorot(),
        kernel_regularizer=building.penalty(),
        name=name,
    )


@keras.saving.register_keras_serializable("textgen")
class Bias(keras.layers.Layer):
    """Add one trained number to each feature; tied embeddings have no bias of their own."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the `(features,)` weight."""
        self.bias = self.add_weight(
            shape=(input_shape[-1],), initializer="zeros", name="bias"
        )

    def call(self, inputs: Any) -> Any:
        """Return `inputs + bias`, of the shape of `inputs`."""
        return inputs + self.bias


PROJECTION = Kind(build_projection, {"kernel": "kernel"})
OUTPUT = Kind(build_output, {"kernel": "kernel", "bias": "bias"})
