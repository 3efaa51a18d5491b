"""How likely a text is to match in the end, estimated before it is written."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from textgen.generation.patterns.automaton import Automaton, Constraint

MAX_CELLS = 10_000_000
"""Table cells computed for one outlook, about a second; beyond, it looks less far ahead."""

MIN_CHARACTERS = 32
"""How far ahead even the largest table looks."""

MAX_RECENT = 256
"""Places for which values are kept."""

UNKNOWN = -1e4
"""Log-probability of what an outlook does not see."""


class Outlook:
    """The probability of a match from each state, for text of independent characters.

    Within a long loop, such as the `[a-z]+` of `[a-z]+day`, the model's next character
    never tells how a text would leave it. So each state has the probability of a match
    within the characters that are left, if every id came with its overall frequency.
    Weights correct what is wrong with that (twisted sequential Monte Carlo, Whiteley & Lee
    2014); only the number of texts needed depends on it.

    Args:
        automaton: of a pattern.
        probs: `(vocab,)`, how frequent each id is.
        length: the maximum characters of the text.
        trust: the power to which the probabilities are raised.

    >>> from textgen.config.sampling import SamplingConfig
    >>> from textgen.generation.patterns.compile import make_automaton
    >>> from textgen.text.tokenizers.char import CharTokenizer
    >>> automaton = make_automaton(CharTokenizer("ab"), SamplingConfig(pattern="a+b"))
    >>> outlook = Outlook(automaton, np.array([0.5, 0.5]), length=500)
    >>> np.exp(outlook.values(Constraint(automaton))).tolist()
    [1.0, 0.0]
    """

    def __init__(
        self,
        automaton: Automaton,
        probs: NDArray[np.float64],
        length: int,
        trust: float = 1,
    ) -> None:
        self._automaton = automaton
        self._length = length
        self._trust = trust
        # Of the classes in which an id may end, none is more likely than another.
        completes = automaton.completes / automaton.completes.sum(axis=1, keepdims=True)
        self._completes = None if len(completes) == automaton.num_classes else completes
        self._recent: dict[tuple[int, int, int], NDArray[np.float64]] = {}
        self._log_probs = self._look(probs, completes)

    def _look(
        self, probs: NDArray[np.float64], completes: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """`(characters left, num_states + 1)`; minus infinity for the last, state -1."""
        automaton = self._automaton
        first = automaton.rows[-1]
        states = range(len(automaton.is_final))
        by_value = np.bincount(
            first[first >= 0], probs[first >= 0], minlength=len(completes)
        )
        with np.errstate(divide="ignore"):
            classes = np.log(by_value @ completes)
            ends = np.log([self._end(state, probs) for state in states] + [0.0])
        # Where nothing rules out a match, only the length ends the text.
        endless = [
            *(automaton.is_final[i] and not automaton.ending_ids(i).any() for i in states),
            False,
        ]
        rows = [np.where(endless, 0.0, ends)]
        most = max(MIN_CHARACTERS, MAX_CELLS // automaton.next_state.size)
        for _ in range(min(self._length, most)):
            onward = np.logaddexp.reduce(rows[-1][automaton.next_state] + classes, axis=1)
            rows.append(np.logaddexp(ends, np.append(onward, -np.inf)))
        return np.array(rows)

    def _end(self, state: int, probs: NDArray[np.float64]) -> float:
        automaton = self._automaton
        if not automaton.is_final[state]:
            return 0.0
        return float(probs[automaton.ending_ids(state)].sum())

    def values(self, constraint: Constraint) -> NDArray[np.float64]:
        """The log-probability of a match after each id that may follow: `(vocab,)`."""
        num_left = self._length - constraint.num_characters - 1
        characters = min(max(num_left, 0), len(self._log_probs) - 1)
        place = constraint.state, constraint.row, characters
        # Particles are mostly at the same few places; none comes back to one long past.
        values = self._recent.get(place)
        if values is None:
            if len(self._recent) >= MAX_RECENT:
                self._recent.clear()
            values = self._recent[place] = self._values(*place)
        return values

    def _values(self, state: int, row: int, characters: int) -> NDArray[np.float64]:
        automaton = self._automaton
        classes = self._log_probs[characters][automaton.next_state[state]]
        if self._completes is not None:
            with np.errstate(divide="ignore"):
                classes = np.log(self._completes @ np.exp(classes))
        # Ids that are not part of a character, such as the end of a document, are last.
        bounded = np.append(self._trust * np.maximum(classes, UNKNOWN), 0.0)
        return bounded[automaton.rows[row]]
