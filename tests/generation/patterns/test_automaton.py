r"""Constraints against brute force, and random walks that keep to them."""

from __future__ import annotations

import copy
import re
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.generation.patterns.helpers import (
    BYTES,
    ENGLISH,
    EUROPEAN,
    Tokenizer,
    after,
    automaton,
    characters,
    choices,
    walk,
)
from textgen.errors import ConfigError
from textgen.generation.patterns import automaton as automaton_module
from textgen.generation.patterns import compile as compile_module
from textgen.generation.patterns.automaton import Constraint
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer

# --- the text always matches ---

PATTERNS = [
    (r"\d{4}-\d\d-\d\d", 10),
    (r"(?:19|20)\d\d", 9),
    ("yes|no|maybe", 40),
    ("a|ab|abc", 9),
    (r"[A-Z][a-z]{2,8}(?: [a-z]{1,9}){3,6}[.!?]", 60),
    (r"(?:[A-Z].{20,40}\n){4}", 150),
    (r"(?i)the end\.?", 20),
    (r"\w+(?:, \w+)*", 30),
    ("[а-я]+", 12),
    ("(?:é|à|🙂){3,5}ß?", 10),
    ("[^a-z]{2,7}", 20),
    (".{5}", 50),
    ("(?s).*", 8),
    (r"^\bEs\b war.*$", 20),
    ('"[^"]*"(?: ?"[^"]*"){1,3}', 40),
]


@pytest.mark.parametrize(
    "tokenizer", [EUROPEAN, BYTES, ByteTokenizer(end_of_document=True)]
)
@pytest.mark.parametrize(("pattern", "length"), PATTERNS)
def test_whatever_is_drawn_the_text_matches_and_has_the_length(
    pattern: str, length: int, tokenizer: Tokenizer
) -> None:
    made = automaton(tokenizer, pattern=pattern, length=length)
    rng = np.random.default_rng(0)
    for _ in range(5):
        text = walk(made, tokenizer, rng, length)
        assert re.fullmatch(pattern, text), text
        assert len(text) <= length


@settings(deadline=None, max_examples=40)
@given(
    case=st.sampled_from(
        [("(?:ab|cde)*", 2), ("[a-c]{3,9}d?", 3), ("é*(?:🙂é)*", 1), (r"\w+ \w+", 3)]
    ),
    extra=st.integers(0, 9),
    slack=st.integers(0, 9),
    byte=st.booleans(),
    seed=st.integers(0, 999),
)
def test_a_text_has_at_least_min_length_and_at_most_length_characters(
    case: tuple[str, int], extra: int, slack: int, byte: bool, seed: int
) -> None:
    pattern, shortest = case
    low = min(shortest + extra, 9)
    high = low + slack
    tokenizer = BYTES if byte else EUROPEAN
    made = automaton(tokenizer, pattern=pattern, min_length=low, length=high)
    text = walk(made, tokenizer, np.random.default_rng(seed), high)
    assert re.fullmatch(pattern, text)
    assert low <= len(text) <= high


@pytest.mark.parametrize("length", [6, 7])
def test_an_exact_length_is_met_exactly(length: int) -> None:
    made = automaton(ENGLISH, pattern="(?:ab|cde)+", length=length, min_length=length)
    rng = np.random.default_rng(1)
    assert {len(walk(made, ENGLISH, rng, length)) for _ in range(20)} == {length}


# --- nothing more and nothing less is banned than must be ---


def matches(pattern: str, alphabet: str, low: int, high: int) -> set[str]:
    lengths = range(low, high + 1)
    texts = ("".join(t) for n in lengths for t in product(alphabet, repeat=n))
    return {text for text in texts if re.fullmatch(pattern, text)}


def possible_ids(spelled: set[tuple[int, ...]], begun: tuple[int, ...]) -> set[int]:
    size = len(begun)
    return {ids[size] for ids in spelled if len(ids) > size and ids[:size] == begun}


def assert_exact(
    tokenizer: Tokenizer, alphabet: str, low: int, high: int, **options: Any
) -> None:
    """At the start of every possible text, just what can still become one is left."""
    made = automaton(tokenizer, length=high, min_length=low, **options)
    texts = matches(options["pattern"], alphabet, low, high)
    spelled = {tuple(tokenizer.encode(text).tolist()) for text in texts}
    waiting: list[tuple[tuple[int, ...], Constraint]] = [((), Constraint(made))]
    for begun, constraint in waiting:
        ids = possible_ids(spelled, begun)
        assert constraint.can_end == (begun in spelled), begun
        assert set(choices(constraint)) - {tokenizer.eod_id} == ids, begun
        for each in ids:
            following = copy.copy(constraint)
            following.advance(each)
            waiting.append(((*begun, each), following))
    assert len(waiting) > 1


@pytest.mark.parametrize(
    ("pattern", "low", "high"),
    [
        ("a|bc", 0, 9),
        ("(?:ab|abc)*", 0, 5),
        ("(?:ab|abc)*", 4, 5),
        ("(?:ab|abc)+", 5, 5),
        ("a*b?c*", 3, 4),
        ("[ab]{2,4}c?", 4, 4),
        ("(?:aaa)*", 2, 4),
        ("(?:aaa)*", 4, 6),
        ("[^b]*b", 0, 3),
    ],
)
def test_just_what_cannot_become_a_match_of_the_right_length_is_banned(
    pattern: str, low: int, high: int
) -> None:
    high = min(high, 6)
    assert_exact(CharTokenizer("abc"), "abc", low, high, pattern=pattern)
    assert_exact(
        CharTokenizer("cba", end_of_document=True), "abc", low, high, pattern=pattern
    )


@pytest.mark.parametrize(
    ("pattern", "low", "high"),
    [("é|a€", 0, 4), ("[aèé€🙂]{2}", 0, 3), ("(?:é€|è)*", 3, 4), ("[^é]+🙂", 2, 3)],
)
def test_bytes_are_banned_just_where_no_permitted_character_has_them(
    pattern: str, low: int, high: int
) -> None:
    # è and é share their first byte, so it must lead on to both or to one.
    alphabet = "aèé€🙂"
    for tokenizer in (BYTES, ByteTokenizer(end_of_document=True)):
        assert_exact(tokenizer, alphabet, low, high, pattern=pattern, allow=alphabet)


def test_a_way_that_leads_to_a_character_outside_the_vocabulary_is_closed() -> None:
    # "a" can be written, but the "x" that would have to follow cannot.
    constraint = Constraint(automaton(CharTokenizer("aby"), pattern="ax|by"))
    assert characters(CharTokenizer("aby"), constraint) == "b"


def test_alternatives_stay_open_even_where_a_shorter_one_matches_first() -> None:
    tokenizer = CharTokenizer("ab")
    constraint = after(tokenizer, "a", pattern="a|ab")
    assert constraint.can_end
    assert characters(tokenizer, constraint) == "b"


# --- where a text ends ---


def test_all_is_banned_after_a_match_that_cannot_go_on() -> None:
    constraint = after(ENGLISH, "yes", pattern="yes|no")
    assert constraint.can_end
    assert choices(constraint) == []


def test_the_end_of_a_document_may_come_just_where_the_text_can_end() -> None:
    tokenizer = CharTokenizer("ab", end_of_document=True)
    constraint = Constraint(automaton(tokenizer, pattern="a+b?", min_length=2, length=3))
    seen = []
    for text in "aab":
        seen.append((characters(tokenizer, constraint), 0 in choices(constraint)))
        constraint.advance(int(tokenizer.encode(text)[0]))
    assert seen == [("a", False), ("ab", False), ("ab", True)]
    assert choices(constraint) == [0]


def test_to_go_on_with_the_end_of_a_document_changes_nothing() -> None:
    tokenizer = CharTokenizer("ab", end_of_document=True)
    constraint = after(tokenizer, "a", pattern="ab?")
    constraint.advance(0)
    assert constraint.can_end
    assert choices(constraint) == [0, 2]


def test_a_text_cannot_end_within_a_character() -> None:
    constraint = Constraint(automaton(BYTES, pattern="é*", length=2))
    assert constraint.can_end
    constraint.advance(0xC3)
    assert not constraint.can_end
    assert choices(constraint) == [0xA9]


def test_a_text_of_no_characters_matches_where_the_pattern_does() -> None:
    constraint = Constraint(automaton(ENGLISH, pattern="a*", length=0))
    assert constraint.can_end
    assert choices(constraint) == []


@pytest.mark.parametrize("tokenizer", [ENGLISH, BYTES])
def test_a_thousand_million_characters_may_be_asked_for(tokenizer: Tokenizer) -> None:
    made = automaton(tokenizer, pattern="(?:ab|cd)*", min_length=10**9, length=10**9)
    assert characters(tokenizer, Constraint(made)) == "ac"
    with pytest.raises(ConfigError, match="has from 999999999 to 999999999 characters"):
        automaton(tokenizer, pattern="(?:ab|cd)*", min_length=10**9 - 1, length=10**9 - 1)


# --- ids that stand for no character ---


@pytest.mark.parametrize(
    "tokenizer",
    [
        CharTokenizer("ab", unknown=True, end_of_document=True, labels=("x", "y")),
        ByteTokenizer(end_of_document=True, labels=("x", "y")),
    ],
)
def test_unknown_token_and_labels_are_never_written(tokenizer: Tokenizer) -> None:
    constraint = Constraint(automaton(tokenizer, pattern="(?s).+"))
    never = {tokenizer.unknown_id, *tokenizer.label_ids} - {None}
    assert len(never) >= 2
    assert not never & set(choices(constraint))
    assert constraint.mask.shape == (tokenizer.vocab_size,)


# --- UTF-8 ---


EDGES = "0 7f 80 7ff 800 fff 1000 d7ff e000 ffff 10000 3ffff 40000 fffff 100000 10ffff"


@pytest.mark.parametrize("code", EDGES.split())
def test_every_character_can_be_spelled_in_bytes(code: str) -> None:
    constraint = after(BYTES, chr(int(code, 16)), pattern="(?s).", length=1)
    assert constraint.can_end


@pytest.mark.parametrize(
    "broken",
    [
        "80",
        "bf",
        "c0",
        "c1",
        "c3c3",
        "e080",
        "e09f",
        "eda0",
        "f080",
        "f08f",
        "f490",
        "f5",
        "ff",
    ],
)
def test_bytes_that_are_no_utf8_are_banned(broken: str) -> None:
    *begun, last = bytes.fromhex(broken)
    constraint = Constraint(automaton(BYTES, pattern="(?s).+", length=1))
    for each in begun:
        constraint.advance(each)
    assert last not in choices(constraint)


# --- normal forms ---


def test_the_pattern_is_brought_into_the_normal_form_of_the_model() -> None:
    made = automaton(EUROPEAN, pattern="e\u0301+", length=3)
    assert characters(EUROPEAN, Constraint(made)) == "é"


def test_a_full_width_sign_means_itself_where_its_normal_form_is_a_quantifier() -> None:
    tokenizer = CharTokenizer("中文?(", normalize="nfkc")
    constraint = after(tokenizer, "中文", pattern="中文？（")
    assert characters(tokenizer, constraint) == "?"


def test_without_a_normal_form_the_pattern_stays_as_it_is() -> None:
    tokenizer = CharTokenizer("e\u0301é", normalize="none")
    made = automaton(tokenizer, pattern="e\u0301", length=2)
    assert characters(tokenizer, Constraint(made)) == "e"


# --- several texts, and what is kept ---


def test_texts_of_one_automaton_do_not_disturb_each_other() -> None:
    made = automaton(CharTokenizer("abc"), pattern="abc|ba", length=3)
    one, two = Constraint(made), Constraint(made)
    one.advance(0)
    two.advance(1)
    twin = copy.copy(one)
    twin.advance(1)
    left = [choices(each) for each in (one, two, twin)]
    assert left == [[1], [0], [2]]


def test_bans_are_kept_and_cannot_be_changed_by_mistake() -> None:
    made = automaton(ENGLISH, pattern="[ab]*", length=100)
    first, second = Constraint(made), Constraint(made)
    first.advance(int(ENGLISH.encode("a")[0]))
    first.advance(int(ENGLISH.encode("b")[0]))
    assert first.mask is first.mask
    with pytest.raises(ValueError, match="read-only"):
        second.mask[0] = 1


def test_what_is_kept_is_bounded_and_forgetting_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pattern = r"(?:[A-Z].{20,40}\n){4}"
    texts = []
    for limit in (automaton_module.MAX_KNOWN_PLACES, 1):
        compile_module._automaton.cache_clear()
        monkeypatch.setattr(automaton_module, "MAX_KNOWN_PLACES", limit)
        made = automaton(ENGLISH, pattern=pattern, length=150)
        texts.append(walk(made, ENGLISH, np.random.default_rng(3), 150))
    assert texts[0] == texts[1]
    assert len(made._known) <= 2


def test_the_same_pattern_is_compiled_once() -> None:
    options = {"pattern": "ab+", "length": 7}
    assert automaton(ENGLISH, **options) is automaton(ENGLISH, **options)
