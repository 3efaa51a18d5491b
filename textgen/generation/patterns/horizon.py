"""Lengths of matches: the shortest, the longest, and which states can still reach one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textgen.errors import ConfigError

if TYPE_CHECKING:
    from textgen.generation.patterns.dfa import Dfa

MAX_HORIZON_BYTES = 16_000_000
MAX_HORIZON_STEPS = 2_000_000_000
"""Bounds on memory and time of the search backwards from the last character."""


class Horizon:
    """Which states can still reach a match, after each number of characters.

    Computed backwards from the last character. Far from the end of a long text the sets
    of states become constant or periodic, so that few of them are stored.

    Args:
        length, min_length: the maximum and minimum characters of the whole text.

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
        """The number of the set after `num_characters`; see `states`."""
        num_left = self._length - num_characters
        if num_left < 0:
            return self._nothing
        if num_left < self._num_end_places:
            return self._late[num_left]
        return self._early[num_left - self._num_end_places]

    def states(self, number: int) -> NDArray[np.bool_]:
        """A set by its number: `(num_states + 1,)`; the last entry, for -1, is False."""
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
                    "in its braces, or `length`."
                )
        return self._numbers[packed]

    def _before(self, number: int) -> int:
        return self._number(leading_to(self._dfa, self.states(number)))

    def _before_or_end(self, number: int) -> int:
        before = leading_to(self._dfa, self.states(number))
        return self._number(before | self._dfa.is_final)


def leading_to(dfa: Dfa, states: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The states from which one character leads into a set `(num_states + 1,)`."""
    return np.asarray(states[dfa.next_state].any(axis=1))


def shortest_match(dfa: Dfa) -> int | None:
    """Characters of the shortest match, or None if nothing matches."""
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


def longest_match(dfa: Dfa) -> int | None:
    """Characters of the longest match, or None if unlimited or too expensive to find."""
    if len(dfa.is_final) * dfa.next_state.size > MAX_HORIZON_STEPS:
        return None
    longest = 0
    states = np.append(dfa.is_final, False)
    # A path longer than the number of states contains a loop.
    for num_characters in range(len(dfa.is_final)):
        if states[0]:
            longest = num_characters
        states = np.append(leading_to(dfa, states), False)
        if not states.any():
            return longest
    return None


class _Orbit:
    """The first `count` items of the sequence `first`, `follow(first)`, and so on.

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
