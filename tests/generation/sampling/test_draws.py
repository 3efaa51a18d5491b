"""Draws follow the exact probabilities, one at a time and side by side."""

from __future__ import annotations

import math
import warnings
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.generation.sampling.helpers import (
    DISTRIBUTIONS,
    GONE,
    TENTHS,
    draws,
    filters,
    some_logits,
)
from textgen.config.model import ModelConfig
from textgen.config.sampling import SamplingConfig
from textgen.generation.generator import Generator
from textgen.generation.sampling.fast import Sampler
from textgen.generation.sampling.filters import (
    Temperature,
    draw,
)
from textgen.text.tokenizers.char import CharTokenizer


def p_value(observed: Any, probabilities: Any) -> float:
    """How likely counts that differ so much, or more, are by chance: Pearson's test.

    The chi-squared distribution has a closed form, a finite sum.
    """
    observed = np.asarray(observed)
    expected = np.asarray(probabilities, np.float64) * observed.sum()
    possible = expected > 0
    assert not observed[~possible].any(), "an id of probability 0 was drawn"
    half = ((observed - expected)[possible] ** 2 / expected[possible]).sum() / 2
    freedom = int(possible.sum()) - 1
    if freedom == 0:
        return 1.0
    is_odd = freedom % 2 == 1
    powers = np.arange(0.5 if is_odd else 0.0, freedom / 2)
    terms = [half**power / math.gamma(power + 1) for power in powers.tolist()]
    first = math.erfc(math.sqrt(half)) if is_odd else 0.0
    return first + math.exp(-half) * math.fsum(terms)


each_distribution = pytest.mark.parametrize(
    ("options", "probabilities"), DISTRIBUTIONS, ids=[str(d[0]) for d in DISTRIBUTIONS]
)


NUM_DRAWS = 200_000


LEAST = 1e-3
"""One such test in a thousand would fail by chance; with a fixed seed, none or for good."""


@pytest.mark.parametrize(
    ("counts", "shares", "expected"),
    [
        # Critical values of the usual tables: 3.841, 5.991, 7.815 and 18.307 at 5 %.
        ([100 + 13.859, 100 - 13.859], [1 / 2] * 2, 0.05),
        ([100 + 17.308, 100 - 17.308, 100], [1 / 3] * 3, 0.05),
        ([100 + 19.768, 100 - 19.768, 100, 100], [1 / 4] * 4, 0.05),
        ([100 + 30.255, 100 - 30.255, *[100] * 9], [1 / 11] * 11, 0.05),
        ([100 + 28.52, 100 - 28.52, 100, 100], [1 / 4] * 4, 0.001),
    ],
)
def test_the_test_of_distributions_is_that_of_the_tables(
    counts: list[float], shares: list[float], expected: float
) -> None:
    assert p_value(counts, shares) == pytest.approx(expected, rel=1e-3)


def test_the_test_of_distributions_notices_a_slight_error() -> None:
    drawn = draws(np.log([0.105, 0.2, 0.3, 0.395]), count=NUM_DRAWS, seed=1)
    assert p_value(np.bincount(drawn), TENTHS) < 1e-6


@each_distribution
def test_draws_follow_the_exact_probabilities(
    options: dict[str, Any], probabilities: Any
) -> None:
    drawn = draws(np.log(TENTHS), filters(**options), NUM_DRAWS, seed=11)
    assert p_value(np.bincount(drawn, minlength=4), probabilities) > LEAST


def test_draws_from_rows_that_differ_follow_the_probabilities_of_each() -> None:
    probabilities = np.array([TENTHS, TENTHS[::-1], [0.97, 0.01, 0.01, 0.01]])
    rng = np.random.default_rng(5)
    uniforms = rng.random((NUM_DRAWS // 3, 3))
    logits = np.tile(np.log(probabilities), (len(uniforms), 1))
    drawn = draw(logits, uniforms.ravel()).reshape(-1, 3)
    for row in range(3):
        observed = np.bincount(drawn[:, row], minlength=4)
        assert p_value(observed, probabilities[row]) > LEAST


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "probabilities"), [DISTRIBUTIONS[0], DISTRIBUTIONS[-1]], ids=str
)
def test_draws_one_at_a_time_follow_the_exact_probabilities(
    options: dict[str, Any], probabilities: Any
) -> None:
    config = SamplingConfig(**options)
    sampler = Sampler(config, options["temperature"])
    logits = np.log(TENTHS)
    uniforms = np.random.default_rng(13).random(NUM_DRAWS // 4).tolist()
    drawn = [sampler(logits, uniform) for uniform in uniforms]
    assert p_value(np.bincount(drawn, minlength=4), probabilities) > LEAST


@pytest.fixture(scope="module")
def written() -> Any:
    """`(400, 500)` ids of texts by a model that always expects the same."""
    config = ModelConfig(vocab_size=4, num_layers=1, units=2, embedding_dim=2)
    weights = {k: np.zeros(s, np.float32) for k, s in config.weight_shapes().items()}
    weights["output.bias"] = np.log(TENTHS).astype(np.float32)
    generator = Generator(config, weights, CharTokenizer("abcd"))
    samples = generator.samples(num_samples=400, length=500, temperature=1, seed=3)
    return np.array(["abcd".index(c) for s in samples for c in s.text]).reshape(400, 500)


def test_texts_side_by_side_follow_the_exact_probabilities(written: Any) -> None:
    assert written.size == NUM_DRAWS
    assert p_value(np.bincount(written.ravel()), TENTHS) > LEAST
    # Each text alone, too: of 400, none but chance is below 1 in 10,000.
    assert min(p_value(np.bincount(row, minlength=4), TENTHS) for row in written) > 1e-5


def test_each_text_has_a_random_stream_of_its_own(written: Any) -> None:
    pairs = np.outer(TENTHS, TENTHS).ravel()
    for one, other in pairwise(range(0, 20)):
        # The same place in both texts, and the next place in the other one.
        for first, second in (
            (written[one], written[other]),
            (written[one, :-1], written[other, 1:]),
        ):
            observed = np.bincount(first * 4 + second, minlength=16)
            assert p_value(observed, pairs) > 1e-5
    # All texts together, and each character with the one after it.
    for first, second in (
        (written[::2], written[1::2]),
        (written[:, ::2], written[:, 1::2]),
    ):
        observed = np.bincount((first * 4 + second).ravel(), minlength=16)
        assert p_value(observed, pairs) > LEAST


@given(logits=some_logits)
def test_temperature_zero_is_argmax(logits: list[float]) -> None:
    assert draws(logits, [Temperature(0)], count=1) == [int(np.argmax(logits))]


@given(logits=some_logits, seed=st.integers(0, 99))
def test_a_batch_is_drawn_as_its_rows_are(logits: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    batch, uniforms = np.stack([logits, logits[::-1], logits]), rng.random(3)
    one_by_one = [
        draw(batch[i : i + 1], uniforms[i : i + 1]).tolist() for i in range(len(batch))
    ]
    assert draw(batch, uniforms).tolist() == [row[0] for row in one_by_one]


@pytest.mark.parametrize(
    ("logits", "possible"),
    [
        ([1e4, -1e4, 0], {0}),
        ([3.4e38, -3.4e38, 0], {0}),
        ([GONE, GONE, -1e30], {2}),
        ([5.0] * 3, {0, 1, 2}),
        ([-1e4] * 3, {0, 1, 2}),
        ([0.0], {0}),
    ],
)
def test_extreme_logits_are_drawn_safely(logits: list[float], possible: set[int]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(draws(logits)) == possible
        assert set(draws(logits, filters(top_p=0.99, min_p=0.01))) == possible


@pytest.mark.parametrize("temperature", [1e-6, 1e-99, 1e-101, 1e-300, 5e-324])
@pytest.mark.parametrize(
    "options", [{}, {"top_k": 2}, {"top_p": 0.5}, {"min_p": 0.1}, {"typical_p": 0.5}]
)
def test_a_tiny_temperature_does_not_overflow(
    temperature: float, options: dict[str, Any]
) -> None:
    series = filters(temperature=temperature, **options)
    largest = float(np.finfo(np.float32).max)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(draws([1e4, 0, -1e4], series)) == {0}
        assert set(draws([largest, 0, -largest], series)) == {0}
        assert set(draws([largest, GONE, -largest], series)) == {0}


def test_a_uniform_at_the_very_edge_still_falls_on_a_possible_id() -> None:
    logits = np.array([[GONE, 0.0, GONE, 0.3, GONE]])
    highest = math.nextafter(1.0, 0.0)
    assert draw(logits, np.array([0.0])) == [1]
    assert draw(logits, np.array([highest])) == [3]
    both = draw(np.tile(logits, (2, 1)), np.array([0.0, highest]))
    assert both.tolist() == [1, 3]
