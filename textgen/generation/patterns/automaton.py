"""Which ids may follow such that the text can still match within its length.

A `Dfa` reads characters; here it is combined with the spelling of characters in ids and
with the `Horizon`, into one mask of logits per place in the text.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textgen.generation.patterns.characters import Mask
from textgen.generation.patterns.horizon import Horizon, leading_to
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
        endings: what ends a text of a model without an end of document.
    """

    def __init__(
        self,
        dfa: Dfa,
        spelling: Spelling,
        horizon: Horizon,
        min_length: int,
        eod_id: int | None,
        endings: Endings,
    ) -> None:
        self.num_classes = dfa.next_state.shape[1]
        self.min_length = min_length
        self.eod_id = eod_id
        self.next_state = dfa.next_state
        self.is_final = dfa.is_final
        self.rows = spelling.rows
        self.completes = spelling.completes
        self.horizon = horizon
        self._endings = endings
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
            leads_on = np.append((self.completes & fitting).any(axis=1), False)
            key = row, can_end, leads_on.tobytes()
            mask = self._different.get(key)
            if mask is None:
                mask = self._make_mask(row, can_end, leads_on)
                self._different[key] = mask
            self._known[place] = mask
        return mask

    def ending_ids(self, state: int) -> NDArray[np.bool_]:
        """The ids that end a text which matches so far: `(vocab,)`.

        The end of the document; for a model without one, every id after which no text
        could match, because what the model writes next is no longer part of the match.
        """
        if self.eod_id is None:
            return self._endings.ids(state)
        return np.arange(self.rows.shape[1]) == self.eod_id

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


class Endings:
    """The ids after which a pattern cannot match any more, whatever may be written.

    Args:
        dfa: the pattern over all characters, also those that are not permitted; its
            states are those of the automaton.
        spelling: the ids that spell each class of `dfa`.
        length: in characters; a match that needs more counts as none.
    """

    def __init__(self, dfa: Dfa, spelling: Spelling, length: int) -> None:
        self._dfa = dfa
        self._completes = spelling.completes
        self._first = spelling.rows[-1]
        self._length = length
        self._known: dict[int, NDArray[np.bool_]] = {}

    def ids(self, state: int) -> NDArray[np.bool_]:
        """See `Automaton.ending_ids`."""
        if state not in self._known:
            lives = self._lives[self._dfa.next_state[state]]
            leads_on = np.append((self._completes & lives).any(axis=1), False)
            self._known[state] = ~leads_on[self._first]
        return self._known[state]

    @cached_property
    def _lives(self) -> NDArray[np.bool_]:
        """The states from which a match is possible; the last entry, for -1, is False."""
        lives = np.append(self._dfa.is_final, False)
        for _ in range(self._length):
            before = lives
            lives = before | np.append(leading_to(self._dfa, before), False)
            if (lives == before).all():
                break
        return lives


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
        self._first_row = len(automaton.rows) - 1
        self.state = 0
        self.row = self._first_row
        self.num_characters = 0

    @property
    def can_end(self) -> bool:
        """Whether the text so far matches and is long enough."""
        automaton = self._automaton
        is_whole = self.row == self._first_row
        is_enough = self.num_characters >= automaton.min_length
        return is_whole and is_enough and automaton.is_final.item(self.state)

    @property
    def mask(self) -> Mask:
        """`(vocab,)`, read only: minus infinity for ids that must not follow, else 0.

        The end of a document may follow wherever the text can end. If no id may follow,
        the text ends.
        """
        automaton = self._automaton
        horizon = automaton.horizon[self.num_characters + 1]
        return automaton.mask(self.state, self.row, horizon, self.can_end)

    @property
    def ending_ids(self) -> NDArray[np.bool_]:
        """`(vocab,)`: the ids that end the text here, if `can_end`."""
        return self._automaton.ending_ids(self.state)

    def advance(self, id: int) -> None:
        """Append an id that the mask permits; nothing may follow `eod_id`."""
        automaton = self._automaton
        if id == automaton.eod_id:
            return
        value = automaton.rows.item(self.row, id)
        assert value >= 0, f"id {id} is masked"
        if value >= automaton.num_classes:
            self.row = value - automaton.num_classes
            return
        self.state = automaton.next_state.item(self.state, value)
        assert self.state >= 0, f"id {id} is masked"
        self.row = self._first_row
        self.num_characters += 1
