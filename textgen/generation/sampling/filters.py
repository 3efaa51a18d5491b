"""From logits to the next id: small filters, then one draw.

A filter is a callable from float64 logits `(..., vocab)` to float64 logits of the
same shape; minus infinity removes an id. Filters never change the array they are
given, and know nothing of text or models. They work in this order, which is that of
Hugging Face `transformers`, each one on what those before it have left:

1. what may not be written at all, or not here: `textgen.generation.patterns.automaton`
2. what looks back at the text: the penalties of `textgen.generation.sampling.penalties`
   (`repetition_penalty`, `frequency_penalty` and `presence_penalty`, DRY,
   `no_repeat_ngram_size`)
3. `Temperature`, `TopK`, `TopP`, `MinP`, `TypicalP`

Each is left out where nothing was asked for. Names, meanings and the treatment of
ties are those of `transformers`, so that numbers carry over from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from textgen.config.sampling import SamplingConfig, check_setting
from textgen.errors import CheckpointError

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
        check_setting("temperature", self.value)

    def __call__(self, logits: Logits) -> Logits:
        """Filter float64 logits `(..., vocab)`."""
        if self.value == 0:
            best = logits.argmax(axis=-1)[..., np.newaxis]
            # The logit itself, not 0: NaN must stay visible.
            return np.where(np.arange(logits.shape[-1]) == best, logits, -math.inf)
        if self.value < SAFE_DIVISOR:
            # With the largest at 0, quotients overflow only to -inf; they belong there.
            # Damaged logits give NaN, which is reported where the draw is made.
            with np.errstate(over="ignore", invalid="ignore"):
                shifted: Logits = (logits - _largest(logits)) / self.value
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
        check_setting("top_k", self.count)

    def __call__(self, logits: Logits) -> Logits:
        """Filter float64 logits `(..., vocab)`."""
        if self.count >= logits.shape[-1]:
            return logits
        # NumPy's unsigned integers know no negative.
        place = -int(self.count)
        least = np.partition(logits, place)[..., place, np.newaxis]
        return np.where(logits < least, -math.inf, logits)


@dataclass(frozen=True)
class TopP:
    """Keep the fewest ids whose probabilities reach `mass` (Holtzman et al. 2020).

    The most likely id is always kept. Of several that are equally likely, where not
    all of them are needed, the last in the vocabulary are.

    Raises:
        ConfigError: not a number above 0 and at most 1.

    >>> TopP(0.7)(np.log([0.5, 0.2, 0.3])).round(2).tolist()
    [-0.69, -inf, -1.2]
    """

    mass: float

    def __post_init__(self) -> None:
        check_setting("top_p", self.mass)

    def __call__(self, logits: Logits) -> Logits:
        """Filter float64 logits `(..., vocab)`."""
        if self.mass == 1:
            return logits
        order = logits.argsort(kind="stable")
        ascending = _take(logits, order)
        # Damaged logits give NaN here and are reported where the draw is made.
        with np.errstate(invalid="ignore"):
            weights = np.exp(ascending - ascending[..., -1:])
        reached = weights.cumsum(axis=-1)
        # Counted from the least likely: what lies in the last 1 - mass goes.
        surplus = reached <= (1 - self.mass + ROUNDING) * reached[..., -1:]
        surplus[..., -1] = False
        ascending[surplus] = -math.inf
        return _put(ascending, order)


@dataclass(frozen=True)
class MinP:
    """Keep ids with at least this share of the likeliest one's probability.

    Source: Nguyen et al. 2024, "Turning up the heat: min-p sampling".

    Raises:
        ConfigError: not a number in 0 to 1.

    >>> MinP(0.5)(np.log([0.5, 0.2, 0.3])).round(2).tolist()
    [-0.69, -inf, -1.2]
    """

    share: float

    def __post_init__(self) -> None:
        check_setting("min_p", self.share)

    def __call__(self, logits: Logits) -> Logits:
        """Filter float64 logits `(..., vocab)`."""
        if self.share == 0:
            return logits
        # Probabilities stand to each other as the exponentials of logits do.
        least = _largest(logits) + math.log(self.share) - ROUNDING
        return np.where(logits < least, -math.inf, logits)


@dataclass(frozen=True)
class TypicalP:
    """Keep ids about as surprising as one expects, up to `mass` (Meister et al. 2022).

    The expected surprise is the entropy; ids are taken in the order of how far theirs
    is from it, until their probabilities reach `mass`; equals of the last one stay.

    Raises:
        ConfigError: not a number above 0 and at most 1.

    >>> TypicalP(0.2)(np.log([0.7, 0.2, 0.1])).round(2).tolist()
    [-0.36, -inf, -inf]
    """

    mass: float

    def __post_init__(self) -> None:
        check_setting("typical_p", self.mass)

    def __call__(self, logits: Logits) -> Logits:
        """Filter float64 logits `(..., vocab)`."""
        if self.mass == 1:
            return logits
        with np.errstate(invalid="ignore"):
            log_probs = log_softmax(logits)
            probs = np.exp(log_probs)
            # Removed ids have probability 0 and an infinite surprise: 0 * inf is 0 here.
            entropy = -np.where(probs > 0, probs * log_probs, 0).sum(-1, keepdims=True)
            distance = np.abs(log_probs + entropy)
        order = distance.argsort(kind="stable")
        reached = _take(probs, order).cumsum(axis=-1)
        num_short = (reached < self.mass - ROUNDING).sum(axis=-1, keepdims=True)
        last = np.minimum(num_short, logits.shape[-1] - 1)
        farthest = _take(distance, _take(order, last))
        return np.where(distance > farthest, -math.inf, logits)


def make_filters(config: SamplingConfig, temperature: float) -> tuple[Filter, ...]:
    """The filters of step 3 that a configuration asks for, in their order.

    Args:
        temperature: one of those in `config`, which take turns.

    >>> make_filters(SamplingConfig(top_k=3), temperature=0.8)
    (Temperature(value=0.8), TopK(count=3))
    """
    filters: list[Filter] = [Temperature(temperature)]
    if config.top_k is not None:
        filters.append(TopK(config.top_k))
    if config.top_p is not None:
        filters.append(TopP(config.top_p))
    if config.min_p is not None:
        filters.append(MinP(config.min_p))
    if config.typical_p is not None:
        filters.append(TypicalP(config.typical_p))
    return tuple(filters)


def log_softmax(logits: Logits) -> Logits:
    """Log-probabilities `(..., vocab)` in nats, without overflow.

    >>> np.exp(log_softmax(np.array([0.0, 0.0]))).tolist()
    [0.5, 0.5]
    """
    shifted = logits - _largest(logits)
    log_probs: Logits = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return log_probs


def draw(logits: Logits, points: NDArray[np.float64]) -> NDArray[np.intp]:
    """Draw one id from each row, with the probabilities that the logits stand for.

    Args:
        logits: `(batch, vocab)` in nats up to a constant; in each row one is finite.
        points: `(batch,)`, each drawn evenly from 0 to below 1.

    Returns:
        `(batch,)` ids.

    Raises:
        CheckpointError: the logits hold NaN or infinity.

    >>> draw(np.log([[0.25, 0.75], [0.25, 0.75]]), np.array([0.2, 0.3])).tolist()
    [0, 1]
    """
    largest = _largest(logits)
    check_finite(largest)
    # Inverse of the cumulative distribution; ids of probability 0 have no width.
    reached = np.exp(logits - largest).cumsum(axis=-1)
    passed = reached <= (points * reached[:, -1])[:, np.newaxis]
    return passed.sum(axis=-1)


def check_finite(largest: Logits) -> None:
    """Refuse logits that are no numbers.

    Args:
        largest: the largest logit of each row, where NaN counts as largest.

    Raises:
        CheckpointError: one of them is NaN or infinite.
    """
    # A sum is quicker than `all`, and a single number quicker still.
    if not math.isfinite(largest if largest.ndim == 0 else largest.sum()):
        raise CheckpointError(
            f"the model's largest logit is {largest.max()}, so there is nothing to choose "
            "from. Its weights are damaged; use an earlier checkpoint."
        )


def _largest(logits: Logits) -> Logits:
    return logits.max(axis=-1, keepdims=True)


def _take(values: NDArray[Any], order: NDArray[np.intp]) -> NDArray[Any]:
    """`values` in another order along the last axis."""
    # A plain index is several times faster, and most texts are written one at a time.
    return values[order] if values.ndim == 1 else np.take_along_axis(values, order, -1)


def _put(values: NDArray[Any], order: NDArray[np.intp]) -> NDArray[Any]:
    """The inverse of `_take`."""
    back = np.empty_like(values)
    if values.ndim == 1:
        back[order] = values
    else:
        np.put_along_axis(back, order, values, -1)
    return back
