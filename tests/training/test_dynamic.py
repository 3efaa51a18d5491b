"""Scores of a model that learns while it reads, on whichever backend runs the tests."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from textgen.checkpoint.format import Checkpoint
from textgen.config.model import ModelConfig
from textgen.errors import (
    CheckpointError,
    ConfigError,
    CorpusError,
    TokenizerError,
    TrainingError,
)
from textgen.generation.network.network import Network
from textgen.generation.scoring.score import Score, score
from textgen.text.reading.documents import Piece
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.training.dynamic import default_rate, dynamic_score

pytestmark = pytest.mark.slow

Tokenizer = CharTokenizer | ByteTokenizer
AB = CharTokenizer("ab")
ABC = CharTokenizer("\nabc")
TEXT = "abc\ncab\n" * 6 + "b"


def checkpoint_for(tokenizer: Tokenizer, scale: float = 0.5, **options: Any) -> Checkpoint:
    """A model of random weights; a scale of 0 makes everything equally likely."""
    sizes = {"units": 6, "embedding_dim": 5, "num_layers": 1, **options}
    config = ModelConfig(vocab_size=tokenizer.vocab_size, **sizes)
    rng = np.random.default_rng(0)
    weights = {
        name: (rng.standard_normal(shape) * scale).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    return Checkpoint(config, tokenizer, weights)


def static_score(checkpoint: Checkpoint, documents: Any, **options: Any) -> Score:
    network = Network(checkpoint.model, checkpoint.weights)
    return score(network, checkpoint.tokenizer, documents, **options)


def assert_same(found: Score, expected: Score) -> None:
    """The same counts, and the same sum but for rounding; only the protocol differs."""
    assert found.protocol == "dynamic"
    assert found.nats == pytest.approx(expected.nats, rel=1e-5)
    counts = ("num_chars", "num_bytes", "num_unknown", "window")
    assert [getattr(found, n) for n in counts] == [getattr(expected, n) for n in counts]


# --- without learning it is the static score ---


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "lstm", "num_layers": 2, "layer_norm": True, "residual": True},
        {"cell": "gru", "tie_embeddings": True, "units": 7},
        {"cell": "rnn"},
    ],
    ids=str,
)
def test_without_learning_the_score_is_that_of_score(options: Any) -> None:
    checkpoint = checkpoint_for(ABC, **options)
    found = dynamic_score(checkpoint, TEXT, seq_length=5, learning_rate=0)
    assert_same(found, static_score(checkpoint, TEXT))


@pytest.mark.parametrize("seq_length", [1, 48, 49, 50])
def test_windows_of_any_length_predict_each_character_once(seq_length: int) -> None:
    checkpoint = checkpoint_for(ABC)
    assert len(TEXT) == 49
    found = dynamic_score(checkpoint, TEXT, seq_length=seq_length, learning_rate=0)
    assert_same(found, static_score(checkpoint, TEXT))


def test_a_text_longer_than_what_is_encoded_at_once_is_read_without_a_gap() -> None:
    checkpoint = checkpoint_for(ABC)
    found = dynamic_score(checkpoint, TEXT * 20, seq_length=100, learning_rate=0)
    assert_same(found, static_score(checkpoint, TEXT * 20))


def test_dropout_and_penalties_of_training_are_off() -> None:
    plain = checkpoint_for(ABC)
    trained_with = {
        "dropout": 0.5,
        "embedding_dropout": 0.5,
        "recurrent_dropout": 0.5,
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


def test_what_fills_up_the_last_window_is_not_counted() -> None:
    checkpoint = checkpoint_for(AB, scale=0)
    found = dynamic_score(checkpoint, "aab", seq_length=2, learning_rate=0.25)
    assert found.nats == pytest.approx(
        2 * math.log(2) + math.log1p(math.exp(0.5)), rel=1e-5
    )
    assert found.num_chars == 3


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_learning_helps_on_a_text_that_repeats_itself(cell: str) -> None:
    checkpoint = checkpoint_for(ABC, scale=0.1, cell=cell)
    text = "abcbac\n" * 60
    found = dynamic_score(checkpoint, text, seq_length=7, learning_rate=0.01)
    assert found.bits_per_char < 0.9 * static_score(checkpoint, text).bits_per_char


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


# --- what is counted ---


def test_the_end_of_each_document_is_predicted_and_counted() -> None:
    checkpoint = checkpoint_for(CharTokenizer("abc", end_of_document=True))
    documents = ["ab", "", "cab"]
    found = dynamic_score(checkpoint, documents, seq_length=4, learning_rate=0)
    assert_same(found, static_score(checkpoint, documents))
    assert found.num_chars == len("ab\n\ncab\n")


def test_a_model_of_bytes_counts_characters() -> None:
    checkpoint = checkpoint_for(ByteTokenizer())
    text = "né €\n😀"
    found = dynamic_score(checkpoint, text, seq_length=4, learning_rate=0)
    assert_same(found, static_score(checkpoint, text))
    assert (found.num_chars, found.num_bytes) == (6, 12)


@pytest.mark.parametrize("has_token", [False, True])
def test_unknown_characters_are_counted_as_in_the_static_score(has_token: bool) -> None:
    checkpoint = checkpoint_for(CharTokenizer("ab", unknown=has_token))
    found = dynamic_score(checkpoint, "a?b€€a", seq_length=2, learning_rate=0)
    assert_same(found, static_score(checkpoint, "a?b€€a"))
    assert found.num_unknown == 3


def test_pieces_of_a_document_are_one_text() -> None:
    checkpoint = checkpoint_for(ABC)
    pieces = [Piece("abc\nca"), Piece(""), Piece("b\nabc", ends=True)]
    found = dynamic_score(checkpoint, iter(pieces), seq_length=3, learning_rate=0.1)
    whole = dynamic_score(checkpoint, "abc\ncab\nabc", seq_length=3, learning_rate=0.1)
    assert_same(found, whole)


def test_labels_are_read_and_neither_counted_nor_learned_from() -> None:
    tokenizer = CharTokenizer("ab", end_of_document=True, labels=("glad", "sad"))
    checkpoint = checkpoint_for(tokenizer)
    found = dynamic_score(
        checkpoint, ["ab", "b"], label="sad", seq_length=4, learning_rate=0
    )
    assert_same(found, static_score(checkpoint, ["ab", "b"], label="sad"))
    # Windows that hold nothing but a label are no reason for a division by zero.
    learned = dynamic_score(checkpoint, ["", "a"], label="sad", seq_length=1)
    assert math.isfinite(learned.nats)


def test_a_label_that_the_model_does_not_know_is_refused() -> None:
    tokenizer = CharTokenizer("ab", end_of_document=True, labels=("glad", "sad"))
    with pytest.raises(TokenizerError, match="'mad'"):
        dynamic_score(checkpoint_for(tokenizer), "ab", label="mad")


# --- refusals ---


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, "fast", True])
def test_a_rate_that_makes_no_sense_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"must be a finite number of at least 0\. Leave"):
        dynamic_score(checkpoint_for(AB), "abab", learning_rate=value)


@pytest.mark.parametrize("value", [0, -1, 2.0, True, "8"])
def test_a_window_that_makes_no_sense_is_refused(value: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"seq_length=.* must be a whole number of at lea"
    ):
        dynamic_score(checkpoint_for(AB), "abab", seq_length=value)


@pytest.mark.parametrize("documents", ["", [], ["", ""]])
@pytest.mark.parametrize("end_of_document", [False, True])
def test_an_empty_text_has_no_score(documents: Any, end_of_document: bool) -> None:
    checkpoint = checkpoint_for(CharTokenizer("ab", end_of_document=end_of_document))
    with pytest.raises(CorpusError, match="nothing to score: the text is empty"):
        dynamic_score(checkpoint, documents)


def test_a_text_of_unknown_characters_only_has_no_score() -> None:
    with pytest.raises(CorpusError, match="never seen any of the 2 different characters"):
        dynamic_score(checkpoint_for(AB), "xyx")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_reported_by_name(value: float) -> None:
    checkpoint = checkpoint_for(AB)
    # The row of a character that the text does not even hold.
    checkpoint.weights["embedding"][1, 0] = value
    with pytest.raises(CheckpointError, match=r"weight embedding .* weights are damaged"):
        dynamic_score(checkpoint, "aaaa")


def test_a_rate_so_high_that_nothing_is_a_number_any_more_is_reported() -> None:
    checkpoint = checkpoint_for(ABC)
    with pytest.raises(TrainingError, match=r"the loss is .* Lower learning_rate"):
        dynamic_score(checkpoint, TEXT, seq_length=4, learning_rate=1e38)


# --- what a person sees ---


def test_nothing_is_printed_unless_progress_is_asked_for(
    capfd: pytest.CaptureFixture[str],
) -> None:
    dynamic_score(checkpoint_for(ABC), TEXT)
    assert capfd.readouterr() == ("", "")
    dynamic_score(checkpoint_for(ABC), TEXT, progress=True)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "49.0/49.0" in shown.err
