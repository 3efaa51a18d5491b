"""What a dynamic score counts, refuses and shows."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest

from tests.training.dynamic_models import (
    AB,
    ABC,
    TEXT,
    assert_same,
    checkpoint_for,
    static_score,
)
from textgen.errors import (
    CheckpointError,
    ConfigError,
    CorpusError,
    TokenizerError,
    TrainingError,
)
from textgen.text.reading.documents import Piece
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.training.dynamic import dynamic_score

# The backend computes the same numbers whatever the text is.
pytestmark = [pytest.mark.slow, pytest.mark.one_backend]

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
    with pytest.raises(TrainingError, match=r"the loss is .* lower the learning_rate"):
        dynamic_score(checkpoint, TEXT, seq_length=4, learning_rate=1e38)


# --- what a person sees ---


def test_nothing_is_printed_unless_progress_is_asked_for(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    dynamic_score(checkpoint_for(ABC), TEXT)
    assert capfd.readouterr() == ("", "")
    dynamic_score(checkpoint_for(ABC), TEXT, progress=True)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "/49.0 [" in shown.err
