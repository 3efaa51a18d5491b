"""Muon treats each block of columns as a matrix of its own."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.model.twins import keras
from textgen.errors import ConfigError
from textgen.training.model.muon import Muon

RATE = 0.1
WIDTH = 4
# What a backend could do wrong shows in the other cases.
on_pytorch = pytest.mark.one_backend


def updates(gradient: np.ndarray, **options: float) -> np.ndarray:
    """What one step from weights of zero adds, for a rate of `RATE`."""
    weight = keras.Variable(np.zeros_like(gradient))
    optimizer = Muon(RATE, block_width=WIDTH, weight_decay=None, **options)
    optimizer.build([weight])
    optimizer.apply([keras.ops.convert_to_tensor(gradient)])
    return np.asarray(keras.ops.convert_to_numpy(weight))


def gradients(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, columns)).astype(np.float32)


# Blocks that are wide, square and tall.
@pytest.mark.parametrize("rows", [3, pytest.param(4, marks=on_pytorch), 9])
def test_each_block_moves_as_if_it_were_alone(rows: int) -> None:
    gradient = gradients(rows, 3 * WIDTH)
    # Of very different sizes, which a common norm would mix up.
    gradient *= np.repeat([1.0, 100.0, 0.01], WIDTH).astype(np.float32)
    alone = [updates(block) for block in np.split(gradient, 3, axis=1)]
    np.testing.assert_allclose(updates(gradient), np.concatenate(alone, axis=1), rtol=1e-4)


@pytest.mark.parametrize("rows", [3, pytest.param(4, marks=on_pytorch), 9])
def test_each_block_becomes_what_keras_makes_of_it(rows: int) -> None:
    # Directions of very different sizes, of which the small ones are not lost.
    left, _, right = np.linalg.svd(gradients(rows, 3 * WIDTH), full_matrices=False)
    sizes = np.geomspace(1, 1e-4, len(right))
    matrix = ((left * sizes) @ right).astype(np.float32)
    ours = Muon(RATE, block_width=WIDTH)
    theirs = keras.optimizers.Muon(RATE)
    found = ours.zeropower_via_newtonschulz5(keras.ops.convert_to_tensor(matrix), 3)
    expected = [
        theirs.zeropower_via_newtonschulz5(keras.ops.convert_to_tensor(block), 3)
        for block in np.split(matrix, 3, axis=1)
    ]
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(found),
        np.concatenate([keras.ops.convert_to_numpy(each) for each in expected], axis=1),
        atol=2e-4,
    )


@pytest.mark.parametrize("ns_steps", [0, 7])
def test_numbers_of_iterations_out_of_range_are_refused(ns_steps: int) -> None:
    with pytest.raises(ConfigError, match=f"ns_steps={ns_steps} must be from 1 to 6"):
        Muon(RATE, block_width=WIDTH, ns_steps=ns_steps)


def test_weights_of_another_type_are_updated_in_it() -> None:
    weight = keras.Variable(np.zeros((3, WIDTH)), dtype="bfloat16")
    optimizer = Muon(RATE, block_width=WIDTH, weight_decay=None)
    optimizer.build([weight])
    optimizer.apply([keras.ops.convert_to_tensor(gradients(3, WIDTH), dtype=weight.dtype)])
    moved = keras.ops.convert_to_numpy(keras.ops.cast(weight, "float32"))
    assert np.abs(moved).min() > 0


@pytest.mark.parametrize("columns", [pytest.param(WIDTH, marks=on_pytorch), 2 * WIDTH, 5])
def test_many_iterations_move_all_directions_of_a_block_alike(columns: int) -> None:
    moved = updates(gradients(6, columns), ns_steps=6)
    widths = [WIDTH] * (columns // WIDTH) if columns % WIDTH == 0 else [columns]
    for block in np.split(moved, np.cumsum(widths)[:-1], axis=1):
        sizes = np.linalg.svd(block, compute_uv=False) / (RATE * 0.2 * np.sqrt(6))
        assert (sizes > 0.6).all()
        assert (sizes < 1.25).all()


def test_an_equal_optimizer_can_be_made_of_the_configuration() -> None:
    again = Muon.from_config(Muon(RATE, block_width=7, momentum=0.5).get_config())
    assert (again.block_width, again.momentum, again.ns_steps) == (7, 0.5, 3)
