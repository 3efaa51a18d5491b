"""Products on tiles of bfloat16, where the processor has them, and those without tiles."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from tests.training.model.twins import (
    BACKEND,
    assert_equal,
    every_cell,
    gradients,
    kernel_alone,
    one_cell,
    random_batch,
    results,
    twins,
    where_kernels_run,
    worst_difference,
)

pytestmark = [
    pytest.mark.slow,
    where_kernels_run,
    pytest.mark.skipif(BACKEND == "torch", reason="oneDNN finds the tiles itself"),
]

SHAPE = {"units": 24, "features": 16}

# On JAX: one block of steps; several and a rest, with lanes last and first.
SIZES = [(32, 20), (5, 1), *([(32, 41), (7, 131)] if BACKEND == "jax" else [])]


def pretend(monkeypatch: pytest.MonkeyPatch, has_tiles: bool) -> None:
    """Let the kernel take the processor for one with tiles, or one without."""
    kernel = import_module(f"textgen.training.model.kernels.{BACKEND}")
    monkeypatch.setattr(kernel, "has_tiles", lambda: has_tiles)


@pytest.fixture(params=[True, False], ids=["with tiles", "without tiles"])
def tiles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that has tiles of bfloat16, or has none."""
    pretend(monkeypatch, request.param)


@every_cell
@pytest.mark.parametrize(("batch", "time"), SIZES)
def test_bfloat16_is_near_float32_with_and_without_tiles(
    cell: str, batch: int, time: int, tiles: None
) -> None:
    exact, _ = twins(cell, **SHAPE)
    rounded, _ = twins(cell, **SHAPE, product_dtype="bfloat16")
    x, states = random_batch(cell, batch, time, **SHAPE)
    with kernel_alone(cores=1):
        expected, actual = gradients(exact, x, states), gradients(rounded, x, states)
    worst = worst_difference(actual, expected)
    assert {name: w for name, w in worst.items() if not w < 0.03} == {}


@every_cell
def test_the_forward_pass_is_the_same_with_and_without_tiles(
    cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, _ = twins(cell, **SHAPE, product_dtype="bfloat16")
    x, states = random_batch(cell, 5, 7, **SHAPE)
    numbers: list[Any] = []
    for has_tiles in (True, False):
        pretend(monkeypatch, has_tiles)
        with kernel_alone():
            numbers.append(results(layer, x, states))
    assert_equal(*numbers, tolerance=1e-6)


@one_cell
def test_bfloat16_numbers_are_the_same_every_time(cell: str, tiles: None) -> None:
    layer, _ = twins(cell, **SHAPE, product_dtype="bfloat16")
    x, states = random_batch(cell, 32, 23, **SHAPE)
    with kernel_alone():
        first, second = (gradients(layer, x, states) for _ in range(2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
