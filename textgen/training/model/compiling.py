"""The optimizer, loss and metric that a model is compiled with."""

from __future__ import annotations

import math
from functools import partial
from importlib import import_module
from typing import Any

from textgen.config.arguments import check_instance
from textgen.config.model import ModelConfig
from textgen.config.train import TrainConfig
from textgen.training.backend.devices import is_data_parallel
from textgen.training.backend.floats import DTYPE, float32_by_default
from textgen.training.backend.loaded import keras
from textgen.training.model.lars import LARS
from textgen.training.model.muon import Muon, block_width


@float32_by_default()
def make_optimizer(model: ModelConfig, train: TrainConfig) -> Any:
    """The Keras optimizer that the two configurations describe.

    >>> type(make_optimizer(ModelConfig(vocab_size=2), TrainConfig(optimizer="lion")))
    <class '...Lion'>
    """
    common: dict[str, Any] = {
        "learning_rate": float(train.learning_rate),
        "weight_decay": model.weight_decay,
        "global_clipnorm": train.clip_norm or None,
    }
    if train.optimizer in ("adam", "adamw"):
        common["beta_2"] = train.beta_2
    if train.optimizer == "muon":
        # Muon is for hidden matrices. Its inner AdamW updates the output layer, where decay
        # costs more than it gains, and the biases of a GRU, which have two rows.
        common |= {
            "block_width": block_width(model.units),
            "adam_beta_2": train.beta_2,
            "adam_weight_decay": None,
            "exclude_layers": ["output", "bias"],
        }
    optimizer = OPTIMIZERS[train.optimizer](**common)
    # Biases and norms are not matrices: decay would only distort their scale.
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
    "lion": keras.optimizers.Lion,
    "muon": Muon,
    "lamb": keras.optimizers.Lamb,
    "lars": LARS,
}


@float32_by_default()
def compile_model(model: Any, config: ModelConfig, train: TrainConfig) -> None:
    """Compile `model` with its optimizer, the loss in nats and the metric in bits.

    The metric `bits_per_id` is total bits over total weight. Keras averages `val_loss`
    over windows instead, so `val_bits_per_id` is the one to watch.

    >>> from textgen.training.model.build import build_model
    >>> config = ModelConfig(vocab_size=10, units=8)
    >>> model = build_model(config)
    >>> compile_model(model, config, TrainConfig())
    >>> model.compiled
    True
    """
    check_instance("model", model, keras.Model)
    check_instance("config", config, ModelConfig)
    check_instance("train", train, TrainConfig)
    model.compile(
        optimizer=make_optimizer(config, train),
        # Mean nats per id; warm-up and padding have weight 0.
        loss=keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight", dtype=DTYPE
        ),
        weighted_metrics=[BitsPerId()],
        # Only float16 gradients need it; Keras goes by the global policy, not the layers'.
        auto_scale_loss=False,
        # On TensorFlow the recurrent kernels compile themselves, and Keras' loop for the
        # plain cell runs at half the speed under XLA.
        jit_compile=keras.backend.backend() == "jax",
    )
    backend = keras.backend.backend()
    if backend == "torch":
        from textgen.training.model.steps.torch import TrainStep

        # `fit` keeps it until the model is compiled again.
        model.train_function = TrainStep(model, train.accumulate)
    elif train.accumulate > 1 or (backend == "jax" and is_data_parallel()):
        step = import_module(f"textgen.training.model.steps.{backend}").train_step
        model.train_step = partial(step, model, train.accumulate)


@keras.saving.register_keras_serializable("textgen")
class BitsPerId(keras.metrics.MeanMetricWrapper):
    """Mean surprise per id in bits: total bits over total weight.

    An id is a character or a byte; `Task.ids_per_char` converts to characters.

    >>> import numpy as np
    >>> metric = BitsPerId()
    >>> metric.update_state(np.array([[1, 0]]), np.zeros((1, 2, 4), "float32"))
    >>> float(metric.result())
    2.0
    """

    def __init__(self, name: str = "bits_per_id", dtype: Any = DTYPE) -> None:
        super().__init__(_bits, name=name, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments to construct an equal metric."""
        return {"name": self.name, "dtype": self.dtype}


def _bits(ids: Any, logits: Any) -> Any:
    nats = keras.losses.sparse_categorical_crossentropy(ids, logits, from_logits=True)
    return nats / math.log(2)
