"""Settings that a model can never fulfil are told, with the characters it lacks."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from tests.generation.models import random_model
from textgen.errors import UnknownCharacterWarning
from textgen.generation.generator import Generator
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer

LETTERS = random_model(CharTokenizer("abn "))
NAMES = random_model(CharTokenizer("abn ", end_of_document=True))


def told(generator: Generator, prompt: str = "a", **settings: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        generator.generate(prompt, length=3, seed=0, **settings)
    assert all(each.category is UnknownCharacterWarning for each in caught)
    # The line to look at is the caller's.
    assert all(each.filename == __file__ for each in caught)
    return [str(each.message) for each in caught]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"stop": r"\n"},
            r"stop='\\n' never ends a text: the model does not know \ (U+005C). "
            r"For a line feed, write $'\n' in the shell.",
        ),
        ({"stop": ("a", "x")}, "stop='x' never ends a text: the model does not know 'x'"),
        ({"allow": "axb"}, "allow='axb' allows less than it names: the model does not"),
        ({"forbid": "x"}, "forbid='x' forbids what is never written: the model does not"),
        (
            {"until": "line"},
            "until='line' never ends a text: the model does not know '\\n'",
        ),
        ({"until": "sentence"}, "until='sentence' never ends a text: the model does not"),
        ({"pattern": "(a|é)+"}, "pattern='(a|é)+' has parts that are never written: the"),
    ],
)
def test_what_can_never_be_written_is_told(settings: dict[str, Any], message: str) -> None:
    (told_once,) = told(LETTERS, **settings)
    assert told_once.startswith(message)


def test_a_line_feed_meant_in_a_prompt_is_explained() -> None:
    (message,) = told(LETTERS, prompt=r"a\n")
    assert message.endswith(r"write $'\n' in the shell")


@pytest.mark.parametrize(
    "settings",
    [{"stop": "ab"}, {"allow": "ab"}, {"forbid": "n"}, {"pattern": "[ab]+"}],
)
def test_what_can_be_written_is_not_told(settings: dict[str, Any]) -> None:
    assert told(LETTERS, **settings) == []


def test_the_end_of_a_document_ends_a_line() -> None:
    assert told(NAMES, until="line") == []


def test_a_model_of_bytes_knows_every_character() -> None:
    assert told(random_model(ByteTokenizer()), stop=r"\n", forbid="é") == []


def test_likely_characters_are_never_labels() -> None:
    labelled = CharTokenizer("ab", end_of_document=True, labels=("x", "y"))
    (sample,) = random_model(labelled).samples("a", length=4, logprobs=9, seed=1)
    for entry in sample.logprobs:
        assert set(entry["top"]) == {"<eod>", "a", "b"}
