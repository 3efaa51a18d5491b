"""Stretches of held-out text: how many, and how long."""

from __future__ import annotations

import pytest

from textgen.training.ending.stretches import (
    MOST_LOGITS,
    NUM_STRETCHES,
    STRETCH_IDS,
    WARM_UP,
    stretch_sizes,
)

pytestmark = pytest.mark.one_backend


@pytest.mark.parametrize("vocab_size", [2, 65, 1_024, 6_000, 40_000, 300_000])
def test_stretches_of_a_large_vocabulary_are_shorter_then_fewer(vocab_size: int) -> None:
    count, length = stretch_sizes(vocab_size)
    assert WARM_UP <= length <= STRETCH_IDS
    assert 1 <= count <= NUM_STRETCHES
    assert count * length * vocab_size <= MOST_LOGITS
    if count < NUM_STRETCHES:
        assert length == WARM_UP
    if length < STRETCH_IDS:
        assert (count + 1) * length * vocab_size > MOST_LOGITS // 2
