"""The kernels leave to Keras what they cannot do, and nothing else."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.training.model.twins import (
    BACKEND,
    LAYERS,
    assert_equal,
    keras,
    kernel_alone,
    one_cell,
    random_batch,
    results,
    twins,
    where_kernels_run,
)
from textgen.training.model import recurrent

pytestmark = [pytest.mark.slow, where_kernels_run]
BATCH, TIME = 3, 5
MASK = np.arange(TIME) < np.array([[2], [5], [3]])

# Options of the layer, and arguments of its call.
LEFT_TO_KERAS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "mask": ({}, {"mask": MASK}),
    "dropout in training": ({"dropout": 0.5, "seed": 1}, {"training": True}),
    "recurrent dropout in training": (
        {"recurrent_dropout": 0.5, "seed": 1},
        {"training": True},
    ),
    "activation": ({"activation": "softsign"}, {}),
    "recurrent activation": ({"recurrent_activation": "hard_sigmoid"}, {}),
    "no bias": ({"use_bias": False}, {}),
    "backwards": ({"go_backwards": True}, {}),
    "unrolled": ({"unroll": True}, {}),
    "float64": ({"dtype": "float64"}, {}),
    "mixed types": ({"dtype": "mixed_bfloat16"}, {}),
}


def cases() -> Iterator[Any]:
    """Every option with every cell; on all backends one of them in turn."""
    for number, (name, case) in enumerate(LEFT_TO_KERAS.items()):
        for position, cell in enumerate(LAYERS):
            marks = () if position == number % 3 else (pytest.mark.one_backend,)
            yield pytest.param(cell, *case, marks=marks, id=f"{name}-{cell}")
    yield pytest.param("gru", {"reset_after": False}, {}, id="reset before-gru")


@pytest.fixture
def kernel_calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """One entry for every time that a layer hands its sequence to the kernel."""
    calls = []
    kernel = recurrent.whole_sequence

    def watched(*args: Any) -> Any:
        calls.append(args)
        return kernel(*args)

    monkeypatch.setattr(recurrent, "whole_sequence", watched)
    return calls


@pytest.mark.parametrize(("cell", "options", "call"), [*cases()])
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype float64:UserWarning")
def test_what_the_kernel_cannot_do_runs_through_keras_own_loop(
    cell: str, options: Any, call: Any, kernel_calls: list[Any]
) -> None:
    # As people make layers: without a word about cuDNN.
    ours, theirs = twins(cell, 4, 3, use_cudnn="auto", **options)
    x, states = random_batch(cell, BATCH, TIME, 3, 4)
    expected = results(theirs, x, states, **call)
    assert_equal(results(ours, x, states, **call), expected, tolerance=1e-6)
    assert kernel_calls == []


@one_cell
@pytest.mark.parametrize(
    ("options", "call"),
    [
        ({}, {}),
        ({}, {"training": True}),
        ({"dropout": 0.5, "recurrent_dropout": 0.5}, {"training": False}),
        ({"activation": keras.activations.tanh, "use_cudnn": "auto"}, {}),
    ],
    ids=["plain", "plain in training", "dropout outside training", "default, spelled out"],
)
def test_what_the_kernel_can_do_runs_through_it(
    cell: str, options: Any, call: Any, kernel_calls: list[Any]
) -> None:
    ours, _ = twins(cell, 4, 3, **options)
    x, states = random_batch(cell, BATCH, TIME, 3, 4)
    with kernel_alone():
        results(ours, x, states, **call)
    assert len(kernel_calls) == 1


@pytest.mark.skipif(
    BACKEND != "tensorflow", reason="only XLA, which TensorFlow leaves to us, takes long"
)
@one_cell
def test_a_single_eager_call_runs_through_keras_own_loop(
    cell: str, kernel_calls: list[Any]
) -> None:
    ours, theirs = twins(cell, 4, 3)
    x, states = random_batch(cell, BATCH, TIME, 3, 4)
    for actual, expected in zip(
        ours(x, initial_state=states), theirs(x, initial_state=states), strict=True
    ):
        np.testing.assert_allclose(actual, expected, atol=1e-6)
    assert kernel_calls == []


@one_cell
def test_on_another_device_everything_runs_through_keras_own_loop(
    cell: str, kernel_calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = importlib.import_module(recurrent.is_worthwhile.__module__)
    monkeypatch.setattr(backend, "has_device", lambda: False)
    ours, _ = twins(cell, 4, 3)
    x, states = random_batch(cell, BATCH, TIME, 3, 4)
    results(ours, x, states)
    assert kernel_calls == []
