"""On JAX, the loops for processors with tiles of bfloat16, and those for others."""

from __future__ import annotations

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
    pytest.mark.skipif(BACKEND != "jax", reason="the loops are JAX's"),
]


@pytest.fixture(params=[True, False], ids=["with tiles", "without tiles"])
def tiles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """A processor that has tiles of bfloat16, or has none."""
    from textgen.training.model.kernels import jax

    monkeypatch.setattr(jax, "has_tiles", lambda: request.param)
    return bool(request.param)


# One block of steps, or several, or several and a rest; lanes last and lanes first.
@every_cell
@pytest.mark.parametrize(("batch", "time"), [(32, 20), (32, 41), (5, 1), (7, 131)])
def test_bfloat16_is_near_float32_with_and_without_tiles(
    cell: str, batch: int, time: int, tiles: bool
) -> None:
    shape = {"units": 24, "features": 16}
    exact, _ = twins(cell, **shape)
    rounded, _ = twins(cell, **shape, product_dtype="bfloat16")
    x, states = random_batch(cell, batch, time, **shape)
    with kernel_alone():
        expected, actual = gradients(exact, x, states), gradients(rounded, x, states)
    worst = worst_difference(actual, expected)
    assert {name: w for name, w in worst.items() if not w < 0.03} == {}


@every_cell
def test_the_forward_pass_is_the_same_with_and_without_tiles(
    cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from textgen.training.model.kernels import jax

    shape = {"units": 24, "features": 16}
    layer, _ = twins(cell, **shape, product_dtype="bfloat16")
    x, states = random_batch(cell, 5, 7, **shape)
    numbers = []
    for has_tiles in (True, False):
        monkeypatch.setattr(jax, "has_tiles", lambda has=has_tiles: has)
        with kernel_alone():
            numbers.append(results(layer, x, states))
    assert_equal(*numbers, tolerance=1e-6)


@one_cell
def test_bfloat16_numbers_are_the_same_every_time(cell: str, tiles: bool) -> None:
    layer, _ = twins(cell, units=24, features=16, product_dtype="bfloat16")
    x, states = random_batch(cell, 32, 23, 16, 24)
    with kernel_alone():
        first, second = (gradients(layer, x, states) for _ in range(2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])


@every_cell
def test_gradients_of_gradients_are_those_without_tiles(
    cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from textgen.training.model.kernels import jax

    layer, _ = twins(cell, 4, 3, product_dtype="bfloat16")
    x, states = random_batch(cell, 2, 5, 3, 4)
    numbers = []
    for has_tiles in (True, False):
        monkeypatch.setattr(jax, "has_tiles", lambda has=has_tiles: has)
        with kernel_alone():
            numbers.append(of_gradients(layer, x, states))
    for actual, expected in zip(*numbers, strict=True):
        np.testing.assert_allclose(actual, expected, atol=0.03 * np.abs(expected).max())


def of_gradients(layer: Any, x: np.ndarray, states: list[np.ndarray]) -> list[np.ndarray]:
    """Gradients of the sum of the squared gradients of a loss."""
    import jax
    import jax.numpy as jnp

    def loss(x: Any, states: list[Any]) -> Any:
        found = jax.tree.leaves(layer(x, initial_state=states))
        return sum(jnp.sum(part**2) for part in found)

    def total(x: Any, states: list[Any]) -> Any:
        found = jax.tree.leaves(jax.grad(loss, (0, 1))(x, states))
        return sum(jnp.sum(part**2) for part in found)

    return list(
        map(np.asarray, jax.tree.leaves(jax.jit(jax.grad(total, (0, 1)))(x, states)))
    )


@pytest.mark.parametrize(
    ("dtype", "has_tiles", "expected"),
    [("bfloat16", True, True), ("bfloat16", False, False), ("float32", True, False)],
)
def test_only_bfloat16_and_only_with_tiles_runs_on_tiles(
    dtype: str, has_tiles: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from textgen.training.model.kernels import jax

    monkeypatch.setattr(jax, "has_tiles", lambda: has_tiles)
    assert jax.is_for_tiles(dtype) == expected
