"""Debugging modes of the frameworks, and derivatives beyond the first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from textgen.config.model import ModelConfig
from textgen.config.train import TrainConfig
from textgen.training.backend.keras import load_keras
from textgen.training.model import precision
from textgen.training.model.build import build_model
from textgen.training.model.carrying import to_numpy
from textgen.training.model.cells.gru import GRU
from textgen.training.model.cells.lstm import LSTM
from textgen.training.model.compiling import compile_model
from textgen.training.model.kernels import debugging_mode, product_loop
from textgen.training.model.precision import choose_dtype

keras = load_keras()
BACKEND = keras.backend.backend()

on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="a mode of TensorFlow")
on_jax = pytest.mark.skipif(BACKEND != "jax", reason="a mode of JAX")

CONFIG = ModelConfig(vocab_size=7, num_layers=1, units=4, embedding_dim=3)
IDS = np.arange(8, dtype="int32").reshape(2, 4) % 7


@pytest.fixture(params=["eager", "checked"])
def tensorflow_mode(request: pytest.FixtureRequest) -> Iterator[str]:
    """A debugging mode of TensorFlow, and the name that messages have for it."""
    import tensorflow as tf

    if request.param == "eager":
        tf.config.run_functions_eagerly(True)
        yield "tf.config.run_functions_eagerly"
        tf.config.run_functions_eagerly(False)
    else:
        tf.debugging.enable_check_numerics()
        yield "tf.debugging"
        tf.debugging.disable_check_numerics()


@pytest.mark.slow
@on_tensorflow
def test_in_a_debugging_mode_training_runs_through_keras_own_loop(
    tensorflow_mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "processor_flags", lambda: {"avx512_bf16"})
    assert debugging_mode() == tensorflow_mode
    for wanted in ("auto", "bfloat16"):
        assert choose_dtype(CONFIG, TrainConfig(compute_dtype=wanted)) == "float32"
    model = build_model(CONFIG)
    compile_model(model, CONFIG, TrainConfig())
    assert np.isfinite(model.train_on_batch(IDS, IDS)).all()


@on_tensorflow
def test_without_a_debugging_mode_none_is_found() -> None:
    assert debugging_mode() is None


@on_jax
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_products_can_be_timed_where_jax_prefers_float64(dtype: str) -> None:
    import jax

    jax.config.update("jax_enable_x64", True)
    try:
        product_loop(dtype, 16, 8, 32)()
        assert build_model(CONFIG)(IDS).dtype == "float32"
    finally:
        jax.config.update("jax_enable_x64", False)


@on_jax
def test_a_process_that_compiles_nothing_is_recognised() -> None:
    import jax

    assert debugging_mode() is None
    with jax.disable_jit():
        assert debugging_mode() == "jax_disable_jit"


# --- second derivatives ---


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["LSTM", pytest.param("GRU", marks=pytest.mark.one_backend)]
)
def test_second_derivatives_are_those_of_keras_own_loop(name: str) -> None:
    ours, theirs = {"LSTM": LSTM, "GRU": GRU}[name], getattr(keras.layers, name)
    x = np.random.default_rng(0).normal(size=(2, 3, 5)).astype("float32")
    found, expected = (second_derivatives(cls, x) for cls in (ours, theirs))
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-5)


def second_derivatives(cls: Any, x: np.ndarray) -> np.ndarray:
    """The gradient of the squared length of a gradient, as a gradient penalty takes it."""
    layer = cls(
        4,
        return_sequences=True,
        use_cudnn=False,
        kernel_initializer=keras.initializers.GlorotUniform(1),
        recurrent_initializer=keras.initializers.Orthogonal(seed=2),
    )
    layer.build(x.shape)
    if BACKEND == "jax":
        import jax

        gradient = jax.grad(lambda x: (layer(x) ** 2).sum())
        return np.asarray(jax.jit(jax.grad(lambda x: (gradient(x) ** 2).sum()))(x))
    if BACKEND == "torch":
        import torch

        start = torch.tensor(x, requires_grad=True)
        (of_sum,) = torch.autograd.grad((layer(start) ** 2).sum(), start, create_graph=True)
        return to_numpy(torch.autograd.grad((of_sum**2).sum(), start)[0])
    import tensorflow as tf

    @tf.function
    def both(x: Any) -> Any:
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                total = tf.reduce_sum(layer(x) ** 2)
            penalty = tf.reduce_sum(inner.gradient(total, x) ** 2)
        return outer.gradient(penalty, x)

    return np.asarray(both(tf.constant(x)))
