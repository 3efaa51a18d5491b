"""The sampling loop: a batch of texts, each with its own settings and random stream.

One step predicts the next character of every text with one matrix product. A text depends
on its seed and its number alone, not on the rest of the batch, except for rounding:
products with another number of rows may differ in the last bit, which can change the choice
between two almost equally likely characters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from textgen.generation.decoding.plan import Model
from textgen.generation.decoding.text import Text
from textgen.generation.network.layers.base import Floats, State
from textgen.generation.sampling.fast import Sampler
from textgen.generation.sampling.filters import Logits, log_softmax


class Running:
    """Texts that are decoded together; they join and leave between two characters.

    Each text has a row of the model's state, so that joining and leaving is stacking rows.
    `read` and `write` take turns; in between, after `read`, rows may change.

    Attributes:
        texts: the unfinished ones, in the order of their rows. They may have different
            plans, and begin at different times.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.texts: list[Text] = []
        self._logits: Floats
        self._state: State
        self._ids: list[int] = []

    def join(self, texts: Sequence[Text], logits: Floats, state: State) -> None:
        """Add texts; those that are finished already are left out.

        Args:
            logits: `(batch, vocab)`, row i predicts the next id of text i.
            state: `(batch, state_size)` after all ids of the texts.
        """
        if self.texts:
            logits = np.concatenate([self._logits, logits])
            state = np.concatenate([self._state, state])
        self._logits, self._state = logits, state
        self.texts = [*self.texts, *texts]
        self._arrange()
        self._keep_unfinished()

    def leave(self, text: Text) -> tuple[Floats, State]:
        """Take out a text. Returns what `join` takes it back with."""
        row = next(row for row, each in enumerate(self.texts) if each is text)
        taken = self._logits[[row]], self._state[[row]]
        self._keep([other for other in range(len(self.texts)) if other != row])
        return taken

    def write(self) -> list[tuple[Text, str]]:
        """Sample the next id of each text.

        Returns:
            The texts with their characters that may be shown now, perhaps none. Those that
            are now finished have left.

        Raises:
            CheckpointError: the logits are not finite.
        """
        scores = self._filtered()
        ended = [(text, text.end_here()) for text in self._without_choice(scores)]
        if ended:
            scores = scores[self._keep_unfinished()]
        ids = self._sampled(scores) if self.texts else []
        self._record(ids)
        pairs = zip(self.texts, ids, strict=True)
        written = [(text, text.append(drawn)) for text, drawn in pairs]
        self._ids = [ids[row] for row in self._keep_unfinished()]
        return ended + written

    def read(self) -> None:
        """The model reads the id that was written last in each text."""
        if self._ids:
            self._logits, self._state = self._model.step(self._ids, self._state)
            self._ids = []

    def _keep_unfinished(self) -> list[int]:
        """Drop the texts that are finished. Returns the rows of the others."""
        texts = enumerate(self.texts)
        rows = [row for row, text in texts if text.finish_reason is None]
        self._keep(rows)
        return rows

    def _keep(self, rows: Sequence[int]) -> None:
        if len(rows) < len(self.texts):
            self.texts = [self.texts[row] for row in rows]
            self._logits, self._state = self._logits[rows], self._state[rows]
            self._arrange()

    def _arrange(self) -> None:
        """Find out once, not at each character, what the plans of the texts ask for."""
        plans = [text.plan for text in self.texts]
        self._depends_on_text = any(plan.depends_on_text for plan in plans)
        self._is_recorded = any(plan.num_logprobs is not None for plan in plans)
        is_shared = all(plan.mask is plans[0].mask for plan in plans)
        masks = [plan.mask for plan in plans]
        self._mask = masks[0] if is_shared and masks else np.array(masks)

    def _filtered(self) -> Logits:
        """Logits after masks and penalties: `(batch, vocab)` float64."""
        scores = self._logits + self._mask
        if self._depends_on_text:
            for row, text in enumerate(self.texts):
                scores[row] = text.filter(scores[row])
        return scores

    def _without_choice(self, scores: Logits) -> list[Text]:
        """The texts that no id may follow."""
        if not self._depends_on_text:
            return []
        # `argmax` takes a fraction of the time of `max`.
        best = [row[row.argmax()] for row in scores]
        pairs = zip(self.texts, best, strict=True)
        return [text for text, logit in pairs if logit == -math.inf]

    def _sampled(self, scores: Logits) -> list[int]:
        """Sample the next id of each text; at once for those with the same settings."""
        if len(self.texts) == 1:
            (text,) = self.texts
            return [text.sampler(scores[0], text.next_uniform())]
        groups: dict[Sampler, list[int]] = {}
        for row, text in enumerate(self.texts):
            groups.setdefault(text.sampler, []).append(row)
        uniforms = np.array([text.next_uniform() for text in self.texts])
        if len(groups) == 1:
            return next(iter(groups)).sample_rows(scores, uniforms)
        ids = np.empty(len(self.texts), int)
        for sampler, rows in groups.items():
            ids[rows] = sampler.sample_rows(scores[rows], uniforms[rows])
        return ids.tolist()

    def _record(self, ids: Sequence[int]) -> None:
        if not self._is_recorded:
            return
        own = log_softmax(self._logits.astype(np.float64))
        for text, drawn, log_probs in zip(self.texts, ids, own, strict=True):
            if text.plan.num_logprobs is not None:
                text.record(drawn, log_probs)


def decode(
    model: Model, texts: Sequence[Text], logits: Floats, state: State
) -> Iterator[tuple[Text, str]]:
    """Sample texts to their ends, one id of each per step.

    Args:
        texts, logits, state: as for `Running.join`.

    Yields:
        A text and the characters of it that may be shown now, at least one. Nothing
        follows once its `finish_reason` is set.

    Raises:
        CheckpointError: the logits are not finite.
    """
    running = Running(model)
    running.join(texts, logits, state)
    while running.texts:
        yield from ((text, piece) for text, piece in running.write() if piece)
        running.read()
