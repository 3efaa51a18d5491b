"""Texts under a penalty, as the tests of penalties write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from hypothesis import strategies as st

from textgen.generation.sampling.penalties import Penalty, PenaltyState

few_ids = st.lists(st.integers(0, 3), max_size=40)


def remember(
    penalty: Penalty, prompt: Sequence[int], text: Iterable[int] = (), vocab_size: int = 4
) -> PenaltyState:
    """The state of a text so far."""
    state = penalty.start(vocab_size, prompt)
    for each in text:
        state.append(each)
    return state


def costs(
    penalty: Penalty, prompt: Sequence[int], text: Iterable[int] = (), vocab_size: int = 4
) -> list[float]:
    """What is taken from each id's logit."""
    return (-remember(penalty, prompt, text, vocab_size)(np.zeros(vocab_size))).tolist()
