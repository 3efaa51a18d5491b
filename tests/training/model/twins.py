"""A layer of this package beside Keras' own, and all numbers that come out of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from textgen.training.backend.keras import load_keras
from textgen.training.model.cells.coupled import CoupledLSTM
from textgen.training.model.cells.gru import GRU
from textgen.training.model.cells.lstm import LSTM
from textgen.training.model.kernels import has_device, has_type

keras = load_keras()
BACKEND = keras.backend.backend()


class CoupledByKeras(CoupledLSTM):
    """The coupled LSTM, of which Keras has none, in Keras' own loop."""

    def fits_kernel(self, training: bool) -> bool:
        return False


LAYERS = {
    "lstm": (LSTM, keras.layers.LSTM),
    "gru": (GRU, keras.layers.GRU),
    "coupled": (CoupledLSTM, CoupledByKeras),
}
every_cell = pytest.mark.parametrize("cell", LAYERS)
# For what has nothing to do with a cell's equations: all of them on PyTorch, which does not
# compile, and one on the other backends.
one_cell = pytest.mark.parametrize(
    "cell",
    ["lstm", *(pytest.param(c, marks=pytest.mark.one_backend) for c in ("gru", "coupled"))],
)

where_kernels_run = pytest.mark.skipif(
    not has_device(), reason="on this device the layers take what Keras has"
)

Numbers = dict[str, np.ndarray]


def skip_without(dtype: str) -> None:
    """Skip the test where the processor cannot compute products of this type."""
    if not has_type(dtype):
        pytest.skip(f"this processor has no {dtype} products for {BACKEND}")


def twins(cell: str, units: int, features: int, **options: Any) -> tuple[Any, Any]:
    """This package's layer and Keras' own, with the same random weights."""
    shared = {
        "return_sequences": True,
        "return_state": True,
        "use_cudnn": False,
        # Both are overwritten below; Keras' own first weights take long to compile.
        "kernel_initializer": "zeros",
        "recurrent_initializer": "zeros",
        **options,
    }
    product_dtype = shared.pop("product_dtype", "float32")
    skip_without(product_dtype)
    ours, theirs = LAYERS[cell]
    layers = ours(units, product_dtype=product_dtype, **shared), theirs(units, **shared)
    rng = np.random.default_rng(units)
    for layer in layers:
        layer.build((None, None, features))
    weights = [rng.normal(0, w.shape[0] ** -0.5, w.shape) for w in layers[1].get_weights()]
    for layer in layers:
        layer.set_weights(weights)
    return layers


def random_batch(
    cell: str, batch: int, time: int, features: int, units: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Inputs, and as many initial states as the cell has."""
    rng = np.random.default_rng([batch, time, features, units])
    shapes = [(batch, time, features)] + [(batch, units)] * (1 if cell == "gru" else 2)
    x, *states = (rng.normal(size=shape).astype("float32") for shape in shapes)
    return x, states


def results(layer: Any, x: np.ndarray, states: Sequence[Any] = (), **call: Any) -> Numbers:
    """Outputs and states of a layer, compiled as in training."""
    return _run(layer, x, list(states), call, with_gradients=False)


def gradients(layer: Any, x: np.ndarray, states: Sequence[Any] = ()) -> Numbers:
    """The same, and every gradient of the sum over all of them, squared."""
    return _run(layer, x, list(states), {}, with_gradients=True)


def _run(layer: Any, x: Any, states: list[Any], call: Any, with_gradients: bool) -> Numbers:
    results, gradients = _RUN[BACKEND](layer, x, states, call, with_gradients)
    names = ["inputs", *(f"state {number}" for number in range(len(states)))]
    names += [weight.name for weight in layer.trainable_variables]
    numbers = {f"result {number}": result for number, result in enumerate(results)}
    if with_gradients:
        of = zip(names, gradients, strict=True)
        numbers |= {f"gradient of {name}": gradient for name, gradient in of}
    return {
        name: keras.ops.convert_to_numpy(array).astype("float64")
        for name, array in numbers.items()
    }


def _run_tensorflow(
    layer: Any, x: Any, states: list[Any], call: Any, with_gradients: bool
) -> Any:
    import tensorflow as tf

    @tf.function(autograph=False)
    def compiled(x: Any, states: list[Any]) -> Any:
        sources = [x, *states, *(v.value for v in layer.trainable_variables)]
        with tf.GradientTape() as tape:
            tape.watch([x, *states])
            results = tf.nest.flatten(layer(x, initial_state=states or None, **call))
            total = _sum_of_squares(results)
        gradients = tape.gradient(total, sources) if with_gradients else []
        return [tf.cast(result, "float64") for result in results], gradients

    return compiled(tf.constant(x), [tf.constant(state) for state in states])


def _run_jax(layer: Any, x: Any, states: list[Any], call: Any, with_gradients: bool) -> Any:
    import jax

    def total(x: Any, states: list[Any], weights: list[Any]) -> tuple[Any, Any]:
        now = zip(layer.trainable_variables, weights, strict=True)
        with keras.StatelessScope(state_mapping=now):
            results = jax.tree.leaves(layer(x, initial_state=states or None, **call))
        return _sum_of_squares(results), results

    weights = [v.value for v in layer.trainable_variables]
    if not with_gradients:
        return jax.jit(total)(x, states, weights)[1], []
    compiled = jax.jit(jax.grad(total, (0, 1, 2), has_aux=True))
    (of_x, of_states, of_weights), results = compiled(x, states, weights)
    return results, [of_x, *of_states, *of_weights]


def _run_torch(
    layer: Any, x: Any, states: list[Any], call: Any, with_gradients: bool
) -> Any:
    import torch

    x, *states = (torch.tensor(array, requires_grad=True) for array in (x, *states))
    results = keras.tree.flatten(layer(x, initial_state=states or None, **call))
    sources = [x, *states, *(v.value for v in layer.trainable_variables)]
    gradients = (
        torch.autograd.grad(_sum_of_squares(results), sources) if with_gradients else []
    )
    return [[t.detach() for t in tensors] for tensors in (results, gradients)]


_RUN = {"tensorflow": _run_tensorflow, "jax": _run_jax, "torch": _run_torch}


def _sum_of_squares(results: list[Any]) -> Any:
    return sum(keras.ops.sum(keras.ops.square(result - 0.5)) for result in results)


def worst_difference(actual: Numbers, expected: Numbers) -> dict[str, float]:
    """Of each array, the largest difference, relative to its largest number."""
    assert list(actual) == list(expected)
    # What adds up to a number is of order one, however small the sum.
    return {
        name: float(np.abs(actual[name] - wanted).max() / max(np.abs(wanted).max(), 0.1))
        for name, wanted in expected.items()
    }


def assert_equal(actual: Numbers, expected: Numbers, tolerance: float = 1e-5) -> None:
    worst = worst_difference(actual, expected)
    # Not `>`: a NaN is a difference, too.
    assert not {n: w for n, w in worst.items() if not w <= tolerance}


@contextmanager
def kernel_alone(cores: int = 4) -> Iterator[None]:
    """Keras' own loop fails, and TensorFlow believes in this many cores."""

    def fail(layer: Any, *args: Any, **kwargs: Any) -> None:
        pytest.fail(f"{layer.name} ran through Keras' own loop")

    with pytest.MonkeyPatch.context() as patch:
        for _, theirs in LAYERS.values():
            patch.setattr(theirs, "inner_loop", fail)
        if BACKEND == "tensorflow":
            import tensorflow as tf

            threading = tf.config.threading
            patch.setattr(threading, "get_inter_op_parallelism_threads", lambda: cores)
        yield
