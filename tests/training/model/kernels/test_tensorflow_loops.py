"""On TensorFlow, the loops for processors with tiles of bfloat16, and those for others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.training.model.twins import (
    BACKEND,
    every_cell,
    keras,
    kernel_alone,
    one_cell,
    random_batch,
    twins,
    where_kernels_run,
)

pytestmark = [
    pytest.mark.slow,
    where_kernels_run,
    pytest.mark.skipif(BACKEND != "tensorflow", reason="the loops are TensorFlow's"),
]


@pytest.fixture
def tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that has tiles of bfloat16."""
    from textgen.training.model.kernels import tensorflow

    monkeypatch.setattr(tensorflow, "has_tiles", lambda: True)


@one_cell
def test_bfloat16_takes_batches_and_windows_of_unknown_size(cell: str, tiles: None) -> None:
    layer, theirs = twins(cell, 4, 3, return_state=False, product_dtype="bfloat16")
    inputs = keras.Input((None, 3))
    model, expected = (keras.Model(inputs, each(inputs)) for each in (layer, theirs))
    for batch, time in ((37, 6), (2, 11)):
        x, _ = random_batch(cell, batch, time, 3, 4)
        with kernel_alone():
            actual = model.predict(x, batch_size=16, verbose=0)
        wanted = expected.predict(x, batch_size=16, verbose=0)
        np.testing.assert_allclose(actual, wanted, atol=0.02)


@every_cell
def test_gradients_of_gradients_are_those_of_keras(cell: str, tiles: None) -> None:
    ours, theirs = twins(cell, 4, 3, product_dtype="bfloat16")
    x, states = random_batch(cell, 2, 5, 3, 4)
    expected = of_gradients(theirs, x, states)
    with kernel_alone():
        actual = of_gradients(ours, x, states)
    for ours_, theirs_ in zip(actual, expected, strict=True):
        scale = np.abs(theirs_).max()
        np.testing.assert_allclose(ours_, theirs_, atol=0.05 * scale)


def of_gradients(layer: Any, x: np.ndarray, states: list[np.ndarray]) -> list[np.ndarray]:
    """Gradients of the sum of the squared gradients of a loss."""
    import tensorflow as tf

    @tf.function(autograph=False)
    def compiled(x: Any, states: list[Any]) -> Any:
        sources = [x, *states, *(v.value for v in layer.trainable_variables)]
        with tf.GradientTape() as second:
            second.watch([x, *states])
            with tf.GradientTape() as first:
                first.watch([x, *states])
                outputs = tf.nest.flatten(layer(x, initial_state=states))
                loss = tf.add_n([tf.reduce_sum(part**2) for part in outputs])
            found = first.gradient(loss, sources)
            total = tf.add_n([tf.reduce_sum(gradient**2) for gradient in found])
        return second.gradient(total, sources)

    found = compiled(tf.constant(x), [tf.constant(state) for state in states])
    return [array.numpy() for array in found]


@pytest.mark.parametrize(
    ("dtype", "lanes", "has_tiles", "lanes_last", "compact"),
    [
        ("bfloat16", 32, True, False, True),
        ("bfloat16", None, True, False, True),
        ("bfloat16", 32, False, True, False),
        ("float32", 32, True, True, False),
        ("float32", 25, True, False, False),
    ],
)
def test_the_structure_follows_type_lanes_and_processor(
    dtype: str,
    lanes: int | None,
    has_tiles: bool,
    lanes_last: bool,
    compact: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from textgen.training.model.kernels import tensorflow

    monkeypatch.setattr(tensorflow, "has_tiles", lambda: has_tiles)
    storage: Any = tensorflow.storage_of(dtype, lanes)
    assert (storage.layout.lanes_last, storage.compact) == (lanes_last, compact)
