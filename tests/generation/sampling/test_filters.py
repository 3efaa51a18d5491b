"""Filters on hand-written logits: what each does, promises and refuses."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.generation.sampling.helpers import ALL, GONE, draws, filters, some_logits
from textgen.config.sampling import SamplingConfig, check_setting
from textgen.errors import CheckpointError, ConfigError
from textgen.generation.sampling.filters import (
    Filter,
    MinP,
    Temperature,
    TopK,
    TopP,
    TypicalP,
    draw,
    log_softmax,
    make_filters,
)

each_filter = pytest.mark.parametrize("each", ALL, ids=repr)


def kept(found: Any) -> list[int]:
    ids: list[int] = np.flatnonzero(found > GONE).tolist()
    return ids


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
        (TopP(1e-9), [2, 2, 1], [GONE, 2, GONE]),
        (TopP(1e-300), [2, 1], [2, GONE]),
        (TopP(0.5), [0, 0, 0, 0], [GONE, GONE, 0, 0]),
        (TopP(0.9), [GONE, 0, 0], [GONE, 0, 0]),
        (MinP(0), [1, -500, GONE], [1, -500, GONE]),
        (MinP(1), [2, 1, 2], [2, GONE, 2]),
        (MinP(0.5), [GONE, 0, -1], [GONE, 0, GONE]),
        (TypicalP(1), [1, -500, GONE], [1, -500, GONE]),
        (TypicalP(0.1), [0, 0, 0], [0, 0, 0]),
        (TypicalP(0.1), [GONE, 0, GONE], [GONE, 0, GONE]),
        (TypicalP(0.5), [GONE, 0, 0], [GONE, 0, 0]),
    ],
)
def test_filters_do_to_the_logits_what_they_say(
    each: Filter, logits: list[float], expected: list[float]
) -> None:
    assert each(np.array(logits, np.float64)).tolist() == expected


@pytest.mark.parametrize(
    ("mass", "expected"),
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
def test_top_p_keeps_the_fewest_that_reach_the_share(
    mass: float, expected: list[int]
) -> None:
    logits = np.log([0.5, 0.15, 0.3, 0.05]) + 7
    found = TopP(mass)(logits)
    assert kept(found) == expected
    assert found[expected].tolist() == logits[expected].tolist()


def test_top_p_counts_only_what_earlier_filters_left() -> None:
    logits = np.log([0.4, 0.3, 0.2, 0.1])
    # Of 0.4 and 0.3 alone, the first has 4/7 of the whole.
    assert kept(TopP(0.56)(TopK(2)(logits))) == [0]


def test_top_p_of_equals_keeps_the_last_in_the_vocabulary() -> None:
    assert kept(TopP(0.5)(np.array([1.0, 0, 0, 0, 0, 1.0]))) == [0, 5]
    # 28 of the 40 likely ones reach it.
    assert kept(TopP(0.69)(np.array([0.0] * 3 + [9.0] * 40)))[0] == 3 + 12


@given(logits=some_logits, mass=st.floats(0.001, 1))
def test_top_p_keeps_enough_and_not_one_more(logits: list[float], mass: float) -> None:
    array = np.array(logits)
    shares = np.exp(log_softmax(array))
    left = shares[TopP(mass)(array) > GONE]
    assert left.sum() >= mass - 1e-9
    assert mass == 1 or left.sum() - left.min() < mass + 1e-9


@given(logits=some_logits, count=st.integers(1, 25))
def test_top_k_keeps_at_least_as_many_and_ties_with_the_last(
    logits: list[float], count: int
) -> None:
    least = sorted(logits, reverse=True)[min(count, len(logits)) - 1]
    assert kept(TopK(count)(np.array(logits))) == [
        i for i, value in enumerate(logits) if value >= least
    ]


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.09, [0, 1, 2, 3]),
        (0.1, [0, 1, 2, 3]),  # 0.05 is a tenth of 0.5, whatever the rounding
        (0.11, [0, 1, 2]),
        (0.3, [0, 1, 2]),
        (0.31, [0, 2]),
        (0.6, [0, 2]),
        (0.61, [0]),
        (1, [0]),
    ],
)
def test_min_p_keeps_what_has_its_share_of_the_likeliest(
    share: float, expected: list[int]
) -> None:
    logits = np.log([0.5, 0.15, 0.3, 0.05]) + 7
    found = MinP(share)(logits)
    assert kept(found) == expected
    assert found[expected].tolist() == logits[expected].tolist()


@pytest.mark.parametrize(
    ("mass", "expected"),
    [
        # The entropy is 1.09 nats; the surprises are 0.51, 1.61, 2.3, 2.3.
        (0.1, [1]),
        (0.2, [1]),  # reached exactly
        (0.21, [0, 1]),
        (0.8, [0, 1]),
        (0.81, [0, 1, 2, 3]),  # equals of the last stay
        (1, [0, 1, 2, 3]),
    ],
)
def test_typical_p_keeps_what_is_about_as_surprising_as_expected(
    mass: float, expected: list[int]
) -> None:
    logits = np.log([0.6, 0.2, 0.1, 0.1]) - 3
    found = TypicalP(mass)(logits)
    assert kept(found) == expected
    assert found[expected].tolist() == logits[expected].tolist()


@given(logits=some_logits, mass=st.floats(0.001, 0.999))
def test_typical_p_keeps_enough_and_not_one_group_more(
    logits: list[float], mass: float
) -> None:
    array = np.array(logits)
    log_probs = log_softmax(array)
    probs = np.exp(log_probs)
    distance = abs(log_probs + math.fsum(-probs * log_probs))
    ids = kept(TypicalP(mass)(array))
    farthest = distance[ids].max()
    assert probs[ids].sum() >= mass - 1e-9
    assert probs[distance < farthest - 1e-9].sum() < mass + 1e-9
    assert not (set(np.flatnonzero(distance < farthest - 1e-9)) - set(ids))


# --- what all filters promise ---


@each_filter
def test_filters_leave_the_logits_they_were_given_as_they_are(each: Filter) -> None:
    logits = np.array([[1.0, 3.0, 2.0, GONE], [0.0, 0.0, -1.0, 2.0]])
    before = logits.copy()
    found = each(logits)
    assert found.tolist() != before.tolist()
    assert logits.tolist() == before.tolist()
    row = logits[0]
    each(row)
    assert logits.tolist() == before.tolist()


@each_filter
@pytest.mark.parametrize("tied", [False, True])
def test_a_batch_is_filtered_as_its_rows_are(each: Filter, tied: bool) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 3, (2, 5, 30))
    if tied:
        logits = logits.round()
    logits[rng.random(logits.shape) < 0.2] = GONE
    found = each(logits)
    assert found.shape == logits.shape
    assert found.dtype == np.float64
    for batch, rows in zip(found, logits, strict=True):
        assert each(rows).tolist() == batch.tolist()
        assert [each(row).tolist() for row in rows] == batch.tolist()


@each_filter
def test_the_likeliest_id_is_left_and_none_comes_back(each: Filter) -> None:
    # But for TypicalP, which may find it too likely.
    logits = np.array([GONE, 1.0, 5.0, GONE, 0.5])
    ids = kept(each(logits))
    assert ids
    assert set(ids) <= {1, 2, 4}
    assert 2 in ids or isinstance(each, TypicalP)


@each_filter
def test_a_vocabulary_of_one_keeps_it(each: Filter) -> None:
    assert kept(each(np.array([-3.0]))) == [0]
    assert kept(each(np.array([[-3.0], [4.0]]))) == [0, 1]


@each_filter
@pytest.mark.parametrize(
    "logits", [[0, 1, math.nan], [0, 1, math.inf], [GONE] * 3, [math.nan] * 3]
)
def test_damaged_logits_pass_through_to_the_draw_without_a_warning(
    each: Filter, logits: list[float]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for shape in ((3,), (1, 3)):
            found = each(np.array(logits).reshape(shape)).reshape(1, 3)
            with pytest.raises(CheckpointError, match="nothing to choose from"):
                draw(found, np.array([0.5]))


@pytest.mark.parametrize(
    ("numpy_made", "plain"),
    [
        (Temperature(np.float32(0.5)), Temperature(0.5)),  # type: ignore[arg-type]
        (Temperature(np.int64(0)), Temperature(0)),  # type: ignore[arg-type]
        (TopK(np.int64(2)), TopK(2)),  # type: ignore[arg-type]
        (TopK(np.uint8(2)), TopK(2)),  # type: ignore[arg-type]
        (TopP(np.float32(0.75)), TopP(0.75)),  # type: ignore[arg-type]
        (MinP(np.float64(0.2)), MinP(0.2)),
        (TypicalP(np.float32(0.5)), TypicalP(0.5)),  # type: ignore[arg-type]
    ],
)
def test_numbers_of_numpy_do_as_well(numpy_made: Filter, plain: Filter) -> None:
    logits = np.array([0.1, 2.0, 1.5, -1.0, 0.7])
    found = numpy_made(logits)
    assert found.dtype == np.float64
    assert found.tolist() == plain(logits).tolist()


# --- refusals ---


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, True, "1", np.True_])
def test_a_temperature_that_makes_no_sense_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"temperature=.*at least 0, or several; 0 alw"):
        check_setting("temperature", value)


@pytest.mark.parametrize("value", [0, -1, 2.0, True, math.nan, "2", np.float64(2)])
def test_a_top_k_that_makes_no_sense_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"top_k=.* whole number of at least 1; leave"):
        check_setting("top_k", value)


@pytest.mark.parametrize("value", [0, -0.5, 1.01, math.nan, math.inf, True, "0.5"])
@pytest.mark.parametrize("name", ["top_p", "typical_p"])
def test_a_mass_that_makes_no_sense_is_refused(name: str, value: Any) -> None:
    expected = rf"^{name}={value!r} must be above 0 and at most 1; 1 keeps every character"
    with pytest.raises(ConfigError, match=expected):
        check_setting(name, value)


@pytest.mark.parametrize("value", [-0.1, 1.01, math.nan, math.inf, True, "0.5"])
def test_a_min_p_that_makes_no_sense_is_refused(value: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"min_p=.* must be a finite number from 0 to 1; 0"
    ):
        check_setting("min_p", value)


@pytest.mark.parametrize(
    "logits", [[0, math.nan, 1], [math.inf, 0, 1], [GONE, GONE, GONE], [math.nan] * 3]
)
@pytest.mark.parametrize(
    "series",
    [
        filters(),
        filters(temperature=0),
        filters(temperature=1e-200),
        filters(temperature=1, top_k=2, top_p=0.5, min_p=0.1, typical_p=0.9),
    ],
)
def test_logits_that_are_no_numbers_are_reported_and_never_drawn(
    logits: list[float], series: Any
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CheckpointError, match=r"weights are damaged; use an earlier"):
            draws(logits, series)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_one_damaged_row_is_enough(bad: float) -> None:
    logits = np.zeros((3, 2))
    logits[1, 0] = bad
    with pytest.raises(CheckpointError, match=f"largest logit is {bad}, so there is"):
        draw(logits, np.full(3, 0.5))


def test_nothing_left_to_draw_from_is_an_error() -> None:
    with pytest.raises(CheckpointError, match="nothing to choose from"):
        draws([GONE, GONE])


# --- the order of filters ---


def test_filters_stand_in_a_fixed_order_whatever_is_asked_for() -> None:
    options = {"typical_p": 0.6, "min_p": 0.1, "top_p": 0.9, "top_k": 3}
    assert filters(**options, temperature=0.5) == (
        Temperature(0.5),
        TopK(3),
        TopP(0.9),
        MinP(0.1),
        TypicalP(0.6),
    )


def test_only_what_was_asked_for_is_made() -> None:
    assert filters() == (Temperature(0.6),)
    assert filters(temperature=1, min_p=0) == (Temperature(1), MinP(0))


def test_each_of_several_temperatures_has_its_filters() -> None:
    config = SamplingConfig(temperature=(1.0, 0.5), top_k=3)
    assert make_filters(config, 1.0) == (Temperature(1.0), TopK(3))
    assert make_filters(config, 0.5) == (Temperature(0.5), TopK(3))


@pytest.mark.parametrize("series", [filters(temperature=0), filters(top_k=1), filters()])
def test_a_removed_id_is_never_drawn(series: Any) -> None:
    assert 1 not in draws([0, GONE, 1], series)


# --- log_softmax ---


def test_log_probabilities_are_in_nats_and_sum_to_one() -> None:
    shift = np.array([[1000.0], [-1000.0]])
    logits = shift + np.log([[0.1, 0.2, 0.7], [0.5, 0.5, 1.0]])
    expected = [[0.1, 0.2, 0.7], [0.25, 0.25, 0.5]]
    np.testing.assert_allclose(np.exp(log_softmax(logits)), expected)
    assert log_softmax(np.array([3.0])).tolist() == [0.0]
    assert log_softmax(np.array([GONE, 5.0])).tolist() == [GONE, 0.0]
