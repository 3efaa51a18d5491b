"""Stored tokenizers: the same after loading, or refused with the reason."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text.tokenizers.helpers import every_tokenizer
from textgen.errors import TokenizerError
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.serialization import Tokenizer, tokenizer_from_dict


@every_tokenizer
def test_json_gives_the_same_tokenizer_back(tokenizer: Tokenizer) -> None:
    assert tokenizer_from_dict(json.loads(json.dumps(tokenizer.to_dict()))) == tokenizer


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_json_keeps_every_character_in_its_place(text: str) -> None:
    tokenizer = CharTokenizer("".join(dict.fromkeys(text)))
    stored = json.loads(json.dumps(tokenizer.to_dict()))
    assert tokenizer_from_dict(stored) == tokenizer


def test_newer_format_is_refused_with_the_upgrade_command() -> None:
    data = {**ByteTokenizer().to_dict(), "format_version": 4, "merges": []}
    with pytest.raises(TokenizerError, match="pip install --upgrade keras-textgen"):
        tokenizer_from_dict(data)


DAMAGES: dict[str, tuple[dict[str, Any], str]] = {
    "version is text": ({"format_version": "1"}, "format_version='1' must be 2"),
    "version is true": ({"format_version": True}, "format_version=True must be 2"),
    "version is zero": ({"format_version": 0}, "format_version=0 must be 2"),
    "never released": ({"format_version": 1}, "format_version=1 must be 2"),
    "version is a float": ({"format_version": 2.0}, "format_version=2.0 must be 2"),
    "other kind": ({"kind": "bpe"}, "kind='bpe' must be 'char' or 'byte'"),
    "kind is a list": ({"kind": ["char"]}, "must be 'char' or 'byte'"),
    "one string": ({"characters": "ab"}, "must be a list of strings, not str"),
    "a number inside": ({"characters": ["a", 7]}, "entry 1 of characters is 7, not one"),
    "two code points": ({"characters": ["a", "e\u0301"]}, "entry 1 of characters is"),
    "empty string": ({"characters": [""]}, "entry 0 of characters is '', not one"),
    "empty vocabulary": ({"characters": []}, "vocabulary is empty"),
    "twice": ({"characters": ["a", "b", "a"]}, "more than once"),
    "surrogate": ({"characters": ["\udc80"]}, "lone surrogate"),
    "form": ({"normalize": "NFC"}, "normalize='NFC' must be one of"),
    "form is none": ({"normalize": None}, "normalize=None must be one of"),
    "form is a list": ({"normalize": ["nfc"]}, "must be one of"),
    "flag is a number": ({"unknown": 1}, "unknown=1 must be True or False"),
    "flag is text": ({"end_of_document": "no"}, "end_of_document='no' must be True"),
    "labels are text": ({"labels": "xy"}, "labels must be a list of strings, not str"),
    "labels are none": ({"labels": None}, "must be a list of strings, not NoneType"),
    "a label is a number": (
        {"labels": ["x", 7]},
        "damaged: entry 1 of labels is 7, not a string",
    ),
    "a label twice": (
        {"labels": ["x", "x"], "end_of_document": True},
        "label 'x' comes after 'x'. Sort the labels and list each one once",
    ),
    "labels not sorted": (
        {"labels": ["y", "x"], "end_of_document": True},
        "label 'x' comes after 'y'. Sort the labels and list each one once",
    ),
    "an empty label": ({"labels": [""], "end_of_document": True}, "label '' is empty"),
    "nowhere to put labels": ({"labels": ["x"]}, "need end_of_document=True"),
    "unknown key": ({"merges": []}, "unexpected 'merges'; expected format_version"),
}


@pytest.mark.parametrize(("change", "message"), DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_tokenizer_says_what_is_wrong(
    change: dict[str, Any], message: str
) -> None:
    data = {**CharTokenizer("ab").to_dict(), **change}
    with pytest.raises(TokenizerError, match=message):
        tokenizer_from_dict(data)


@pytest.mark.parametrize("tokenizer", [CharTokenizer("ab"), ByteTokenizer()])
def test_each_missing_part_is_named(tokenizer: Tokenizer) -> None:
    whole = tokenizer.to_dict()
    for name in whole:
        data = copy.deepcopy(whole)
        del data[name]
        with pytest.raises(TokenizerError, match=name):
            tokenizer_from_dict(data)


@pytest.mark.parametrize("data", [None, [], "byte", 3])
def test_what_is_no_object_is_refused(data: Any) -> None:
    with pytest.raises(TokenizerError, match="expected a JSON object"):
        tokenizer_from_dict(data)


def test_a_byte_tokenizer_has_no_characters() -> None:
    with pytest.raises(TokenizerError, match="unexpected 'characters'"):
        tokenizer_from_dict({**ByteTokenizer().to_dict(), "characters": ["a"]})
