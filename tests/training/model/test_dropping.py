"""Weight drop: in each step of training, layers read what is left of a matrix."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from tests.training.model.twins import keras, one_cell, random_batch
from textgen.config.model import ModelConfig
from textgen.config.train import TrainConfig
from textgen.errors import ConfigError
from textgen.training.model.build import build_model
from textgen.training.model.carrying import carried_states, to_numpy
from textgen.training.model.compiling import compile_model
from textgen.training.model.dropping import dropped
from textgen.training.model.layers.recurrent import CELLS

RATE = 0.5
UNITS = 16

every_cell = pytest.mark.parametrize("cell", sorted(CELLS))


def layer_of(cell: str, weight_drop: float, units: int = UNITS) -> Any:
    layer = CELLS[cell](units, return_sequences=True, weight_drop=weight_drop, seed=3)
    layer.build((2, 7, 3))
    return layer


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.75])
def test_a_share_of_the_numbers_is_zero_and_the_mean_stays(rate: float) -> None:
    weight = np.full((211, 301), 2.0, "float32")
    left = to_numpy(dropped(weight, rate, keras.random.SeedGenerator(0)))
    assert (left == 0).mean() == pytest.approx(rate, abs=0.01)
    assert left.mean() == pytest.approx(2, rel=0.02)
    assert len(np.unique(left)) == 2


def test_every_call_drops_others_and_the_seed_decides() -> None:
    weight = np.ones((30, 40), "float32")
    seeds = keras.random.SeedGenerator(5)
    first, second = (to_numpy(dropped(weight, RATE, seeds)) for _ in range(2))
    again = to_numpy(dropped(weight, RATE, keras.random.SeedGenerator(5)))
    assert (first != second).mean() > 0.3
    np.testing.assert_array_equal(first, again)


@every_cell
def test_training_reads_what_is_left_and_everything_else_the_whole(cell: str) -> None:
    layer, plain = layer_of(cell, RATE), layer_of(cell, 0.0)
    plain.set_weights([each for each in layer.get_weights() if each.dtype == np.float32])
    x, _ = random_batch(cell, 2, 7, 3, UNITS)
    whole = to_numpy(plain(x, training=True))
    np.testing.assert_allclose(to_numpy(layer(x, training=False)), whole, atol=1e-6)
    matrix = plain.cell.recurrent_kernel
    seeds = keras.random.SeedGenerator(3)
    matrix.assign(dropped(matrix, RATE, seeds))
    found = to_numpy(layer(x, training=True))
    np.testing.assert_allclose(found, to_numpy(plain(x)), atol=1e-5)
    assert np.abs(found - whole).max() > 0.01


@every_cell
def test_a_call_that_fails_leaves_the_layer_as_it_was(
    cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = layer_of(cell, RATE)
    matrix = layer.cell.recurrent_kernel

    def fails(*_: Any, **__: Any) -> None:
        assert layer.cell.recurrent_kernel is not matrix
        raise ArithmeticError

    monkeypatch.setitem(vars(layer), "inner_loop", fails)
    with pytest.raises(ArithmeticError):
        layer(np.ones((2, 7, 3), "float32"), training=True)
    assert layer.cell.recurrent_kernel is matrix
    assert any(matrix is variable for variable in layer.trainable_variables)


@one_cell
@pytest.mark.parametrize("batch_size", [None, 4])
def test_training_learns_in_spite_of_it(cell: str, batch_size: int | None) -> None:
    """A step changes all of the weights in the end, and the loss falls."""
    config = ModelConfig(5, cell, 1, 8, 4, weight_drop=0.3)
    model = build_model(config, batch_size, seed=1)
    compile_model(model, config, TrainConfig(learning_rate=0.02))
    before = [to_numpy(variable) for variable in model.trainable_variables]
    ids = np.arange(4 * 13, dtype="int32").reshape(4, 13) % 5
    losses = [model.train_on_batch(ids[:, :-1], ids[:, 1:])[0] for _ in range(30)]
    assert losses[-1] < 0.8 * losses[0]
    for variable, old in zip(model.trainable_variables, before, strict=True):
        assert (to_numpy(variable) != old).mean() > 0.9


@pytest.mark.parametrize("weight_drop", [0.0, 0.5])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_every_compiled_step_drops_other_weights(cell: str, weight_drop: float) -> None:
    """With the same weights and no carried state, only the mask can change the loss."""
    config = ModelConfig(5, cell, 2, UNITS, 4, weight_drop=weight_drop)
    model = build_model(config, batch_size=4, seed=1)
    compile_model(model, config, TrainConfig(learning_rate=1e-30))
    ids = np.arange(4 * 13, dtype="int32").reshape(4, 13) % 5
    losses = []
    for _ in range(3):
        for state in carried_states(model):
            state.assign(np.zeros(state.shape, "float32"))
        losses.append(float(model.train_on_batch(ids[:, :-1], ids[:, 1:])[0]))
        model.reset_metrics()
    assert len(set(losses)) == (3 if weight_drop else 1)


@pytest.mark.parametrize("rate", [1e-6, 0.999])
def test_a_share_near_the_limits_drops_some_and_keeps_some(rate: float) -> None:
    weight = np.ones((64, 256), "float32")
    left = to_numpy(dropped(weight, rate, keras.random.SeedGenerator(0)))
    assert 0 < (left == 0).mean() < 1
    assert np.isfinite(left).all()


@pytest.mark.parametrize("share", [-0.1, 1])
def test_an_impossible_share_is_refused(share: float) -> None:
    message = f"weight_drop={share} must be at least 0 and below 1."
    with pytest.raises(ConfigError, match=re.escape(message)):
        CELLS["lstm"](4, weight_drop=share)
    with pytest.raises(ConfigError, match=re.escape(message)):
        ModelConfig(5, weight_drop=share)


def test_a_copy_of_the_layer_drops_as_much() -> None:
    layer = layer_of("lstm", 0.25)
    assert type(layer).from_config(layer.get_config()).weight_drop == 0.25
