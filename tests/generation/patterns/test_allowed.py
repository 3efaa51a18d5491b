"""Characters that are allowed or forbidden, with and without a pattern."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.generation.patterns.helpers import (
    BYTES,
    ENGLISH,
    EUROPEAN,
    Tokenizer,
    automaton,
    choices,
    walk,
)
from textgen.config.sampling import SamplingConfig
from textgen.errors import ConfigError
from textgen.generation.patterns.automaton import Constraint
from textgen.generation.patterns.characters import permitted_ids
from textgen.generation.patterns.compile import make_automaton
from textgen.text.tokenizers.char import CharTokenizer


def test_allow_and_forbid_choose_characters_and_leave_special_ids() -> None:
    tokenizer = CharTokenizer("abc", unknown=True, end_of_document=True, labels=("x",))
    special = [True] * 3
    allowed = permitted_ids(tokenizer, allow="abz", forbid=None)
    assert allowed.tolist() == [*special, True, True, False]
    not_forbidden = permitted_ids(tokenizer, allow=None, forbid="c?")
    assert not_forbidden.tolist() == [*special, True, True, False]
    both = permitted_ids(tokenizer, allow="bc", forbid="a")
    assert both.tolist() == [*special, False, True, True]
    assert permitted_ids(tokenizer, None, None).all()


def test_a_character_model_needs_no_automaton_for_allow_and_forbid() -> None:
    assert make_automaton(ENGLISH, SamplingConfig(allow="ab", forbid="c")) is None
    assert make_automaton(ENGLISH, SamplingConfig()) is None
    assert make_automaton(BYTES, SamplingConfig()) is None


def test_a_byte_model_keeps_to_allowed_characters_by_an_automaton() -> None:
    assert permitted_ids(BYTES, "é", None).all()
    constraint = Constraint(automaton(BYTES, allow="aé"))
    assert choices(constraint) == [ord("a"), 0xC3]
    constraint.advance(0xC3)
    assert choices(constraint) == [0xA9]


def test_a_byte_model_never_writes_a_forbidden_character() -> None:
    constraint = Constraint(automaton(BYTES, forbid="é\n"))
    assert ord("\n") not in choices(constraint)
    constraint.advance(0xC3)
    assert choices(constraint) == [byte for byte in range(0x80, 0xC0) if byte != 0xA9]


@pytest.mark.parametrize("tokenizer", [EUROPEAN, BYTES])
def test_a_pattern_is_kept_within_allowed_characters(tokenizer: Tokenizer) -> None:
    made = automaton(tokenizer, pattern=r"\w{3}é?", allow="aвéя", forbid="b", length=9)
    texts = {walk(made, tokenizer, np.random.default_rng(seed), 9) for seed in range(20)}
    assert len(texts) > 5
    assert all(
        set(text) <= set("aвéя") and re.fullmatch(r"\w{3}é?", text) for text in texts
    )


@pytest.mark.parametrize("tokenizer", [CharTokenizer("ab"), BYTES])
def test_a_character_both_allowed_and_forbidden_is_refused(tokenizer: Tokenizer) -> None:
    # Two spellings, which only their normal form shows to be the same.
    with pytest.raises(ConfigError, match="'é' is in both allow and forbid"):
        permitted_ids(tokenizer, "aé", "e\u0301")


def test_allow_that_holds_nothing_the_model_knows_names_what_it_knows() -> None:
    with pytest.raises(
        ConfigError, match=r"allow='xyz' has no character that .* It knows 'a', 'b'\."
    ):
        permitted_ids(CharTokenizer("ab"), "xyz", None)


def test_forbid_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="forbid='abx' leaves the model no character"):
        permitted_ids(CharTokenizer("ab"), None, "abx")


def test_to_forbid_a_ligature_does_not_forbid_its_letters() -> None:
    tokenizer = CharTokenizer("fi.", normalize="nfkc")
    assert permitted_ids(tokenizer, None, "ﬁ…").all()
