"""State that is carried from window to window, on whichever backend runs the tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from textgen.model import cells
from textgen.training.backend.keras import load_keras
from textgen.training.loop.callbacks import ResetCarriedState
from textgen.training.loop.progress import Progress
from textgen.training.model.carrying import carried_states, to_numpy
from textgen.training.model.layers.recurrent import CELLS

keras = load_keras()
RNG = np.random.default_rng(0)


def carrying(*cells: str) -> Any:
    """A model of a layer of each of these cells."""
    x = inputs = keras.Input((None, 3), batch_size=2)
    for cell in cells:
        x = CELLS[cell](4, return_sequences=True, stateful=True)(x)
    return keras.Model(inputs, x)


@pytest.mark.parametrize("cell", CELLS)
def test_two_half_windows_with_carried_state_equal_one_whole(cell: str) -> None:
    model = carrying(cell)
    whole = RNG.normal(size=(2, 10, 3)).astype("float32")
    expected = model.predict_on_batch(whole)
    for state in carried_states(model):
        state.assign(np.zeros(state.shape))
    halves = [model.predict_on_batch(half) for half in (whole[:, :5], whole[:, 5:])]
    np.testing.assert_allclose(np.concatenate(halves, axis=1), expected, atol=1e-6)


@pytest.mark.slow
def test_state_of_every_cell_carries_on_under_fit() -> None:
    model = carrying(*CELLS)
    windows = RNG.normal(size=(3, 2, 5, 3)).astype("float32")
    model.predict_on_batch(np.concatenate(windows, axis=1))
    expected = [to_numpy(state) for state in carried_states(model)]
    for state in carried_states(model):
        state.assign(np.zeros(state.shape))

    model.compile("sgd", "mse")
    model.optimizer.learning_rate = 0.0  # the weights stay, so the states must agree
    steps = ((window, np.zeros((2, 5, 4), "float32")) for window in windows)
    model.fit(steps, steps_per_epoch=3, verbose=0, shuffle=False)

    for state, wanted in zip(carried_states(model), expected, strict=True):
        np.testing.assert_allclose(to_numpy(state), wanted, atol=1e-6)
        assert np.abs(wanted).max() > 1e-3


def test_carried_state_is_tracked_and_never_trained() -> None:
    model = carrying(*CELLS)
    assert len(carried_states(model)) == sum(
        len(cells.CELLS[name].states) for name in CELLS
    )
    paths = {variable.path for variable in model.non_trainable_variables}
    assert {state.path for state in carried_states(model)} <= paths
    assert not {state.path for state in carried_states(model)} & {
        variable.path for variable in model.trainable_variables
    }


def test_validation_leaves_the_training_state_as_it_was() -> None:
    model = carrying("lstm")
    model.compile("sgd", "mse")
    model.predict_on_batch(RNG.normal(size=(2, 5, 3)).astype("float32"))
    before = [to_numpy(state) for state in carried_states(model)]

    seen: list[float] = []

    class Look(keras.callbacks.Callback):
        def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
            if batch == 0:
                seen.extend(float(np.abs(to_numpy(s)).max()) for s in carried_states(model))

    batch = RNG.normal(size=(2, 5, 3)).astype("float32"), np.ones((2, 5, 4), "float32")
    reset = ResetCarriedState(Progress(), steps_per_pass=1)
    model.evaluate((b for b in [batch]), steps=1, verbose=0, callbacks=[reset, Look()])

    assert seen == [0.0, 0.0]  # evaluation began with a zero state
    for state, wanted in zip(carried_states(model), before, strict=True):
        np.testing.assert_array_equal(to_numpy(state), wanted)


def test_each_pass_begins_with_a_zero_state() -> None:
    model = carrying("gru")
    model.compile("sgd", "mse")
    progress = Progress()
    begins: list[float] = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            begins.append(float(np.abs(to_numpy(carried_states(self.model)[0])).max()))

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            progress.step += 1
            if hasattr(self.model, "jax_state_sync"):
                self.model.jax_state_sync()

    batch = RNG.normal(size=(2, 5, 3)).astype("float32"), np.ones((2, 5, 4), "float32")
    model.fit(
        (batch for _ in range(4)),
        steps_per_epoch=4,
        verbose=0,
        shuffle=False,
        callbacks=[ResetCarriedState(progress, steps_per_pass=2), Look()],
    )
    assert [value > 0 for value in begins] == [False, True, False, True]
