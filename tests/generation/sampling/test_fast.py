"""The fast sampler equals the filters that define it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgen.config.sampling import SamplingConfig
from textgen.errors import CheckpointError
from textgen.generation.sampling.fast import Sampler, make_samplers
from textgen.generation.sampling.filters import draw, make_filters


def by_filters(config: SamplingConfig, logits: np.ndarray, uniform: float) -> int:
    for each in make_filters(config, config.temperature):
        logits = each(logits)
    return int(draw(logits[np.newaxis], np.array([uniform]))[0])


shares = st.none() | st.sampled_from([0.001, 0.05, 0.3, 0.5, 0.9, 0.999, 1.0])
# Whole and half logits have many equals.
levels = st.sampled_from([-np.inf, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 7.5])
# Those that differ at all differ by more than rounding.
between = st.integers(-20_000, 20_000).map(lambda number: number / 1000)


@given(
    logits=st.lists(levels | between, min_size=1, max_size=40).filter(
        lambda values: max(values) > -np.inf
    ),
    temperature=st.sampled_from([0, 1e-300, 0.1, 0.8, 1, 2.5]),
    top_k=st.none() | st.integers(1, 45),
    top_p=shares,
    min_p=shares,
    typical_p=shares,
    uniform=st.floats(0, 1, exclude_max=True),
)
def test_the_fast_sampler_draws_what_the_filters_draw(
    logits: list[float], uniform: float, **options: Any
) -> None:
    config = SamplingConfig(**options)
    row = np.array(logits)
    before = row.copy()
    assert Sampler(config, config.temperature)(row, uniform) == by_filters(
        config, row, uniform
    )
    np.testing.assert_array_equal(row, before)


def test_rows_are_sampled_as_one_by_one() -> None:
    rng = np.random.default_rng(0)
    config = SamplingConfig(top_k=20, top_p=0.9, min_p=0.01, typical_p=0.8)
    (sampler,) = make_samplers(config)
    logits, uniforms = rng.normal(size=(500, 65)), rng.random(500)
    one_by_one = [
        sampler(row, uniform) for row, uniform in zip(logits, uniforms, strict=True)
    ]
    assert sampler.sample_rows(logits, uniforms) == one_by_one


def test_every_temperature_has_its_sampler() -> None:
    cold, hot = make_samplers(SamplingConfig(temperature=(0.0, 100.0)))
    logits = np.array([0.0, 1.0, 0.0])
    assert {cold(logits, uniform) for uniform in (0.0, 0.5, 0.99)} == {1}
    assert {hot(logits, uniform) for uniform in (0.0, 0.5, 0.99)} == {0, 1, 2}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("options", [{}, {"temperature": 0}, {"top_p": 0.5}])
def test_logits_that_are_not_finite_are_an_error(
    bad: float, options: dict[str, Any]
) -> None:
    config = SamplingConfig(**options)
    with pytest.raises(CheckpointError, match="largest logit"):
        Sampler(config, config.temperature)(np.array([0.0, bad, 1.0]), 0.5)
