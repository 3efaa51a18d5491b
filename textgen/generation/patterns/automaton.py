"""Which ids may follow such that the text can still match within its length.

A `Dfa` reads characters; here it is combined with the spelling of characters in ids and
with the `Horizon`, into one mask of logits per place in the text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textgen.generation.patterns.characters import Mask
from textgen.generation.patterns.horizon import Horizon
from textgen.generation.patterns.utf8 import Spelling

if TYPE_CHECKING:
    from textgen.generation.patterns.dfa import Dfa

MAX_CACHE_BYTES = 8_000_000
MAX_KNOWN_PLACES = 50_000


class Automaton:
    """The constraint shared by all texts of one configuration; see `make_automaton`.

    Args:
        dfa: the pattern over classes of characters.
        spelling: the ids that spell each class.
        horizon: the states that can still reach a match.
        min_length: in characters.
    """

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

    def mask(self, state: int, row: int, horizon: int, can_end: bool) -> Mask:
        """The mask of one place; cached, as most texts visit the same places again."""
        place = state, row, horizon, can_end
        # Looked up only once: another thread may clear the dictionaries in between.
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
    """The constraint on a new text, updated with every id.

    `copy.copy` gives an independent copy.

    >>> from textgen.config.sampling import SamplingConfig
    >>> from textgen.generation.patterns.compile import make_automaton
    >>> from textgen.text.tokenizers.char import CharTokenizer
    >>> config = SamplingConfig(pattern="ab*", length=3)
    >>> automaton = make_automaton(CharTokenizer("ab"), config)
    >>> constraint = Constraint(automaton)
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
        """Whether the text so far matches and is long enough."""
        automaton = self._automaton
        is_whole = self._row == self._first_row
        is_enough = self._num_characters >= automaton.min_length
        return is_whole and is_enough and automaton.is_final.item(self._state)

    @property
    def mask(self) -> Mask:
        """`(vocab,)`, read only: minus infinity for ids that must not follow, else 0.

        The end of a document may follow wherever the text can end. If no id may follow,
        the text ends.
        """
        automaton = self._automaton
        horizon = automaton.horizon[self._num_characters + 1]
        return automaton.mask(self._state, self._row, horizon, self.can_end)

    def advance(self, id: int) -> None:
        """Append an id that the mask permits; nothing may follow `eod_id`."""
        automaton = self._automaton
        if id == automaton.eod_id:
            return
        value = automaton.rows.item(self._row, id)
        assert value >= 0, f"id {id} is masked"
        if value >= automaton.num_classes:
            self._row = value - automaton.num_classes
            return
        self._state = automaton.next_state.item(self._state, value)
        assert self._state >= 0, f"id {id} is masked"
        self._row = self._first_row
        self._num_characters += 1
