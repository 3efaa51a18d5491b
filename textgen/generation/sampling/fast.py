"""Logits to the next id: the fast twin of `filters`, for one text at a time.

`textgen.generation.sampling.filters` is the definition. Applied to a single row, its
filters cost several times as much, since each sorts again. Here one sort serves all of
them: in ascending order, every filter except typical-p keeps a tail, and only the start
of that tail moves. A test holds the two equal.
"""

from __future__ import annotations

import math
from functools import lru_cache

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

SETTINGS = ("temperature", "top_k", "top_p", "min_p", "typical_p")
"""The fields of `SamplingConfig` that a sampler depends on."""


class Sampler:
    """Samples the next id of one text with the settings of a configuration.

    Args:
        temperature: one of those in `config`.

    >>> sampler = Sampler(SamplingConfig(top_k=2), temperature=1.0)
    >>> [sampler(np.log([0.2, 0.5, 0.3]), uniform) for uniform in (0.1, 0.7)]
    [1, 2]
    """

    def __init__(self, config: SamplingConfig, temperature: float) -> None:
        self._filters = make_filters(config, temperature)
        self._temperature = temperature
        self._top_k, self._top_p = config.top_k, config.top_p
        self._min_p, self._typical_p = config.min_p, config.typical_p
        truncating = (self._top_k, self._top_p, self._min_p, self._typical_p)
        self._is_truncating = any(value is not None for value in truncating)

    def __call__(self, logits: Logits, uniform: float) -> int:
        """Sample an id.

        Args:
            logits: `(vocab,)` float64; not modified.
            uniform: a random number, uniform in [0, 1).

        Raises:
            CheckpointError: the logits hold NaN or infinity, or all ids are removed.
        """
        best = int(logits.argmax())
        if self._temperature == 0 and not self._is_truncating:
            check_finite(logits[best])
            return best
        if self._temperature < SAFE_DIVISOR:
            return self.sample_rows(logits[np.newaxis], np.array([uniform]))[0]
        largest = logits[best]
        check_finite(largest)
        scaled = logits - largest
        scaled /= self._temperature
        if self._is_truncating:
            return self._sample_truncated(scaled, uniform)
        reached = np.exp(scaled).cumsum()
        return int(reached.searchsorted(uniform * reached[-1], side="right"))

    def sample_rows(self, logits: Logits, uniforms: NDArray[np.float64]) -> list[int]:
        """Sample an id from each row of `(batch, vocab)` logits, by `filters` themselves.

        Args:
            uniforms: `(batch,)`, uniform in [0, 1).

        Raises:
            CheckpointError: as above.
        """
        ids: list[int] = draw(self.filter(logits), uniforms).tolist()
        return ids

    def filter(self, logits: Logits) -> Logits:
        """Apply `filters` themselves to `(..., vocab)` logits."""
        for each in self._filters:
            logits = each(logits)
        return logits

    def _sample_truncated(self, scaled: Logits, uniform: float) -> int:
        """Apply the other filters to logits with a maximum of 0, and draw."""
        order = scaled.argsort(kind="stable")
        levels = scaled[order]
        weights = np.exp(levels)
        first = self._first_kept(levels, weights)
        kept = order[first:]
        if self._typical_p is not None and self._typical_p < 1:
            kept = kept[_is_typical(levels[first:], weights[first:], self._typical_p)]
        # Back to vocabulary order, in which `draw` accumulates.
        kept.sort()
        reached = np.exp(scaled[kept]).cumsum()
        return int(kept[reached.searchsorted(uniform * reached[-1], side="right")])

    def _first_kept(self, levels: Logits, weights: Logits) -> int:
        """The index in ascending order from which top-k, top-p and min-p keep ids."""
        first = 0
        if not weights[0]:
            # An id of weight 0 is never drawn, and its level may be minus infinity.
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
        # The most likely id is always kept.
        return min(first, len(levels) - 1)


def make_samplers(config: SamplingConfig) -> tuple[Sampler, ...]:
    """One sampler for each temperature; they alternate, one character each.

    Equal settings get the same samplers, by which texts are sampled at once.

    >>> len(make_samplers(SamplingConfig(temperature=(1.0, 0.5))))
    2
    """
    return _samplers(SamplingConfig(**{name: getattr(config, name) for name in SETTINGS}))


@lru_cache(maxsize=64)
def _samplers(config: SamplingConfig) -> tuple[Sampler, ...]:
    wanted = config.temperature
    temperatures = wanted if isinstance(wanted, tuple) else (wanted,)
    return tuple(Sampler(config, temperature) for temperature in temperatures)


def _is_typical(levels: Logits, weights: Logits, mass: float) -> NDArray[np.bool_]:
    """Which ids `TypicalP` keeps, of ids that all have some weight."""
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
