"""Filters that look back at the text: what was written becomes less likely, or banned.

A penalty is a frozen object that says how much; `begin` gives its memory of one text.
The memory is a filter of logits, as in `sampling.filters`, and is told each
id that is written.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol

import numpy as np

from textgen.config.sampling import SamplingConfig, check_setting
from textgen.generation.sampling.filters import Logits

LARGEST_PENALTY = 1e30
"""More than any difference of logits, and still finite: a penalty never bans."""


MAX_PLACES = 256
"""Of a sequence that stands in more places, `Dry` looks at the last ones."""

MAX_COMPARED = 1000
"""Ids of a prompt's end that `Dry` compares; a penalty is at its largest long before."""


class Memory(Protocol):
    """What a penalty knows of one text."""

    def __call__(self, logits: Logits) -> Logits:
        """Filter float64 logits `(vocab,)`."""

    def add(self, id: int) -> None:
        """Take note of an id that was written."""


class Penalty(Protocol):
    """How much repetition costs."""

    def begin(self, vocab_size: int, prompt: Sequence[int]) -> Memory:
        """The memory of a text that begins after `prompt`, ids the model has read."""


@dataclass(frozen=True)
class RepetitionPenalty:
    """Make ids of prompt and text less likely (Keskar et al. 2019, CTRL).

    A positive logit is divided by `factor`, a negative one multiplied.

    Raises:
        ConfigError: not a finite number above 0.

    >>> memory = RepetitionPenalty(2.0).begin(vocab_size=3, prompt=[0])
    >>> memory.add(2)
    >>> memory(np.array([4.0, 4.0, -4.0])).tolist()
    [2.0, 4.0, -8.0]
    """

    factor: float

    def __post_init__(self) -> None:
        check_setting("repetition_penalty", self.factor)

    def begin(self, vocab_size: int, prompt: Sequence[int]) -> Memory:
        """The memory of a text that begins after `prompt`."""
        return _Seen(self.factor, vocab_size, prompt)


class _Seen:
    def __init__(self, factor: float, vocab_size: int, prompt: Sequence[int]) -> None:
        self.factor = factor
        self.factors = np.ones(vocab_size)
        self.factors[list(prompt)] = factor

    def __call__(self, logits: Logits) -> Logits:
        smaller = np.minimum if self.factor >= 1 else np.maximum
        return smaller(logits * self.factors, logits / self.factors)

    def add(self, id: int) -> None:
        self.factors[id] = self.factor


@dataclass(frozen=True)
class CountPenalty:
    """Lower the logits of what was written, as the OpenAI API does.

    An id that was written `n` times loses `n * frequency`, and `presence` once. The
    prompt does not count.

    Raises:
        ConfigError: not a finite number.

    >>> memory = CountPenalty(frequency=1.0, presence=0.5).begin(3, prompt=[0])
    >>> memory.add(1), memory.add(1), memory.add(2)
    (None, None, None)
    >>> memory(np.zeros(3)).tolist()
    [0.0, -2.5, -1.5]
    """

    frequency: float = 0.0
    presence: float = 0.0

    def __post_init__(self) -> None:
        check_setting("frequency_penalty", self.frequency)
        check_setting("presence_penalty", self.presence)

    def begin(self, vocab_size: int, prompt: Sequence[int]) -> Memory:
        """The memory of a text that begins after `prompt`."""
        return _Counts(self, vocab_size)


class _Counts:
    def __init__(self, penalty: CountPenalty, vocab_size: int) -> None:
        self.penalty = penalty
        self.written: set[int] = set()
        self.costs = np.zeros(vocab_size)

    def __call__(self, logits: Logits) -> Logits:
        return logits - self.costs

    def add(self, id: int) -> None:
        self.costs[id] += self.penalty.frequency
        if id not in self.written:
            self.written.add(id)
            self.costs[id] += self.penalty.presence


@dataclass(frozen=True)
class NoRepeatNgram:
    """Ban every id that would complete a sequence of `size` ids a second time.

    Raises:
        ConfigError: not a whole number of at least 1.

    >>> memory = NoRepeatNgram(2).begin(vocab_size=3, prompt=[0, 1, 0])
    >>> memory(np.zeros(3)).tolist()
    [0.0, -inf, 0.0]
    """

    size: int

    def __post_init__(self) -> None:
        check_setting("no_repeat_ngram_size", self.size)

    def begin(self, vocab_size: int, prompt: Sequence[int]) -> Memory:
        """The memory of a text that begins after `prompt`."""
        memory = _Ngrams(int(self.size))
        for each in prompt:
            memory.add(each)
        return memory


class _Ngrams:
    def __init__(self, size: int) -> None:
        self.num_before = size - 1
        self.last: tuple[int, ...] = ()
        self.followers: dict[tuple[int, ...], list[int]] = {}

    def __call__(self, logits: Logits) -> Logits:
        banned = self.followers.get(self.last)
        if not banned:
            return logits
        kept = logits.copy()
        kept[banned] = -math.inf
        return kept

    def add(self, id: int) -> None:
        if len(self.last) == self.num_before:
            self.followers.setdefault(self.last, []).append(id)
        self.last = (*self.last, id)[-self.num_before :] if self.num_before else ()


@dataclass(frozen=True)
class Dry:
    """Make it dear to go on with a sequence that stood in the text before (DRY).

    Where the last `n` ids, `n` at least `allowed_length`, stood earlier in prompt or
    text, the id that followed them there loses `multiplier * base ** (n -
    allowed_length)`; of several such places the longest counts. Source: the sampler of
    that name by p-e-w (2024), as llama.cpp has it.

    Args:
        multiplier: strength; 0 is off.
        base: growth with each id.
        allowed_length: sequences shorter than this cost nothing.
        breakers: ids that no sequence contains, and that never lose anything.

    Raises:
        ConfigError: a number out of its range.

    >>> memory = Dry(1.0, base=2.0, allowed_length=2).begin(4, prompt=[0, 1, 2, 3, 0, 1])
    >>> memory(np.zeros(4)).tolist()
    [0.0, 0.0, -1.0, 0.0]
    >>> memory.add(2)
    >>> memory(np.zeros(4)).tolist()
    [0.0, 0.0, 0.0, -2.0]
    """

    multiplier: float
    base: float = SamplingConfig.dry_base
    allowed_length: int = SamplingConfig.dry_allowed_length
    breakers: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        check_setting("dry_multiplier", self.multiplier)
        check_setting("dry_base", self.base)
        check_setting("dry_allowed_length", self.allowed_length)

    def begin(self, vocab_size: int, prompt: Sequence[int]) -> Memory:
        """The memory of a text that begins after `prompt`."""
        memory = _Repeats(self)
        places: list[int] = []
        for each in prompt:
            places = memory.note(each)
        memory.lengths = {place: memory.num_repeated(place) for place in places}
        return memory

    def cost(self, length: int) -> float:
        """What the id after a repeated sequence of this length loses.

        >>> Dry(0.5, base=2.0, allowed_length=3).cost(5)
        2.0
        """
        most = math.log(LARGEST_PENALTY) / math.log(self.base) if self.base > 1 else 0.0
        grown: float = self.base ** min(length - int(self.allowed_length), most)
        return min(self.multiplier * grown, LARGEST_PENALTY)


class _Repeats:
    def __init__(self, penalty: Dry) -> None:
        self.penalty = penalty
        self.ids: list[int] = []
        self.num_unbroken = 0
        # Where each sequence of `allowed_length` ids has ended so far.
        self.ends: dict[tuple[int, ...], deque[int]] = {}
        # Those places where the end of the text stood before, and how much of it.
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

    def add(self, id: int) -> None:
        allowed, before = int(self.penalty.allowed_length), self.lengths
        # One longer than what was repeated up to the place before, if anything was.
        self.lengths = {
            place: before.get(place - 1, allowed - 1) + 1 for place in self.note(id)
        }

    def note(self, id: int) -> list[int]:
        """Take an id in; the places where the sequence that it ends has ended before."""
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
        """How many ids up to and including `place` are those at the text's end."""
        most = min(self.num_unbroken, place + 1, MAX_COMPARED)
        pairs = ((self.ids[place - i], self.ids[-1 - i]) for i in range(most))
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def make_penalties(
    config: SamplingConfig, breakers: frozenset[int] = frozenset()
) -> tuple[Penalty, ...]:
    """The penalties that a configuration asks for, in the order in which they work.

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
