"""Filters and draw in one go, for a single text: the quick twin of `sampling`.

`sampling.filters` is the definition; here the same choice is made with one
sorting for all filters. In ascending order each of them but typical-p keeps what lies
behind some place, and only the place is moved. Tests hold the two equal.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from textgen.config.sampling import SamplingConfig
from textgen.generation.sampling.filters import (
    ROUNDING,
    SAFE_DIVISOR,
    Logits,
    check_finite,
    draw,
    make_filters,
)


class Chooser:
    """Chooses the next id of one text as a configuration asks for.

    Args:
        temperature: one of those in `config`.

    >>> chooser = Chooser(SamplingConfig(top_k=2), temperature=1.0)
    >>> [chooser(np.log([0.2, 0.5, 0.3]), point) for point in (0.1, 0.7)]
    [1, 2]
    """

    def __init__(self, config: SamplingConfig, temperature: float) -> None:
        self._filters = make_filters(config, temperature)
        self._temperature = temperature
        self._top_k, self._top_p = config.top_k, config.top_p
        self._min_p, self._typical_p = config.min_p, config.typical_p
        narrow = (self._top_k, self._top_p, self._min_p, self._typical_p)
        self._is_narrow = any(value is not None for value in narrow)

    def __call__(self, logits: Logits, point: float) -> int:
        """Choose an id.

        Args:
            logits: `(vocab,)` float64; left as it is.
            point: drawn evenly from 0 to below 1.

        Raises:
            CheckpointError: the logits hold NaN or infinity, or all are removed.
        """
        best = int(logits.argmax())
        if self._temperature == 0 and not self._is_narrow:
            check_finite(logits[best])
            return best
        if self._temperature < SAFE_DIVISOR:
            return self.many(logits[np.newaxis], np.array([point]))[0]
        largest = logits[best]
        check_finite(largest)
        scaled = logits - largest
        scaled /= self._temperature
        if self._is_narrow:
            return self._chosen_of_few(scaled, point)
        reached = np.exp(scaled).cumsum()
        return int(reached.searchsorted(point * reached[-1], side="right"))

    def many(self, logits: Logits, points: NDArray[np.float64]) -> list[int]:
        """Choose an id in each row of `(batch, vocab)` logits, with `(batch,)` points.

        Raises:
            CheckpointError: as above.
        """
        for each in self._filters:
            logits = each(logits)
        ids: list[int] = draw(logits, points).tolist()
        return ids

    def _chosen_of_few(self, scaled: Logits, point: float) -> int:
        """The same for logits of which the largest is 0."""
        order = scaled.argsort(kind="stable")
        levels = scaled[order]
        weights = np.exp(levels)
        first = self._first_kept(levels, weights)
        kept = order[first:]
        if self._typical_p is not None and self._typical_p < 1:
            kept = kept[_is_typical(levels[first:], weights[first:], self._typical_p)]
        # In the order of the vocabulary, as `draw` goes through them.
        kept.sort()
        reached = np.exp(scaled[kept]).cumsum()
        return int(kept[reached.searchsorted(point * reached[-1], side="right")])

    def _first_kept(self, levels: Logits, weights: Logits) -> int:
        """Where in ascending order top-k, top-p and min-p begin to keep."""
        first = 0
        if not weights[0]:
            # What has no weight is never chosen, and its level may be minus infinity.
            first = int(weights.searchsorted(0.0, side="right"))
        if self._top_k is not None and self._top_k < len(levels) - first:
            first = int(levels.searchsorted(levels[-self._top_k]))
        if self._top_p is not None and self._top_p < 1:
            reached = weights[first:].cumsum()
            surplus = (1 - self._top_p + ROUNDING) * reached[-1]
            first += int(reached.searchsorted(surplus, side="right"))
        if self._min_p:
            least = math.log(self._min_p) - ROUNDING
            first = max(first, int(levels.searchsorted(least)))
        # The most likely is always kept.
        return min(first, len(levels) - 1)


def make_choosers(config: SamplingConfig) -> tuple[Chooser, ...]:
    """One chooser for each temperature; they take turns, a character each.

    >>> len(make_choosers(SamplingConfig(temperature=(1.0, 0.5))))
    2
    """
    wanted = config.temperature
    temperatures = wanted if isinstance(wanted, tuple) else (wanted,)
    return tuple(Chooser(config, temperature) for temperature in temperatures)


def _is_typical(levels: Logits, weights: Logits, mass: float) -> NDArray[np.bool_]:
    """Which of the ids, all with some weight, `TypicalP` keeps."""
    reached = weights.cumsum()
    total = reached[-1]
    log_probs = levels - math.log(total)
    distances = np.abs(log_probs - weights.dot(log_probs) / total)
    nearest = distances.argsort(kind="stable")
    reached = weights[nearest].cumsum()
    num_short = int(reached.searchsorted((mass - ROUNDING) * total))
    farthest = distances[nearest[min(num_short, len(nearest) - 1)]]
    is_near: NDArray[np.bool_] = distances <= farthest
    return is_near
