r"""Hard constraints: text that always matches, in allowed characters, of a given length.

A regular expression becomes a table over characters (`textgen.generation.dfa`). Before
each character it tells which may follow such that the text can still come to a match
within the length it may have; all others are banned, whatever the model thinks of them.
A byte model gets, in front of that, the tree of UTF-8: which bytes begin or continue a
character that may follow. A length always counts characters.

The whole new text matches, the prompt is no part of it. So `^` and `$` around a pattern
change nothing, and `\w`, `\d` and `.` are those of Python's `re`: letters and digits of
every script, and all but the newline.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from textgen.config import SamplingConfig
from textgen.errors import ConfigError
from textgen.text.normal_form import normalize_text
from textgen.text.tokenizer import ByteTokenizer, CharTokenizer

if TYPE_CHECKING:
    from textgen.generation.dfa import Dfa

Bans: TypeAlias = NDArray[np.float64]
"""`(vocab,)`, minus infinity for ids that may not come next, else 0."""

MAX_CACHE_BYTES = 8_000_000
MAX_KNOWN_PLACES = 50_000
MAX_HORIZON_BYTES = 16_000_000
MAX_HORIZON_STEPS = 2_000_000_000
"""Bounds on what is kept of the way back from the last character: memory and time."""

_ANY_TEXT = "(?s:.*)"
_NUM_CODES = 0x110000
_SURROGATES = slice(0xD800, 0xE000)


# --- which characters ---


def permitted_ids(
    tokenizer: CharTokenizer | ByteTokenizer, allow: str | None, forbid: str | None
) -> NDArray[np.bool_]:
    """Which ids `allow` and `forbid` leave, whatever stands before them.

    A byte may belong to many characters, so all bytes are left to a `ByteTokenizer`;
    `make_automaton` keeps it to the characters.

    Args:
        allow: the only characters that may be written; None is all.
        forbid: characters that are never written; None is none.

    Returns:
        `(vocab,)`; ids that stand for no character are permitted.

    Raises:
        ConfigError: a character is in both, or no character is left.

    >>> permitted_ids(CharTokenizer("abc"), allow=None, forbid="b").tolist()
    [True, False, True]
    """
    permitted = np.ones(tokenizer.vocab_size, bool)
    if allow is not None or forbid is not None:
        kept = _permitted(_writable(tokenizer), tokenizer.normalize, allow, forbid)
        if isinstance(tokenizer, CharTokenizer):
            permitted[tokenizer.num_special :] = kept
    return permitted


def _writable(tokenizer: CharTokenizer | ByteTokenizer) -> NDArray[np.uint32]:
    """The code points that the model can write, in the order of its ids."""
    if isinstance(tokenizer, ByteTokenizer):
        return np.delete(np.arange(_NUM_CODES, dtype=np.uint32), _SURROGATES)
    return np.array([ord(each) for each in tokenizer.characters], np.uint32)


def _permitted(
    codes: NDArray[np.uint32], form: str, allow: str | None, forbid: str | None
) -> NDArray[np.bool_]:
    """Which of the code points are left, at least one: `(num_codes,)`."""
    allowed, forbidden = _characters(allow or "", form), _characters(forbid or "", form)
    for both in sorted(allowed & forbidden):
        raise ConfigError(
            f"{both!r} is both in allow and in forbid. Take it out of one of them."
        )
    kept = _among(codes, allowed) if allow is not None else np.ones(len(codes), bool)
    if not kept.any():
        raise ConfigError(
            f"allow={_shown(allow)} holds no character that the model knows. It knows "
            f"{_some_of(codes)}."
        )
    kept &= ~_among(codes, forbidden)
    if not kept.any():
        raise ConfigError(
            f"forbid={_shown(forbid)} leaves the model no character to write. Take some "
            "out of it."
        )
    return kept


def _characters(text: str, form: str) -> set[str]:
    """The characters of a text as a model can write them.

    What the normal form takes apart is never written: to forbid the ligature "ﬁ" must
    not forbid "f" and "i".
    """
    composed = text if form == "none" else normalize_text(text, "nfc")
    normal = (normalize_text(character, form) for character in composed)
    return {each for each in normal if len(each) == 1}


def _among(codes: NDArray[np.uint32], characters: set[str]) -> NDArray[np.bool_]:
    found = np.zeros(_NUM_CODES, bool)
    found[[ord(character) for character in characters]] = True
    return found[codes]


def _some_of(codes: NDArray[np.uint32]) -> str:
    names = [repr(chr(code)) for code in codes[:10]]
    return ", ".join(names) + (", ..." if len(codes) > 10 else "")


def _shown(text: str | None) -> str:
    return repr(text) if text is None or len(text) <= 60 else repr(text[:60] + "...")


# --- how ids spell characters ---


@dataclass(frozen=True)
class _Spelling:
    """What each id leads to, at the start of a character or within one.

    A value below `num_classes` means that the id completes a character of that class;
    from there on, value - `num_classes` is the row at which the character goes on; -1
    is an id that cannot stand here.

    Args:
        rows: `(num_rows, vocab)` values; the last row is the start of a character.
        completes: `(num_values, num_classes)`, which classes each value can end in.
    """

    rows: NDArray[np.int32]
    completes: NDArray[np.bool_]


def _spell(
    tokenizer: CharTokenizer | ByteTokenizer,
    codes: NDArray[np.uint32],
    class_of: NDArray[np.int32],
    num_classes: int,
) -> _Spelling:
    """The spelling of the code points that may be written, of which each has a class."""
    classes = np.full(_NUM_CODES, -1, np.int32)
    classes[codes] = class_of
    if isinstance(tokenizer, ByteTokenizer):
        return _Utf8(tokenizer.vocab_size, num_classes).spelling(classes)
    row = np.full(tokenizer.vocab_size, -1, np.int32)
    row[tokenizer.num_special :] = classes[_writable(tokenizer)]
    return _Spelling(row[np.newaxis], np.eye(num_classes, dtype=bool))


class _Utf8:
    """Builds the tree of UTF-8, from the last byte of a character to its first.

    Bytes after which the same may follow lead to the same row, so that even all of
    Unicode needs few rows.
    """

    def __init__(self, vocab_size: int, num_classes: int) -> None:
        self._vocab_size = vocab_size
        self._rows: list[NDArray[np.int32]] = []
        self._completes = list(np.eye(num_classes, dtype=bool))

    def spelling(self, classes: NDArray[np.int32]) -> _Spelling:
        """The spelling of code points `(0x110000,)`, -1 where one is not to be written."""
        # One value for each 64 code points; then for each 64 of those; and once more.
        last = self._fold(classes)
        third = self._fold(_from(32, last))
        second = self._fold(_from(16, third))
        first = np.full(self._vocab_size, -1, np.int32)
        first[:0x80] = classes[:0x80]
        first[0xC2:0xE0] = last[2:32]
        first[0xE0:0xF0] = third[:16]
        first[0xF0:0xF5] = second
        self._add(first)
        return _Spelling(np.stack(self._rows), np.array(self._completes[:-1]))

    def _fold(self, values: NDArray[np.int32]) -> NDArray[np.int32]:
        """Make rows of 64 values each, one for each continuation byte."""
        padded = np.append(values, np.full(-len(values) % 64, -1, np.int32))
        numbers: dict[bytes, int] = {}
        folded = []
        # Nearly all rows are alike, so a dictionary is quicker than sorting them.
        for group in padded.reshape(-1, 64):
            key = group.tobytes()
            if key not in numbers:
                numbers[key] = self._add_continuations(group)
            folded.append(numbers[key])
        return np.array(folded, np.int32)

    def _add_continuations(self, group: NDArray[np.int32]) -> int:
        if (group < 0).all():
            return -1
        row = np.full(self._vocab_size, -1, np.int32)
        row[0x80:0xC0] = group
        return self._add(row)

    def _add(self, row: NDArray[np.int32]) -> int:
        self._rows.append(row)
        self._completes.append(
            np.any([self._completes[value] for value in np.unique(row[row >= 0])], axis=0)
        )
        return len(self._completes) - 1


def _from(start: int, values: NDArray[np.int32]) -> NDArray[np.int32]:
    """Without those that UTF-8 spells with fewer bytes."""
    kept = values.copy()
    kept[:start] = -1
    return kept


# --- how far it is to a match ---


class _Horizon:
    """Which states can still come to a match, at each number of characters.

    Found from the last character back. Long before a long text's beginning nothing
    changes any more, or the same comes round again, so that few sets are kept.

    Args:
        length, min_length: the most and the fewest characters of the whole text.

    Raises:
        ConfigError: there are too many different sets.
    """

    def __init__(self, dfa: Dfa, length: int, min_length: int) -> None:
        self._dfa = dfa
        self._length = length
        self._num_end_places = length - min_length + 1
        self._numbers: dict[bytes, int] = {}
        self.sets: list[bytes] = []
        self._nothing = self._number(np.zeros_like(dfa.is_final))
        at_end = self._number(dfa.is_final)
        self._late = _Orbit(at_end, self._before_or_end, self._num_end_places)
        last = self._late[self._num_end_places - 1]
        self._early = _Orbit(self._before(last), self._before, min_length)

    def __getitem__(self, num_characters: int) -> int:
        """The number of the set after so many characters; see `states`."""
        num_left = self._length - num_characters
        if num_left < 0:
            return self._nothing
        if num_left < self._num_end_places:
            return self._late[num_left]
        return self._early[num_left - self._num_end_places]

    def states(self, number: int) -> NDArray[np.bool_]:
        """A set by its number: `(num_states + 1,)`, False at the end, where -1 leads."""
        packed = np.frombuffer(self.sets[number], np.uint8)
        found = np.unpackbits(packed, count=len(self._dfa.is_final)).astype(bool)
        return np.append(found, False)

    def _number(self, states: NDArray[np.bool_]) -> int:
        packed = np.packbits(states).tobytes()
        if packed not in self._numbers:
            self._numbers[packed] = len(self.sets)
            self.sets.append(packed)
            num_steps = len(self.sets) * self._dfa.next_state.size
            num_bytes = len(self.sets) * len(packed)
            if num_bytes > MAX_HORIZON_BYTES or num_steps > MAX_HORIZON_STEPS:
                raise ConfigError(
                    f"pattern is too large for length={self._length}. Lower the numbers "
                    "in its braces, or --length."
                )
        return self._numbers[packed]

    def _before(self, number: int) -> int:
        return self._number(_leading_to(self._dfa, self.states(number)))

    def _before_or_end(self, number: int) -> int:
        before = _leading_to(self._dfa, self.states(number))
        return self._number(before | self._dfa.is_final)


def _leading_to(dfa: Dfa, states: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The states from which one character leads into a set, which has False at its end."""
    return np.asarray(states[dfa.next_state].any(axis=1))


class _Orbit:
    """The first `count` of: an item, what follows it, what follows that, and so on.

    >>> orbit = _Orbit(6, lambda item: item // 2, count=1000)
    >>> [orbit[0], orbit[1], orbit[2], orbit[999]]
    [6, 3, 1, 0]
    """

    def __init__(self, first: int, follow: Callable[[int], int], count: int) -> None:
        self._items: list[int] = []
        places: dict[int, int] = {}
        item = first
        while len(self._items) < count and item not in places:
            places[item] = len(self._items)
            self._items.append(item)
            item = follow(item)
        self._start = places.get(item, 0)

    def __getitem__(self, place: int) -> int:
        if place >= len(self._items):
            place = self._start + (place - self._start) % (len(self._items) - self._start)
        return self._items[place]


# --- what a text may go on with ---


class Automaton:
    """What all texts of one configuration have to keep to; see `make_automaton`."""

    def __init__(
        self,
        dfa: Dfa,
        spelling: _Spelling,
        horizon: _Horizon,
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
        self._known: dict[tuple[int, int, int, bool], Bans] = {}
        self._different: dict[tuple[int, bool, bytes], Bans] = {}

    def begin(self) -> Constraint:
        """The constraint on a new text."""
        return Constraint(self)

    def bans(self, state: int, row: int, horizon: int, can_end: bool) -> Bans:
        """What may not follow; kept, as most texts come by the same places again."""
        place = state, row, horizon, can_end
        # Never looked up twice: another thread may empty the dictionaries between.
        bans = self._known.get(place)
        if bans is None:
            self._forget_if_full()
            fitting = self.horizon.states(horizon)[self.next_state[state]]
            leads_on = np.append((self._completes & fitting).any(axis=1), False)
            key = row, can_end, leads_on.tobytes()
            bans = self._different.get(key)
            if bans is None:
                bans = self._make_bans(row, can_end, leads_on)
                self._different[key] = bans
            self._known[place] = bans
        return bans

    def _make_bans(self, row: int, can_end: bool, leads_on: NDArray[np.bool_]) -> Bans:
        bans = np.where(leads_on[self.rows[row]], 0.0, -np.inf)
        if can_end and self.eod_id is not None:
            bans[self.eod_id] = 0.0
        bans.setflags(write=False)
        return bans

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
    >>> constraint = automaton.begin()
    >>> constraint.bans.tolist(), constraint.can_end
    ([0.0, -inf], False)
    >>> constraint.advance(0)
    >>> constraint.bans.tolist(), constraint.can_end
    ([-inf, 0.0], True)
    """

    def __init__(self, automaton: Automaton) -> None:
        self._automaton = automaton
        self._state = 0
        self._start = len(automaton.rows) - 1
        self._row = self._start
        self._num_characters = 0

    @property
    def can_end(self) -> bool:
        """Whether the text matches as it is, and is long enough."""
        automaton = self._automaton
        is_whole = self._row == self._start
        is_enough = self._num_characters >= automaton.min_length
        return is_whole and is_enough and automaton.is_final.item(self._state)

    @property
    def bans(self) -> Bans:
        """Minus infinity for ids that may not come next, else 0: `(vocab,)`, read only.

        The end of a document may come wherever the text can end. If all ids are banned,
        the text has come to its end.
        """
        automaton = self._automaton
        horizon = automaton.horizon[self._num_characters + 1]
        return automaton.bans(self._state, self._row, horizon, self.can_end)

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
        self._row = self._start
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
    codes = _writable(tokenizer)
    codes = codes[_permitted(codes, tokenizer.normalize, allow, forbid)]
    expression = _ANY_TEXT
    if pattern is not None:
        expression = _in_normal_form(pattern, tokenizer.normalize)
    # Here, so that a text without a pattern does not wait for it.
    from textgen.generation.dfa import compile_regex

    dfa = compile_regex(expression, codes.astype("<u4").tobytes().decode("utf-32-le"))
    shortest = _shortest(dfa)
    if shortest is None:
        raise _unmatched(expression, dfa, allow is not None or forbid is not None)
    horizon = _Horizon(dfa, length, min_length)
    if not horizon.states(horizon[0])[0]:
        raise _wrong_length(expression, dfa, shortest, length, min_length)
    spelling = _spell(tokenizer, codes, dfa.class_of, dfa.next_state.shape[1])
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
        states = np.append(_leading_to(dfa, states), False)
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
        f"no text of characters {which} matches pattern={_shown(pattern)}{reason}. Change "
        "the pattern."
    )


def _wrong_length(
    pattern: str, dfa: Dfa, shortest: int, length: int, min_length: int
) -> ConfigError:
    if shortest > length:
        return ConfigError(
            f"the shortest text that matches pattern={_shown(pattern)} has {shortest:,} "
            f"characters, but length={length}. Raise --length or shorten the pattern."
        )
    longest = _longest(dfa)
    if longest is not None and longest < min_length:
        return ConfigError(
            f"the longest text that matches pattern={_shown(pattern)} has {longest:,} "
            f"characters, but min_length={min_length}. Lower --min-length."
        )
    return ConfigError(
        f"no text that matches pattern={_shown(pattern)} has from {min_length} to {length} "
        "characters. Change --length or --min-length."
    )
