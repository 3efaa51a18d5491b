"""Filters that look back at the text: repeated ids become less likely or are removed.

A penalty is a frozen object that holds the settings; its `start` returns the state of one
text. The state is a filter of logits, as in `textgen.generation.sampling.filters`;
`append` updates it with each id that is written.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol

import numpy as np

from textgen.config.sampling import SamplingConfig
from textgen.generation.sampling.filters import Logits

LARGEST_PENALTY = 1e30
"""Larger than any difference of logits, yet finite: a penalty never removes an id."""

MAX_PLACES = 256
"""`Dry` looks only at the last occurrences of a sequence that occurs more often."""

MAX_COMPARED = 1000
"""Ids at a prompt's end that `Dry` compares; the penalty is at its maximum long before."""


class PenaltyState(Protocol):
    """The state of a penalty for one text."""

    def __call__(self, logits: Logits) -> Logits:
        """Filter float64 logits `(vocab,)`."""

    def append(self, id: int) -> None:
        """Record an id that was written."""


class Penalty(Protocol):
    """The settings of a penalty."""

    def start(self, vocab_size: int, prompt: Sequence[int]) -> PenaltyState:
        """The state of a text that follows `prompt`, the ids the model has read."""


@dataclass(frozen=True)
class RepetitionPenalty:
    """Make ids of prompt and text less likely (Keskar et al. 2019, CTRL).

    A positive logit is divided by `factor`, a negative one multiplied.

    >>> state = RepetitionPenalty(2.0).start(vocab_size=3, prompt=[0])
    >>> state.append(2)
    >>> state(np.array([4.0, 4.0, -4.0])).tolist()
    [2.0, 4.0, -8.0]
    """

    factor: float

    def start(self, vocab_size: int, prompt: Sequence[int]) -> PenaltyState:
        """The state of a text that follows `prompt`."""
        return _SeenIds(self.factor, vocab_size, prompt)


class _SeenIds:
    def __init__(self, factor: float, vocab_size: int, prompt: Sequence[int]) -> None:
        self.factor = factor
        self.factors = np.ones(vocab_size)
        self.factors[list(prompt)] = factor

    def __call__(self, logits: Logits) -> Logits:
        smaller = np.minimum if self.factor >= 1 else np.maximum
        return smaller(logits * self.factors, logits / self.factors)

    def append(self, id: int) -> None:
        self.factors[id] = self.factor


@dataclass(frozen=True)
class CountPenalty:
    """Lower the logits of ids already written, as the OpenAI API does.

    The logit of an id that was written `n` times is lowered by `n * frequency +
    presence`. The prompt does not count.

    >>> state = CountPenalty(frequency=1.0, presence=0.5).start(3, prompt=[0])
    >>> state.append(1), state.append(1), state.append(2)
    (None, None, None)
    >>> state(np.zeros(3)).tolist()
    [0.0, -2.5, -1.5]
    """

    frequency: float = 0.0
    presence: float = 0.0

    def start(self, vocab_size: int, prompt: Sequence[int]) -> PenaltyState:
        """The state of a text that follows `prompt`."""
        return _Counts(self, vocab_size)


class _Counts:
    def __init__(self, penalty: CountPenalty, vocab_size: int) -> None:
        self.penalty = penalty
        self.written: set[int] = set()
        self.costs = np.zeros(vocab_size)

    def __call__(self, logits: Logits) -> Logits:
        return logits - self.costs

    def append(self, id: int) -> None:
        self.costs[id] += self.penalty.frequency
        if id not in self.written:
            self.written.add(id)
            self.costs[id] += self.penalty.presence


@dataclass(frozen=True)
class NoRepeatNgram:
    """Remove every id that would repeat a sequence of `size` ids.

    >>> state = NoRepeatNgram(2).start(vocab_size=3, prompt=[0, 1, 0])
    >>> state(np.zeros(3)).tolist()
    [0.0, -inf, 0.0]
    """

    size: int

    def start(self, vocab_size: int, prompt: Sequence[int]) -> PenaltyState:
        """The state of a text that follows `prompt`."""
        state = _Ngrams(int(self.size))
        for each in prompt:
            state.append(each)
        return state


class _Ngrams:
    def __init__(self, size: int) -> None:
        self.num_before = size - 1
        self.last: tuple[int, ...] = ()
        self.followers: dict[tuple[int, ...], list[int]] = {}

    def __call__(self, logits: Logits) -> Logits:
        removed = self.followers.get(self.last)
        if not removed:
            return logits
        kept = logits.copy()
        kept[removed] = -math.inf
        return kept

    def append(self, id: int) -> None:
        if len(self.last) == self.num_before:
            self.followers.setdefault(self.last, []).append(id)
        self.last = (*self.last, id)[-self.num_before :] if self.num_before else ()


@dataclass(frozen=True)
class Dry:
    """Penalise continuing a sequence that occurred before ("don't repeat yourself").

    If the last `n >= allowed_length` ids also occur earlier in prompt or text, the logit
    of the id that followed them there is lowered by `multiplier * base ** (n -
    allowed_length)`; of several occurrences the longest counts. Source: the DRY sampler
    by p-e-w (2024), as implemented in llama.cpp.

    Args:
        multiplier: strength; 0 disables it.
        base: growth of the penalty per id.
        allowed_length: shorter sequences are not penalised.
        breakers: ids that end any sequence and are never penalised.

    >>> state = Dry(1.0, base=2.0, allowed_length=2).start(4, prompt=[0, 1, 2, 3, 0, 1])
    >>> state(np.zeros(4)).tolist()
    [0.0, 0.0, -1.0, 0.0]
    >>> state.append(2)
    >>> state(np.zeros(4)).tolist()
    [0.0, 0.0, 0.0, -2.0]
    """

    multiplier: float
    base: float = SamplingConfig.dry_base
    allowed_length: int = SamplingConfig.dry_allowed_length
    breakers: frozenset[int] = frozenset()

    def start(self, vocab_size: int, prompt: Sequence[int]) -> PenaltyState:
        """The state of a text that follows `prompt`."""
        state = _RepeatedSequences(self)
        places: list[int] = []
        for each in prompt:
            places = state.record(each)
        state.lengths = {place: state.num_repeated(place) for place in places}
        return state

    def cost(self, length: int) -> float:
        """The penalty for the id after a repeated sequence of this length.

        >>> Dry(0.5, base=2.0, allowed_length=3).cost(5)
        2.0
        """
        most = math.log(LARGEST_PENALTY) / math.log(self.base) if self.base > 1 else 0.0
        grown: float = self.base ** min(length - int(self.allowed_length), most)
        return min(self.multiplier * grown, LARGEST_PENALTY)


class _RepeatedSequences:
    def __init__(self, penalty: Dry) -> None:
        self.penalty = penalty
        self.ids: list[int] = []
        self.num_unbroken = 0
        # Where each sequence of `allowed_length` ids has ended so far.
        self.ends: dict[tuple[int, ...], deque[int]] = {}
        # Earlier places at which the end of the text occurs, and the length of the match.
        self.lengths: dict[int, int] = {}

    def __call__(self, logits: Logits) -> Logits:
        if not self.lengths:
            return logits
        longest: dict[int, int] = {}
        for place, length in self.lengths.items():
            follower = self.ids[place + 1]
            if follower not in self.penalty.breakers:
                longest[follower] = max(longest.get(follower, 0), length)
        kept = logits.copy()
        for follower, length in longest.items():
            kept[follower] -= self.penalty.cost(length)
        return kept

    def append(self, id: int) -> None:
        allowed, before = int(self.penalty.allowed_length), self.lengths
        # One longer than the match that ended one place earlier, if there was one.
        self.lengths = {
            place: before.get(place - 1, allowed - 1) + 1 for place in self.record(id)
        }

    def record(self, id: int) -> list[int]:
        """Record an id; returns where the sequence that it ends has ended before."""
        allowed = int(self.penalty.allowed_length)
        self.ids.append(id)
        self.num_unbroken = 0 if id in self.penalty.breakers else self.num_unbroken + 1
        if self.num_unbroken < allowed:
            return []
        places = self.ends.setdefault(tuple(self.ids[-allowed:]), deque(maxlen=MAX_PLACES))
        earlier = list(places)
        places.append(len(self.ids) - 1)
        return earlier

    def num_repeated(self, place: int) -> int:
        """How many ids up to and including `place` match those at the end of the text."""
        most = min(self.num_unbroken, place + 1, MAX_COMPARED)
        pairs = ((self.ids[place - i], self.ids[-1 - i]) for i in range(most))
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def make_penalties(
    config: SamplingConfig, breakers: frozenset[int] = frozenset()
) -> tuple[Penalty, ...]:
    """Build the penalties that a configuration enables, in the order they are applied.

    Args:
        breakers: the ids of `config.dry_breakers`.

    >>> make_penalties(SamplingConfig(repetition_penalty=1.2, presence_penalty=0.5))
    (RepetitionPenalty(factor=1.2), CountPenalty(frequency=0.0, presence=0.5))
    """
    penalties: list[Penalty] = []
    if config.repetition_penalty is not None:
        penalties.append(RepetitionPenalty(config.repetition_penalty))
    if config.frequency_penalty is not None or config.presence_penalty is not None:
        penalties.append(
            CountPenalty(config.frequency_penalty or 0.0, config.presence_penalty or 0.0)
        )
    if config.dry_multiplier is not None:
        base, allowed = config.dry_base, config.dry_allowed_length
        penalties.append(Dry(config.dry_multiplier, base, allowed, breakers))
    if config.no_repeat_ngram_size is not None:
        penalties.append(NoRepeatNgram(config.no_repeat_ngram_size))
    return tuple(penalties)
