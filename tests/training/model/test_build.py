"""The Keras model and the NumPy network are the same function."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from tests.generation.models import read_whole
from textgen.config.model import ModelConfig
from textgen.errors import CheckpointError
from textgen.generation.network.layers import kinds as numpy_kinds
from textgen.generation.network.layers import recurrent as numpy_recurrent
from textgen.generation.network.layers.base import Outputs
from textgen.generation.network.layers.kinds import make_layers
from textgen.generation.network.network import Network
from textgen.model import layers
from textgen.model.cells import CELLS
from textgen.training.backend.keras import load_keras
from textgen.training.model.build import (
    build_model,
    connect,
    get_weights,
    set_weights,
    variable,
)
from textgen.training.model.carrying import to_numpy
from textgen.training.model.layers import kinds, recurrent
from textgen.training.model.layers.base import Building
from textgen.training.model.recurrent import WholeSequence

keras = load_keras()

SIZES = (
    {"num_layers": 1, "units": 8, "embedding_dim": 5},
    {
        "num_layers": 3,
        "units": 6,
        "embedding_dim": 6,
        "sum_layers": True,
        "conv": 3,
        "attention": 50,
    },
)
FEATURES = ("tie_embeddings", "layer_norm", "residual")


def architectures() -> Iterator[Any]:
    """All features with one cell; the plainest and the richest with each, on every backend.

    The features are layers of their own: none knows which cell is beside it.
    """
    for cell, sizes, *values in itertools.product(
        CELLS, SIZES, *[(False, True)] * len(FEATURES)
    ):
        is_extreme = not any(values) if sizes == SIZES[0] else all(values)
        if cell != "lstm" and not is_extreme:
            continue
        marks = () if is_extreme else (pytest.mark.one_backend,)
        features = dict(zip(FEATURES, values, strict=True))
        yield pytest.param({"cell": cell, **sizes, **features}, marks=marks)


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


@pytest.mark.slow
@pytest.mark.parametrize("options", [*architectures()], ids=str)
def test_numpy_network_equals_keras_model_over_200_characters(options: Any) -> None:
    config = ModelConfig(vocab_size=17, **options)
    model, weights = randomized(config)
    ids = np.random.default_rng(1).integers(17, size=200)
    expected = np.asarray(model.predict_on_batch(ids[None]))[0]

    network = Network(config, weights)
    read, _ = read_whole(network, ids, network.initial_state())
    np.testing.assert_allclose(read, expected, atol=1e-4)

    state = network.initial_state()
    for position in range(20):
        logits, state = network.step(ids[position : position + 1], state)
        np.testing.assert_allclose(logits[0], expected[position], atol=1e-4)


def test_both_halves_know_every_kind_of_layer_and_every_cell() -> None:
    described = {
        kind
        for kind in vars(layers).values()
        if isinstance(kind, type)
        and issubclass(kind, layers.Layer)
        and kind is not layers.Layer
    }
    assert set(kinds.KINDS) == set(numpy_kinds.KINDS) == described
    assert list(recurrent.CELLS) == list(numpy_recurrent.CELLS) == list(CELLS)
    for name, cell in CELLS.items():
        assert issubclass(recurrent.CELLS[name], WholeSequence) is (cell.kernel is not None)
        assert len(numpy_recurrent.CELLS[name].gate_scales) == len(cell.gates)


@st.composite
def configs(draw: st.DrawFn) -> ModelConfig:
    """Every sequence of layers that a configuration can stand for, in small sizes."""
    rates = st.sampled_from([0.0, 0.3])
    return ModelConfig(
        vocab_size=draw(st.integers(1, 9)),
        cell=draw(st.sampled_from(sorted(CELLS))),
        num_layers=draw(st.integers(1, 3)),
        units=draw(st.integers(1, 5)),
        embedding_dim=draw(st.integers(1, 5)),
        dropout=draw(rates),
        embedding_dropout=draw(rates),
        recurrent_dropout=draw(rates),
        weight_drop=draw(rates),
        tie_embeddings=draw(st.booleans()),
        layer_norm=draw(st.booleans()),
        residual=draw(st.booleans()),
        sum_layers=draw(st.booleans()),
        conv=draw(st.sampled_from([0, 2, 5])),
        attention=draw(st.sampled_from([0, 2, 64])),
    )


# Where each network has to be compiled, only those are tried that stand here.
PHASES = tuple(Phase) if keras.backend.backend() == "torch" else (Phase.explicit,)


@pytest.mark.slow
@settings(max_examples=8, phases=PHASES)
@example(ModelConfig(3, "gru", 2, 4, 4, 0.3, 0.3, 0.0, 0.3, True, True, True))
@example(ModelConfig(3, "lstm", 2, 4, 3, 0.3, 0.0, 0.3, 0.3, True, conv=3, attention=9))
@given(configs())
def test_both_halves_compute_the_same_for_any_sequence_of_layers(
    config: ModelConfig,
) -> None:
    model, weights = randomized(config)
    ids = np.random.default_rng(1).integers(config.vocab_size, size=(2, 200))
    expected = to_numpy(model(ids))

    network = Network(config, weights)
    state = network.initial_state(2)
    for position in range(200):
        logits, state = network.step(ids[:, position], state)
        np.testing.assert_allclose(logits, expected[:, position], atol=1e-4)
    for row in range(2):
        read, _ = read_whole(network, ids[row], network.initial_state())
        np.testing.assert_allclose(read, expected[row], atol=1e-4)


def test_a_residual_layer_adds_the_outputs_of_any_earlier_layers() -> None:
    stack = [
        layers.Embedding("embedding", "", 5, 3),
        layers.Dropout("dropped", "", 0.5),
        layers.Recurrent("layer_0", "layers.0", "gru", 3, 3),
        layers.Recurrent("layer_1", "layers.1", "lstm", 3, 3),
        layers.Residual("sum", "", sources=("dropped", "layer_0")),
    ]
    rng = np.random.default_rng(0)
    weights = {
        layer.weight_name(name): rng.normal(0, 0.4, shape).astype(np.float32)
        for layer in stack
        for name, shape in layer.shapes.items()
    }
    ids = np.array([0, 3, 1])
    plain, summed = (read_once(stack[:end], weights, ids) for end in (-1, None))
    embedded = weights["embedding"][ids]
    first = read_once(stack[:-2], weights, ids)
    np.testing.assert_allclose(summed, plain + embedded + first, atol=1e-6)

    inputs = keras.Input((None,), dtype="int32")
    building = Building(iter(range(99)), 0.0, False, "float32")
    model = keras.Model(inputs, connect(stack, inputs, building))
    for layer in stack:
        for name in layer.shapes:
            variable(model, layer, name).assign(weights[layer.weight_name(name)])
    np.testing.assert_allclose(to_numpy(model(ids[None]))[0], summed, atol=1e-4)


def read_once(
    stack: list[layers.Layer], weights: dict[str, np.ndarray], ids: np.ndarray
) -> Any:
    """The output of layers that need not end in logits, in NumPy."""
    x: Any = ids
    outputs: Outputs = {}
    copies = {name: array.copy() for name, array in weights.items()}
    for layer, names in make_layers(stack, copies):
        bound = layer.bind(np.zeros(layer.room + layer.state_size, np.float32), outputs)
        x = bound.read(x)
        outputs |= dict.fromkeys(names, x)
    return x


def test_dropout_changes_training_and_nothing_else() -> None:
    sizes = {"vocab_size": 9, "num_layers": 1, "units": 8, "embedding_dim": 4}
    plain = ModelConfig(**sizes)
    dropping = ModelConfig(
        **sizes, dropout=0.5, embedding_dropout=0.3, recurrent_dropout=0.2, weight_drop=0.1
    )
    model, weights = randomized(dropping)
    without = build_model(plain)
    set_weights(without, plain, weights)
    ids = np.arange(9)[None]
    expected = without.predict_on_batch(ids)
    np.testing.assert_allclose(model.predict_on_batch(ids), expected, atol=1e-6)
    assert np.abs(to_numpy(model(ids, training=True)) - expected).max() > 0.01


def test_dropout_mask_is_shared_over_time() -> None:
    config = ModelConfig(vocab_size=9, num_layers=1, units=16, embedding_dim=4, dropout=0.5)
    dropout = build_model(config).get_layer("dropout_0")
    dropped = to_numpy(dropout(np.ones((2, 7, 16), "float32"), training=True)) == 0
    assert dropped.any()
    assert (dropped == dropped[:, :1]).all()


@pytest.mark.parametrize("options", [*architectures()][::2], ids=str)
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
    assert float(to_numpy(sum(model.losses))) == pytest.approx(expected, rel=1e-5)


def test_weights_of_another_shape_are_refused_by_name() -> None:
    config = ModelConfig(vocab_size=5, units=4, embedding_dim=3)
    model, weights = randomized(config)
    weights["layers.1.kernel"] = np.zeros((4, 4), np.float32)
    with pytest.raises(CheckpointError, match=r"layers\.1\.kernel.*\(4, 16\).*\(4, 4\)"):
        set_weights(model, config, weights)
    del weights["layers.1.kernel"]
    with pytest.raises(CheckpointError, match=r"layers\.1\.kernel.*found nothing"):
        set_weights(model, config, weights)
