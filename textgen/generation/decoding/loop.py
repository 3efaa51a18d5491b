"""The loop that writes: texts side by side, each with a random stream of its own.

One step predicts the next character of every text with one matrix product. A text
depends on its seed and its number alone, not on the others beside it, up to rounding:
products of another number of rows may differ in their last bit, and where two
characters are almost equally likely that can choose the other one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from textgen.generation.decoding.plan import Model
from textgen.generation.decoding.text import Text
from textgen.generation.network.network import Floats, State
from textgen.generation.sampling.filters import Logits, log_softmax


@dataclass
class _Batch:
    """The texts that go on, and what the model expects of each: row i is text i."""

    texts: list[Text]
    logits: Floats
    state: State

    def keep(self, rows: Sequence[int]) -> None:
        """Put the other texts aside."""
        if len(rows) < len(self.texts):
            self.texts = [self.texts[row] for row in rows]
            self.logits, self.state = self.logits[rows], self.state[:, :, rows]

    def keep_unfinished(self) -> None:
        """Put aside what has come to its end."""
        texts = enumerate(self.texts)
        self.keep([row for row, text in texts if text.finish_reason is None])


def write(
    model: Model, texts: Iterable[Text], logits: Floats, state: State
) -> Iterator[tuple[Text, str]]:
    """Write texts to their ends, one character of each in turn.

    Args:
        texts: just begun, all of one plan.
        logits: `(batch, vocab)`, row i predicts the first character of text i.
        state: `(num_layers, vectors, batch, units)` after what the texts begin with.

    Yields:
        A text and the characters of it that may be shown now, never none. Once its
        `finish_reason` is set, nothing more of it follows.

    Raises:
        CheckpointError: the predictions are no numbers.
    """
    batch = _Batch(list(texts), logits, state)
    batch.keep_unfinished()
    while batch.texts:
        scores = _filtered(batch)
        for text in _stuck(batch.texts, scores):
            if piece := text.end_without_choice():
                yield text, piece
            batch.keep_unfinished()
        if len(batch.texts) < len(scores):
            continue
        ids = _chosen(batch.texts, scores)
        _take_notes(batch, ids)
        for text, drawn in zip(batch.texts, ids, strict=True):
            if piece := text.take(drawn):
                yield text, piece
        going = [row for row, text in enumerate(batch.texts) if text.finish_reason is None]
        batch.keep(going)
        if going:
            read = ids if len(going) == len(ids) else [ids[row] for row in going]
            batch.logits, batch.state = model.step(read, batch.state)


def _filtered(batch: _Batch) -> Logits:
    """What each text may go on with: `(batch, vocab)` float64."""
    scores = batch.logits + batch.texts[0].plan.bans
    if batch.texts[0].plan.is_restrictive:
        for row, text in enumerate(batch.texts):
            scores[row] = text.filter(scores[row])
    return scores


def _stuck(texts: Sequence[Text], scores: Logits) -> list[Text]:
    """The texts that no id is left for."""
    if not texts[0].plan.is_restrictive:
        return []
    # `argmax` takes a fraction of the time of `max`.
    best = [row[row.argmax()] for row in scores]
    return [text for text, logit in zip(texts, best, strict=True) if logit == -math.inf]


def _chosen(texts: Sequence[Text], scores: Logits) -> list[int]:
    """Draw the next id of each text."""
    choosers = texts[0].plan.choosers
    # Texts side by side have begun together, so temperatures take turns in all alike.
    choose = choosers[texts[0].num_ids % len(choosers)]
    if len(texts) == 1:
        return [choose(scores[0], texts[0].point())]
    return choose.many(scores, np.array([text.point() for text in texts]))


def _take_notes(batch: _Batch, ids: Sequence[int]) -> None:
    if batch.texts[0].plan.num_logprobs is None:
        return
    own = log_softmax(batch.logits.astype(np.float64))
    for text, drawn, log_probs in zip(batch.texts, ids, own, strict=True):
        text.note(drawn, log_probs)
