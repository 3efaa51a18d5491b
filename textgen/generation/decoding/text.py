"""A text being generated."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from textgen.generation.decoding.completing import begun_text
from textgen.generation.decoding.plan import Plan
from textgen.generation.decoding.sample import Sample
from textgen.generation.decoding.stopping import StoppingCriteria
from textgen.generation.patterns.automaton import Constraint
from textgen.generation.sampling.fast import Sampler
from textgen.generation.sampling.filters import Logits

NUM_UNIFORMS = 256
"""Random numbers that a text draws at once; each id uses one."""


@dataclass(frozen=True)
class _Record:
    """The model's own prediction for an id that was written."""

    id: int
    logprob: float
    top: tuple[tuple[int, float], ...]
    num_chars: int


@dataclass
class Text:
    """One text while it is generated.

    Args:
        prompt: the text before it; the text may finish a unit that the prompt began.
        prompt_ids: the ids the model has read.
        seed: the random seed, together with `number`.
        rng: seeded with both.
        label: the label of its document, for a model that has labels.
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
    records: list[_Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        plan, config = self.plan, self.plan.config
        self._uniforms: list[float] = []
        self._decoder = plan.tokenizer.stream_decoder()
        self._eod_id = plan.tokenizer.eod_id
        self._num_left = config.length
        self._shown: list[str] = []
        until = None if config.until == "document" else config.until
        begun = begun_text(plan.tokenizer, self.prompt)
        self._stopping = StoppingCriteria(plan.stops, until, config.min_length, begun)
        self._never_stops = self._stopping.is_idle
        vocab_size = len(plan.mask)
        self._penalties = [p.start(vocab_size, self.prompt_ids) for p in plan.penalties]
        self.constraint = None if plan.automaton is None else Constraint(plan.automaton)
        if self._num_left == 0:
            self.finish_reason = "length"

    @property
    def _is_too_short(self) -> bool:
        config = self.plan.config
        return config.length - self._num_left < config.min_length

    @property
    def ends_unwritten(self) -> bool:
        """Whether the text ends without an id of its own, the end of a document."""
        return self._eod_id is None

    @property
    def sampler(self) -> Sampler:
        """What samples the next id; several temperatures take turns."""
        samplers = self.plan.samplers
        return samplers[self.num_ids % len(samplers)]

    def next_uniform(self) -> float:
        """The next random number of this text, uniform in [0, 1)."""
        if not self._uniforms:
            # Many at once cost little more than one; reversed, as `pop` takes the last.
            self._uniforms = self.rng.random(NUM_UNIFORMS)[::-1].tolist()
        return self._uniforms.pop()

    def filter(self, logits: Logits) -> Logits:
        """Apply the constraints and penalties of this text: `(vocab,)` float64."""
        return self.penalise(self.restrict(logits))

    def restrict(self, logits: Logits) -> Logits:
        """Apply the constraints of this text: `(vocab,)` float64."""
        constraint = self.constraint
        if constraint is not None:
            logits = logits + constraint.mask
        can_end = constraint is None or constraint.can_end
        if self._eod_id is not None and (self._is_too_short or not can_end):
            logits = logits.copy()
            logits[self._eod_id] = -math.inf
        return logits

    def penalise(self, logits: Logits) -> Logits:
        """Apply the penalties of this text: `(vocab,)` float64."""
        for penalty in self._penalties:
            logits = penalty(logits)
        return logits

    def end_here(self) -> str:
        """End without another id. Returns the characters still buffered.

        The bytes of an unfinished character are dropped.
        """
        constraint = self.constraint
        is_match = constraint is not None and constraint.can_end
        self.finish_reason = "pattern" if is_match else "no_choice"
        return self._show(self._stopping.flush())

    @property
    def written(self) -> str:
        """The new text so far, without buffered characters."""
        return "".join(self._shown)

    def append(self, id: int) -> str:
        """Append an id. Returns the characters that may be shown now."""
        self.num_ids += 1
        for penalty in self._penalties:
            penalty.append(id)
        if self.constraint is not None:
            self.constraint.advance(id)
        # Invalid bytes may give two characters at once.
        piece = self._decoder.feed(id)[: self._num_left]
        self._num_left -= len(piece)
        if self._never_stops:
            shown = piece
        else:
            shown = self._stopping.feed(piece)
            self.finish_reason = self._stopping.reason
        if self.finish_reason is None:
            if id == self._eod_id:
                self.finish_reason = "document"
            elif self._num_left == 0:
                self.finish_reason = "length"
            if self.finish_reason is not None:
                shown += self._stopping.flush()
        return self._show(shown)

    def record(self, id: int, log_probs: Logits) -> None:
        """Record the log-probabilities `(vocab,)` in nats before `id` is appended."""
        count = min(self.plan.num_logprobs or 0, len(log_probs))
        # They are never written, and no characters that might have come.
        others = self.plan.tokenizer.read_only_ids
        ranked = np.argsort(-log_probs, kind="stable")[: count + len(others)].tolist()
        best = [each for each in ranked if each not in others][:count]
        top = tuple((each, float(log_probs[each])) for each in best)
        num_chars = self.plan.config.length - self._num_left
        self.records.append(_Record(id, float(log_probs[id]), top, num_chars))

    def sample(self) -> Sample:
        """The finished text."""
        text = self.written
        # Ids that a stop text or the end of a unit cut off are not part of the text.
        is_cut = self.finish_reason in ("stop", "until")
        records = [r for r in self.records if not is_cut or r.num_chars < len(text)]
        num_logprobs = self.plan.num_logprobs
        return Sample(
            self.number,
            self.seed,
            self.prompt,
            text,
            self.finish_reason or "",
            None if num_logprobs is None else math.fsum(r.logprob for r in records),
            tuple(map(self._as_dict, records)) if num_logprobs else (),
            self.label,
        )

    def entries(self, first: int = 0, num_chars: int | None = None) -> list[dict[str, Any]]:
        """What `record` has recorded, from number `first` on, as in `Sample.logprobs`.

        Args:
            num_chars: leave out the ids after this many characters.

        Returns:
            An entry for each id, also with its `offset` in characters.
        """
        return [
            {**self._as_dict(record), "offset": record.num_chars}
            for record in self.records[first:]
            if num_chars is None or record.num_chars < num_chars
        ]

    def _as_dict(self, record: _Record) -> dict[str, Any]:
        return {
            "id": record.id,
            "symbol": self._symbol(record.id),
            "logprob": record.logprob,
            "top": {self._symbol(top_id): logprob for top_id, logprob in record.top},
        }

    def become(self, other: Text) -> None:
        """Take over what another text with the same plan has written, and its state."""
        vars(self).update(vars(other))

    def copy(self) -> Text:
        """A copy that shares only the random stream."""
        other = copy.copy(self)
        other.records, other._shown = self.records[:], self._shown[:]
        other._decoder = self._decoder.copy()
        other._stopping = copy.copy(self._stopping)
        other._penalties = copy.deepcopy(self._penalties)
        other.constraint = copy.copy(self.constraint)
        return other

    def _show(self, shown: str) -> str:
        if shown:
            self._shown.append(shown)
        return shown

    def _symbol(self, id: int) -> str:
        """The character, or the name of an id without a character."""
        tokenizer = self.plan.tokenizer
        text = tokenizer.decode([id])
        return text if text and text != "\ufffd" else tokenizer.symbol(id)
