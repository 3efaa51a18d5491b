"""Logits to the next id: the definition, one small filter per setting and one draw.

A filter is a callable from float64 logits `(..., vocab)` to float64 logits of the same
shape; minus infinity removes an id. Filters never modify their input and know nothing
of text or models. They run in the order of Hugging Face `transformers`, each on the
output of those before it:

1. ids that must not follow, here or anywhere: `textgen.generation.patterns.compile`
2. penalties that look back at the text: `textgen.generation.sampling.penalties`
   (`repetition_penalty`, `frequency_penalty` and `presence_penalty`, DRY,
   `no_repeat_ngram_size`)
3. `Temperature`, `TopK`, `TopP`, `MinP`, `TypicalP`

A filter without a setting is left out. Names, meanings and the treatment of ties are
those of `transformers`, so that settings carry over. `SamplingConfig` checks the settings;
`textgen.generation.sampling.fast` is the fast twin for a single text.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from textgen.config.sampling import SamplingConfig
from textgen.errors import CheckpointError

Logits: TypeAlias = NDArray[np.float64]
Filter: TypeAlias = Callable[[Logits], Logits]

SAFE_DIVISOR = 1e-100
"""Logits are float32 numbers at first; divided by this, they cannot overflow float64."""

ROUNDING = 1e-12
"""Sums of probabilities that differ by less than this count as equal."""


@dataclass(frozen=True)
class Temperature:
    """Divide all logits: below 1 sharpens the distribution, above 1 flattens it.

    At 0, the limit, only the most likely id is kept (the first of several).

    >>> logits = np.array([1.0, 3.0, 2.0])
    >>> Temperature(0.5)(logits).tolist()
    [2.0, 6.0, 4.0]
    >>> Temperature(0)(logits).tolist()
    [-inf, 3.0, -inf]
    """

    value: float

    def __call__(self, logits: Logits) -> Logits:
        """Filter float64 logits `(..., vocab)`."""
        if self.value == 0:
            best = logits.argmax(axis=-1)[..., np.newaxis]
            # Keep the logit itself, not 0: NaN must stay visible.
            return np.where(np.arange(logits.shape[-1]) == best, logits, -math.inf)
        if self.value < SAFE_DIVISOR:
            # With the largest logit at 0, a quotient can only overflow to -inf, which is
            # right. Damaged logits give NaN; `draw` reports it.
            with np.errstate(over="ignore", invalid="ignore"):
                shifted: Logits = (logits - _largest(logits)) / self.value
            return shifted
        return logits / self.value


@dataclass(frozen=True)
class TopK:
    """Keep the `count` most likely ids, and any as likely as the last of them.

    >>> TopK(2)(np.array([1.0, 3.0, 2.0, 2.0])).tolist()
    [-inf, 3.0, 2.0, 2.0]
    """

    count: int

    def __call__(self, logits: Logits) -> Logits:
        """Filter float64 logits `(..., vocab)`."""
        if self.count >= logits.shape[-1]:
            return logits
        # Negating a NumPy unsigned integer would wrap around.
        place = -int(self.count)
        least = np.partition(logits, place)[..., place, np.newaxis]
        return np.where(logits < least, -math.inf, logits)


@dataclass(frozen=True)
class TopP:
    """Keep the fewest ids whose probabilities reach `mass` (Holtzman et al. 2020).

    The most likely id is always kept. If only some of several equally likely ids are
    needed, those last in the vocabulary are kept.

    >>> TopP(0.7)(np.log([0.5, 0.2, 0.3])).round(2).tolist()
    [-0.69, -inf, -1.2]
    """

    mass: float

    def __call__(self, logits: Logits) -> Logits:
        """Filter float64 logits `(..., vocab)`."""
        if self.mass == 1:
            return logits
        order = logits.argsort(kind="stable")
        ascending = np.take_along_axis(logits, order, -1)
        # Damaged logits give NaN here; `draw` reports it.
        with np.errstate(invalid="ignore"):
            weights = np.exp(ascending - ascending[..., -1:])
        reached = weights.cumsum(axis=-1)
        # Counted from the least likely id: the tail with a mass of 1 - `mass` is removed.
        surplus = reached <= (1 - self.mass + ROUNDING) * reached[..., -1:]
        surplus[..., -1] = False
        ascending[surplus] = -math.inf
        kept = np.empty_like(logits)
        np.put_along_axis(kept, order, ascending, -1)
        return kept


@dataclass(frozen=True)
class MinP:
    """Keep ids with at least `share` times the probability of the most likely one.

    Source: Nguyen et al. 2024, "Turning up the heat: min-p sampling".

    >>> MinP(0.5)(np.log([0.5, 0.2, 0.3])).round(2).tolist()
    [-0.69, -inf, -1.2]
    """

    share: float

    def __call__(self, logits: Logits) -> Logits:
        """Filter float64 logits `(..., vocab)`."""
        if self.share == 0:
            return logits
        # Ratios of probabilities are ratios of exponentiated logits.
        least = _largest(logits) + math.log(self.share) - ROUNDING
        return np.where(logits < least, -math.inf, logits)


@dataclass(frozen=True)
class TypicalP:
    """Keep ids with close to the expected surprise, up to `mass` (Meister et al. 2022).

    The expected surprise is the entropy. Ids are kept in order of the distance of their
    surprise from it until their probabilities reach `mass`, and ties with the last one.

    >>> TypicalP(0.2)(np.log([0.7, 0.2, 0.1])).round(2).tolist()
    [-0.36, -inf, -inf]
    """

    mass: float

    def __call__(self, logits: Logits) -> Logits:
        """Filter float64 logits `(..., vocab)`."""
        if self.mass == 1:
            return logits
        with np.errstate(invalid="ignore"):
            log_probs = log_softmax(logits)
            probs = np.exp(log_probs)
            # A removed id has probability 0 and infinite surprise; 0 * inf must be 0 here.
            entropy = -np.where(probs > 0, probs * log_probs, 0).sum(-1, keepdims=True)
            distance = np.abs(log_probs + entropy)
        order = distance.argsort(kind="stable")
        reached = np.take_along_axis(probs, order, -1).cumsum(axis=-1)
        num_short = (reached < self.mass - ROUNDING).sum(axis=-1, keepdims=True)
        last = np.minimum(num_short, logits.shape[-1] - 1)
        place = np.take_along_axis(order, last, -1)
        farthest = np.take_along_axis(distance, place, -1)
        return np.where(distance > farthest, -math.inf, logits)


def make_filters(config: SamplingConfig, temperature: float) -> tuple[Filter, ...]:
    """Build the filters of step 3 that a configuration enables, in order.

    Args:
        temperature: one of those in `config`, which alternate.

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


def draw(logits: Logits, uniforms: NDArray[np.float64]) -> NDArray[np.intp]:
    """Draw one id from each row with probabilities softmax(logits).

    Args:
        logits: `(batch, vocab)`; each row has at least one finite logit.
        uniforms: `(batch,)`, each uniform in [0, 1).

    Returns:
        `(batch,)` ids.

    Raises:
        CheckpointError: the logits hold NaN or infinity.

    >>> draw(np.log([[0.25, 0.75], [0.25, 0.75]]), np.array([0.2, 0.3])).tolist()
    [0, 1]
    """
    largest = _largest(logits)
    check_finite(largest)
    # Inverse of the cumulative distribution; an id of probability 0 has no width.
    reached = np.exp(logits - largest).cumsum(axis=-1)
    passed = reached <= (uniforms * reached[:, -1])[:, np.newaxis]
    return passed.sum(axis=-1)


def check_finite(largest: Logits) -> None:
    """Refuse logits that are not finite.

    Args:
        largest: the largest logit of each row; NaN counts as the largest.

    Raises:
        CheckpointError: one of them is NaN or infinite.
    """
    # A sum is faster than `all`, and a single number faster still.
    if not math.isfinite(largest if largest.ndim == 0 else largest.sum()):
        raise CheckpointError(
            f"the model's largest logit is {largest.max()}, so there is nothing to choose "
            "from. Its weights are damaged; use an earlier checkpoint."
        )


def _largest(logits: Logits) -> Logits:
    return logits.max(axis=-1, keepdims=True)
