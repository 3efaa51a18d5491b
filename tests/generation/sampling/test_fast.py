"""The quick way to choose equals the clear one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textgen.config.sampling import SamplingConfig
from textgen.errors import CheckpointError
from textgen.generation.sampling.fast import Chooser, make_choosers
from textgen.generation.sampling.filters import draw, make_filters


def by_filters(config: SamplingConfig, logits: np.ndarray, point: float) -> int:
    for each in make_filters(config, config.temperature):
        logits = each(logits)
    return int(draw(logits[np.newaxis], np.array([point]))[0])


shares = st.none() | st.sampled_from([0.001, 0.05, 0.3, 0.5, 0.9, 0.999, 1.0])
# Whole and half logits have many equals.
levels = st.sampled_from([-np.inf, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 7.5])


@settings(max_examples=500)
@given(
    logits=st.lists(levels | st.floats(-20, 20), min_size=1, max_size=40).filter(
        lambda values: max(values) > -np.inf
    ),
    temperature=st.sampled_from([0, 1e-300, 0.1, 0.8, 1, 2.5]),
    top_k=st.none() | st.integers(1, 45),
    top_p=shares,
    min_p=shares,
    typical_p=shares,
    point=st.floats(0, 1, exclude_max=True),
)
def test_a_chooser_chooses_what_filters_and_draw_choose(
    logits: list[float], point: float, **options: Any
) -> None:
    config = SamplingConfig(**options)
    row = np.array(logits)
    before = row.copy()
    assert Chooser(config, config.temperature)(row, point) == by_filters(config, row, point)
    np.testing.assert_array_equal(row, before)


def test_many_rows_are_chosen_from_as_one_by_one() -> None:
    rng = np.random.default_rng(0)
    config = SamplingConfig(top_k=20, top_p=0.9, min_p=0.01, typical_p=0.8)
    (chooser,) = make_choosers(config)
    logits, points = rng.normal(size=(500, 65)), rng.random(500)
    one_by_one = [chooser(row, point) for row, point in zip(logits, points, strict=True)]
    assert chooser.many(logits, points) == one_by_one


def test_every_temperature_has_its_chooser() -> None:
    cold, hot = make_choosers(SamplingConfig(temperature=(0.0, 100.0)))
    logits = np.array([0.0, 1.0, 0.0])
    assert {cold(logits, point) for point in (0.0, 0.5, 0.99)} == {1}
    assert {hot(logits, point) for point in (0.0, 0.5, 0.99)} == {0, 1, 2}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("options", [{}, {"temperature": 0}, {"top_p": 0.5}])
def test_logits_that_are_no_numbers_are_an_error(
    bad: float, options: dict[str, Any]
) -> None:
    config = SamplingConfig(**options)
    with pytest.raises(CheckpointError, match="largest logit"):
        Chooser(config, config.temperature)(np.array([0.0, bad, 1.0]), 0.5)
