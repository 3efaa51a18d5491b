"""The DRY penalty against its definition, and where it ends."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.generation.sampling.penalised import costs, few_ids
from textgen.generation.sampling.penalties import LARGEST_PENALTY, Dry


def repeated(ids: Sequence[int], place: int, breakers: frozenset[int]) -> int:
    """How many ids that end before `place` are also those at the end, breakers apart."""
    length = 0
    while length < place and ids[place - 1 - length] == ids[-1 - length]:
        if ids[-1 - length] in breakers:
            break
        length += 1
    return length


def dry_by_brute_force(penalty: Dry, ids: Sequence[int], vocab_size: int) -> list[float]:
    """Costs by the definition: at each place of the text, how much of the end stood there.

    The id at a place costs by the longest sequence before it that is also the end of
    the text.
    """
    found = [0.0] * vocab_size
    for place in range(1, len(ids)):
        length = repeated(ids, place, penalty.breakers)
        if length >= penalty.allowed_length and ids[place] not in penalty.breakers:
            cost = penalty.multiplier * penalty.base ** (length - penalty.allowed_length)
            found[ids[place]] = max(found[ids[place]], cost)
    return found


@given(
    prompt=few_ids,
    text=few_ids,
    allowed=st.integers(1, 5),
    base=st.sampled_from([1.0, 1.5, 2.0]),
    breakers=st.frozensets(st.integers(0, 3), max_size=2),
)
def test_dry_costs_what_its_definition_says(
    prompt: list[int], text: list[int], allowed: int, base: float, breakers: frozenset[int]
) -> None:
    penalty = Dry(0.75, base, allowed, breakers)
    expected = dry_by_brute_force(penalty, prompt + text, 4)
    assert costs(penalty, prompt, text) == pytest.approx(expected, rel=1e-12)


def test_dry_follows_a_long_text_character_by_character() -> None:
    rng = np.random.default_rng(3)
    # A thousand ids with long repeated stretches, and a breaker now and then.
    stretch = rng.integers(0, 3, 40).tolist()
    ids = [i for _ in range(20) for i in (*stretch[rng.integers(0, 20) :], 4)]
    ids += rng.integers(0, 5, 400).tolist() + stretch * 3
    assert len(ids) > 1000
    penalty = Dry(0.5, 1.01, allowed_length=3, breakers=frozenset([4]))
    state = penalty.start(5, ids[:100])
    for end in range(100, len(ids)):
        state.append(ids[end])
        if end % 50 == 0 or end > len(ids) - 30:
            expected = dry_by_brute_force(penalty, ids[: end + 1], 5)
            found = (-state(np.zeros(5))).tolist()
            assert found == pytest.approx(expected, rel=1e-12)
    # The last three stretches are two repetitions, one upon the other.
    assert max(expected) == pytest.approx(penalty.cost(80))


@pytest.mark.parametrize(
    ("length", "expected"), [(2, 0.8), (3, 0.8 * 1.75), (7, 0.8 * 1.75**5)]
)
def test_dry_grows_with_each_id_from_the_allowed_length_on(
    length: int, expected: float
) -> None:
    penalty = Dry(0.8, base=1.75, allowed_length=2)
    assert penalty.cost(length) == pytest.approx(expected)
    sequence = list(range(length))
    found = costs(penalty, [*sequence, 9], sequence, vocab_size=10)
    assert found == pytest.approx([0] * 9 + [expected])


def test_a_sequence_shorter_than_allowed_costs_nothing() -> None:
    assert costs(Dry(1.0, allowed_length=3), [0, 1, 2], [0, 1]) == [0, 0, 0, 0]


def test_of_several_places_the_longest_counts_for_each_follower() -> None:
    penalty = Dry(1.0, base=2.0, allowed_length=1)
    # After 0 stood 2 and 3; after (1, 0) stood 2 only.
    assert costs(penalty, [1, 0, 2, 3, 0, 3, 0, 2], [1, 0]) == [0, 0, 2, 1]


def test_a_repetition_may_overlap_itself() -> None:
    penalty = Dry(1.0, base=2.0, allowed_length=2)
    assert costs(penalty, [], [1, 1, 1, 1]) == [0, 2, 0, 0]
    assert costs(penalty, [], [0, 1, 0, 1, 0, 1]) == [4, 0, 0, 0]


def test_no_repeated_sequence_crosses_a_breaker() -> None:
    ids = [0, 1, 2, 3, 0, 1, 2]
    plain = Dry(1.0, base=2.0, allowed_length=1)
    broken = Dry(1.0, base=2.0, allowed_length=1, breakers=frozenset([1]))
    assert costs(plain, ids) == [0, 0, 0, 4]
    assert costs(broken, ids) == [0, 0, 0, 1]
    assert costs(broken, ids[:-1]) == [0, 0, 0, 0]


def test_a_breaker_itself_costs_nothing_as_in_llama_cpp() -> None:
    # Else the newline after a repeated line would be avoided, and the line go on.
    penalty = Dry(1.0, allowed_length=2, breakers=frozenset([3]))
    assert costs(penalty, [0, 1, 3, 0, 1]) == [0, 0, 0, 0]


def test_dry_counts_the_prompt() -> None:
    penalty = Dry(1.0, allowed_length=1)
    assert costs(penalty, [0, 1, 0]) == costs(penalty, [], [0, 1, 0]) == [0, 1, 0, 0]


@pytest.mark.parametrize(
    ("multiplier", "base"), [(1.0, 1.75), (1e300, 2.0), (1.0, 1e300), (1e308, 1e308)]
)
def test_dry_never_bans_however_long_the_repetition(multiplier: float, base: float) -> None:
    penalty = Dry(multiplier, base, allowed_length=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = costs(penalty, [0] * 2000)
    assert found[0] == pytest.approx(LARGEST_PENALTY, rel=1e-6)
    assert math.isfinite(penalty.cost(10**9))


@pytest.mark.parametrize("multiplier", [0, 0.0])
def test_a_multiplier_of_zero_changes_nothing(multiplier: float) -> None:
    assert costs(Dry(multiplier, 2.0, 1), [0] * 300) == [0, 0, 0, 0]


def test_dry_reads_a_long_prompt_of_one_character() -> None:
    state = Dry(1.0, base=1.01, allowed_length=2).start(3, prompt=[1] * 50_000)
    filtered = state(np.zeros(3))
    assert filtered[1] < -1
    assert filtered[[0, 2]].tolist() == [0, 0]
