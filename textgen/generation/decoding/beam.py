"""Beam search: the most likely text, as far as a few candidates at once can find it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from textgen.generation.decoding.plan import Model
from textgen.generation.decoding.sample import Sample
from textgen.generation.decoding.text import Text
from textgen.generation.network.network import Floats, State
from textgen.generation.sampling.filters import check_finite, log_softmax


@dataclass(frozen=True)
class _Beam:
    """A candidate: its text, its log-probability in nats, its row in the batch."""

    text: Text
    total: float
    row: int

    @property
    def value(self) -> float:
        """What candidates of different lengths are compared by."""
        config = self.text.plan.config
        return self.total / max(self.text.num_ids, 1) ** config.length_penalty


def search(model: Model, text: Text, logits: Floats, state: State) -> list[Sample]:
    """Find likely ways to go on (Graves 2012; the length norm as in Wu et al. 2016).

    At each step every candidate is gone on with in its likeliest ways, and the
    `beam_width` best of all are kept. What has ended is compared by its log-probability
    divided by its number of ids to the power of `length_penalty`. Constraints and
    penalties hold as in drawing; what they leave counts as the whole.

    Args:
        text: just begun.
        logits: `(1, vocab)`, predicts its first character.
        state: `(num_layers, vectors, 1, units)` after what it begins with.

    Returns:
        At most `beam_width` samples, the best first, numbered from `text.number` on.

    Raises:
        CheckpointError: the predictions are no numbers.
    """
    if text.finish_reason is not None:
        return [text.sample()]
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
            logits, state = model.step(ids, state[:, :, [beam.row for beam in going]])
        beams = [replace(beam, row=row) for row, beam in enumerate(going)]
    samples = [beam.text.sample() for beam in finished]
    return [replace(s, number=text.number + rank) for rank, s in enumerate(samples)]


def _steps(beams: list[_Beam], logits: Floats, width: int) -> Iterator[tuple[_Beam, int]]:
    """The likeliest next steps of all candidates together, the best first."""
    plan = beams[0].text.plan
    scores = np.stack(
        [b.text.filter(row) for b, row in zip(beams, logits + plan.bans, strict=True)]
    )
    stuck = scores.max(axis=-1) == -np.inf
    for row in np.flatnonzero(stuck):
        ended = beams[row].text.fork()
        ended.end_without_choice()
        yield replace(beams[row], text=ended), -1
    # A row that is stuck has no probabilities.
    scores[stuck, 0] = 0.0
    check_finite(scores.max(axis=-1))
    totals = log_softmax(scores) + [[beam.total] for beam in beams]
    totals[stuck] = -np.inf
    # Twice as many as are kept: half of them may end here.
    best = np.argsort(-totals, axis=None, kind="stable")[: 2 * width]
    own = log_softmax(logits.astype(np.float64))
    for row, drawn in zip(*np.unravel_index(best, totals.shape), strict=True):
        if totals[row, drawn] == -np.inf:
            return
        text = beams[row].text.fork()
        if plan.num_logprobs is not None:
            text.note(int(drawn), own[row])
        text.take(int(drawn))
        yield _Beam(text, float(totals[row, drawn]), int(row)), int(drawn)


def _best_of_each(finished: list[_Beam]) -> list[_Beam]:
    """The best first, and every text once: a stop text cuts off what differs."""
    ranked = sorted(finished, key=lambda beam: beam.value)
    best = {beam.text.written: beam for beam in ranked}
    return sorted(best.values(), key=lambda beam: -beam.value)


def _is_settled(beams: list[_Beam], finished: list[_Beam], width: int) -> bool:
    """Whether enough has ended, and nothing on its way is better than the last of it."""
    if len(finished) < width:
        return False
    return max(beam.value for beam in beams) <= finished[-1].value
