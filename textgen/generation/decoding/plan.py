"""What is fixed before the first character: the sampling settings, made ready."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from textgen.config.sampling import SamplingConfig
from textgen.generation.network.network import Floats, Ids, State
from textgen.generation.patterns.automaton import Automaton
from textgen.generation.sampling.fast import Chooser
from textgen.generation.sampling.filters import Logits
from textgen.generation.sampling.penalties import Penalty
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer


class Model(Protocol):
    """What the loop needs of a network, or of several that write together."""

    def initial_state(self, batch_size: int = 1) -> State:
        """The state of a model that has read nothing."""

    def step(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """Read one character in each row of a batch."""

    def read_chunks(self, ids: Ids, state: State) -> Iterator[tuple[Floats, State]]:
        """Read one text of any length."""


@dataclass(frozen=True)
class Plan:
    """What is settled for all texts before their first character.

    Args:
        bans: `(vocab,)` float64, minus infinity for ids that are never written, else 0.
        choosers: one for each temperature; they take turns, a character each.
        stops: in the tokenizer's normal form.
        num_logprobs: how many of the likeliest ids are noted beside each id written;
            None notes nothing.
    """

    config: SamplingConfig
    tokenizer: CharTokenizer | ByteTokenizer
    bans: Logits
    choosers: tuple[Chooser, ...]
    penalties: tuple[Penalty, ...] = ()
    stops: tuple[str, ...] = ()
    automaton: Automaton | None = None
    num_logprobs: int | None = None

    @property
    def is_restrictive(self) -> bool:
        """Whether what a text may go on with depends on the text."""
        restrictions = self.penalties, self.automaton, self.config.min_length
        return any(restrictions)
