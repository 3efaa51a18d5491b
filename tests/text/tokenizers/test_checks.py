"""Wrong ids, labels, vocabularies and options are refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from tests.text.tokenizers.helpers import every_tokenizer
from textgen.errors import TokenizerError
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.serialization import Tokenizer

# Characters outside the vocabulary


@every_tokenizer
def test_a_misspelt_choice_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(TokenizerError, match="unknown='ignore' must be one of error,"):
        tokenizer.encode("a", unknown="ignore")


# Decoding


@every_tokenizer
@pytest.mark.parametrize("id", [-1, 1000])
def test_an_id_outside_the_vocabulary_is_refused(tokenizer: Tokenizer, id: int) -> None:
    expected = rf"id {id} is outside the vocabulary \(ids 0 to "
    with pytest.raises(TokenizerError, match=expected):
        tokenizer.decode([0, id])
    with pytest.raises(TokenizerError, match=expected):
        tokenizer.stream_decoder().feed(id)
    with pytest.raises(TokenizerError, match=expected):
        tokenizer.symbol(id)


@every_tokenizer
def test_the_last_id_is_inside_and_the_next_is_not(tokenizer: Tokenizer) -> None:
    tokenizer.stream_decoder().feed(tokenizer.vocab_size - 1)
    tokenizer.decode([tokenizer.vocab_size - 1])
    with pytest.raises(TokenizerError, match="outside the vocabulary"):
        tokenizer.stream_decoder().feed(tokenizer.vocab_size)
    with pytest.raises(TokenizerError, match="outside the vocabulary"):
        tokenizer.decode([tokenizer.vocab_size])


@pytest.mark.parametrize("ids", [[0.5], [[0, 1]], [True], [2**70]])
def test_ids_are_a_flat_sequence_of_integers(ids: Any) -> None:
    with pytest.raises(TokenizerError, match="a flat sequence of integers"):
        CharTokenizer("ab").decode(ids)


# Labels


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ((1,), r"labels=\(1,\) must be a tuple of strings"),
        (("y", "x"), "label 'x' comes after 'y'. Sort the labels and list each one once"),
        (("x", "x"), "label 'x' comes after 'x'"),
        (("",), "label '' is empty, contains a lone surrogate"),
        (("a\ud800",), "lone surrogate"),
        (("e\u0301",), "not in the normal form 'nfc'"),
        (tuple(map(str, range(10**4, 2 * 10**4 + 1))), "10,001 different labels are more"),
    ],
)
def test_labels_of_nonsense_are_refused(labels: Any, message: str) -> None:
    with pytest.raises(TokenizerError, match=message):
        CharTokenizer("a", end_of_document=True, labels=labels)
    with pytest.raises(TokenizerError, match=message):
        ByteTokenizer(end_of_document=True, labels=labels)


def test_labels_need_an_end_of_document() -> None:
    expected = "so they need end_of_document=True"
    with pytest.raises(TokenizerError, match=expected):
        CharTokenizer("a", labels=("x",))
    with pytest.raises(TokenizerError, match=expected):
        ByteTokenizer(labels=("x",))
    with pytest.raises(TokenizerError, match=expected):
        CharTokenizer.from_documents(["a"], labels=["x"])


def test_ten_thousand_labels_are_allowed() -> None:
    labels = tuple(map(str, range(10**4, 2 * 10**4)))
    tokenizer = ByteTokenizer(end_of_document=True, labels=labels)
    assert tokenizer.label_id(labels[-1]) == tokenizer.vocab_size - 1 == 10_256


# Values


@pytest.mark.parametrize(
    ("characters", "message"),
    [
        ("", "vocabulary is empty"),
        ("aba", r"'a' \(U\+0061\) is in the vocabulary more than once"),
        ("a\ud800", r"'\\ud800' \(U\+D800\) is a lone surrogate"),
        (["a"], "must be a string, not list"),
    ],
)
def test_a_vocabulary_of_nonsense_is_refused(characters: Any, message: str) -> None:
    with pytest.raises(TokenizerError, match=message):
        CharTokenizer(characters)


def test_an_unknown_normal_form_is_refused() -> None:
    with pytest.raises(TokenizerError, match="normalize='nfd' must be one of none, nfc"):
        CharTokenizer.from_documents(["a"], normalize="nfd")
    with pytest.raises(TokenizerError, match="normalize='nfd' must be one of none, nfc"):
        ByteTokenizer(normalize="nfd")
