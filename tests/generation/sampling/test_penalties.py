"""Penalties on hand-written logits, and against slow, clear twins of each."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.generation.sampling.penalised import costs, few_ids, remember
from textgen.config.sampling import SamplingConfig, check_setting
from textgen.errors import ConfigError
from textgen.generation.sampling.penalties import (
    CountPenalty,
    Dry,
    NoRepeatNgram,
    Penalty,
    RepetitionPenalty,
    make_penalties,
)

GONE = -math.inf
ALL: list[Penalty] = [
    RepetitionPenalty(1.5),
    CountPenalty(0.5, 0.25),
    Dry(1.0, base=2.0, allowed_length=2),
    NoRepeatNgram(2),
]
each_penalty = pytest.mark.parametrize("penalty", ALL, ids=lambda p: type(p).__name__)


# --- repetition_penalty ---


@pytest.mark.parametrize(
    ("factor", "expected"),
    [
        (2.0, [2, -8, 0, 4, -4]),
        (0.5, [8, -2, 0, 4, -4]),
        (1.0, [4, -4, 0, 4, -4]),
        (1, [4, -4, 0, 4, -4]),
    ],
)
def test_ids_of_prompt_and_text_get_less_likely_whatever_their_sign(
    factor: float, expected: list[float]
) -> None:
    state = remember(RepetitionPenalty(factor), [0, 1], [2, 1], vocab_size=5)
    assert state(np.array([4.0, -4, 0, 4, -4])).tolist() == expected


def test_the_repetition_penalty_counts_an_id_once() -> None:
    state = remember(RepetitionPenalty(2.0), [0, 0], [0, 0])
    assert state(np.array([4.0, 0, 0, 0]))[0] == 2


def test_an_id_that_was_removed_stays_removed() -> None:
    for penalty in ALL:
        state = remember(penalty, [0, 1, 0, 1], [0, 1, 0])
        assert state(np.array([GONE, GONE, 1.0, 2.0]))[:2].tolist() == [GONE, GONE]


# --- frequency_penalty and presence_penalty ---


@given(
    text=few_ids,
    frequency=st.floats(-2, 2),
    presence=st.floats(-2, 2),
    logits=st.lists(st.floats(-50, 50), min_size=4, max_size=4),
)
def test_counts_cost_what_the_openai_api_documents(
    text: list[int], frequency: float, presence: float, logits: list[float]
) -> None:
    state = remember(CountPenalty(frequency, presence), [1, 2], text)
    expected = [
        logit - text.count(i) * frequency - (text.count(i) > 0) * presence
        for i, logit in enumerate(logits)
    ]
    # Adding a number up to 40 times rounds otherwise than multiplying by 40.
    assert state(np.array(logits)).tolist() == pytest.approx(expected, abs=1e-12)


def test_the_prompt_does_not_count_for_frequency_and_presence() -> None:
    assert costs(CountPenalty(1.0, 1.0), [0, 1, 1]) == [0, 0, 0, 0]


# --- no_repeat_ngram_size ---


def banned_by_brute_force(ids: Sequence[int], size: int, vocab_size: int) -> list[int]:
    """Ids that would make the last `size` of the text equal to some `size` before."""
    stood = {tuple(ids[i : i + size]) for i in range(len(ids) - size + 1)}
    last = tuple(ids[len(ids) - size + 1 :])
    return [i for i in range(vocab_size) if (*last, i) in stood and len(last) == size - 1]


@given(prompt=few_ids, text=few_ids, size=st.integers(1, 5))
def test_no_sequence_of_the_size_is_written_twice(
    prompt: list[int], text: list[int], size: int
) -> None:
    found = remember(NoRepeatNgram(size), prompt, text)(np.arange(4.0))
    banned = banned_by_brute_force(prompt + text, size, 4)
    assert found.tolist() == [GONE if i in banned else i for i in range(4)]


def test_a_size_of_one_allows_each_id_once_counting_the_prompt() -> None:
    assert costs(NoRepeatNgram(1), [0], [2]) == [math.inf, 0, math.inf, 0]


def test_a_text_shorter_than_the_size_bans_nothing() -> None:
    assert costs(NoRepeatNgram(3), [0], [0]) == [0, 0, 0, 0]


# --- what all of them promise ---


@each_penalty
def test_the_logits_given_are_left_as_they_are(penalty: Penalty) -> None:
    logits = np.array([3.0, -1.0, 0.0, 2.0])
    before = logits.copy()
    found = remember(penalty, [0, 1, 0, 1], [0])(logits)
    assert found.tolist() != before.tolist()
    assert logits.tolist() == before.tolist()


@each_penalty
def test_asking_twice_changes_nothing(penalty: Penalty) -> None:
    state = remember(penalty, [0, 1, 0], [1, 0])
    logits = np.array([3.0, -1.0, 0.0, 2.0])
    assert state(logits).tolist() == state(logits).tolist()


@each_penalty
def test_texts_remember_apart_from_each_other(penalty: Penalty) -> None:
    one, other = penalty.start(4, [0, 1, 0]), penalty.start(4, [0, 1, 0])
    for each in (1, 0, 2, 1, 0):
        one.append(each)
    logits = np.array([3.0, -1.0, 0.5, 2.0])
    fresh = penalty.start(4, [0, 1, 0])
    assert other(logits).tolist() == fresh(logits).tolist()
    assert one(logits).tolist() != fresh(logits).tolist()


@each_penalty
def test_a_copy_goes_its_own_way(penalty: Penalty) -> None:
    state = remember(penalty, [0, 1], [0, 1])
    twin = copy.deepcopy(state)
    for each in (0, 2, 0):
        twin.append(each)
    logits = np.array([3.0, -1.0, 0.5, 2.0])
    assert state(logits).tolist() == remember(penalty, [0, 1], [0, 1])(logits).tolist()
    expected = remember(penalty, [0, 1], [0, 1, 0, 2, 0])(logits)
    assert twin(logits).tolist() == expected.tolist()


@each_penalty
def test_nothing_written_and_no_prompt_costs_nothing(penalty: Penalty) -> None:
    logits = np.array([3.0, -1.0, 0.5, 2.0])
    assert penalty.start(4, [])(logits).tolist() == logits.tolist()


@each_penalty
def test_a_vocabulary_of_one(penalty: Penalty) -> None:
    assert remember(penalty, [0], [0, 0], vocab_size=1)(np.array([2.0]))[0] < 2


@each_penalty
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_stays_visible(penalty: Penalty, value: float) -> None:
    state = remember(penalty, [0, 1, 0], [1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = state(np.array([1.0, 2.0, value, 3.0]))
    np.testing.assert_equal(found[2], value)


@pytest.mark.parametrize("kind", [list, tuple, np.array])
@each_penalty
def test_a_prompt_may_be_any_sequence_of_ids(penalty: Penalty, kind: Any) -> None:
    assert costs(penalty, kind([0, 1, 0])) == costs(penalty, [0, 1, 0])


# --- settings ---


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "repetition_penalty",
            0,
            r"repetition_penalty=0 must be a finite number from 1e-06 to 1,000,000; 1",
        ),
        (
            "repetition_penalty",
            -1.0,
            r"repetition_penalty=-1.0 must be a finite number from",
        ),
        ("repetition_penalty", math.nan, r"repetition_penalty=nan must be a finite number"),
        ("repetition_penalty", True, r"repetition_penalty=True must be a finite number"),
        (
            "frequency_penalty",
            math.inf,
            r"frequency_penalty=inf must be a finite number from -1,000,000 to 1,000,000; ",
        ),
        (
            "frequency_penalty",
            "1",
            r"frequency_penalty='1' must be a finite number from -1,000,000 to 1,000,000",
        ),
        (
            "no_repeat_ngram_size",
            0,
            r"no_repeat_ngram_size=0 must be a whole number of at least 1",
        ),
        (
            "no_repeat_ngram_size",
            2.0,
            r"no_repeat_ngram_size=2.0 must be a whole number of at le",
        ),
        (
            "dry_multiplier",
            -0.1,
            r"dry_multiplier=-0.1 must be a finite number of at least 0; 0 dis",
        ),
        (
            "dry_multiplier",
            math.nan,
            r"dry_multiplier=nan must be a finite number of at least 0",
        ),
        ("dry_base", 0.9, r"dry_base=0.9 must be a finite number of at least 1\."),
        ("dry_allowed_length", 0, r"dry_allowed_length=0 must be a whole number of at lea"),
        ("presence_penalty", math.nan, r"presence_penalty=nan must be a finite number"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_setting(name, value)


@pytest.mark.parametrize(
    ("numpy_made", "plain"),
    [
        (RepetitionPenalty(np.float32(1.5)), RepetitionPenalty(1.5)),  # type: ignore[arg-type]
        (CountPenalty(np.float64(0.5), np.int64(1)), CountPenalty(0.5, 1)),  # type: ignore[arg-type]
        (NoRepeatNgram(np.int32(2)), NoRepeatNgram(2)),  # type: ignore[arg-type]
        (NoRepeatNgram(np.uint8(2)), NoRepeatNgram(2)),  # type: ignore[arg-type]
        (Dry(1, 2, np.uint8(2)), Dry(1, 2, 2)),  # type: ignore[arg-type]
        (Dry(np.float32(0.5), np.float64(2), np.int8(2)), Dry(0.5, 2, 2)),  # type: ignore[arg-type]
    ],
)
def test_numbers_of_numpy_do_as_well(numpy_made: Penalty, plain: Penalty) -> None:
    ids = [0, 1, 0, 1, 0]
    logits = np.array([3.0, -1.0, 0.5, 2.0])
    found = remember(numpy_made, ids)(logits)
    assert found.dtype == np.float64
    assert found.tolist() == remember(plain, ids)(logits).tolist()


# --- make_penalties ---


def test_penalties_stand_in_a_fixed_order_whatever_is_asked_for() -> None:
    config = SamplingConfig(
        no_repeat_ngram_size=4,
        dry_multiplier=0.8,
        presence_penalty=0.2,
        frequency_penalty=0.1,
        repetition_penalty=1.2,
    )
    assert make_penalties(config, frozenset([7])) == (
        RepetitionPenalty(1.2),
        CountPenalty(0.1, 0.2),
        Dry(0.8, config.dry_base, config.dry_allowed_length, frozenset([7])),
        NoRepeatNgram(4),
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ()),
        ({"frequency_penalty": 0.1}, (CountPenalty(0.1, 0.0),)),
        ({"presence_penalty": 0.1}, (CountPenalty(0.0, 0.1),)),
        (
            {"dry_multiplier": 1.0, "dry_base": 3.0, "dry_allowed_length": 5},
            (Dry(1.0, 3.0, 5),),
        ),
    ],
)
def test_only_what_was_asked_for_is_made(options: dict[str, Any], expected: Any) -> None:
    assert make_penalties(SamplingConfig(**options)) == expected


def test_the_order_matters_and_is_the_documented_one() -> None:
    # 4 is halved and then lowered by 1; the other way round it would be 1.5.
    config = SamplingConfig(repetition_penalty=2.0, presence_penalty=1.0)
    logits = np.array([4.0, 4.0])
    for penalty in make_penalties(config):
        logits = remember(penalty, [], [0], vocab_size=2)(logits)
    assert logits.tolist() == [1.0, 4.0]
