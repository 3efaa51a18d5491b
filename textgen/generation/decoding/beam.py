"""Beam search: an approximation of the most likely text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from textgen.generation.decoding.plan import Model
from textgen.generation.decoding.text import Text
from textgen.generation.network.layers.base import Floats, State
from textgen.generation.sampling.filters import check_finite, log_softmax


@dataclass(frozen=True)
class _Beam:
    """A candidate: its text, its log-probability in nats, its row in the batch."""

    text: Text
    total: float
    row: int

    @property
    def value(self) -> float:
        """The score by which candidates of different lengths are compared."""
        config = self.text.plan.config
        return self.total / max(self.text.num_ids, 1) ** config.length_penalty


def search(model: Model, text: Text, logits: Floats, state: State) -> list[Text]:
    """Find likely continuations (Graves 2012; length norm as in Wu et al. 2016).

    Each step extends every candidate by its most likely ids and keeps the `beam_width`
    best of all. Finished candidates are compared by their log-probability divided by
    their number of ids to the power of `length_penalty`. Constraints and penalties apply
    as in sampling; probabilities are renormalised over the ids they leave.

    Args:
        text: just begun.
        logits: `(1, vocab)`, predicts its first id.
        state: `(1, state_size)` after the prompt.

    Returns:
        At most `beam_width` finished texts, best first, numbered from `text.number` on.

    Raises:
        CheckpointError: the logits are not finite.
    """
    if text.finish_reason is not None:
        return [text]
    width = text.plan.config.beam_width or 1
    beams: list[_Beam] = [_Beam(text, 0.0, row=0)]
    finished: list[_Beam] = []
    while beams and not _is_settled(beams, finished, width):
        going: list[_Beam] = []
        ids: list[int] = []
        for beam, drawn in _steps(beams, logits, width):
            if beam.text.finish_reason is not None:
                finished.append(beam)
            elif len(going) < width:
                going.append(beam)
                ids.append(drawn)
        finished = _best_of_each(finished)[:width]
        if going:
            logits, state = model.step(ids, state[[beam.row for beam in going]])
        beams = [replace(beam, row=row) for row, beam in enumerate(going)]
    texts = [beam.text for beam in finished]
    for number, found in enumerate(texts, text.number):
        found.number = number
    return texts


def _steps(beams: list[_Beam], logits: Floats, width: int) -> Iterator[tuple[_Beam, int]]:
    """The most likely extensions of all candidates together, best first."""
    plan = beams[0].text.plan
    scores = np.stack(
        [b.text.filter(row) for b, row in zip(beams, logits + plan.mask, strict=True)]
    )
    has_no_choice = scores.max(axis=-1) == -np.inf
    for row in np.flatnonzero(has_no_choice):
        ended = beams[row].text.copy()
        ended.end_here()
        yield replace(beams[row], text=ended), -1
    # A row without a choice has no probabilities.
    scores[has_no_choice, 0] = 0.0
    check_finite(scores.max(axis=-1))
    totals = log_softmax(scores) + [[beam.total] for beam in beams]
    totals[has_no_choice] = -np.inf
    # Twice as many as are kept, since half of them may end here.
    best = np.argsort(-totals, axis=None, kind="stable")[: 2 * width]
    own = log_softmax(logits.astype(np.float64))
    for row, drawn in zip(*np.unravel_index(best, totals.shape), strict=True):
        if totals[row, drawn] == -np.inf:
            return
        text = beams[row].text.copy()
        if plan.num_logprobs is not None:
            text.record(int(drawn), own[row])
        text.append(int(drawn))
        yield _Beam(text, float(totals[row, drawn]), int(row)), int(drawn)


def _best_of_each(finished: list[_Beam]) -> list[_Beam]:
    """Best first, each text once: a stop text may cut off where two of them differ."""
    ranked = sorted(finished, key=lambda beam: beam.value)
    best = {beam.text.written: beam for beam in ranked}
    return sorted(best.values(), key=lambda beam: -beam.value)


def _is_settled(beams: list[_Beam], finished: list[_Beam], width: int) -> bool:
    """Whether enough are finished and no unfinished candidate is better than the last."""
    if len(finished) < width:
        return False
    return max(beam.value for beam in beams) <= finished[-1].value
