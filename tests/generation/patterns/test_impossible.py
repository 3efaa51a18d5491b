"""Patterns that no text can match are refused, and the message says why."""

from __future__ import annotations

import pytest

from tests.generation.patterns.helpers import BYTES, ENGLISH, EUROPEAN, Tokenizer, automaton
from textgen.errors import ConfigError
from textgen.generation.patterns import compile as compile_module
from textgen.generation.patterns import horizon
from textgen.text.tokenizers.char import CharTokenizer


def test_a_pattern_of_unknown_characters_says_which() -> None:
    with pytest.raises(
        ConfigError,
        match=r"no text of characters the model knows matches pattern='a\[0-9]x' "
        r"\(no character fits '\[0-9]', 'x'\)\. Change the pattern\.",
    ):
        automaton(CharTokenizer("ab"), pattern="a[0-9]x")


def test_a_pattern_that_forbid_makes_impossible_says_so() -> None:
    with pytest.raises(ConfigError, match=r"knows and may write matches .*'b'"):
        automaton(BYTES, pattern="ab", forbid="b")


def test_a_pattern_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"matches pattern='a\$b'. Change the pattern"):
        automaton(ENGLISH, pattern="a$b")


@pytest.mark.parametrize("tokenizer", [EUROPEAN, BYTES])
def test_a_length_too_short_for_any_match_says_how_long_the_shortest_is(
    tokenizer: Tokenizer,
) -> None:
    with pytest.raises(
        ConfigError, match=r"shortest text that matches .* has 3 characters, but length=2\."
    ):
        automaton(tokenizer, pattern="é{3,}", length=2)


@pytest.mark.parametrize("tokenizer", [EUROPEAN, BYTES])
def test_a_min_length_beyond_the_longest_match_says_how_long_that_is(
    tokenizer: Tokenizer,
) -> None:
    with pytest.raises(
        ConfigError, match=r"longest text that .* has 6 characters, but min_length=7\."
    ):
        automaton(tokenizer, pattern="(?:яé|a){1,3}", min_length=7)


def test_a_length_between_those_of_the_matches_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"has from 4 to 5 characters\. Change"):
        automaton(ENGLISH, pattern="(?:abc)*", min_length=4, length=5)


def test_an_empty_pattern_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"pattern=''"):
        automaton(ENGLISH, pattern="")


def test_a_pattern_too_large_for_its_length_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = {"pattern": "(?:a{9}|a{11})*b", "length": 300, "min_length": 300}
    automaton(ENGLISH, **options)
    compile_module._automaton.cache_clear()
    monkeypatch.setattr(horizon, "MAX_HORIZON_BYTES", 20)
    with pytest.raises(ConfigError, match=r"too large for length=300\. Lower"):
        automaton(ENGLISH, **options)
