"""Text options that make no sense are refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.config.helpers import refusal
from textgen.config.text import TextConfig
from textgen.errors import ConfigError

TEXT_REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"normalize": "nfd"}, "normalize='nfd' must be one of none, nfc, nfkc."),
    (
        {"documents": "chapters"},
        "documents='chapters' must be one of whole, lines, paragraphs, files, records.",
    ),
    ({"tokenizer": "word"}, "tokenizer='word' must be one of char, byte."),
    ({"min_count": 0}, "min_count=0 must be at least 1."),
    ({"val_fraction": 1.0}, "val_fraction=1.0 must be at least 0 and below 1."),
    ({"test_fraction": -0.1}, "test_fraction=-0.1 must be at least 0 and below 1."),
    (
        {"val_fraction": 0},
        (
            "val_fraction must be above 0: early stopping needs text that the model was "
            "not trained on. Try 0.05."
        ),
    ),
    (
        {"val_fraction": 0.5, "test_fraction": 0.5},
        (
            "val_fraction=0.5 and test_fraction=0.5 leave nothing to train on. Lower one "
            "of them."
        ),
    ),
    (
        {"tokenizer": "byte", "min_count": 2},
        (
            "min_count has no effect with tokenizer='byte', which knows all 256 bytes. Use "
            "only one of the two."
        ),
    ),
]


@pytest.mark.parametrize(
    ("options", "message"),
    TEXT_REFUSALS,
    ids=[str(case[0]) for case in TEXT_REFUSALS],
)
def test_nonsense_in_a_text_configuration_is_refused_by_name(
    options: dict[str, Any], message: str
) -> None:
    assert refusal(TextConfig, **options) == message


@pytest.mark.parametrize("encoding", ["utf8000", "", "hex", "rot13", "a\0b", "\ud800"])
def test_what_is_no_text_encoding_is_refused_with_some_that_are(encoding: str) -> None:
    assert refusal(TextConfig, encoding=encoding) == (
        f"encoding={encoding!r} is not a text encoding that Python knows. "
        "Try utf-8, utf-16, latin-1 or cp1252."
    )


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-16", "latin-1", "cp1252", "shift_jis"])
def test_text_encodings_are_taken(encoding: str) -> None:
    assert TextConfig(encoding=encoding).encoding == encoding


# --- limits, and options that training resolves ---


def test_text_that_no_checkpoint_can_hold_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"glob=.* contains a lone surrogate"):
        TextConfig(glob="caf\udce9*")
