"""Automata of small patterns, and how the tests follow them."""

from __future__ import annotations

from typing import Any

import numpy as np

from textgen.config.sampling import SamplingConfig
from textgen.generation.patterns.automaton import Automaton, Constraint
from textgen.generation.patterns.compile import make_automaton
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer

Tokenizer = CharTokenizer | ByteTokenizer

PRINTABLE = "".join(map(chr, range(32, 127)))
ENGLISH = CharTokenizer("\n" + PRINTABLE)
EUROPEAN = CharTokenizer("\n" + PRINTABLE + "éàßабвя中文🙂", end_of_document=True)
BYTES = ByteTokenizer()


def automaton(tokenizer: Tokenizer, **options: Any) -> Automaton:
    made = make_automaton(tokenizer, SamplingConfig(**options))
    assert made is not None
    return made


def choices(constraint: Constraint) -> list[int]:
    return np.flatnonzero(constraint.mask == 0).tolist()


def characters(tokenizer: Tokenizer, constraint: Constraint) -> str:
    return "".join(tokenizer.decode([each]) for each in choices(constraint))


def after(tokenizer: Tokenizer, text: str, **options: Any) -> Constraint:
    constraint = Constraint(automaton(tokenizer, **options))
    for each in tokenizer.encode(text).tolist():
        assert each in choices(constraint)
        constraint.advance(each)
    return constraint


def walk(
    made: Automaton, tokenizer: Tokenizer, rng: np.random.Generator, length: int
) -> str:
    """Draw evenly among what is left, to the end of document or of the possibilities."""
    constraint, ids = Constraint(made), []
    while left := choices(constraint):
        drawn = int(rng.choice(left))
        if drawn == tokenizer.eod_id:
            break
        constraint.advance(drawn)
        ids.append(drawn)
        text = tokenizer.decode(ids)
        if len(text) == length and "\ufffd" not in text:
            break
    assert constraint.can_end
    return tokenizer.decode(ids)
