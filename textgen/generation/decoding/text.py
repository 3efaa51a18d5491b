"""A text being generated."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from textgen.generation.decoding.plan import Plan
from textgen.generation.decoding.sample import Sample
from textgen.generation.decoding.stopping import Ending
from textgen.generation.sampling.filters import Logits

NUM_POINTS = 256
"""Random numbers that a text draws at once; one is used up by each id."""


@dataclass(frozen=True)
class _Note:
    """What the model itself made of an id that was written."""

    id: int
    logprob: float
    top: tuple[tuple[int, float], ...]
    num_chars: int


@dataclass
class Text:
    """One text on its way.

    Args:
        prompt: shown before it; decides where a unit that it began ends.
        prompt_ids: what the model has read.
        seed: with `number`, the start of its random choices.
        rng: begun with both.
        label: of what kind it is to be, where the model knows kinds.
    """

    plan: Plan
    prompt: str
    prompt_ids: Sequence[int]
    seed: int
    number: int
    rng: np.random.Generator
    label: str | None = None
    finish_reason: str | None = None
    num_ids: int = 0
    notes: list[_Note] = field(default_factory=list)

    def __post_init__(self) -> None:
        plan, config = self.plan, self.plan.config
        self._points: list[float] = []
        self._decoder = plan.tokenizer.stream_decoder()
        self._eod_id = plan.tokenizer.eod_id
        self._room = config.length
        self._shown: list[str] = []
        until = None if config.until == "document" else config.until
        self._ending = Ending(plan.stops, until, config.min_length, self.prompt)
        self._is_idle = self._ending.is_idle
        vocab_size = len(plan.bans)
        self._memories = [p.begin(vocab_size, self.prompt_ids) for p in plan.penalties]
        self._constraint = None if plan.automaton is None else plan.automaton.begin()
        if self._room == 0:
            self.finish_reason = "length"

    @property
    def _is_too_short(self) -> bool:
        config = self.plan.config
        return config.length - self._room < config.min_length

    def point(self) -> float:
        """The next random number of this text, from 0 to below 1."""
        if not self._points:
            # Many at once cost little more than one; the order is that of `pop`.
            self._points = self.rng.random(NUM_POINTS)[::-1].tolist()
        return self._points.pop()

    def filter(self, logits: Logits) -> Logits:
        """Take away what this text must not go on with: `(vocab,)` float64."""
        constraint = self._constraint
        if constraint is not None:
            logits = logits + constraint.bans
        can_end = constraint is None or constraint.can_end
        if self._eod_id is not None and (self._is_too_short or not can_end):
            logits = logits.copy()
            logits[self._eod_id] = -math.inf
        for memory in self._memories:
            logits = memory(logits)
        return logits

    def end_without_choice(self) -> str:
        """No id is left: end here. Returns what was held back.

        Bytes of a character that was only begun are dropped.
        """
        constraint = self._constraint
        is_match = constraint is not None and constraint.can_end
        self.finish_reason = "pattern" if is_match else "no_choice"
        return self._keep(self._ending.flush())

    @property
    def written(self) -> str:
        """The new text so far, as far as it may be shown."""
        return "".join(self._shown)

    def take(self, id: int) -> str:
        """Go on with an id. Returns the characters that may be shown now."""
        self.num_ids += 1
        for memory in self._memories:
            memory.add(id)
        if self._constraint is not None:
            self._constraint.advance(id)
        # Broken bytes may give two characters at once.
        piece = self._decoder.feed(id)[: self._room]
        self._room -= len(piece)
        if self._is_idle:
            shown = piece
        else:
            shown = self._ending.feed(piece)
            self.finish_reason = self._ending.reason
        if self.finish_reason is None:
            if id == self._eod_id:
                self.finish_reason = "document"
            elif self._room == 0:
                self.finish_reason = "length"
            if self.finish_reason is not None:
                shown += self._ending.flush()
        return self._keep(shown)

    def note(self, id: int, log_probs: Logits) -> None:
        """Keep what the model made of an id, before it is taken: `(vocab,)` nats."""
        count = min(self.plan.num_logprobs or 0, len(log_probs))
        likeliest = np.argsort(-log_probs, kind="stable")[:count]
        top = tuple((int(i), float(log_probs[i])) for i in likeliest)
        num_chars = self.plan.config.length - self._room
        self.notes.append(_Note(id, float(log_probs[id]), top, num_chars))

    def sample(self) -> Sample:
        """The finished text."""
        text = self.written
        # What a stop text or a unit's end cut off is no part of it.
        cut = self.finish_reason in ("stop", "until")
        notes = [n for n in self.notes if not cut or n.num_chars < len(text)]
        symbol = self._symbol
        wanted = self.plan.num_logprobs is not None
        return Sample(
            self.number,
            self.seed,
            self.prompt,
            text,
            self.finish_reason or "",
            math.fsum(n.logprob for n in notes) if wanted else math.nan,
            tuple(
                {
                    "id": note.id,
                    "symbol": symbol(note.id),
                    "logprob": note.logprob,
                    "top": {symbol(top_id): logprob for top_id, logprob in note.top},
                }
                for note in notes
                if self.plan.num_logprobs
            ),
            self.label,
        )

    def fork(self) -> Text:
        """A copy that goes its own way from here, for a search, which draws nothing."""
        twin = copy.copy(self)
        twin.notes, twin._shown = self.notes[:], self._shown[:]
        twin._decoder = self._decoder.fork()
        twin._ending = copy.copy(self._ending)
        twin._memories = copy.deepcopy(self._memories)
        twin._constraint = copy.copy(self._constraint)
        return twin

    def _keep(self, shown: str) -> str:
        if shown:
            self._shown.append(shown)
        return shown

    def _symbol(self, id: int) -> str:
        """The character itself, or the name of an id that is none."""
        tokenizer = self.plan.tokenizer
        text = tokenizer.decode([id])
        return text if text and text != "\ufffd" else tokenizer.symbol(id)
