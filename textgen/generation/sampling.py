"""From logits to the next id: small filters, then one draw.

A filter is any callable from float64 logits `(vocab,)` to float64 logits; minus
infinity removes an id. Filters never change the array they are given, and know
nothing of text or models.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from textgen.config import SamplingConfig
from textgen.errors import CheckpointError, ConfigError

Logits: TypeAlias = NDArray[np.float64]
Filter: TypeAlias = Callable[[Logits], Logits]

SAFE_DIVISOR = 1e-100
"""Logits come from 32-bit numbers; divided by this they are still far from overflow."""

ROUNDING = 1e-12
"""Sums of probabilities that differ by less count as equal."""


@dataclass(frozen=True)
class Temperature:
    """Divide all logits: below 1 the likely gets likelier, above 1 all evens out.

    At 0, the limit, only the most likely id is left (the first among equals).

    Raises:
        ConfigError: not a finite number of at least 0.

    >>> logits = np.array([1.0, 3.0, 2.0])
    >>> Temperature(0.5)(logits).tolist()
    [2.0, 6.0, 4.0]
    >>> Temperature(0)(logits).tolist()
    [-inf, 3.0, -inf]
    """

    value: float

    def __post_init__(self) -> None:
        if not _is_number(self.value) or not 0 <= self.value < math.inf:
            raise ConfigError(
                f"temperature={self.value} must be a finite number of at least 0; "
                "0 always takes the most likely."
            )

    def __call__(self, logits: Logits) -> Logits:
        """Filter float64 logits `(vocab,)`."""
        if self.value == 0:
            kept = np.full_like(logits, -math.inf)
            # The logit itself, not 0: NaN must stay visible.
            best = logits.argmax()
            kept[best] = logits[best]
            return kept
        if self.value < SAFE_DIVISOR:
            # With the largest at 0, quotients overflow only to -inf; they belong there.
            with np.errstate(over="ignore"):
                shifted: Logits = (logits - logits.max()) / self.value
            return shifted
        return logits / self.value


@dataclass(frozen=True)
class TopK:
    """Keep the `count` most likely ids, and those as likely as the last of them.

    Raises:
        ConfigError: not a whole number of at least 1.

    >>> TopK(2)(np.array([1.0, 3.0, 2.0, 2.0])).tolist()
    [-inf, 3.0, 2.0, 2.0]
    """

    count: int

    def __post_init__(self) -> None:
        if not _is_whole_number(self.count) or self.count < 1:
            raise ConfigError(
                f"top_k={self.count} must be a whole number of at least 1; "
                "leave it out to keep all."
            )

    def __call__(self, logits: Logits) -> Logits:
        """Filter float64 logits `(vocab,)`."""
        if self.count >= logits.size:
            return logits
        least = np.partition(logits, -self.count)[-self.count]
        return np.where(logits < least, -math.inf, logits)


@dataclass(frozen=True)
class TopP:
    """Keep the fewest ids whose probabilities reach `mass` (Holtzman et al. 2020).

    The most likely id is always kept.

    Raises:
        ConfigError: not a number above 0 and at most 1.

    >>> TopP(0.7)(np.log([0.5, 0.2, 0.3])).round(2).tolist()
    [-0.69, -inf, -1.2]
    """

    mass: float

    def __post_init__(self) -> None:
        if not _is_number(self.mass) or not 0 < self.mass <= 1:
            raise ConfigError(
                f"top_p={self.mass} must be above 0 and at most 1; 1 keeps every character."
            )

    def __call__(self, logits: Logits) -> Logits:
        """Filter float64 logits `(vocab,)`."""
        if self.mass == 1:
            return logits
        order = logits.argsort(kind="stable")
        # Damaged logits give NaN here and are reported where the draw is made.
        with np.errstate(invalid="ignore"):
            weights = np.exp(logits[order] - logits[order[-1]])
        reached = weights.cumsum() / weights.sum()
        # Counted from the least likely: what lies in the last 1 - mass goes.
        surplus = order[reached <= 1 - self.mass + ROUNDING]
        kept = logits.copy()
        kept[surplus[: logits.size - 1]] = -math.inf
        return kept


@dataclass(frozen=True)
class Forbid:
    """Remove given ids, whatever their logits.

    >>> Forbid((0, 2))(np.array([1.0, 3.0, 2.0])).tolist()
    [-inf, 3.0, -inf]
    """

    ids: tuple[int, ...]

    def __call__(self, logits: Logits) -> Logits:
        """Filter float64 logits `(vocab,)`."""
        kept = logits.copy()
        kept[list(self.ids)] = -math.inf
        return kept


def make_filters(
    config: SamplingConfig, forbidden: Iterable[int] = ()
) -> tuple[Filter, ...]:
    """The filters that a configuration asks for, in the order in which they work.

    First `forbidden` ids go, so that they take no place among the likeliest; then
    come temperature, top-k and top-p.

    >>> make_filters(SamplingConfig(top_k=3), forbidden=[1])
    (Forbid(ids=(1,)), Temperature(value=0.8), TopK(count=3))
    """
    filters: list[Filter] = []
    if forbidden := tuple(forbidden):
        filters.append(Forbid(forbidden))
    filters.append(Temperature(config.temperature))
    if config.top_k is not None:
        filters.append(TopK(config.top_k))
    if config.top_p is not None:
        filters.append(TopP(config.top_p))
    return tuple(filters)


def sample_id(logits: Logits, filters: Iterable[Filter], rng: np.random.Generator) -> int:
    """Draw one id with the probabilities that the filters leave.

    Args:
        logits: `(vocab,)` float64, in nats up to a constant; left as it is.
        filters: applied one after the other.
        rng: gives exactly one number per call.

    Raises:
        CheckpointError: the logits hold NaN or infinity, or no id is left.

    >>> rng = np.random.default_rng(seed=0)
    >>> logits = np.array([0.0, 0.0, -np.inf])
    >>> [sample_id(logits, [], rng) for _ in range(8)]
    [1, 0, 0, 0, 1, 1, 1, 1]
    """
    for each in filters:
        logits = each(logits)
    # Quicker than `max`, and NaN counts as largest here, too.
    largest = logits[logits.argmax()]
    if not math.isfinite(largest):
        raise CheckpointError(
            f"the model's largest logit is {largest}, so there is nothing to choose "
            "from. Its weights are damaged; use an earlier checkpoint."
        )
    # Inverse of the cumulative distribution; ids of probability 0 have no width.
    cumulative = np.exp(logits - largest).cumsum()
    point = rng.random() * cumulative[-1]
    return int(cumulative.searchsorted(point, side="right"))


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_whole_number(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
