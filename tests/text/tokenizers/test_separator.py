"""The separator between prompt and completion: an id of its own, and no text."""

from __future__ import annotations

from typing import Any

import pytest

from textgen.errors import TokenizerError
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.serialization import Tokenizer, tokenizer_from_dict

DIVIDED: dict[str, Any] = {"end_of_document": True, "separator": True}
COMPLETING = [
    CharTokenizer("aé", **DIVIDED),
    CharTokenizer("aé", unknown=True, **DIVIDED),
    ByteTokenizer(**DIVIDED),
]
every_kind = pytest.mark.parametrize("tokenizer", COMPLETING, ids=str)


@every_kind
def test_it_is_encoded_as_one_id_and_decoded_to_nothing(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode_documents(["a\ufdd0é", "é\ufdd0a"])
    assert (ids == tokenizer.separator_id).sum() == 2
    assert tokenizer.decode(ids) == "aééa"
    assert tokenizer.symbol(tokenizer.separator_id or 0) == "<sep>"
    decoder = tokenizer.stream_decoder()
    assert "".join(map(decoder.feed, ids.tolist())) == "aééa"
    assert len({tokenizer.eod_id, tokenizer.unknown_id, tokenizer.separator_id}) == 3


@every_kind
def test_a_tokenizer_that_has_it_is_stored_in_a_newer_format(tokenizer: Tokenizer) -> None:
    data = tokenizer.to_dict()
    assert (data["format_version"], data["separator"]) == (3, True)
    assert tokenizer_from_dict(data) == tokenizer


def test_a_tokenizer_without_it_is_stored_as_before() -> None:
    data = ByteTokenizer(end_of_document=True).to_dict()
    assert data["format_version"] == 2
    assert "separator" not in data


def test_without_it_the_character_is_like_any_other() -> None:
    assert CharTokenizer("a").unknown_characters("a\ufdd0") == ["\ufdd0"]
    assert ByteTokenizer().encode("\ufdd0").tolist() == [0xEF, 0xB7, 0x90]


def test_it_is_no_character_of_a_vocabulary() -> None:
    learned = CharTokenizer.from_documents(["ab\ufdd0c"], **DIVIDED)
    assert learned.characters == "abc"
    assert not learned.unknown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"separator": True}, "needs end_of_document=True"),
        ({**DIVIDED, "labels": ("x",)}, "either labels or prompts with completions"),
        ({"separator": 1}, "separator=1 must be True or False"),
    ],
)
def test_what_does_not_go_with_it_is_refused(options: dict[str, Any], message: str) -> None:
    for make in (ByteTokenizer, lambda **given: CharTokenizer("a", **given)):
        with pytest.raises(TokenizerError, match=message):
            make(**options)


def test_a_vocabulary_that_contains_it_is_refused() -> None:
    with pytest.raises(TokenizerError, match="U\\+FDD0 is the separator"):
        CharTokenizer("a\ufdd0", **DIVIDED)
