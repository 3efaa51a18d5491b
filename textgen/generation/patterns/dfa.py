"""Deterministic finite automata over characters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from textgen.errors import ConfigError
from textgen.generation.patterns.characters import quoted

MAX_NODES = 50_000
MAX_VISITS = 1_500_000
MAX_CELLS = 4_000_000
"""Bounds on graph, time (a few seconds) and table (16 MB); typical patterns need a
thousandth."""


class Atom(NamedTuple):
    """A part of an expression that matches one character, and its flags."""

    source: str
    flags: int

    def __call__(self, characters: str) -> NDArray[np.bool_]:
        """Which of the characters it matches: `(num_characters,)`."""
        found = np.zeros(len(characters), bool)
        # Whole runs at once: `re` scans a million characters in a few milliseconds.
        for run in re.compile(f"(?:{self.source})+", self.flags).finditer(characters):
            found[run.start() : run.end()] = True
        return found


@dataclass(frozen=True)
class Dfa:
    """A finite automaton that reads characters; state 0 is the start.

    Characters that the expression never distinguishes share a class.

    Args:
        class_of: `(num_characters,)`, the class of each character of the alphabet.
        next_state: `(num_states, num_classes)`, -1 where no match is possible any more.
        is_final: `(num_states,)`, whether the text read so far matches.
        unmatched: parts of the expression that match no character of the alphabet.

    >>> from textgen.generation.patterns.regex import compile_regex
    >>> dfa = compile_regex("[ab]+", "abc")
    >>> dfa.class_of.tolist(), dfa.next_state.tolist(), dfa.is_final.tolist()
    ([1, 1, 0], [[-1, 1], [-1, 1]], [False, True])
    """

    class_of: NDArray[np.int32]
    next_state: NDArray[np.int32]
    is_final: NDArray[np.bool_]
    unmatched: tuple[str, ...] = ()


def too_large(pattern: str) -> ConfigError:
    """The error for a pattern that would need too much memory or time."""
    return ConfigError(
        f"pattern={quoted(pattern)} is too large. Lower the numbers in its braces, or use "
        "fewer parts that match the same characters."
    )


# --- positions between two characters ---

_OTHER, _LETTER, ASCII_LETTER, NEWLINE, EDGE = range(5)
LETTERS = (_LETTER, ASCII_LETTER)

Check: TypeAlias = Callable[[int, int], bool]
"""Whether a position matches, given the kinds of the characters before and after it."""

NEWLINES = Atom(r"\n", 0)
WORDS = Atom(r"\w", 0)
ASCII_WORDS = Atom(r"\w", int(re.ASCII))


def kind_of(character: str, atoms: Iterable[Atom]) -> int:
    """The kind of a character, if the expression distinguishes it from others."""
    for atom, kind in (
        (NEWLINES, NEWLINE),
        (ASCII_WORDS, ASCII_LETTER),
        (WORDS, _LETTER),
    ):
        if atom in atoms and atom(character)[0]:
            return kind
    return _OTHER


# --- from expression to graph ---


class Graph:
    """Nodes that read a character, check their position, or only lead to other nodes.

    Node 0 is the end. `reads` holds numbers of atoms, -1 for nodes that read nothing.
    """

    def __init__(self, pattern: str, emit: Emit) -> None:
        self.pattern = pattern
        self.reads: list[int] = []
        self.checks: list[Check | None] = []
        self.followers: list[list[int]] = []
        self.start = emit(self, self.add([]))

    def add(self, followers: list[int], read: int = -1, check: Check | None = None) -> int:
        """Add a node and return its number."""
        if len(self.reads) == MAX_NODES:
            raise too_large(self.pattern)
        self.reads.append(read)
        self.checks.append(check)
        self.followers.append(followers)
        return len(self.reads) - 1

    def closure(self, nodes: Iterable[int], before: int, after: int) -> set[int]:
        """The nodes and all that they lead to without reading a character."""
        found: set[int] = set()
        waiting = list(nodes)
        while waiting:
            node = waiting.pop()
            check = self.checks[node]
            if node in found or (check and not check(before, after)):
                continue
            found.add(node)
            if self.reads[node] < 0:
                waiting += self.followers[node]
        return found


Emit: TypeAlias = Callable[[Graph, int], int]
"""Adds nodes that lead to the node given, and returns the first of them.

A part is emitted from its end to its start, once for each repetition.
"""


# --- from graph to table ---


def character_classes(
    atoms: Iterable[Atom], alphabet: str
) -> tuple[NDArray[np.int32], str]:
    """Group characters by the atoms that match them.

    Returns:
        `(num_characters,)`, the class of each, and one example of every class.
    """
    class_of = np.zeros(len(alphabet), np.int32)
    num_classes = 1
    for atom in atoms:
        class_of = class_of * 2 + atom(alphabet)
        used = np.flatnonzero(np.bincount(class_of, minlength=2 * num_classes))
        renamed = np.zeros(2 * num_classes, np.int32)
        renamed[used] = np.arange(len(used))
        class_of, num_classes = renamed[class_of], len(used)
    examples = np.empty(num_classes, np.int64)
    examples[class_of] = np.arange(len(alphabet))
    return class_of, "".join(alphabet[index] for index in examples)


def determinize(
    graph: Graph, members: Sequence[Sequence[int]], kinds: Sequence[int]
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Make a state of every reachable set of nodes (the subset construction).

    Args:
        members: the classes of characters that each atom matches.
        kinds: the kind of each class, for checks on the character before or after.

    Raises:
        ConfigError: more work or a larger table than is allowed.
    """
    start = (frozenset([graph.start]), EDGE)
    numbers: dict[tuple[frozenset[int], int], int] = {start: 0}
    waiting = [start]
    rows, is_final, num_visits = [], [], 0
    # Grows during the iteration.
    for nodes, before in waiting:
        row = np.full(len(kinds), -1, np.int32)
        rows.append(row)
        for after in set(kinds):
            reached = graph.closure(nodes, before, after)
            num_visits += len(reached)
            for each, targets in _moves(graph, reached, members).items():
                if kinds[each] == after:
                    state = (frozenset(targets), after)
                    row[each] = numbers.setdefault(state, len(numbers))
                    if row[each] == len(waiting):
                        waiting.append(state)
                num_visits += len(targets)
        is_final.append(0 in graph.closure(nodes, before, EDGE))
        if num_visits > MAX_VISITS or len(waiting) * len(kinds) > MAX_CELLS:
            raise too_large(graph.pattern)
    return np.stack(rows), np.array(is_final)


def _moves(
    graph: Graph, nodes: Iterable[int], members: Sequence[Sequence[int]]
) -> Mapping[int, set[int]]:
    """The nodes that each class of characters leads to."""
    moves: dict[int, set[int]] = {}
    for node in nodes:
        if graph.reads[node] >= 0:
            for each in members[graph.reads[node]]:
                moves.setdefault(each, set()).update(graph.followers[node])
    return moves
