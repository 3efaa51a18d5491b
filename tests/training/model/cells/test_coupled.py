"""The coupled LSTM is an LSTM whose input gate is 1 - forget gate."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from tests.training.model.twins import keras, random_batch
from textgen.config.model import ModelConfig
from textgen.training.model.build import build_model, get_weights
from textgen.training.model.carrying import to_numpy
from textgen.training.model.cells.coupled import CoupledLSTM

# Each backend's kernel is compared with this cell in test_kernels.py.
pytestmark = pytest.mark.one_backend


def test_it_computes_what_an_lstm_with_negated_weights_of_the_forget_gate_computes() -> (
    None
):
    ours, theirs = (
        CoupledLSTM(4, return_sequences=True),
        keras.layers.LSTM(4, return_sequences=True),
    )
    x, _ = random_batch("coupled", 2, 7, 3, 4)
    expected_shapes = [(3, 12), (4, 12), (12,)]
    ours.build(x.shape)
    theirs.build(x.shape)
    assert [tuple(weight.shape) for weight in ours.weights] == expected_shapes
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape) for shape in expected_shapes]
    ours.set_weights(weights)
    first = [np.split(weight, 3, axis=-1)[0] for weight in weights]
    pairs = zip(first, weights, strict=True)
    theirs.set_weights([np.concatenate([-f, whole], axis=-1) for f, whole in pairs])
    np.testing.assert_allclose(to_numpy(ours(x)), to_numpy(theirs(x)), atol=1e-5)


def test_the_forget_gate_begins_open_as_in_an_lstm() -> None:
    config = ModelConfig(vocab_size=5, cell="coupled", units=4, embedding_dim=3)
    bias = get_weights(build_model(config), config)["layers.1.bias"]
    assert bias.tolist() == [1] * 4 + [0] * 8


def test_one_mask_drops_the_state_of_all_gates() -> None:
    layer = CoupledLSTM(50, return_sequences=True, recurrent_dropout=0.5, seed=1)
    x, _ = random_batch("coupled", 2, 5, 3, 50)
    dropped, whole = layer(x, training=True), layer(x, training=False)
    difference = np.abs(to_numpy(dropped) - to_numpy(whole))
    assert difference[:, 0].max() < 1e-6  # the state before the first step is zero
    assert difference[:, 1:].max() > 0.01


@pytest.mark.slow
@pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")
def test_it_is_built_on_another_backend_without_loading_tensorflow() -> None:
    code = (
        "import sys, textgen\n"
        "config = textgen.ModelConfig(vocab_size=3, cell='coupled', units=2)\n"
        "textgen.build_model(config, batch_size=1)\n"
        "print('torch' in sys.modules, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "KERAS_BACKEND": "torch"},
    )
    assert done.stdout.strip() == "True False"
