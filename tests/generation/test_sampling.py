"""Filters on hand-written logits, and draws against exact probabilities."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgen.config import SamplingConfig
from textgen.errors import CheckpointError, ConfigError
from textgen.generation.sampling import (
    Filter,
    Forbid,
    Temperature,
    TopK,
    TopP,
    make_filters,
    sample_id,
)

GONE = -math.inf
some_logits = st.lists(st.floats(-50, 50), min_size=1, max_size=20)


def draws(logits: Any, filters: Any = (), count: int = 200, seed: int = 0) -> list[int]:
    rng = np.random.default_rng(seed)
    logits = np.array(logits, np.float64)
    return [sample_id(logits, filters, rng) for _ in range(count)]


# --- filters ---


@pytest.mark.parametrize(
    ("each", "logits", "expected"),
    [
        (Temperature(1), [1, 3, 2], [1, 3, 2]),
        (Temperature(2), [1, 3, 2], [0.5, 1.5, 1]),
        (Temperature(0.5), [1, GONE, 2], [2, GONE, 4]),
        (Temperature(0), [1, 3, 2], [GONE, 3, GONE]),
        (Temperature(0), [3, 1, 3], [3, GONE, GONE]),
        (TopK(1), [1, 3, 2], [GONE, 3, GONE]),
        (TopK(2), [1, 3, 2], [GONE, 3, 2]),
        (TopK(2), [2, 3, 2, 1], [2, 3, 2, GONE]),
        (TopK(1), [2, 2, 2], [2, 2, 2]),
        (TopK(3), [1, 3, 2], [1, 3, 2]),
        (TopK(99), [1, 3, 2], [1, 3, 2]),
        (TopK(2), [GONE, 3, GONE], [GONE, 3, GONE]),
        (Forbid((1,)), [1, 3, 2], [1, GONE, 2]),
        (Forbid((0, 2)), [1, 3, 2], [GONE, 3, GONE]),
    ],
)
def test_filters_do_to_the_logits_what_they_say(
    each: Filter, logits: list[float], expected: list[float]
) -> None:
    given_logits = np.array(logits, np.float64)
    assert each(given_logits).tolist() == expected
    assert given_logits.tolist() == logits


@pytest.mark.parametrize(
    ("mass", "kept"),
    [
        (1e-9, [0]),
        (0.49, [0]),
        (0.5, [0]),  # reached exactly
        (0.51, [0, 2]),
        (0.8, [0, 2]),  # 0.5 + 0.3, whatever the rounding
        (0.81, [0, 1, 2]),
        (0.99, [0, 1, 2, 3]),
        (1, [0, 1, 2, 3]),
    ],
)
def test_top_p_keeps_the_fewest_that_reach_the_share(mass: float, kept: list[int]) -> None:
    logits = np.log([0.5, 0.15, 0.3, 0.05]) + 7
    found = TopP(mass)(logits)
    assert np.flatnonzero(found > GONE).tolist() == kept
    assert found[kept].tolist() == logits[kept].tolist()


def test_top_p_counts_only_what_earlier_filters_left() -> None:
    logits = np.log([0.4, 0.3, 0.2, 0.1])
    # Of 0.4 and 0.3 alone, the first has 4/7 of the whole.
    found = TopP(0.56)(TopK(2)(logits))
    assert np.flatnonzero(found > GONE).tolist() == [0]


def test_top_p_cuts_equals_to_the_number_needed() -> None:
    assert np.sum(TopP(0.5)(np.zeros(4)) > GONE) == 2


@given(logits=some_logits, mass=st.floats(0.001, 1))
def test_top_p_keeps_enough_and_not_one_more(logits: list[float], mass: float) -> None:
    array = np.array(logits)
    found = TopP(mass)(array)
    shares = np.exp(array - array.max())
    shares /= shares.sum()
    kept = shares[found > GONE]
    assert kept.sum() >= mass - 1e-9
    assert mass == 1 or kept.sum() - kept.min() < mass + 1e-9


@given(logits=some_logits, count=st.integers(1, 25))
def test_top_k_keeps_at_least_as_many_and_ties_with_the_last(
    logits: list[float], count: int
) -> None:
    found = TopK(count)(np.array(logits))
    least = sorted(logits, reverse=True)[min(count, len(logits)) - 1]
    assert np.flatnonzero(found > GONE).tolist() == [
        i for i, value in enumerate(logits) if value >= least
    ]


# --- refusals ---


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, True, "1", None])
def test_a_temperature_that_makes_no_sense_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"temperature=.*at least 0; 0 always takes"):
        Temperature(value)


@pytest.mark.parametrize("value", [0, -1, 2.0, True, math.nan, None])
def test_a_top_k_that_makes_no_sense_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"top_k=.* whole number of at least 1; leave"):
        TopK(value)


@pytest.mark.parametrize("value", [0, -0.5, 1.01, math.nan, math.inf, True, "0.5"])
def test_a_top_p_that_makes_no_sense_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"top_p=.* must be above 0 and at most 1; 1 ke"):
        TopP(value)


@pytest.mark.parametrize(
    "logits", [[0, math.nan, 1], [math.inf, 0, 1], [GONE, GONE, GONE], [math.nan] * 3]
)
@pytest.mark.parametrize(
    "config",
    [
        SamplingConfig(),
        SamplingConfig(temperature=0),
        SamplingConfig(temperature=1, top_k=2, top_p=0.5),
    ],
)
def test_logits_that_are_no_numbers_are_reported_and_never_drawn(
    logits: list[float], config: SamplingConfig
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CheckpointError, match=r"weights are damaged; use an earlier"):
            draws(logits, make_filters(config))


def test_forbidding_everything_is_an_error() -> None:
    with pytest.raises(CheckpointError, match="nothing to choose from"):
        draws([1, 2], [Forbid((0, 1))])


# --- the order of filters ---


def test_filters_stand_in_a_fixed_order_whatever_is_asked_for() -> None:
    config = SamplingConfig(top_p=0.9, temperature=0.5, top_k=3)
    expected = (Forbid((4,)), Temperature(0.5), TopK(3), TopP(0.9))
    assert make_filters(config, forbidden=[4]) == expected
    assert make_filters(SamplingConfig(temperature=1)) == (Temperature(1),)


@pytest.mark.parametrize(
    "config", [SamplingConfig(temperature=0), SamplingConfig(top_k=1), SamplingConfig()]
)
def test_a_forbidden_id_is_never_drawn_even_where_it_is_the_likeliest(
    config: SamplingConfig,
) -> None:
    drawn = draws([0, 9, 1], make_filters(config, forbidden=[1]))
    assert 1 not in drawn


# --- draws ---


@pytest.mark.parametrize(
    ("config", "probabilities", "count"),
    [
        (SamplingConfig(temperature=1), [0.1, 0.2, 0.3, 0.4], 200_000),
        (SamplingConfig(temperature=0.5), np.array([1, 4, 9, 16]) / 30, 50_000),
        (SamplingConfig(temperature=1, top_k=2), [0, 0, 3 / 7, 4 / 7], 50_000),
        (SamplingConfig(temperature=1, top_p=0.85), [0, 2 / 9, 3 / 9, 4 / 9], 50_000),
    ],
)
def test_draws_follow_the_exact_probabilities(
    config: SamplingConfig, probabilities: Any, count: int
) -> None:
    filters = make_filters(config)
    drawn = draws(np.log([0.1, 0.2, 0.3, 0.4]), filters, count, seed=11)
    observed = np.bincount(drawn, minlength=4)
    expected = np.array(probabilities) * count
    possible = expected > 0
    assert observed[~possible].sum() == 0
    chi_squared = ((observed - expected)[possible] ** 2 / expected[possible]).sum()
    # The 99.9th percentile for 3 degrees of freedom, and above those for fewer.
    assert chi_squared < 16.27


@given(logits=some_logits)
def test_temperature_zero_is_argmax(logits: list[float]) -> None:
    [drawn] = draws(logits, [Temperature(0)], count=1)
    assert drawn == int(np.argmax(logits))


@given(logits=some_logits, seed=st.integers(0, 99))
def test_the_same_seed_draws_the_same(logits: list[float], seed: int) -> None:
    filters = make_filters(SamplingConfig())
    assert draws(logits, filters, 20, seed) == draws(logits, filters, 20, seed)


def test_another_seed_draws_something_else() -> None:
    assert draws(np.zeros(10), seed=1) != draws(np.zeros(10), seed=2)


@pytest.mark.parametrize("config", [SamplingConfig(), SamplingConfig(temperature=0)])
def test_every_draw_takes_exactly_one_number_from_the_generator(
    config: SamplingConfig,
) -> None:
    rng, twin = np.random.default_rng(5), np.random.default_rng(5)
    for _ in range(3):
        sample_id(np.array([1.0, 2.0]), make_filters(config), rng)
        twin.random()
    assert rng.random() == twin.random()


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


@pytest.mark.parametrize("temperature", [1e-6, 1e-99, 1e-101, 1e-300, 5e-324])
@pytest.mark.parametrize("config", [{}, {"top_k": 2}, {"top_p": 0.5}])
def test_a_tiny_temperature_does_not_overflow(
    temperature: float, config: dict[str, Any]
) -> None:
    filters = make_filters(SamplingConfig(temperature=temperature, **config))
    largest = float(np.finfo(np.float32).max)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(draws([1e4, 0, -1e4], filters)) == {0}
        assert set(draws([largest, 0, -largest], filters)) == {0}


def test_a_point_at_the_very_edge_still_falls_on_a_possible_id() -> None:
    class Edge:
        def __init__(self, value: float) -> None:
            self.value = value

        def random(self) -> float:
            return self.value

    logits = np.array([GONE, 0.0, GONE, 0.3, GONE])
    highest = math.nextafter(1.0, 0.0)
    assert sample_id(logits, [], Edge(0.0)) == 1  # type: ignore[arg-type]
    assert sample_id(logits, [], Edge(highest)) == 3  # type: ignore[arg-type]
