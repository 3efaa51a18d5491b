"""The Keras model and the NumPy network are the same function."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from textgen.config.model import ModelConfig
from textgen.errors import CheckpointError
from textgen.generation.network.network import Network
from textgen.training.backend.keras import load_keras
from textgen.training.model.build import build_model, get_weights, set_weights

keras = load_keras()

ARCHITECTURES = [
    {"cell": cell, "tie_embeddings": tie, "layer_norm": norm, "residual": residual, **sizes}
    for cell, tie, norm, residual, sizes in itertools.product(
        ("lstm", "gru", "rnn"),
        (False, True),
        (False, True),
        (False, True),
        (
            {"num_layers": 1, "units": 8, "embedding_dim": 5},
            {"num_layers": 3, "units": 6, "embedding_dim": 6},
        ),
    )
]


def randomized(config: ModelConfig) -> tuple[Any, dict[str, np.ndarray]]:
    """A model all of whose weights, biases too, differ from zero."""
    rng = np.random.default_rng(0)
    model = build_model(config)
    weights = {
        name: rng.normal(0, 0.4, shape).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    set_weights(model, config, weights)
    return model, weights


@pytest.mark.parametrize("options", ARCHITECTURES, ids=str)
def test_numpy_network_equals_keras_model_over_200_characters(options: Any) -> None:
    config = ModelConfig(vocab_size=17, **options)
    model, weights = randomized(config)
    ids = np.random.default_rng(1).integers(17, size=200)
    expected = np.asarray(model.predict_on_batch(ids[None]))[0]

    network = Network(config, weights)
    read, _ = network.read(ids, network.initial_state())
    np.testing.assert_allclose(read, expected, atol=1e-4)

    state = network.initial_state()
    for position in range(20):
        logits, state = network.step(ids[position : position + 1], state)
        np.testing.assert_allclose(logits[0], expected[position], atol=1e-4)


def test_dropout_changes_training_and_nothing_else() -> None:
    plain = ModelConfig(vocab_size=9, units=8, embedding_dim=4)
    dropping = ModelConfig(
        vocab_size=9,
        units=8,
        embedding_dim=4,
        dropout=0.5,
        embedding_dropout=0.3,
        recurrent_dropout=0.2,
    )
    model, weights = randomized(dropping)
    without = build_model(plain)
    set_weights(without, plain, weights)
    ids = np.arange(9)[None]
    np.testing.assert_allclose(
        model.predict_on_batch(ids), without.predict_on_batch(ids), atol=1e-6
    )
    assert np.abs(np.asarray(model(ids, training=True) - without(ids))).max() > 0.01


def test_dropout_mask_is_shared_over_time() -> None:
    config = ModelConfig(vocab_size=9, num_layers=1, units=16, embedding_dim=4, dropout=0.5)
    dropout = build_model(config).get_layer("dropout_0")
    dropped = np.asarray(dropout(np.ones((2, 7, 16), "float32"), training=True)) == 0
    assert dropped.any()
    assert (dropped == dropped[:, :1]).all()


@pytest.mark.parametrize("options", ARCHITECTURES[::5], ids=str)
def test_weights_have_the_names_and_shapes_of_the_configuration(options: Any) -> None:
    config = ModelConfig(vocab_size=17, **options)
    weights = get_weights(build_model(config), config)
    shapes = {name: array.shape for name, array in weights.items()}
    assert shapes == config.weight_shapes()
    assert list(shapes) == list(config.weight_shapes())
    assert sum(array.size for array in weights.values()) == config.num_parameters


def test_forget_gate_bias_starts_at_one() -> None:
    config = ModelConfig(vocab_size=5, units=4, embedding_dim=3)
    bias = get_weights(build_model(config), config)["layers.1.bias"]
    assert bias.tolist() == [0] * 4 + [1] * 4 + [0] * 8


def test_model_is_an_ordinary_functional_keras_model() -> None:
    config = ModelConfig(vocab_size=5, units=4, embedding_dim=3)
    model = build_model(config)
    assert type(model).__name__ == "Functional"
    assert isinstance(model, keras.Model)
    assert isinstance(model.get_layer("layer_0"), keras.layers.LSTM)
    assert model.output_shape == (None, None, 5)


def test_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    config = ModelConfig(vocab_size=5, units=4, embedding_dim=3)
    first, again, other = (
        get_weights(build_model(config, seed=seed), config)["layers.0.kernel"]
        for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_l1_adds_a_penalty_on_the_matrices_alone() -> None:
    config = ModelConfig(vocab_size=5, num_layers=1, units=4, embedding_dim=3, l1=0.1)
    model, weights = randomized(config)
    matrices = [a for n, a in weights.items() if "bias" not in n]
    expected = 0.1 * sum(np.abs(matrix).sum() for matrix in matrices)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)


def test_weights_of_another_shape_are_refused_by_name() -> None:
    config = ModelConfig(vocab_size=5, units=4, embedding_dim=3)
    model, weights = randomized(config)
    weights["layers.1.kernel"] = np.zeros((4, 4), np.float32)
    with pytest.raises(CheckpointError, match=r"layers\.1\.kernel.*\(4, 16\).*\(4, 4\)"):
        set_weights(model, config, weights)
    del weights["layers.1.kernel"]
    with pytest.raises(CheckpointError, match=r"layers\.1\.kernel.*found nothing"):
        set_weights(model, config, weights)
