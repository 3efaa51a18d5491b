r"""Hard constraints: the text always matches, within its length, in permitted characters.

A regular expression becomes a table over characters (`regex`, `dfa`). Before each
character, the table tells which characters may follow such that the text can still reach
a match within its length; all others are masked, whatever the model predicts. For a byte
model, the tree of UTF-8 comes in front: which bytes begin or continue a permitted
character. Lengths always count characters.

The whole new text must match; the prompt is not part of it. So `^` and `$` around a
pattern change nothing, and `\w`, `\d` and `.` are those of Python's `re`: letters and
digits of every script, and everything but a newline.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textgen.config.sampling import SamplingConfig
from textgen.errors import ConfigError, UnknownCharacterWarning
from textgen.generation.patterns.automaton import Automaton, Endings
from textgen.generation.patterns.characters import permitted_codes, quoted, writable
from textgen.generation.patterns.horizon import Horizon, longest_match, shortest_match
from textgen.generation.patterns.utf8 import spell
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.unicode.code_points import characters_of
from textgen.text.unicode.normal_form import normalize_text
from textgen.wording import few

if TYPE_CHECKING:
    from textgen.generation.patterns.dfa import Dfa

_ANY_TEXT = "(?s:.*)"


def make_automaton(
    tokenizer: CharTokenizer | ByteTokenizer, config: SamplingConfig
) -> Automaton | None:
    """Compile `pattern`, `allow`, `forbid`, `length` and `min_length` to an automaton.

    Args:
        config: its pattern is converted to the tokenizer's normal form first.

    Returns:
        None if the same ids are permitted throughout (`permitted_ids`).

    Raises:
        ConfigError: the pattern is invalid or too large, or no text that the model can
            write matches it within the length; no character is left.

    >>> make_automaton(CharTokenizer("ab"), SamplingConfig(allow="a")) is None
    True
    >>> make_automaton(CharTokenizer("ab"), SamplingConfig(pattern="[ab]{9}", length=5))
    Traceback (most recent call last):
    textgen.errors.ConfigError: the shortest text that matches pattern='[ab]{9}' has 9 ...
    """
    bytes_restricted = isinstance(tokenizer, ByteTokenizer) and not (
        config.allow is None and config.forbid is None
    )
    if config.pattern is None and not bytes_restricted:
        return None
    return _automaton(
        tokenizer,
        config.pattern,
        config.allow,
        config.forbid,
        config.length,
        config.min_length,
    )


# A script that generates one text after the other compiles its pattern once.
@lru_cache(maxsize=4)
def _automaton(
    tokenizer: CharTokenizer | ByteTokenizer,
    pattern: str | None,
    allow: str | None,
    forbid: str | None,
    length: int,
    min_length: int,
) -> Automaton:
    every = writable(tokenizer)
    permitted = permitted_codes(every, tokenizer.normalize, allow, forbid)
    expression = _ANY_TEXT
    if pattern is not None:
        expression = _in_normal_form(pattern, tokenizer.normalize)
    # Imported here: text without a pattern does not need it.
    from textgen.generation.patterns.regex import compile_regex

    whole = compile_regex(expression, characters_of(every))
    dfa = _restricted(whole, permitted)
    shortest = shortest_match(dfa)
    if shortest is None:
        unmatched = compile_regex(expression, characters_of(every[permitted])).unmatched
        raise _unmatched(expression, unmatched, allow is not None or forbid is not None)
    horizon = Horizon(dfa, length, min_length)
    if not horizon.states(horizon[0])[0]:
        raise _wrong_length(expression, dfa, shortest, length, min_length)
    if whole.unmatched:
        names = [repr(_unescaped(source)) for source in whole.unmatched]
        warnings.warn(
            f"pattern={quoted(expression)} has parts that are never written: the model has "
            f"no character that fits {few(names, most=5)}.",
            UnknownCharacterWarning,
            stacklevel=6,
        )
    num_classes = dfa.next_state.shape[1]
    spelling = spell(tokenizer, every[permitted], dfa.class_of, num_classes)
    every_spelling = spelling
    if not permitted.all():
        every_spelling = spell(tokenizer, every, whole.class_of, num_classes)
    endings = Endings(whole, every_spelling, length)
    return Automaton(dfa, spelling, horizon, min_length, tokenizer.eod_id, endings)


def _restricted(dfa: Dfa, permitted: NDArray[np.bool_]) -> Dfa:
    """The automaton over the permitted characters alone; its states stay the same."""
    if permitted.all():
        return dfa
    class_of = dfa.class_of[permitted]
    is_used = np.zeros(dfa.next_state.shape[1], bool)
    is_used[class_of] = True
    next_state = np.where(is_used, dfa.next_state, np.int32(-1))
    return replace(dfa, class_of=class_of, next_state=next_state)


def _in_normal_form(pattern: str, form: str) -> str:
    r"""The pattern in the normal form of the model's text.

    >>> _in_normal_form("什么？", "nfkc")
    '什么\\?'
    """
    if form == "nfkc":
        # A full-width question mark becomes "?", but was not meant as a quantifier.
        pattern = "".join(_escaped(character) for character in pattern)
    return normalize_text(pattern, form)


def _escaped(character: str) -> str:
    if character.isascii():
        return character
    normal = normalize_text(character, "nfkc")
    return "".join(re.escape(each) if each.isascii() else each for each in normal)


# --- messages ---


def _unescaped(source: str) -> str:
    r"""A part of a pattern as the user wrote it.

    >>> _unescaped(r"\-"), _unescaped(r"\d")
    ('-', '\\d')
    """
    is_plain = len(source) == 2 and source[0] == "\\" and not source[1].isalnum()
    return source[1] if is_plain else source


def _unmatched(pattern: str, unmatched: Sequence[str], is_restricted: bool) -> ConfigError:
    which = "that the model knows and may write" if is_restricted else "the model knows"
    reason = ""
    if unmatched:
        names = [repr(_unescaped(source)) for source in unmatched]
        reason = f" (no character fits {few(names, most=5)})"
    return ConfigError(
        f"no text of characters {which} matches pattern={quoted(pattern)}{reason}. Change "
        "the pattern."
    )


def _wrong_length(
    pattern: str, dfa: Dfa, shortest: int, length: int, min_length: int
) -> ConfigError:
    if shortest > length:
        return ConfigError(
            f"the shortest text that matches pattern={quoted(pattern)} has {shortest:,} "
            f"characters, but length={length}. Raise `length` or shorten the pattern."
        )
    longest = longest_match(dfa)
    if longest is not None and longest < min_length:
        return ConfigError(
            f"the longest text that matches pattern={quoted(pattern)} has {longest:,} "
            f"characters, but min_length={min_length}. Lower min_length."
        )
    return ConfigError(
        f"no text that matches pattern={quoted(pattern)} has from {min_length} to {length} "
        "characters. Change `length` or min_length."
    )
