"""What is computed is float32, whatever Keras' default is."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from textgen.config.model import ModelConfig
from textgen.config.train import TrainConfig
from textgen.training.backend.floats import float32_by_default
from textgen.training.backend.keras import load_keras
from textgen.training.model.build import build_model
from textgen.training.model.compiling import compile_model

keras = load_keras()

CONFIGS = [
    ModelConfig(9, "lstm", 2, 4, 3, 0.1, 0.1, 0.1, 0.1, True, True, True),
    ModelConfig(9, "gru", 2, 4, 3, l1=0.1),
    ModelConfig(9, "rnn", 1, 4, 3),
]

OTHERS = ("bfloat16", "float64")


@pytest.fixture(
    params=["float16", *(pytest.param(n, marks=pytest.mark.one_backend) for n in OTHERS)]
)
def default(request: pytest.FixtureRequest) -> Iterator[str]:
    """Keras' default type and the types of layers, as a script may have set them."""
    floats, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(request.param)
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_floatx(floats)
    keras.config.set_dtype_policy(policy)


# The first has the most kinds of layers.
@pytest.mark.parametrize(
    "config",
    [CONFIGS[0], *(pytest.param(c, marks=pytest.mark.one_backend) for c in CONFIGS[1:])],
    ids=lambda config: config.cell,
)
# Muon has AdamW in it, and LARS is our own.
@pytest.mark.parametrize(
    "optimizer", [pytest.param("adamw", marks=pytest.mark.one_backend), "muon", "lars"]
)
def test_every_part_of_a_model_is_float32(
    config: ModelConfig, optimizer: str, default: str
) -> None:
    model = build_model(config, batch_size=2)
    compile_model(model, config, TrainConfig(optimizer=optimizer, learning_rate=0.1))
    model.optimizer.build(model.trainable_variables)
    layers = [layer for layer in model.layers if layer.name != "ids"]
    assert {layer.dtype_policy.name for layer in layers} == {"float32"}
    assert {metric.dtype for metric in model.metrics} == {"float32"}
    variables = [*model.variables, *model.optimizer.variables]
    assert {each.dtype for each in variables if "int" not in each.dtype} == {"float32"}
    assert keras.config.floatx() == default


def test_the_loss_is_not_scaled_under_a_mixed_policy() -> None:
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = build_model(CONFIGS[2])
        compile_model(model, CONFIGS[2], TrainConfig(optimizer="lion"))
    finally:
        keras.config.set_dtype_policy(policy)
    assert isinstance(model.optimizer, keras.optimizers.Lion)


def test_the_default_comes_back_when_the_last_of_several_threads_has_finished(
    default: str,
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def other() -> None:
        with float32_by_default():
            begun.set()
            may_end.wait()

    thread = threading.Thread(target=other)
    with float32_by_default():
        thread.start()
        begun.wait()
    assert keras.config.floatx() == "float32"
    may_end.set()
    thread.join()
    assert keras.config.floatx() == default


def test_the_default_comes_back_after_an_error(default: str) -> None:
    with pytest.raises(ZeroDivisionError), float32_by_default():
        1 / 0  # noqa: B018
    assert keras.config.floatx() == default
