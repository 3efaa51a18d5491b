r"""Hard constraints: text that always matches, in allowed characters, of a given length.

A regular expression becomes a table over characters (`textgen.generation.patterns`).
Before each character it tells which may follow such that the text can still come to a match
within the length it may have; all others are banned, whatever the model thinks of them.
A byte model gets, in front of that, the tree of UTF-8: which bytes begin or continue a
character that may follow. A length always counts characters.

The whole new text matches, the prompt is no part of it. So `^` and `$` around a pattern
change nothing, and `\w`, `\d` and `.` are those of Python's `re`: letters and digits of
every script, and all but the newline.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textgen.config.sampling import SamplingConfig
from textgen.errors import ConfigError
from textgen.generation.patterns.characters import (
    Mask,
    permitted_codes,
    quoted,
    writable,
)
from textgen.generation.patterns.horizon import MAX_HORIZON_STEPS, Horizon, leading_to
from textgen.generation.patterns.utf8 import Spelling, spell
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.unicode.normal_form import normalize_text

if TYPE_CHECKING:
    from textgen.generation.patterns.dfa import Dfa


MAX_CACHE_BYTES = 8_000_000
MAX_KNOWN_PLACES = 50_000

_ANY_TEXT = "(?s:.*)"


# --- what a text may go on with ---


class Automaton:
    """What all texts of one configuration have to keep to; see `make_automaton`."""

    def __init__(
        self,
        dfa: Dfa,
        spelling: Spelling,
        horizon: Horizon,
        min_length: int,
        eod_id: int | None,
    ) -> None:
        self.num_classes = dfa.next_state.shape[1]
        self.min_length = min_length
        self.eod_id = eod_id
        self.next_state = dfa.next_state
        self.is_final = dfa.is_final
        self.rows = spelling.rows
        self.horizon = horizon
        self._completes = spelling.completes
        self._known: dict[tuple[int, int, int, bool], Mask] = {}
        self._different: dict[tuple[int, bool, bytes], Mask] = {}

    def start(self) -> Constraint:
        """The constraint on a new text."""
        return Constraint(self)

    def mask(self, state: int, row: int, horizon: int, can_end: bool) -> Mask:
        """What may not follow; kept, as most texts come by the same places again."""
        place = state, row, horizon, can_end
        # Never looked up twice: another thread may empty the dictionaries between.
        mask = self._known.get(place)
        if mask is None:
            self._forget_if_full()
            fitting = self.horizon.states(horizon)[self.next_state[state]]
            leads_on = np.append((self._completes & fitting).any(axis=1), False)
            key = row, can_end, leads_on.tobytes()
            mask = self._different.get(key)
            if mask is None:
                mask = self._make_mask(row, can_end, leads_on)
                self._different[key] = mask
            self._known[place] = mask
        return mask

    def _make_mask(self, row: int, can_end: bool, leads_on: NDArray[np.bool_]) -> Mask:
        mask = np.where(leads_on[self.rows[row]], 0.0, -np.inf)
        if can_end and self.eod_id is not None:
            mask[self.eod_id] = 0.0
        mask.setflags(write=False)
        return mask

    def _forget_if_full(self) -> None:
        num_bytes = len(self._different) * self.rows.shape[1] * 8
        if num_bytes > MAX_CACHE_BYTES or len(self._known) > MAX_KNOWN_PLACES:
            self._known.clear()
            self._different.clear()


class Constraint:
    """What one text may go on with, character after character.

    `copy.copy` gives a constraint that goes its own way from here.

    >>> config = SamplingConfig(pattern="ab*", length=3)
    >>> automaton = make_automaton(CharTokenizer("ab"), config)
    >>> constraint = automaton.start()
    >>> constraint.mask.tolist(), constraint.can_end
    ([0.0, -inf], False)
    >>> constraint.advance(0)
    >>> constraint.mask.tolist(), constraint.can_end
    ([-inf, 0.0], True)
    """

    def __init__(self, automaton: Automaton) -> None:
        self._automaton = automaton
        self._state = 0
        self._first_row = len(automaton.rows) - 1
        self._row = self._first_row
        self._num_characters = 0

    @property
    def can_end(self) -> bool:
        """Whether the text matches as it is, and is long enough."""
        automaton = self._automaton
        is_whole = self._row == self._first_row
        is_enough = self._num_characters >= automaton.min_length
        return is_whole and is_enough and automaton.is_final.item(self._state)

    @property
    def mask(self) -> Mask:
        """Minus infinity for ids that may not come next, else 0: `(vocab,)`, read only.

        The end of a document may come wherever the text can end. If all ids are banned,
        the text has come to its end.
        """
        automaton = self._automaton
        horizon = automaton.horizon[self._num_characters + 1]
        return automaton.mask(self._state, self._row, horizon, self.can_end)

    def advance(self, id: int) -> None:
        """Go on with an id that is not banned; nothing may follow `eod_id`."""
        automaton = self._automaton
        if id == automaton.eod_id:
            return
        value = automaton.rows.item(self._row, id)
        assert value >= 0, f"id {id} was banned"
        if value >= automaton.num_classes:
            self._row = value - automaton.num_classes
            return
        self._state = automaton.next_state.item(self._state, value)
        assert self._state >= 0, f"id {id} was banned"
        self._row = self._first_row
        self._num_characters += 1


def make_automaton(
    tokenizer: CharTokenizer | ByteTokenizer, config: SamplingConfig
) -> Automaton | None:
    """What `pattern`, `allow` and `forbid` ask for, with `length` and `min_length`.

    Args:
        config: the pattern is brought into the tokenizer's normal form first.

    Returns:
        None where the same ids are permitted throughout (`permitted_ids`).

    Raises:
        ConfigError: the pattern is wrong, too large, or no text that the model can write
            matches it within that length; no character is left.

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


# A script that asks for one text after the other compiles its pattern once.
@lru_cache(maxsize=4)
def _automaton(
    tokenizer: CharTokenizer | ByteTokenizer,
    pattern: str | None,
    allow: str | None,
    forbid: str | None,
    length: int,
    min_length: int,
) -> Automaton:
    codes = writable(tokenizer)
    codes = codes[permitted_codes(codes, tokenizer.normalize, allow, forbid)]
    expression = _ANY_TEXT
    if pattern is not None:
        expression = _in_normal_form(pattern, tokenizer.normalize)
    # Here, so that a text without a pattern does not wait for it.
    from textgen.generation.patterns.regex import compile_regex

    dfa = compile_regex(expression, codes.astype("<u4").tobytes().decode("utf-32-le"))
    shortest = _shortest(dfa)
    if shortest is None:
        raise _unmatched(expression, dfa, allow is not None or forbid is not None)
    horizon = Horizon(dfa, length, min_length)
    if not horizon.states(horizon[0])[0]:
        raise _wrong_length(expression, dfa, shortest, length, min_length)
    spelling = spell(tokenizer, codes, dfa.class_of, dfa.next_state.shape[1])
    return Automaton(dfa, spelling, horizon, min_length, tokenizer.eod_id)


def _in_normal_form(pattern: str, form: str) -> str:
    r"""The pattern with characters as the model writes them.

    >>> _in_normal_form("什么？", "nfkc")
    '什么\\?'
    """
    if form == "nfkc":
        # A full-width question mark becomes "?" and was not meant as a quantifier.
        pattern = "".join(_escaped(character) for character in pattern)
    return normalize_text(pattern, form)


def _escaped(character: str) -> str:
    if character.isascii():
        return character
    normal = normalize_text(character, "nfkc")
    return "".join(re.escape(each) if each.isascii() else each for each in normal)


# --- what cannot be ---


def _shortest(dfa: Dfa) -> int | None:
    """Characters of the shortest match, or None where there is none."""
    seen = np.zeros(len(dfa.is_final), bool)
    reached = np.array([0])
    num_characters = 0
    while len(reached):
        if dfa.is_final[reached].any():
            return num_characters
        seen[reached] = True
        following = np.unique(dfa.next_state[reached])
        reached = following[(following >= 0) & ~seen[following]]
        num_characters += 1
    return None


def _longest(dfa: Dfa) -> int | None:
    """Characters of the longest match, or None: there is no longest, or it is far."""
    if len(dfa.is_final) * dfa.next_state.size > MAX_HORIZON_STEPS:
        return None
    longest = 0
    states = np.append(dfa.is_final, False)
    # As a path through more characters than states has a circle in it.
    for num_characters in range(len(dfa.is_final)):
        if states[0]:
            longest = num_characters
        states = np.append(leading_to(dfa, states), False)
        if not states.any():
            return longest
    return None


def _unescaped(source: str) -> str:
    r"""A piece of a pattern as a person wrote it.

    >>> _unescaped(r"\-"), _unescaped(r"\d")
    ('-', '\\d')
    """
    is_plain = len(source) == 2 and source[0] == "\\" and not source[1].isalnum()
    return source[1] if is_plain else source


def _unmatched(pattern: str, dfa: Dfa, is_restricted: bool) -> ConfigError:
    which = (
        "that the model knows and that may be written"
        if is_restricted
        else "the model knows"
    )
    reason = ""
    if dfa.barren:
        names = [repr(_unescaped(source)) for source in dfa.barren]
        more = ", ..." if len(names) > 5 else ""
        reason = f" (none fits {', '.join(names[:5])}{more})"
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
            f"characters, but length={length}. Raise --length or shorten the pattern."
        )
    longest = _longest(dfa)
    if longest is not None and longest < min_length:
        return ConfigError(
            f"the longest text that matches pattern={quoted(pattern)} has {longest:,} "
            f"characters, but min_length={min_length}. Lower --min-length."
        )
    return ConfigError(
        f"no text that matches pattern={quoted(pattern)} has from {min_length} to {length} "
        "characters. Change --length or --min-length."
    )
