"""The kernels give the numbers of Keras' own loop, and leave to it what they cannot do."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from textgen.training.backend.keras import load_keras
from textgen.training.model import recurrent
from textgen.training.model.cells.gru import GRU
from textgen.training.model.cells.lstm import LSTM

keras = load_keras()
BACKEND = keras.backend.backend()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any("cpu" not in device for device in keras.distribution.list_devices()),
        reason="on a GPU or TPU the layers take what Keras has",
    ),
]
on_tensorflow = pytest.mark.skipif(
    BACKEND != "tensorflow", reason="only TensorFlow's kernel shares lanes among cores"
)

LAYERS = {
    "lstm": (LSTM, keras.layers.LSTM),
    "gru": (GRU, keras.layers.GRU),
}
both_cells = pytest.mark.parametrize("cell", LAYERS)

Numbers = dict[str, np.ndarray]


# --- two layers, and everything that comes out of one ---


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
    shapes = [(batch, time, features)] + [(batch, units)] * (2 if cell == "lstm" else 1)
    x, *states = (rng.normal(size=shape).astype("float32") for shape in shapes)
    return x, states


def results(layer: Any, x: np.ndarray, states: Sequence[Any] = (), **call: Any) -> Numbers:
    """Outputs and states of a layer, compiled as in training."""
    return _run(layer, x, list(states), call, with_gradients=False)


def gradients(layer: Any, x: np.ndarray, states: Sequence[Any] = ()) -> Numbers:
    """The same, and every gradient of the sum over all of them, squared."""
    return _run(layer, x, list(states), {}, with_gradients=True)


def _run(layer: Any, x: Any, states: list[Any], call: Any, with_gradients: bool) -> Numbers:
    compiled = _run_tensorflow if BACKEND == "tensorflow" else _run_jax
    results, gradients = compiled(layer, x, states, call, with_gradients)
    names = ["inputs", *(f"state {number}" for number in range(len(states)))]
    names += [weight.name for weight in layer.trainable_variables]
    numbers = {f"result {number}": result for number, result in enumerate(results)}
    if with_gradients:
        of = zip(names, gradients, strict=True)
        numbers |= {f"gradient of {name}": gradient for name, gradient in of}
    return {name: np.asarray(array, "float64") for name, array in numbers.items()}


def _run_tensorflow(layer: Any, x: Any, states: list[Any], call: Any, with_gradients: bool):
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


# --- the same numbers ---


@both_cells
@settings(max_examples=3, deadline=None, derandomize=True)
@given(
    batch=st.sampled_from([1, 2, 16, 37, 48]),
    time=st.integers(1, 12),
    features=st.integers(1, 20),
    units=st.integers(1, 20),
)
@example(batch=64, time=150, features=24, units=32)
def test_numbers_and_gradients_are_those_of_keras(
    cell: str, batch: int, time: int, features: int, units: int
) -> None:
    ours, theirs = twins(cell, units, features)
    x, states = random_batch(cell, batch, time, features, units)
    expected = gradients(theirs, x, states)
    with kernel_alone():
        assert_equal(gradients(ours, x, states), expected)


@both_cells
def test_the_last_output_alone_is_that_of_keras(cell: str) -> None:
    ours, theirs = twins(cell, 4, 3, return_sequences=False, return_state=False)
    x, _ = random_batch(cell, 2, 5, 3, 4)
    expected = gradients(theirs, x)
    assert expected["result 0"].shape == (2, 4)
    with kernel_alone():
        assert_equal(gradients(ours, x), expected)


@both_cells
def test_two_calls_with_carried_state_equal_one_long_call(cell: str) -> None:
    layer, _ = twins(cell, units=4, features=3)
    x, states = random_batch(cell, 32, 11, 3, 4)
    with kernel_alone():
        whole = results(layer, x, states)
        first, *carried = results(layer, x[:, :4], states).values()
        carried = [state.astype("float32") for state in carried]
        second = results(layer, x[:, 4:], carried)
    second["result 0"] = np.concatenate([first, second["result 0"]], axis=1)
    assert_equal(second, whole, tolerance=1e-6)


@both_cells
def test_batches_of_several_sizes_give_the_numbers_of_keras(cell: str) -> None:
    ours, theirs = twins(cell, 4, 3, return_state=False)
    inputs = keras.Input((None, 3))
    x, _ = random_batch(cell, 37, 6, 3, 4)
    expected = keras.Model(inputs, theirs(inputs)).predict(x, batch_size=16, verbose=0)
    with kernel_alone():
        actual = keras.Model(inputs, ours(inputs)).predict(x, batch_size=16, verbose=0)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@both_cells
def test_a_layer_that_must_know_the_length_beforehand_may_follow(cell: str) -> None:
    ours, theirs = twins(cell, 4, 3, return_state=False)
    after = keras.layers.SimpleRNN(2, unroll=True)
    inputs = keras.Input((5, 3))
    x, _ = random_batch(cell, 2, 5, 3, 4)
    expected = keras.Model(inputs, after(theirs(inputs))).predict_on_batch(x)
    with kernel_alone():
        actual = keras.Model(inputs, after(ours(inputs))).predict_on_batch(x)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@both_cells
def test_fit_and_predict_of_a_stateful_model_take_the_kernel(cell: str) -> None:
    # That the state carries on is shown in test_recurrent.py.
    x, _ = random_batch(cell, 2, 5, 3, 4)
    inputs = keras.Input((None, 3), batch_size=2)
    with kernel_alone():
        layer = LAYERS[cell][0](4, return_sequences=True, stateful=True)
        model = keras.Model(inputs, layer(inputs))
        model.compile("sgd", "mse")
        before = layer.get_weights()[:3]
        model.fit(x, np.ones((2, 5, 4), "float32"), batch_size=2, verbose=0)
        model.predict_on_batch(x)
    for old, new in zip(before, layer.get_weights(), strict=False):
        assert np.abs(new - old).max() > 1e-6


# --- rounded factors ---


@both_cells
def test_bfloat16_products_are_near_those_of_float32_and_not_the_same(cell: str) -> None:
    shape = {"units": 24, "features": 16}
    exact, _ = twins(cell, **shape)
    rounded, _ = twins(cell, **shape, product_dtype="bfloat16")
    x, states = random_batch(cell, 32, 20, **shape)
    with kernel_alone():
        expected, actual = gradients(exact, x, states), gradients(rounded, x, states)
    worst = worst_difference(actual, expected)
    assert {n: w for n, w in worst.items() if not 1e-4 < w < 0.02} == {}


@both_cells
def test_bfloat16_rounds_the_factors_of_products_and_not_their_sums(cell: str) -> None:
    # With factors that bfloat16 holds exactly there is nothing to round.
    shape = {"units": 4, "features": 3}
    exact, _ = twins(cell, **shape)
    rounded, _ = twins(cell, **shape, product_dtype="bfloat16")
    *matrices, bias = exact.get_weights()
    for layer in (exact, rounded):
        layer.set_weights([*map(in_bfloat16, matrices), bias])
    x, (h, *others) = random_batch(cell, 2, 1, **shape)
    x, states = in_bfloat16(x), [in_bfloat16(h), *others]
    with kernel_alone():
        assert_equal(results(rounded, x, states), results(exact, x, states), 1e-6)


def in_bfloat16(array: np.ndarray) -> np.ndarray:
    """The nearest numbers, roughly, of which bfloat16 can hold every digit."""
    return (array.view(np.uint32) & 0xFFFF0000).view(np.float32)


@both_cells
def test_bfloat16_products_leave_results_and_weights_in_float32(cell: str) -> None:
    layer, _ = twins(cell, 4, 3, return_state=False, product_dtype="bfloat16")
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, layer(inputs))
    assert model.predict_on_batch(np.ones((1, 2, 3))).dtype == "float32"
    assert {weight.dtype for weight in layer.weights} == {"float32"}


@both_cells
def test_the_configuration_keeps_the_type_of_products(cell: str) -> None:
    layer = LAYERS[cell][0](4, product_dtype="bfloat16", name="mine")
    config = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(layer)
    assert again.product_dtype == "bfloat16"
    assert again.get_config() == layer.get_config()


# --- what is left to Keras ---

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
CASES = [(cell, *case) for case in LEFT_TO_KERAS.values() for cell in LAYERS]
NAMES = [f"{name}-{cell}" for name in LEFT_TO_KERAS for cell in LAYERS]


@pytest.mark.parametrize(
    ("cell", "options", "call"),
    [*CASES, ("gru", {"reset_after": False}, {})],
    ids=[*NAMES, "reset before-gru"],
)
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


@both_cells
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


@on_tensorflow
@both_cells
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


@both_cells
def test_on_another_device_everything_runs_through_keras_own_loop(
    cell: str, kernel_calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = importlib.import_module(recurrent.is_worthwhile.__module__)
    monkeypatch.setattr(backend, "has_device", lambda: False)
    ours, _ = twins(cell, 4, 3)
    x, states = random_batch(cell, BATCH, TIME, 3, 4)
    results(ours, x, states)
    assert kernel_calls == []


# --- sharing lanes ---


@on_tensorflow
@pytest.mark.parametrize(
    ("batch", "parts"),
    [
        (64, 4),
        (36, 4),
        (34, 2),  # not by 3 or 4
        (15, 1),  # too few lanes for two
        (97, 1),  # a prime
        (1, 1),
        (None, 1),  # not known before the call
    ],
)
def test_number_of_parts_on_four_cores(batch: int | None, parts: int) -> None:
    from textgen.training.model.kernels import tensorflow

    with kernel_alone(cores=4):
        assert tensorflow.num_parts(batch) == parts


@on_tensorflow
@both_cells
def test_lanes_shared_out_in_three_parts_give_the_numbers_of_keras(
    cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from textgen.training.model.kernels import tensorflow

    asked = []
    monkeypatch.setattr(tensorflow, "num_parts", lambda batch: asked.append(batch) or 3)
    layer, theirs = twins(cell, units=4, features=3)
    x, states = random_batch(cell, 9, 5, 3, 4)
    expected = gradients(theirs, x, states)
    with kernel_alone():
        assert_equal(gradients(layer, x, states), expected)
    assert asked == [9]
