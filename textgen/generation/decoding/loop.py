"""The sampling loop: a batch of texts, each with its own settings and random stream.

One step predicts the next character of every text with one matrix product. A text depends
on its seed and its number alone, not on the rest of the batch, except for rounding:
products with another number of rows may differ in the last bit, which can change the choice
between two almost equally likely characters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from textgen.generation.decoding.plan import Model
from textgen.generation.decoding.text import Text
from textgen.generation.network.layers.base import Floats, State
from textgen.generation.sampling.fast import Sampler
from textgen.generation.sampling.filters import Logits, log_softmax

if TYPE_CHECKING:
    # Text without a constraint does not wait for it.
    from textgen.generation.decoding.particles import Particles


@dataclass
class _Rows:
    """Rows of the model.

    Args:
        logits: `(batch, vocab)`, the prediction for each row.
        state: `(batch, state_size)`, the state of each.
        ids: what the model is to read next in each.
    """

    logits: Floats
    state: State
    ids: list[int] = field(default_factory=list)

    def take(self, rows: Sequence[int]) -> None:
        """Replace all rows by these, of which some may be the same."""
        if rows != list(range(len(self.logits))):
            self.logits, self.state = self.logits[rows], self.state[rows]


class Running:
    """Texts that are decoded together; they join and leave between two characters.

    Each text has a row of the model's state, and so has each particle of a restricted text:
    joining and leaving is stacking rows. `read` and `write` take turns; texts join and
    leave after `read`.

    Attributes:
        texts: the unfinished ones that write themselves. They may have different plans, and
            begin at different times.
        groups: particles, which write the others.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.texts: list[Text] = []
        self._own: _Rows
        self.groups: dict[Particles, _Rows] = {}

    def __bool__(self) -> bool:
        """Whether some text is not finished."""
        return bool(self.texts or self.groups)

    def join(self, texts: Sequence[Text], logits: Floats, state: State) -> None:
        """Add texts; those that are finished already are left out.

        Args:
            logits: `(batch, vocab)`, row i predicts the next id of text i.
            state: `(batch, state_size)` after all ids of the texts.
        """
        if self.texts:
            logits = np.concatenate([self._own.logits, logits])
            state = np.concatenate([self._own.state, state])
        self._own = _Rows(logits, state)
        self.texts = [*self.texts, *texts]
        self._arrange()
        self._keep_unfinished()

    def leave(self, text: Text) -> tuple[Floats, State]:
        """Take out a text. Returns what `join` takes it back with."""
        row = next(row for row, each in enumerate(self.texts) if each is text)
        taken = self._own.logits[[row]], self._own.state[[row]]
        self._keep([other for other in range(len(self.texts)) if other != row])
        return taken

    def join_group(self, group: Particles, logits: Floats, state: State) -> None:
        """Add particles, with a row for each of them."""
        if group.is_going:
            self.groups[group] = _Rows(logits, state)

    def leave_group(self, group: Particles) -> tuple[Floats, State]:
        """Take out particles. Returns what `join_group` takes them back with."""
        rows = self.groups.pop(group)
        return rows.logits, rows.state

    def write(self) -> list[tuple[Text, str]]:
        """Sample the next id of each text.

        Returns:
            The texts with their characters that may be shown now, perhaps none. Those that
            are now finished have left.

        Raises:
            CheckpointError: the logits are not finite.
        """
        written = self._write_texts() if self.texts else []
        return written + self._write_groups() if self.groups else written

    def read(self) -> None:
        """The model reads the id that was written last in each row."""
        own = self._own if self.texts else None
        if self.groups:
            self._read_together([*([own] if own else []), *self.groups.values()])
        elif own and own.ids:
            own.logits, own.state = self._model.step(own.ids, own.state)
            own.ids = []

    def _read_together(self, parts: Sequence[_Rows]) -> None:
        parts = [part for part in parts if part.ids]
        if not parts:
            return
        ids = [each for part in parts for each in part.ids]
        states = np.concatenate([part.state for part in parts])
        logits, states = self._model.step(ids, states)
        ends = np.cumsum([len(part.ids) for part in parts])[:-1]
        split = zip(parts, np.split(logits, ends), np.split(states, ends), strict=True)
        for part, part_logits, state in split:
            part.logits, part.state, part.ids = part_logits, state, []

    def _write_texts(self) -> list[tuple[Text, str]]:
        scores = self._filtered()
        ended = []
        if self._depends_on_text:
            ended = [(text, text.end_here()) for text in self._without_choice(scores)]
            scores = scores[self._keep_unfinished()] if ended else scores
        ids = self._sampled(scores) if self.texts else []
        if self._is_recorded:
            self._record(ids)
        pairs = zip(self.texts, ids, strict=True)
        written = [(text, text.append(drawn)) for text, drawn in pairs]
        if any(text.finish_reason is not None for text in self.texts):
            ids = [ids[row] for row in self._keep_unfinished()]
        self._own.ids = ids
        return ended + written

    def _write_groups(self) -> list[tuple[Text, str]]:
        written = []
        for group, rows in list(self.groups.items()):
            written += group.write(rows.logits)
            kept, rows.ids = group.reading()
            rows.take(kept)
            if not group.is_going:
                del self.groups[group]
        return written

    def _keep_unfinished(self) -> list[int]:
        """Drop the texts that are finished. Returns the rows of the others."""
        texts = enumerate(self.texts)
        rows = [row for row, text in texts if text.finish_reason is None]
        self._keep(rows)
        return rows

    def _keep(self, rows: Sequence[int]) -> None:
        if len(rows) < len(self.texts):
            self.texts = [self.texts[row] for row in rows]
            self._own.take(rows)
            self._arrange()

    def _arrange(self) -> None:
        """Find out once, not at each character, what the plans of the texts ask for."""
        plans = [text.plan for text in self.texts]
        self._depends_on_text = any(plan.depends_on_text for plan in plans)
        self._is_recorded = any(plan.num_logprobs is not None for plan in plans)
        is_shared = all(plan.mask is plans[0].mask for plan in plans)
        masks = [plan.mask for plan in plans]
        self._mask = masks[0] if is_shared and masks else np.array(masks)
        self._samplers_take_turns = any(len(plan.samplers) > 1 for plan in plans)
        self._by_sampler = self._rows_by_sampler()

    def _filtered(self) -> Logits:
        """Logits after masks and penalties: `(batch, vocab)` float64."""
        scores = self._own.logits + self._mask
        if self._depends_on_text:
            for row, text in enumerate(self.texts):
                scores[row] = text.filter(scores[row])
        return scores

    def _without_choice(self, scores: Logits) -> list[Text]:
        """The texts that no id may follow."""
        # `argmax` takes a fraction of the time of `max`.
        best = [row[row.argmax()] for row in scores]
        pairs = zip(self.texts, best, strict=True)
        return [text for text, logit in pairs if logit == -math.inf]

    def _sampled(self, scores: Logits) -> list[int]:
        """Sample the next id of each text; at once for those with the same settings."""
        if len(self.texts) == 1:
            (text,) = self.texts
            return [text.sampler(scores[0], text.next_uniform())]
        takes_turns = self._samplers_take_turns
        groups = self._rows_by_sampler() if takes_turns else self._by_sampler
        uniforms = np.array([text.next_uniform() for text in self.texts])
        if len(groups) == 1:
            return next(iter(groups)).sample_rows(scores, uniforms)
        ids = np.empty(len(self.texts), int)
        for sampler, rows in groups.items():
            ids[rows] = sampler.sample_rows(scores[rows], uniforms[rows])
        return ids.tolist()

    def _rows_by_sampler(self) -> dict[Sampler, list[int]]:
        groups: dict[Sampler, list[int]] = {}
        for row, text in enumerate(self.texts):
            groups.setdefault(text.sampler, []).append(row)
        return groups

    def _record(self, ids: Sequence[int]) -> None:
        own = log_softmax(self._own.logits.astype(np.float64))
        for text, drawn, log_probs in zip(self.texts, ids, own, strict=True):
            if text.plan.num_logprobs is not None:
                text.record(drawn, log_probs)


def decode(running: Running) -> Iterator[tuple[Text, str]]:
    """Sample texts to their ends, one id of each per step.

    Yields:
        A text and the characters of it that may be shown now, at least one. Nothing
        follows once its `finish_reason` is set.

    Raises:
        CheckpointError: the logits are not finite.
    """
    while running:
        for text, piece in running.write():
            if piece:
                yield text, piece
        running.read()
