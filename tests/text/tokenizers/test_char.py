"""The vocabulary of characters: learned, extended, and strict about unknown ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textgen.errors import TokenizerError
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.unicode import code_points as code_points_module

Find = Callable[[str], Path]


# Learning a vocabulary


def test_characters_are_sorted_by_code_point() -> None:
    assert CharTokenizer.from_documents(["zéa\n", "b€"]).characters == "\nabzé€"


def test_special_tokens_come_before_the_characters() -> None:
    tokenizer = CharTokenizer.from_documents(
        ["aab", "bx"], min_count=2, end_of_document=True
    )
    assert (tokenizer.eod_id, tokenizer.unknown_id) == (0, 1)
    assert tokenizer.encode("ab").tolist() == [2, 3]
    assert tokenizer.vocab_size == 4


def test_unknown_comes_first_without_an_end_of_document() -> None:
    tokenizer = CharTokenizer("ab", unknown=True)
    assert (tokenizer.eod_id, tokenizer.unknown_id) == (None, 0)


def test_a_vocabulary_extended_at_its_end_keeps_its_ids() -> None:
    old, new = CharTokenizer("bd"), CharTokenizer("bda")
    np.testing.assert_array_equal(old.encode("dbd"), new.encode("dbd"))


def test_no_unknown_token_where_every_character_is_frequent_enough() -> None:
    assert CharTokenizer.from_documents(["aabb"], min_count=2).unknown_id is None


def test_counts_add_up_over_documents() -> None:
    tokenizer = CharTokenizer.from_documents(["ax", "ay", "a"], min_count=3)
    assert tokenizer.characters == "a"
    assert tokenizer.unknown


def test_counts_add_up_over_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_points_module, "BATCH_CHARS", 2)
    tokenizer = CharTokenizer.from_documents(["axbxcxd", "xa"], min_count=2)
    assert tokenizer.characters == "ax"


def test_characters_are_counted_in_normal_form() -> None:
    assert CharTokenizer.from_documents(["e\u0301"]).characters == "é"
    assert CharTokenizer.from_documents(["e\u0301"], normalize="none").characters == (
        "e\u0301"
    )
    assert CharTokenizer.from_documents(["ﬁ"], normalize="nfkc").characters == "fi"


def test_no_text_leaves_nothing_to_learn() -> None:
    with pytest.raises(TokenizerError, match="empty, so there is no vocabulary"):
        CharTokenizer.from_documents(["", ""])


def test_a_min_count_above_all_counts_names_the_highest_count() -> None:
    with pytest.raises(TokenizerError, match=r"occurs 3 times\. Lower min_count"):
        CharTokenizer.from_documents(["aaab"], min_count=4)


# Encoding


@pytest.mark.parametrize(
    ("num_chars", "dtype"), [(256, np.uint8), (257, np.uint16), (65537, np.uint32)]
)
def test_dtype_grows_with_the_vocabulary(num_chars: int, dtype: Any) -> None:
    characters = "".join(map(chr, range(0x10000, 0x10000 + num_chars)))
    tokenizer = CharTokenizer(characters)
    assert tokenizer.id_dtype == dtype
    assert tokenizer.encode(characters[-1]).tolist() == [num_chars - 1]


# Characters outside the vocabulary


def test_unknown_characters_are_named_with_their_code_points() -> None:
    with pytest.raises(TokenizerError) as caught:
        CharTokenizer("ab").encode("a€b\u200b€")
    message = str(caught.value)
    assert "not in the vocabulary: '€' (U+20AC), '\\u200b' (U+200B)." in message
    assert 'unknown="skip"' in message
    assert 'unknown="token"' not in message
    assert 'tokenizer="byte"' in message


def test_the_unknown_token_is_offered_where_there_is_one() -> None:
    with pytest.raises(TokenizerError, match='unknown="token"'):
        CharTokenizer("ab", unknown=True).encode("c")


def test_many_unknown_characters_are_counted() -> None:
    with pytest.raises(TokenizerError, match=r"'l' \(U\+006C\) and 3 more"):
        CharTokenizer("ab").encode("cdefghijklmno")


def test_unknown_characters_can_be_skipped_or_become_the_token() -> None:
    tokenizer = CharTokenizer("ab", unknown=True, end_of_document=True)
    assert tokenizer.encode("axb", unknown="skip").tolist() == [2, 3]
    assert tokenizer.encode("axb", unknown="token").tolist() == [2, 1, 3]
    assert tokenizer.encode_documents(["x", "a"], "skip").tolist() == [0, 0, 2, 0]


def test_token_without_an_unknown_token_is_an_error() -> None:
    with pytest.raises(TokenizerError, match="not in the vocabulary: 'x'"):
        CharTokenizer("ab").encode("axb", unknown="token")


def test_unknown_character_next_to_the_end_mark_of_documents() -> None:
    last = chr(0x10FFFF)
    tokenizer = CharTokenizer("a", end_of_document=True)
    assert tokenizer.unknown_characters(last) == [last]
    assert CharTokenizer(last).encode(last).tolist() == [0]


# Decoding


def test_special_tokens_decode_to_nothing_and_to_the_replacement_character() -> None:
    tokenizer = CharTokenizer("ab", unknown=True, end_of_document=True)
    assert tokenizer.decode([0, 2, 1, 3, 0]) == "a\ufffdb"


# Where reading starts, and names of ids


def test_every_id_has_a_readable_symbol() -> None:
    tokenizer = CharTokenizer("\té", unknown=True, end_of_document=True)
    symbols = [tokenizer.symbol(i) for i in range(tokenizer.vocab_size)]
    assert symbols == ["<eod>", "<unk>", "'\\t'", "'é'"]


# Labels


def test_labels_come_after_the_special_tokens_and_before_the_characters() -> None:
    options: Any = {"end_of_document": True, "labels": ("x", "y")}
    tokenizer = CharTokenizer("ab", unknown=True, **options)
    assert (tokenizer.eod_id, tokenizer.unknown_id) == (0, 1)
    assert tokenizer.label_ids == (2, 3)
    assert tokenizer.encode("ab").tolist() == [4, 5]
    assert (tokenizer.num_special, tokenizer.vocab_size) == (4, 6)
    assert CharTokenizer("ab", **options).label_ids == (1, 2)


def test_labels_are_gathered_sorted_and_in_normal_form() -> None:
    tokenizer = CharTokenizer.from_documents(
        ["a"], end_of_document=True, labels=iter(["y", "e\u0301", "x", "y", "é"])
    )
    assert tokenizer.labels == ("x", "y", "é")
    assert tokenizer.characters == "a"


# Real texts


def test_tiny_shakespeare_has_65_characters(shared_corpus: Find) -> None:
    text = shared_corpus("tinyshakespeare.txt").read_text(encoding="utf-8")
    tokenizer = CharTokenizer.from_documents([text])
    assert tokenizer.vocab_size == 65
    assert len(tokenizer.encode(text)) == 1_115_394


def test_names_begin_and_end_with_the_end_of_document(shared_corpus: Find) -> None:
    names = shared_corpus("names.txt").read_text(encoding="utf-8").split()
    tokenizer = CharTokenizer.from_documents(names, end_of_document=True)
    ids = tokenizer.encode_documents(names)
    assert tokenizer.vocab_size == 27
    assert np.count_nonzero(ids == tokenizer.eod_id) == len(names) + 1
    assert ids[0] == ids[-1] == tokenizer.eod_id
