"""Layers beside the recurrent ones carry their state from window to window, too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from textgen.config.model import ModelConfig
from textgen.config.train import TrainConfig
from textgen.training.model.build import build_model, set_weights
from textgen.training.model.carrying import carried_states, to_numpy
from textgen.training.model.compiling import compile_model

SMALL = {"vocab_size": 7, "num_layers": 1, "units": 5, "embedding_dim": 4}
# Every layer that looks back, on less and on more than a window of five characters.
CARRIERS = [{"conv": 2, "attention": 3}, {"conv": 9, "attention": 12}]
short_and_long = pytest.mark.parametrize(
    "options",
    [pytest.param(CARRIERS[0], marks=pytest.mark.one_backend), CARRIERS[1]],
    ids=str,
)
IDS = np.random.default_rng(0).integers(7, size=(2, 20), dtype="int32")


def states_of(model: Any) -> list[np.ndarray]:
    return [to_numpy(state) for state in carried_states(model)]


@short_and_long
def test_two_half_windows_with_carried_state_equal_one_whole(
    options: dict[str, int],
) -> None:
    config = ModelConfig(**SMALL, **options)
    weights = {
        name: np.random.default_rng(1).normal(0, 0.5, shape).astype("float32")
        for name, shape in config.weight_shapes().items()
    }
    stateless, carrying = build_model(config), build_model(config, batch_size=2)
    set_weights(stateless, config, weights)
    set_weights(carrying, config, weights)
    whole = stateless.predict_on_batch(IDS)
    # The first part is shorter than what some layers look back on.
    halves = [carrying.predict_on_batch(half) for half in (IDS[:, :5], IDS[:, 5:])]
    np.testing.assert_allclose(np.concatenate(halves, axis=1), whole, atol=1e-5)


def test_the_state_carries_on_under_fit() -> None:
    config = ModelConfig(**SMALL, **CARRIERS[1])
    model = build_model(config, batch_size=2)
    model.predict_on_batch(IDS)
    expected = states_of(model)
    for state in carried_states(model):
        state.assign(np.zeros(state.shape))
    compile_model(model, config, TrainConfig())
    model.optimizer.learning_rate = 0.0  # the weights stay, so the states must agree
    windows = [(ids, ids, np.ones((2, 5), "float32")) for ids in np.split(IDS, 4, axis=1)]
    model.fit((window for window in windows), steps_per_epoch=4, verbose=0)
    for found, wanted in zip(states_of(model), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)
        assert np.abs(wanted).max() > 0.01


@short_and_long
def test_the_state_has_the_shapes_of_the_description(options: dict[str, int]) -> None:
    from textgen.model.architecture import layers

    config = ModelConfig(**SMALL, **options)
    shapes = [(2, *shape) for layer in layers(config) for shape in layer.states.values()]
    assert [array.shape for array in states_of(build_model(config, 2))] == shapes
    assert not carried_states(build_model(config))
