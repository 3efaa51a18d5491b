"""Keras saves, copies and loads the models of this package like its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textgen.checkpoint.format import Checkpoint, save_checkpoint
from textgen.config.model import ModelConfig
from textgen.config.train import TrainConfig
from textgen.errors import ConfigError
from textgen.text.tokenizers.char import CharTokenizer
from textgen.training.backend.keras import load_keras
from textgen.training.model.build import build_model, get_weights, load_model, set_weights
from textgen.training.model.carrying import carried_states, to_numpy
from textgen.training.model.compiling import compile_model

keras = load_keras()

# Together they have every kind of layer and every class of this package's own.
CONFIGS = [
    ModelConfig(9, "lstm", 2, 4, 3, 0.1, 0.1, 0.1, 0.1, True, True, True),
    ModelConfig(9, "gru", 2, 4, 3, l1=0.1),
    ModelConfig(9, "rnn", 1, 4, 3),
    ModelConfig(9, "coupled", 1, 4, 3, recurrent_dropout=0.1, l1=0.1, conv=3, attention=4),
]
IDS = np.arange(18, dtype="int32").reshape(2, 9) % 9

every_config = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.cell)


def trained(config: ModelConfig, batch_size: int | None = None) -> Any:
    """A model all of whose weights differ from zero."""
    rng = np.random.default_rng(0)
    model = build_model(config, batch_size)
    shapes = config.weight_shapes().items()
    weights = {name: rng.normal(0, 0.4, shape).astype("float32") for name, shape in shapes}
    set_weights(model, config, weights)
    return model


def assert_equal(copy: Any, model: Any) -> None:
    assert [type(layer) for layer in copy.layers] == [type(each) for each in model.layers]
    np.testing.assert_allclose(to_numpy(copy(IDS)), to_numpy(model(IDS)), atol=1e-6)


def with_and_without_state() -> Iterator[Any]:
    """Each configuration in one of both ways on every backend; in both on PyTorch."""
    for index, config in enumerate(CONFIGS):
        for stateful in (False, True):
            marks = () if stateful == (index % 2 == 1) else (pytest.mark.one_backend,)
            name = f"{config.cell}-{stateful}"
            yield pytest.param(config, stateful, id=name, marks=marks)


@pytest.mark.parametrize(("config", "stateful"), [*with_and_without_state()])
def test_a_saved_model_loads_as_an_equal_one(
    config: ModelConfig, stateful: bool, tmp_path: Path
) -> None:
    model = trained(config, batch_size=2 if stateful else None)
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    assert len(carried_states(copy)) == len(carried_states(model))
    for _ in range(2):  # the second time with the state that the first one left
        assert_equal(copy, model)


@pytest.mark.one_backend
@every_config
def test_a_model_from_a_configuration_takes_saved_weights(
    config: ModelConfig, tmp_path: Path
) -> None:
    model = trained(config)
    model.save_weights(tmp_path / "model.weights.h5")
    copy = keras.Model.from_config(model.get_config())
    copy.load_weights(tmp_path / "model.weights.h5")
    assert_equal(copy, model)


@pytest.mark.one_backend
@every_config
def test_a_cloned_model_takes_the_weights_of_the_first(config: ModelConfig) -> None:
    model = trained(config)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    assert_equal(copy, model)


@pytest.mark.slow
def test_a_compiled_model_is_loaded_with_its_loss_and_its_metric(tmp_path: Path) -> None:
    config = CONFIGS[1]
    model = trained(config)
    compile_model(model, config, TrainConfig())
    model.train_on_batch(IDS, IDS)
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    found, expected = (m.test_on_batch(IDS, IDS, return_dict=True) for m in (copy, model))
    assert found.keys() == expected.keys() == {"loss", "bits_per_id"}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="only JAX needs one batch size"
)
def test_an_export_with_carried_state_says_which_signature_it_needs(tmp_path: Path) -> None:
    expected = r'batches of 2.*\[keras\.InputSpec\(shape=\(2, None\), dtype="int32"\)\]'
    with pytest.raises(ConfigError, match=expected):
        trained(CONFIGS[2], batch_size=2).export(tmp_path / "exported", verbose=False)


# --- new processes ---

# tests/exporting/test_keras.py loads a Keras file in one.


def new_process(code: str, *arguments: Path, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


SERVE = """
import sys
import numpy as np
import tensorflow as tf

for folder in sys.argv[1:]:
    model = tf.saved_model.load(folder)
    calls = np.load(folder + "/ids.npz")
    logits = {name: model.serve(ids) for name, ids in calls.items()}
    np.savez(folder + "/logits.npz", **logits)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    keras.backend.backend() == "torch",
    reason="Keras exports from PyTorch by torch_xla only",
)
def test_exported_models_serve_the_same_logits_in_a_new_process(tmp_path: Path) -> None:
    run, tokenizer = tmp_path / "run", CharTokenizer("abcdefghi")
    weights = get_weights(trained(CONFIGS[0]), CONFIGS[0])
    save_checkpoint(run, Checkpoint(CONFIGS[0], tokenizer, weights))
    any_batch = {"first": IDS, "second": IDS.reshape(3, 6)}
    pairs = {"first": IDS, "second": IDS[:, :4]}  # the state is that after the first
    signature = [keras.InputSpec(shape=(2, None), dtype="int32")]
    exports = {
        "loaded": (load_model(run), any_batch, None),
        "stateful": (trained(CONFIGS[1], batch_size=2), pairs, signature),
    }
    expected = {}
    for name, (model, calls, wanted) in exports.items():
        model.export(tmp_path / name, verbose=False, input_signature=wanted)
        np.savez(tmp_path / name / "ids.npz", **calls)
        expected[name] = {call: to_numpy(model(ids)) for call, ids in calls.items()}
    new_process(SERVE, *(tmp_path / name for name in exports))
    for name, calls in expected.items():
        served = np.load(tmp_path / name / "logits.npz")
        for call, logits in calls.items():
            np.testing.assert_allclose(served[call], logits, atol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.one_backend
def test_keras_on_another_backend_can_be_imported_beside_the_package() -> None:
    code = "import keras, textgen; print(keras.backend.backend())"
    assert new_process(code, KERAS_BACKEND="numpy") == "numpy\n"
