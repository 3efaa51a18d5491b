"""Build an ordinary `keras.Model` from a `ModelConfig`, and access its weights by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from textgen.checkpoint.format import load_checkpoint
from textgen.checkpoint.runs import find_checkpoint
from textgen.config.arguments import check_instance, one_of, whole_number
from textgen.config.model import ModelConfig
from textgen.errors import CheckpointError
from textgen.model.architecture import layers
from textgen.model.layers import Layer
from textgen.training.backend.floats import float32_by_default
from textgen.training.backend.loaded import keras
from textgen.training.model.carrying import assign, to_numpy
from textgen.training.model.layers.base import Building
from textgen.training.model.layers.kinds import KINDS


@float32_by_default()
def build_model(
    config: ModelConfig,
    batch_size: int | None = None,
    seed: int = 0,
    compute_dtype: str = "float32",
) -> Any:
    """Build an untrained model from character ids to logits.

    Args:
        config: the architecture.
        batch_size: number of lanes. If given, the recurrent layers carry their state from
            one call to the next and accept no other batch size; if None, every call starts
            with a zero state and accepts any batch size.
        seed: random seed for initial weights and dropout.
        compute_dtype: type that the factors of the recurrent layers' matrix products are
            rounded to on a CPU, `float32` or `bfloat16`; everything else is float32.

    Returns:
        A functional `keras.Model` from `(batch_size, time)` integers to
        `(batch_size, time, vocab_size)` logits; not compiled.

    >>> model = build_model(ModelConfig(vocab_size=10, units=8, embedding_dim=4))
    >>> tuple(model(np.zeros((2, 5), "int32")).shape)
    (2, 5, 10)
    """
    check_instance("config", config, ModelConfig)
    if batch_size is not None:
        batch_size = whole_number("batch_size", batch_size, 1, most=2**31 - 1)
    seed = whole_number("seed", seed)
    one_of("compute_dtype", compute_dtype, ("float32", "bfloat16"))
    ids = keras.Input((None,), batch_size=batch_size, dtype="int32", name="ids")
    building = Building(_seeds(seed), config.l1, batch_size is not None, compute_dtype)
    return keras.Model(ids, connect(layers(config), ids, building), name="textgen")


def connect(descriptions: Sequence[Layer], x: Any, building: Building) -> Any:
    """Build layers one after the other; return the output tensor of the last one."""
    for layer in descriptions:
        x = KINDS[type(layer)].build(layer, x, building)
        building.outputs[layer.name] = x
    return x


def _seeds(seed: int) -> Iterator[int]:
    """One seed per random choice, so that nothing is seeded globally."""
    rng = np.random.default_rng(seed)
    while True:
        yield int(rng.integers(2**31))


def named_variables(model: Any, config: ModelConfig) -> dict[str, Any]:
    """The model's trained variables under the names of `ModelConfig.weight_shapes`."""
    return {
        layer.weight_name(name): variable(model, layer, name)
        for layer in layers(config)
        for name in layer.shapes
    }


def variable(model: Any, layer: Layer, name: str) -> Any:
    """The variable of a Keras model that holds one weight of a layer."""
    attribute = KINDS[type(layer)].variables[name]
    return attrgetter(attribute)(model.get_layer(layer.name))


def get_weights(model: Any, config: ModelConfig) -> dict[str, np.ndarray]:
    """Copy the model's trained weights out, as a checkpoint stores them.

    Returns:
        float32 arrays, named and shaped as `config.weight_shapes()` says.

    >>> config = ModelConfig(vocab_size=10, units=8, embedding_dim=4, num_layers=1)
    >>> sorted(get_weights(build_model(config), config))
    ['embedding', 'layers.0.bias', 'layers.0.kernel', 'layers.0.recurrent_kernel',
     'output.bias', 'output.kernel']
    """
    return {
        name: to_numpy(variable).astype(np.float32)
        for name, variable in named_variables(model, config).items()
    }


def set_weights(model: Any, config: ModelConfig, weights: Mapping[str, np.ndarray]) -> None:
    """Copy stored weights into a model of the same configuration.

    Raises:
        CheckpointError: a weight is missing or has another shape.
    """
    for name, variable in named_variables(model, config).items():
        found = weights.get(name)
        if found is None or found.shape != tuple(variable.shape):
            shape = "nothing" if found is None else f"shape {found.shape}"
            raise CheckpointError(
                f"weight {name}: expected shape {tuple(variable.shape)}, found {shape}. "
                "The weights belong to another configuration."
            )
        assign(variable, found)


def load_model(path: str | Path | None = None) -> Any:
    """Load a checkpoint as a trained Keras model.

    Args:
        path: a checkpoint, a run, or None for the newest under `checkpoints/`.

    Returns:
        A `keras.Model` from `(batch, time)` ids to `(batch, time, vocab_size)`
        logits; each call starts with a zero state.

    Raises:
        CheckpointError: see `load_checkpoint`.

    >>> import tempfile
    >>> from textgen.checkpoint.format import Checkpoint, save_checkpoint
    >>> from textgen.text.tokenizers.char import CharTokenizer
    >>> config = ModelConfig(vocab_size=2, units=4, embedding_dim=3)
    >>> trained = get_weights(build_model(config), config)
    >>> with tempfile.TemporaryDirectory() as run:
    ...     save_checkpoint(run + "/best", Checkpoint(config, CharTokenizer("ab"), trained))
    ...     load_model(run).output_shape
    (None, None, 2)
    """
    checkpoint = load_checkpoint(find_checkpoint(path))
    model = build_model(checkpoint.model)
    set_weights(model, checkpoint.model, checkpoint.weights)
    return model
