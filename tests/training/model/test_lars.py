"""LARS does what its paper says, and its state survives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import textgen
from tests.training.model.twins import keras
from textgen.config.model import ModelConfig
from textgen.config.train import TrainConfig
from textgen.training.model.carrying import to_numpy
from textgen.training.model.compiling import compile_model, make_optimizer
from textgen.training.model.lars import LARS

# It is written in operations of Keras; test_compiling.py trains with it on every backend.
pytestmark = pytest.mark.one_backend


def moved(gradient: float, **options: Any) -> np.ndarray:
    """A matrix of norm 4 after two steps with the same gradient."""
    weights = keras.Variable(np.full((2, 2), 2.0, "float32"))
    optimizer = LARS(learning_rate=10.0, **options)
    optimizer.build([weights])
    for _ in range(2):
        optimizer.apply([np.full((2, 2), gradient, "float32")])
    return to_numpy(weights)


@pytest.mark.parametrize("gradient", [1e-3, 1.0, 1e3])
def test_a_step_is_a_share_of_the_norm_whatever_the_size_of_the_gradient(
    gradient: float,
) -> None:
    # The first step is 1 % of the norm; the second goes 0.9 times as far besides.
    first = 2 * 0.99
    expected = first - (0.9 * 0.02 + 0.01 * first)
    np.testing.assert_allclose(moved(gradient), expected, rtol=1e-5)


def test_weight_decay_is_part_of_the_local_rate() -> None:
    first = 2.0
    momentum, value = 0.0, first
    for _ in range(2):
        local = 0.001 * value / (1.0 + 0.5 * value)
        momentum = 0.9 * momentum + 10 * local * (1.0 + 0.5 * value)
        value -= momentum
    np.testing.assert_allclose(moved(1.0, weight_decay=0.5), value, rtol=1e-5)


def test_weights_of_zeros_can_be_trained() -> None:
    weights = keras.Variable(np.zeros((2, 2), "float32"))
    optimizer = LARS(learning_rate=0.5)
    optimizer.build([weights])
    optimizer.apply([np.ones((2, 2), "float32")])
    np.testing.assert_allclose(to_numpy(weights), -0.5)


def test_biases_are_moved_by_their_gradient_alone() -> None:
    config = ModelConfig(vocab_size=5, units=4, embedding_dim=3, weight_decay=0.1)
    model = textgen.build_model(config)
    optimizer = make_optimizer(config, TrainConfig(optimizer="lars", learning_rate=0.5))
    optimizer.build(model.trainable_variables)
    before = {v.path: to_numpy(v) for v in model.trainable_variables}
    gradients = [0.01 * keras.ops.ones(v.shape) for v in model.trainable_variables]
    optimizer.apply(gradients, model.trainable_variables)
    for variable in model.trainable_variables:
        step = before[variable.path] - to_numpy(variable)
        is_bias = variable.path.endswith("bias")
        assert np.allclose(step, 0.5 * 0.01, atol=1e-6) is is_bias, variable.path


def test_keras_can_store_and_rebuild_it() -> None:
    made = LARS(learning_rate=2.0, momentum=0.5, trust_coefficient=0.01, weight_decay=0.1)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(made))
    assert again.get_config() == made.get_config()
    assert (again.momentum, again.trust_coefficient) == (0.5, 0.01)


def test_a_model_compiled_with_it_can_be_trained() -> None:
    config = ModelConfig(vocab_size=5, units=4, num_layers=1, embedding_dim=3)
    model = textgen.build_model(config, batch_size=2)
    compile_model(model, config, TrainConfig(optimizer="lars", learning_rate=10))
    ids = np.arange(18, dtype="int32").reshape(2, 9) % 5
    losses = [float(model.train_on_batch(ids[:, :-1], ids[:, 1:])[0]) for _ in range(20)]
    assert losses[-1] < losses[0]
