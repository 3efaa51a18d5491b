"""From a `ModelConfig` to an ordinary `keras.Model`, and its weights back by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textgen.checkpoint.format import load_checkpoint
from textgen.checkpoint.runs import find_checkpoint
from textgen.config.model import ModelConfig
from textgen.errors import CheckpointError
from textgen.training.backend.keras import load_keras
from textgen.training.model.recurrent import CELLS, to_numpy

if TYPE_CHECKING:
    import keras  # mypy accepts base classes from a module, not from a variable
else:
    keras = load_keras()

# Wider than Keras' default, so that characters differ from the first step on.
EMBEDDING_STDDEV = 1.0


def build_model(
    config: ModelConfig,
    batch_size: int | None = None,
    seed: int = 0,
    compute_dtype: str = "float32",
) -> Any:
    """Make an untrained model from character ids to logits.

    Args:
        config: the architecture.
        batch_size: number of lanes. When given, the recurrent layers carry their
            state from one call to the next and take no other batch size; when
            None, every call begins with a zero state and any batch fits.
        seed: start of every random choice: first weights, dropout.
        compute_dtype: what the factors of the recurrent layers' matrix products are
            rounded to on a CPU, `float32` or `bfloat16`; all else is float32.

    Returns:
        A functional `keras.Model` from `(batch_size, time)` integers to
        `(batch_size, time, vocab_size)` logits; not compiled.

    >>> model = build_model(ModelConfig(vocab_size=10, units=8, embedding_dim=4))
    >>> tuple(model(np.zeros((2, 5), "int32")).shape)
    (2, 5, 10)
    """
    seeds = _seeds(seed)
    ids = keras.Input((None,), batch_size=batch_size, dtype="int32", name="ids")
    embedding = _embedding(config, seeds)
    x = _drop(embedding(ids), config.embedding_dropout, "embedding_dropout", seeds)
    for layer in range(config.num_layers):
        y = _recurrent(config, layer, batch_size is not None, seeds, compute_dtype)(x)
        if config.layer_norm:
            y = keras.layers.LayerNormalization(name=f"norm_{layer}")(y)
        y = _drop(y, config.dropout, f"dropout_{layer}", seeds)
        if config.is_residual(layer):
            y = keras.layers.Add(name=f"residual_{layer}")([x, y])
        x = y
    return keras.Model(ids, _logits(config, embedding, x, seeds), name="textgen")


def _seeds(seed: int) -> Iterator[int]:
    """A seed for each random choice, so that the library seeds nothing globally."""
    rng = np.random.default_rng(seed)
    while True:
        yield int(rng.integers(2**31))


def _embedding(config: ModelConfig, seeds: Iterator[int]) -> Any:
    # Reversible only matters to tied embeddings; otherwise it is a plain look-up.
    return keras.layers.ReversibleEmbedding(
        config.vocab_size,
        config.embedding_dim,
        embeddings_initializer=keras.initializers.RandomNormal(
            stddev=EMBEDDING_STDDEV, seed=next(seeds)
        ),
        embeddings_regularizer=_penalty(config),
        name="embedding",
    )


def _recurrent(
    config: ModelConfig,
    layer: int,
    stateful: bool,
    seeds: Iterator[int],
    compute_dtype: str,
) -> Any:
    # The plain cell has no kernel, so there are no products to round.
    kernel = {} if config.cell == "rnn" else {"product_dtype": compute_dtype}
    return CELLS[config.cell](
        config.units,
        return_sequences=True,
        stateful=stateful,
        kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
        recurrent_initializer=keras.initializers.Orthogonal(seed=next(seeds)),
        recurrent_dropout=config.recurrent_dropout,
        seed=next(seeds),
        kernel_regularizer=_penalty(config),
        recurrent_regularizer=_penalty(config),
        name=f"layer_{layer}",
        **kernel,
    )


def _dense(
    config: ModelConfig, width: int, name: str, seeds: Iterator[int], bias: bool
) -> Any:
    return keras.layers.Dense(
        width,
        use_bias=bias,
        kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
        kernel_regularizer=_penalty(config),
        name=name,
    )


def _logits(config: ModelConfig, embedding: Any, x: Any, seeds: Iterator[int]) -> Any:
    if not config.tie_embeddings:
        return _dense(config, config.vocab_size, "output", seeds, bias=True)(x)
    if config.has_projection:
        x = _dense(config, config.embedding_dim, "projection", seeds, bias=False)(x)
    return Bias(name="output")(embedding(x, reverse=True))


def _drop(x: Any, rate: float, name: str, seeds: Iterator[int]) -> Any:
    """Dropout with one mask for all time steps (Gal & Ghahramani 2016)."""
    if not rate:
        return x
    return keras.layers.SpatialDropout1D(rate, seed=next(seeds), name=name)(x)


def _penalty(config: ModelConfig) -> Any:
    return keras.regularizers.L1(config.l1) if config.l1 else None


@keras.saving.register_keras_serializable("textgen")
class Bias(keras.layers.Layer):
    """Add one trained number to each feature; tied embeddings have no bias of their own."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the `(features,)` weight."""
        self.bias = self.add_weight(
            shape=(input_shape[-1],), initializer="zeros", name="bias"
        )

    def call(self, inputs: Any) -> Any:
        """Return `inputs + bias`, of the shape of `inputs`."""
        return inputs + self.bias


def named_variables(model: Any, config: ModelConfig) -> dict[str, Any]:
    """The model's trained variables under the names of `ModelConfig.weight_shapes`."""
    variables = {"embedding": model.get_layer("embedding").embeddings}
    for layer in range(config.num_layers):
        cell = model.get_layer(f"layer_{layer}").cell
        variables[f"layers.{layer}.kernel"] = cell.kernel
        variables[f"layers.{layer}.recurrent_kernel"] = cell.recurrent_kernel
        variables[f"layers.{layer}.bias"] = cell.bias
        if config.layer_norm:
            norm = model.get_layer(f"norm_{layer}")
            variables[f"layers.{layer}.norm_scale"] = norm.gamma
            variables[f"layers.{layer}.norm_offset"] = norm.beta
    if config.has_projection:
        variables["projection.kernel"] = model.get_layer("projection").kernel
    output = model.get_layer("output")
    if not config.tie_embeddings:
        variables["output.kernel"] = output.kernel
    variables["output.bias"] = output.bias
    return variables


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
        variable.assign(found)


def load_model(path: str | Path | None = None) -> Any:
    """The trained Keras model of a checkpoint, to go on with in Keras.

    Args:
        path: a checkpoint, a run, or None for the newest under `checkpoints/`.

    Returns:
        A `keras.Model` from `(batch, time)` ids to `(batch, time, vocab_size)`
        logits; each call begins with a zero state.

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
