"""The learning rate as a function of progress."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class WarmupCosine:
    """Linear warm-up, then cosine decay (Loshchilov & Hutter 2017).

    Args:
        peak: the highest learning rate.
        warmup_steps: steps until it is reached.
        final_rate: fraction of `peak` at the end; 1 gives a constant rate.

    >>> rate = WarmupCosine(peak=0.01, warmup_steps=10, final_rate=0.1)
    >>> [round(rate(step, step / 100), 4) for step in (0, 9, 50, 100)]
    [0.001, 0.0098, 0.0055, 0.001]
    """

    peak: float
    warmup_steps: int
    final_rate: float

    def __call__(self, step: int, share_used: float) -> float:
        """The rate of a step, given the share (0 to 1) of the budget that is used up."""
        rise = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, share_used)))
        return self.peak * rise * (self.final_rate + (1 - self.final_rate) * fall)
