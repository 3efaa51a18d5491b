"""On JAX, what is particular to the loops for processors with tiles of bfloat16."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.training.model.twins import (
    BACKEND,
    every_cell,
    kernel_alone,
    random_batch,
    twins,
    where_kernels_run,
)

pytestmark = [
    pytest.mark.slow,
    where_kernels_run,
    pytest.mark.skipif(BACKEND != "jax", reason="the loops are JAX's"),
]


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
