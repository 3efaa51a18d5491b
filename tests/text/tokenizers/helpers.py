"""Tokenizers and texts that several of these tests share."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import strategies as st

from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.serialization import Tokenizer

texts = st.text(max_size=60)


every_tokenizer = pytest.mark.parametrize(
    "tokenizer",
    [
        CharTokenizer("\nab"),
        CharTokenizer("ab", unknown=True),
        CharTokenizer("ab", end_of_document=True, normalize="nfkc"),
        CharTokenizer("ba", unknown=True, end_of_document=True, normalize="none"),
        ByteTokenizer(),
        ByteTokenizer(end_of_document=True, normalize="none"),
        CharTokenizer("ab", unknown=True, end_of_document=True, labels=("x", "y")),
        ByteTokenizer(end_of_document=True, labels=("x", "y")),
    ],
)


def streamed(tokenizer: Tokenizer, ids: Any) -> str:
    decoder = tokenizer.stream_decoder()
    return "".join(decoder.feed(int(i)) for i in ids) + decoder.flush()


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
