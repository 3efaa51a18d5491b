"""The short training step on PyTorch does what Keras' own step does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.training.model.twins import BACKEND, keras, skip_without
from textgen.config.model import ModelConfig
from textgen.config.train import TrainConfig
from textgen.training.model.build import build_model
from textgen.training.model.carrying import carried_states, to_numpy
from textgen.training.model.compiling import OPTIMIZERS, compile_model

pytestmark = pytest.mark.skipif(BACKEND != "torch", reason="only PyTorch has such a step")

SMALL = {"vocab_size": 7, "units": 6, "embedding_dim": 6, "weight_decay": 0.1}
NUM_STEPS = 3


def batches() -> list[tuple[np.ndarray, ...]]:
    """Ids, the ids that follow them, and weights of which some are 0."""
    rng = np.random.default_rng(0)
    ids = rng.integers(7, size=(NUM_STEPS, 4, 9), dtype=np.int32)
    weights = rng.integers(2, size=(NUM_STEPS, 4, 8)).astype("float32")
    return [(x[:, :-1], x[:, 1:], w) for x, w in zip(ids, weights, strict=True)]


def trained(config: ModelConfig, train: TrainConfig, *, short: bool) -> tuple[Any, Any]:
    """A model after some steps, and what the last one said."""
    model = build_model(config, batch_size=4, seed=3)
    compile_model(model, config, train)
    if not short:
        model.train_function = None
    for x, y, weights in batches():
        logs = model.train_on_batch(x, y, sample_weight=weights, return_dict=True)
    return model, logs


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("clip_norm", [0.0, 0.05])
def test_weights_and_metrics_are_those_of_keras(optimizer: str, clip_norm: float) -> None:
    config = ModelConfig(**SMALL)
    rate = 0.5 if optimizer == "lars" else 0.01
    train = TrainConfig(optimizer=optimizer, learning_rate=rate, clip_norm=clip_norm)
    assert_same(config, train)


@pytest.mark.parametrize(
    "options",
    [
        {"dropout": 0.4, "embedding_dropout": 0.2},
        {"l1": 0.01},
        {"tie_embeddings": True},
        {"cell": "gru", "num_layers": 3, "residual": True},
        {"cell": "rnn"},
        {"cell": "coupled"},
        {"conv": 3, "attention": 4},
    ],
    ids=str,
)
def test_every_kind_of_network_is_trained_as_by_keras(options: dict[str, Any]) -> None:
    assert_same(ModelConfig(**SMALL | options), TrainConfig())


@pytest.mark.parametrize(
    "options",
    [
        # Tall, wide and square blocks, and those of a whole gate; one alone, several alike.
        {"units": 24, "embedding_dim": 6, "num_layers": 2},
        {"units": 6, "embedding_dim": 24, "num_layers": 1},
        {"units": 100, "embedding_dim": 7},
        {"units": 131, "embedding_dim": 5, "num_layers": 1},
        {"conv": 3, "attention": 4},
    ],
    ids=str,
)
def test_muon_moves_blocks_of_all_shapes_as_on_keras(options: dict[str, Any]) -> None:
    assert_same(ModelConfig(**SMALL | options), TrainConfig(optimizer="muon"))


def assert_same(config: ModelConfig, train: TrainConfig) -> None:
    before = build_model(config, batch_size=4, seed=3).get_weights()
    (ours, our_logs), (theirs, their_logs) = (
        trained(config, train, short=short) for short in (True, False)
    )
    assert our_logs == pytest.approx(their_logs, rel=1e-5)
    for found, expected, first in zip(
        ours.get_weights(), theirs.get_weights(), before, strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert np.abs(found - first).max() > 1e-5
    for found, expected in zip(
        ours.optimizer.variables, theirs.optimizer.variables, strict=True
    ):
        np.testing.assert_allclose(to_numpy(found), to_numpy(expected), atol=1e-6)
    assert carried_states(ours)


def test_a_model_that_is_compiled_again_is_trained_by_keras() -> None:
    model, _ = trained(ModelConfig(**SMALL), TrainConfig(), short=True)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    (x, y, _), *_ = batches()
    kernel, rate = model.get_layer("output").kernel, 0.01
    before = to_numpy(kernel)
    model.train_on_batch(x, y)
    assert type(model.train_function).__name__ != "TrainStep"
    assert 0 < np.abs(to_numpy(kernel) - before).max() < rate


def test_weights_that_are_all_zero_change_nothing_but_by_decay() -> None:
    config = ModelConfig(**SMALL | {"weight_decay": 0.0})
    model = build_model(config, batch_size=4)
    compile_model(model, config, TrainConfig())
    before = [to_numpy(variable) for variable in model.trainable_variables]
    (x, y, weights), *_ = batches()
    logs = model.train_on_batch(x, y, sample_weight=0 * weights, return_dict=True)
    assert logs["loss"] == 0
    for variable, old in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(to_numpy(variable), old)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("options", [{}, {"sum_layers": True, "dropout": 0.2}], ids=str)
def test_rounded_products_train_nearly_as_exact_ones(
    optimizer: str, options: dict[str, Any]
) -> None:
    skip_without("bfloat16")
    import torch

    config = ModelConfig(**SMALL | {"units": 24, "num_layers": 2} | options)
    train = TrainConfig(optimizer=optimizer, learning_rate=0.01)
    # PyTorch has it from 2.9 on.
    matmul = getattr(torch.backends.mkldnn, "matmul", None)
    before = getattr(matmul, "fp32_precision", None)
    losses = []
    for dtype in ("float32", "bfloat16"):
        model = build_model(config, batch_size=4, seed=3, compute_dtype=dtype)
        compile_model(model, config, train)
        losses.append([model.train_on_batch(x, y)[0] for x, y, _ in batches() * 12])
    exact, rounded = losses
    assert rounded != exact
    assert rounded == pytest.approx(exact, rel=0.05)
    assert exact[-1] < 0.98 * exact[0]
    assert getattr(matmul, "fp32_precision", None) == before


def test_an_activation_after_the_last_product_is_kept() -> None:
    config = ModelConfig(**SMALL)
    inner = build_model(config, batch_size=4)
    logits = keras.layers.Dense(7, activation="relu", use_bias=False)(inner.output)
    model = keras.Model(inner.input, logits)
    compile_model(model, config, TrainConfig())
    x, y, _ = batches()[0]
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, model(x))
    for state in carried_states(model):
        state.assign(keras.ops.zeros_like(state))
    assert model.train_on_batch(x, y)[0] == pytest.approx(expected.item(), rel=1e-5)
