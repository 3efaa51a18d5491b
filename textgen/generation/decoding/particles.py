"""Sequential Monte Carlo: text as the model would write it, given that it fits.

A mask alone draws each character as if the rest took care of itself: `[a-z]+day` becomes
one endless word, as no single letter of it is improbable. Here several *particles* write
the same text. Each is weighted by the share of the probability that the constraint leaves
at every step; when few of them hold most of the weight they are resampled, and in the end
one is drawn by weight (Lew et al. 2023, "Sequential Monte Carlo steering of large language
models"). The `Outlook` of a pattern tells early which particles are likely to get through.

With many particles, a text has the probability that the settings give it without
constraint (temperature, penalties and filters included), divided by that of all texts that
fit. A text that matches a pattern must also end there: the model ends the document or, if
it has no end of document, goes on with something after which nothing could match. A text
of the maximum length must do so as well, although what comes next is not written. Without
a pattern, a text that is cut off at its length is complete.

If the filters leave none of the permitted characters, the constraint applies before them,
as it does for a single particle, and the particle counts as next to impossible.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from textgen.generation.decoding.plan import Model, Plan
from textgen.generation.decoding.text import Text
from textgen.generation.network.layers.base import Floats
from textgen.generation.patterns.outlook import Outlook
from textgen.generation.sampling.filters import Logits, check_finite, draw, log_softmax

MIN_EFFECTIVE_SHARE = 0.5
"""Particles are resampled when fewer than this share of them are effective."""

TRUST = 0.7
"""How far the outlook is trusted; `benchmarks/patterns.py` compares values."""

IMPOSSIBLE = -1000.0
"""Log-weight of a step to which the settings give no probability at all."""

MAX_UNSEEN = 200
"""Characters for which particles may disagree; then one of them is drawn early, so that a
long text is shown while it is written."""

MAX_CONTEXTS = 256
"""Ids after which the model is asked for the overall frequency of all ids."""


@dataclass
class _Particle:
    """One of the texts from which a text is drawn.

    Args:
        unseen: characters that have not been yielded.
        row: its row in the model's batch.
        id: the last one that was drawn.
        outlook: the log-probability of a match from here, as far as it is trusted.
        is_closing: it has its full length, and it is still to be seen whether it ends.
    """

    text: Text
    unseen: str = ""
    row: int = 0
    id: int = 0
    outlook: float = 0.0
    is_closing: bool = False

    @property
    def is_going(self) -> bool:
        """Whether the model is still to read its last id."""
        return self.text.finish_reason is None or self.is_closing

    def copy(self) -> _Particle:
        return replace(self, text=self.text.copy())


class _Cloud:
    """The particles of one text and their log-weights."""

    def __init__(self, text: Text, num_particles: int) -> None:
        self.text = text
        self._rng = text.rng
        self.particles = [_Particle(text.copy()) for _ in range(num_particles)]
        self.log_weights = np.zeros(num_particles)

    def uniforms(self, count: int) -> NDArray[np.float64]:
        return self._rng.random(count)

    def agreed(self) -> str:
        """The new characters on which all particles agree."""
        unseen = [particle.unseen for particle in self.particles]
        # What the first and the last in order agree on, all of them agree on.
        first, last = min(unseen), max(unseen)
        pairs = enumerate(zip(first, last, strict=False))
        size = next((at for at, (a, b) in pairs if a != b), len(first))
        if size:
            for particle in self.particles:
                particle.unseen = particle.unseen[size:]
        return first[:size]

    def resample(self) -> None:
        """Drop light particles and copy heavy ones, if the weights have become uneven."""
        weights, count = self._weights(), len(self.particles)
        if max(len(particle.unseen) for particle in self.particles) > MAX_UNSEEN:
            places = np.full(count, self._rng.random())
        elif weights.dot(weights) * MIN_EFFECTIVE_SHARE * count > 1:
            # Systematic: one random number places all of them.
            places = (np.arange(count) + self._rng.random()) / count
        else:
            return
        chosen = _at(weights, places).tolist()
        self.particles = [
            self.particles[which].copy() if which == before else self.particles[which]
            for before, which in zip([-1, *chosen[:-1]], chosen, strict=True)
        ]
        self.log_weights[:] = 0.0

    @property
    def is_going(self) -> bool:
        return any(particle.is_going for particle in self.particles)

    def finish(self) -> str:
        """Draw one particle by weight, which is the text. Returns what is unseen of it."""
        (which,) = _at(self._weights(), self._rng.random(1))
        chosen = self.particles[which]
        self.text.become(chosen.text)
        return chosen.unseen

    def _weights(self) -> NDArray[np.float64]:
        weights = np.exp(self.log_weights - self.log_weights.max())
        normalized: NDArray[np.float64] = weights / weights.sum()
        return normalized


def _at(weights: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.intp]:
    """The particles at places in [0, 1) among their weights, laid side by side."""
    reached = weights.cumsum()
    return reached.searchsorted(places * reached[-1], side="right")


class Particles:
    """Texts that are each drawn from several particles, with a row of the model for each.

    Args:
        texts: just begun, all with the same plan. A text is written by its particles, and
            becomes the one that is drawn in the end.
        outlook: from `make_outlook`.
    """

    def __init__(self, texts: Sequence[Text], outlook: Outlook | None) -> None:
        self.texts = list(texts)
        self._plan = texts[0].plan
        self._outlook = outlook
        self._logits: Floats
        count = self._plan.config.num_particles
        self._clouds = [_Cloud(text, count) for text in texts if not text.finish_reason]
        for row, particle in enumerate(self._all()):
            particle.row = row

    @property
    def is_going(self) -> bool:
        """Whether some text is not finished."""
        return bool(self._clouds)

    def first_rows(self) -> list[int]:
        """For each particle, the row of its text in `texts`."""
        return [
            row
            for row, text in enumerate(self.texts)
            if not text.finish_reason
            for _ in range(self._plan.config.num_particles)
        ]

    def write(self, logits: Floats) -> list[tuple[Text, str]]:
        """Draw the next id of each particle.

        Args:
            logits: `(num_particles, vocab)`, with the rows of `first_rows`, later of
                `reading`.

        Returns:
            The texts with what all their particles agree on, perhaps nothing.

        Raises:
            CheckpointError: the logits are not finite.
        """
        self._logits = logits
        self._extend()
        written = []
        for cloud in self._clouds:
            piece = cloud.agreed()
            if cloud.is_going:
                cloud.resample()
            # What was to go on may have been dropped.
            if not cloud.is_going:
                piece += cloud.finish()
            written.append((cloud.text, piece))
        self._clouds = [cloud for cloud in self._clouds if cloud.is_going]
        return written

    def reading(self) -> tuple[list[int], list[int]]:
        """The rows of the particles that go on, and the ids that the model is to read.

        What it predicts then has a row for each of them, in this order.
        """
        going = [particle for particle in self._all() if particle.is_going]
        rows = [particle.row for particle in going]
        for row, particle in enumerate(going):
            particle.row = row
        return rows, [particle.id for particle in going]

    def _all(self) -> Iterator[_Particle]:
        return (each for cloud in self._clouds for each in cloud.particles)

    def _extend(self) -> None:
        """Weight every particle that goes on, and draw its next id."""
        going = [
            (cloud, index)
            for cloud in self._clouds
            for index, particle in enumerate(cloud.particles)
            if particle.is_going
        ]
        particles = [cloud.particles[index] for cloud, index in going]
        choices, values = self._choices(particles)
        totals, costs = self._totals(particles, choices, values)
        counts = [sum(each.is_going for each in cloud.particles) for cloud in self._clouds]
        pairs = zip(self._clouds, counts, strict=True)
        uniforms = np.concatenate([cloud.uniforms(count) for cloud, count in pairs])
        drawn = draw(choices, uniforms).tolist()
        own = self._own_log_probs()
        for row, (cloud, index) in enumerate(going):
            particle = particles[row]
            cloud.log_weights[index] += totals[row] + costs[row] - particle.outlook
            particle.outlook = float(values[row, drawn[row]])
            self._append(particle, drawn[row], own)

    def _own_log_probs(self) -> Logits | None:
        if self._plan.num_logprobs is None:
            return None
        return log_softmax(self._logits.astype(np.float64))

    def _append(self, particle: _Particle, drawn: int, own: Logits | None) -> None:
        text = particle.text
        if drawn == len(self._plan.mask):
            if particle.is_closing:
                particle.is_closing = False
            else:
                particle.unseen += text.end_here()
            return
        if own is not None:
            text.record(drawn, own[particle.row])
        particle.id = drawn
        particle.unseen += text.append(drawn)
        has_pattern = self._plan.config.pattern is not None
        particle.is_closing = has_pattern and text.finish_reason == "length"

    # --- what may follow, and how probable it is ---

    def _choices(self, particles: Sequence[_Particle]) -> tuple[Logits, Logits]:
        """Log-probabilities of what may follow times outlooks, and log-outlooks.

        Both are `(batch, vocab + 1)`; the last column is the end of the text here.
        """
        free = self._free(particles)
        choices = np.full((len(free), free.shape[1] + 1), -math.inf)
        values = np.zeros_like(choices)
        masked = free + self._plan.mask
        for row, particle in enumerate(particles):
            text = particle.text
            if not particle.is_closing:
                choices[row, :-1] = text.restrict(masked[row])
            if self._outlook is None or text.constraint is None:
                continue
            if particle.is_closing or (text.constraint.can_end and text.ends_unwritten):
                ending = _ending(text.constraint.ending_ids, free[row], particle.is_closing)
                choices[row, -1] = ending
            if not particle.is_closing:
                values[row, :-1] = self._outlook.values(text.constraint)
        return choices + values, values

    def _free(self, particles: Sequence[_Particle]) -> Logits:
        """Log-probabilities `(batch, vocab)` of the settings without constraints."""
        scores = self._logits + self._plan.writable
        check_finite(scores.max(axis=-1))
        if self._plan.penalties:
            for row, particle in enumerate(particles):
                scores[row] = particle.text.penalise(scores[row])
        is_empty = scores.max(axis=-1) == -math.inf
        # Such a row has no probabilities; nothing of it is permitted.
        scores[is_empty] = 0.0
        free = log_softmax(self._filter(particles, scores))
        free[is_empty] = -math.inf
        return free

    def _filter(self, particles: Sequence[_Particle], scores: Logits) -> Logits:
        samplers = self._plan.samplers
        # Particles begin together, so temperatures alternate in step; one that is closing
        # writes nothing.
        return samplers[particles[0].text.num_ids % len(samplers)].filter(scores)

    def _totals(
        self, particles: Sequence[_Particle], choices: Logits, values: Logits
    ) -> tuple[Logits, Logits]:
        """The log of the sum of each row of `choices`, and a cost: `(batch,)` each.

        A row that leaves no choice is replaced by one that does.
        """
        costs = np.zeros(len(choices))
        for row in np.flatnonzero(choices.max(axis=1) == -math.inf).tolist():
            choices[row], costs[row] = self._last_resort(particles[row])
            choices[row] += values[row]
        largest = choices.max(axis=1)
        masses = np.exp(choices - largest[:, np.newaxis]).sum(axis=1)
        totals: Logits = largest + np.log(masses)
        return totals, costs

    def _last_resort(self, particle: _Particle) -> tuple[Logits, float]:
        """Log-probabilities with the constraint before the filters, and their cost."""
        choices = np.full(len(self._plan.mask) + 1, -math.inf)
        logits = self._logits[particle.row].astype(np.float64)
        scores = particle.text.filter(logits + self._plan.mask)
        if particle.is_closing or scores.max() == -math.inf:
            choices[-1] = 0.0
            return choices, IMPOSSIBLE
        choices[:-1] = log_softmax(self._filter([particle], scores[np.newaxis]))[0]
        permitted = np.exp(log_softmax(logits))[scores > -math.inf].sum()
        return choices, IMPOSSIBLE + math.log(max(permitted, 1e-300))


def _ending(ids: NDArray[np.bool_], log_probs: Logits, is_closing: bool) -> float:
    """The log-probability that a text ends, given the ids that end it."""
    if is_closing and not ids.any():
        # Whatever comes next, only the length ends it.
        return 0.0
    mass = np.exp(log_probs[ids]).sum()
    return math.log(mass) if mass > 0 else -math.inf


def make_outlook(model: Model, plan: Plan) -> Outlook | None:
    """The outlook of a pattern, from what the model predicts after single characters."""
    if plan.automaton is None or plan.config.pattern is None:
        return None
    size = len(plan.mask)
    contexts = np.unique(np.linspace(0, size - 1, min(size, MAX_CONTEXTS)).astype(int))
    logits, _ = model.step(contexts, model.initial_state(len(contexts)))
    check_finite(logits.max(axis=-1).astype(np.float64))
    probs = np.exp(log_softmax(logits + plan.writable)).mean(axis=0)
    return Outlook(plan.automaton, probs, plan.config.length, TRUST)
