"""Scores of a model that learns while it reads, on whichever backend runs the tests."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.training.dynamic_models import (
    AB,
    ABC,
    TEXT,
    assert_same,
    checkpoint_for,
    static_score,
)
from textgen.checkpoint.format import Checkpoint
from textgen.config.model import ModelConfig
from textgen.training.dynamic import default_rate, dynamic_score

pytestmark = pytest.mark.slow

# What a backend makes of each kind of layer is tested in model/.

# --- without learning it is the static score ---


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "lstm", "num_layers": 2, "layer_norm": True, "residual": True},
        pytest.param(
            {"cell": "gru", "tie_embeddings": True, "units": 7},
            marks=pytest.mark.one_backend,
        ),
        pytest.param({"cell": "rnn"}, marks=pytest.mark.one_backend),
    ],
    ids=str,
)
def test_without_learning_the_score_is_that_of_score(options: Any) -> None:
    checkpoint = checkpoint_for(ABC, **options)
    found = dynamic_score(checkpoint, TEXT, seq_length=5, learning_rate=0)
    assert_same(found, static_score(checkpoint, TEXT))


@pytest.mark.one_backend
@pytest.mark.parametrize("seq_length", [1, 48, 49, 50])
def test_windows_of_any_length_predict_each_character_once(seq_length: int) -> None:
    checkpoint = checkpoint_for(ABC)
    assert len(TEXT) == 49
    found = dynamic_score(checkpoint, TEXT, seq_length=seq_length, learning_rate=0)
    assert_same(found, static_score(checkpoint, TEXT))


@pytest.mark.one_backend
def test_a_text_longer_than_what_is_encoded_at_once_is_read_without_a_gap() -> None:
    checkpoint = checkpoint_for(ABC)
    found = dynamic_score(checkpoint, TEXT * 20, seq_length=100, learning_rate=0)
    assert_same(found, static_score(checkpoint, TEXT * 20))


@pytest.mark.one_backend
def test_dropout_and_penalties_of_training_are_off() -> None:
    plain = checkpoint_for(ABC)
    trained_with = {
        "dropout": 0.5,
        "embedding_dropout": 0.5,
        "recurrent_dropout": 0.5,
        "weight_drop": 0.5,
        "l1": 0.1,
        "weight_decay": 0.1,
    }
    checkpoint = checkpoint_for(ABC, **trained_with)
    found = dynamic_score(checkpoint, TEXT, seq_length=9, learning_rate=0.01)
    expected = dynamic_score(plain, TEXT, seq_length=9, learning_rate=0.01)
    assert found.nats == pytest.approx(expected.nats, rel=1e-5)


# --- learning ---


def test_nothing_is_learned_before_it_has_been_predicted() -> None:
    checkpoint = checkpoint_for(ABC)
    first = dynamic_score(checkpoint, TEXT[:8], seq_length=8, learning_rate=0.3)
    assert_same(first, static_score(checkpoint, TEXT[:8]))
    further = dynamic_score(checkpoint, TEXT[:9], seq_length=8, learning_rate=0.3)
    assert further.nats != pytest.approx(static_score(checkpoint, TEXT[:9]).nats, rel=1e-4)


@pytest.mark.one_backend
def test_a_text_shorter_than_a_window_has_its_static_score() -> None:
    checkpoint = checkpoint_for(ABC)
    assert_same(dynamic_score(checkpoint, "abca"), static_score(checkpoint, "abca"))


def test_the_second_window_is_predicted_after_one_step_of_the_given_size() -> None:
    # Everything is zero, so all that learns is the output's bias: the first step moves
    # that of "a", too rare so far, up by the rate and that of "b" down by it.
    checkpoint = checkpoint_for(AB, scale=0)
    found = dynamic_score(checkpoint, "aaab", seq_length=2, learning_rate=0.25)
    expected = 2 * math.log(2) + math.log1p(math.exp(-0.5)) + math.log1p(math.exp(0.5))
    assert found.nats == pytest.approx(expected, rel=1e-5)


@pytest.mark.one_backend
def test_what_fills_up_the_last_window_is_not_counted() -> None:
    checkpoint = checkpoint_for(AB, scale=0)
    found = dynamic_score(checkpoint, "aab", seq_length=2, learning_rate=0.25)
    assert found.nats == pytest.approx(
        2 * math.log(2) + math.log1p(math.exp(0.5)), rel=1e-5
    )
    assert found.num_chars == 3


@pytest.mark.one_backend
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_learning_helps_on_a_text_that_repeats_itself(cell: str) -> None:
    checkpoint = checkpoint_for(ABC, scale=0.1, cell=cell)
    text = "abcbac\n" * 60
    found = dynamic_score(checkpoint, text, seq_length=7, learning_rate=0.01)
    assert found.bits_per_char < 0.9 * static_score(checkpoint, text).bits_per_char


@pytest.mark.one_backend
def test_without_a_rate_it_is_chosen_by_the_width() -> None:
    checkpoint = checkpoint_for(ABC)
    found = dynamic_score(checkpoint, TEXT, seq_length=5)
    given = dynamic_score(checkpoint, TEXT, seq_length=5, learning_rate=2e-4)
    assert_same(found, given)
    # The comparison above must be able to tell rates apart.
    assert found.nats != pytest.approx(static_score(checkpoint, TEXT).nats, rel=1e-4)
    assert default_rate(ModelConfig(vocab_size=4, units=800)) == 1e-4


def test_the_checkpoint_stays_as_it_is() -> None:
    checkpoint = checkpoint_for(ABC, tie_embeddings=True)
    # As safetensors may give them: at addresses that JAX takes over without a copy.
    weights = {name: aligned(array) for name, array in checkpoint.weights.items()}
    checkpoint = Checkpoint(checkpoint.model, ABC, weights)
    before = {name: array.copy() for name, array in weights.items()}
    dynamic_score(checkpoint, TEXT, seq_length=5, learning_rate=0.1)
    for name, array in before.items():
        np.testing.assert_array_equal(checkpoint.weights[name], array)


def aligned(array: np.ndarray, to: int = 64) -> np.ndarray:
    """A copy that begins at an address divisible by `to`."""
    room = np.empty(array.nbytes + to, np.uint8)
    start = -room.ctypes.data % to
    copy = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy
