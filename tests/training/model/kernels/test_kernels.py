"""The kernels give the numbers of Keras' own loop."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.training.model.twins import (
    BACKEND,
    LAYERS,
    assert_equal,
    every_cell,
    gradients,
    keras,
    kernel_alone,
    one_cell,
    random_batch,
    results,
    skip_without,
    twins,
    where_kernels_run,
    worst_difference,
)

pytestmark = [pytest.mark.slow, where_kernels_run]
on_tensorflow = pytest.mark.skipif(
    BACKEND != "tensorflow", reason="only TensorFlow's kernel shares lanes among cores"
)

# --- the same numbers ---


@every_cell
@pytest.mark.parametrize(
    ("batch", "time", "features", "units"), [(1, 1, 1, 1), (37, 150, 24, 33)]
)
def test_numbers_and_gradients_are_those_of_keras(
    cell: str, batch: int, time: int, features: int, units: int
) -> None:
    ours, theirs = twins(cell, units, features)
    x, states = random_batch(cell, batch, time, features, units)
    expected = gradients(theirs, x, states)
    with kernel_alone():
        assert_equal(gradients(ours, x, states), expected)


@one_cell
def test_the_last_output_alone_is_that_of_keras(cell: str) -> None:
    ours, theirs = twins(cell, 4, 3, return_sequences=False, return_state=False)
    x, _ = random_batch(cell, 2, 5, 3, 4)
    expected = gradients(theirs, x)
    assert expected["result 0"].shape == (2, 4)
    with kernel_alone():
        assert_equal(gradients(ours, x), expected)


@every_cell
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


@one_cell
def test_batches_of_several_sizes_give_the_numbers_of_keras(cell: str) -> None:
    ours, theirs = twins(cell, 4, 3, return_state=False)
    inputs = keras.Input((None, 3))
    x, _ = random_batch(cell, 37, 6, 3, 4)
    expected = keras.Model(inputs, theirs(inputs)).predict(x, batch_size=16, verbose=0)
    with kernel_alone():
        actual = keras.Model(inputs, ours(inputs)).predict(x, batch_size=16, verbose=0)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@one_cell
def test_a_layer_that_must_know_the_length_beforehand_may_follow(cell: str) -> None:
    ours, theirs = twins(cell, 4, 3, return_state=False)
    after = keras.layers.SimpleRNN(2, unroll=True)
    inputs = keras.Input((5, 3))
    x, _ = random_batch(cell, 2, 5, 3, 4)
    expected = keras.Model(inputs, after(theirs(inputs))).predict_on_batch(x)
    with kernel_alone():
        actual = keras.Model(inputs, after(ours(inputs))).predict_on_batch(x)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@one_cell
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


@every_cell
def test_bfloat16_products_are_near_those_of_float32_and_not_the_same(cell: str) -> None:
    shape = {"units": 24, "features": 16}
    exact, _ = twins(cell, **shape)
    rounded, _ = twins(cell, **shape, product_dtype="bfloat16")
    x, states = random_batch(cell, 32, 20, **shape)
    with kernel_alone():
        expected, actual = gradients(exact, x, states), gradients(rounded, x, states)
    worst = worst_difference(actual, expected)
    assert {n: w for n, w in worst.items() if not 1e-4 < w < 0.02} == {}


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch's own functions round all numbers")
@every_cell
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


@one_cell
def test_bfloat16_products_leave_results_and_weights_in_float32(cell: str) -> None:
    layer, _ = twins(cell, 4, 3, return_state=False, product_dtype="bfloat16")
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, layer(inputs))
    assert model.predict_on_batch(np.ones((1, 2, 3))).dtype == "float32"
    assert {weight.dtype for weight in layer.weights} == {"float32"}


@one_cell
def test_the_configuration_keeps_the_type_of_products(cell: str) -> None:
    layer = LAYERS[cell][0](4, product_dtype="bfloat16", name="mine")
    config = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(layer)
    assert again.product_dtype == "bfloat16"
    assert again.get_config() == layer.get_config()


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
@every_cell
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


@pytest.mark.skipif(BACKEND != "torch", reason="the threads are PyTorch's")
@every_cell
@pytest.mark.parametrize("product_dtype", ["float32", "bfloat16"])
def test_lanes_that_threads_share_give_the_numbers_of_one_thread(
    cell: str, product_dtype: str, three_threads: None
) -> None:
    import torch

    layer, _ = twins(cell, units=4, features=3, product_dtype=product_dtype)
    x, states = random_batch(cell, 72, 5, 3, 4)
    # A gradient of bfloat16 is rounded once for each thread.
    tolerance = 1e-5 if product_dtype == "float32" else 0.02
    with kernel_alone():
        shared = gradients(layer, x, states)
        torch.set_num_threads(1)
        assert_equal(gradients(layer, x, states), shared, tolerance)


@pytest.fixture
def three_threads(monkeypatch: pytest.MonkeyPatch, product_dtype: str) -> Iterator[None]:
    """PyTorch with three threads, all of which the kernel must use for 72 lanes."""
    skip_without(product_dtype)
    import torch

    from textgen.training.model.kernels import torch as kernel

    on_cores, before, used = kernel._on_cores, torch.get_num_threads(), []
    monkeypatch.setattr(
        kernel, "_on_cores", lambda *a: used.append(len(a[1])) or on_cores(*a)
    )
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)
    assert 3 in used
