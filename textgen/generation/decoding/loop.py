"""The sampling loop: a batch of texts, each with its own random stream.

One step predicts the next character of every text with one matrix product. A text depends
on its seed and its number alone, not on the rest of the batch, except for rounding:
products with another number of rows may differ in the last bit, which can change the choice
between two almost equally likely characters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from textgen.generation.decoding.plan import Model
from textgen.generation.decoding.text import Text
from textgen.generation.network.layers.base import Floats, State
from textgen.generation.sampling.filters import Logits, log_softmax


@dataclass
class _Unfinished:
    """The unfinished texts and the model's prediction for each; row i is text i."""

    texts: list[Text]
    logits: Floats
    state: State

    def keep(self, rows: Sequence[int]) -> None:
        """Drop the other texts."""
        if len(rows) < len(self.texts):
            self.texts = [self.texts[row] for row in rows]
            self.logits, self.state = self.logits[rows], self.state[rows]

    def keep_unfinished(self) -> None:
        """Drop the texts that are finished."""
        texts = enumerate(self.texts)
        self.keep([row for row, text in texts if text.finish_reason is None])


def decode(
    model: Model, texts: Iterable[Text], logits: Floats, state: State
) -> Iterator[tuple[Text, str]]:
    """Sample texts to their ends, one id of each per step.

    Args:
        texts: just begun, all with the same plan.
        logits: `(batch, vocab)`, row i predicts the first id of text i.
        state: `(batch, state_size)` after the prompts.

    Yields:
        A text and the characters of it that may be shown now, at least one. Nothing
        follows once its `finish_reason` is set.

    Raises:
        CheckpointError: the logits are not finite.
    """
    batch = _Unfinished(list(texts), logits, state)
    batch.keep_unfinished()
    while batch.texts:
        scores = _filtered(batch)
        for text in _without_choice(batch.texts, scores):
            if piece := text.end_here():
                yield text, piece
            batch.keep_unfinished()
        if len(batch.texts) < len(scores):
            continue
        ids = _sampled(batch.texts, scores)
        _record(batch, ids)
        for text, drawn in zip(batch.texts, ids, strict=True):
            if piece := text.append(drawn):
                yield text, piece
        going = [row for row, text in enumerate(batch.texts) if text.finish_reason is None]
        batch.keep(going)
        if going:
            read = ids if len(going) == len(ids) else [ids[row] for row in going]
            batch.logits, batch.state = model.step(read, batch.state)


def _filtered(batch: _Unfinished) -> Logits:
    """Logits after masks and penalties: `(batch, vocab)` float64."""
    scores = batch.logits + batch.texts[0].plan.mask
    if batch.texts[0].plan.depends_on_text:
        for row, text in enumerate(batch.texts):
            scores[row] = text.filter(scores[row])
    return scores


def _without_choice(texts: Sequence[Text], scores: Logits) -> list[Text]:
    """The texts that no id may follow."""
    if not texts[0].plan.depends_on_text:
        return []
    # `argmax` takes a fraction of the time of `max`.
    best = [row[row.argmax()] for row in scores]
    return [text for text, logit in zip(texts, best, strict=True) if logit == -math.inf]


def _sampled(texts: Sequence[Text], scores: Logits) -> list[int]:
    """Sample the next id of each text."""
    samplers = texts[0].plan.samplers
    # Texts of a batch begin together, so temperatures alternate in step.
    sample = samplers[texts[0].num_ids % len(samplers)]
    if len(texts) == 1:
        return [sample(scores[0], texts[0].next_uniform())]
    return sample.sample_rows(scores, np.array([text.next_uniform() for text in texts]))


def _record(batch: _Unfinished, ids: Sequence[int]) -> None:
    if batch.texts[0].plan.num_logprobs is None:
        return
    own = log_softmax(batch.logits.astype(np.float64))
    for text, drawn, log_probs in zip(batch.texts, ids, own, strict=True):
        text.record(drawn, log_probs)
