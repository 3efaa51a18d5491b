"""What the tests of filters and of draws share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from textgen.config.sampling import SamplingConfig
from textgen.generation.sampling.filters import (
    Filter,
    MinP,
    Temperature,
    TopK,
    TopP,
    TypicalP,
    draw,
    make_filters,
)

GONE = -math.inf


ALL: list[Filter] = [
    Temperature(0.5),
    Temperature(0),
    Temperature(1e-200),
    TopK(2),
    TopP(0.6),
    MinP(0.3),
    TypicalP(0.5),
]


some_logits = st.lists(st.floats(-50, 50), min_size=1, max_size=20)


def filters(**options: Any) -> tuple[Filter, ...]:
    config = SamplingConfig(**options)
    assert not isinstance(config.temperature, tuple)
    return make_filters(config, config.temperature)


def draws(logits: Any, series: Any = (), count: int = 200, seed: int = 0) -> list[int]:
    """Draw many times from the same logits `(vocab,)`."""
    logits = np.array(logits, np.float64)
    for each in series:
        logits = each(logits)
    uniforms = np.random.default_rng(seed).random(count)
    ids: list[int] = draw(np.tile(logits, (count, 1)), uniforms).tolist()
    return ids


TENTHS = [0.1, 0.2, 0.3, 0.4]


DISTRIBUTIONS: list[tuple[dict[str, Any], Any]] = [
    ({"temperature": 1}, TENTHS),
    ({"temperature": 0.5}, np.array([1, 4, 9, 16]) / 30),
    ({"temperature": 2}, np.sqrt(TENTHS) / np.sqrt(TENTHS).sum()),
    ({"temperature": 0}, [0, 0, 0, 1]),
    ({"temperature": 1, "top_k": 2}, [0, 0, 3 / 7, 4 / 7]),
    ({"temperature": 1, "top_p": 0.85}, [0, 2 / 9, 3 / 9, 4 / 9]),
    ({"temperature": 1, "min_p": 0.6}, [0, 0, 3 / 7, 4 / 7]),
    # The entropy is 1.28 nats; the surprises are 2.3, 1.61, 1.2, 0.92.
    ({"temperature": 1, "typical_p": 0.5}, [0, 2 / 5, 3 / 5, 0]),
    ({"temperature": 1, "typical_p": 0.6}, [0, 2 / 9, 3 / 9, 4 / 9]),
    ({"temperature": 1, "typical_p": 0.2}, [0, 0, 1, 0]),
    (
        {"temperature": 0.5, "top_k": 3, "top_p": 0.9, "min_p": 0.1},
        [0, 4 / 29, 9 / 29, 16 / 29],
    ),
]
