"""How much text is read in some minutes, and how many minutes a text takes."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

from textgen.config.fields import pick
from textgen.config.model import ModelConfig
from textgen.config.sizes import SIZES
from textgen.config.train import TrainConfig
from textgen.training.backend.choice import AUTO, expected_backend
from textgen.training.backend.speed import FIRST_STEP, chars_per_second

TRAINING = 0.9
"""The share of the time that goes to training; evaluations take the rest."""


def readable_chars(
    model: ModelConfig,
    minutes: float,
    backend: str = AUTO,
    given: Collection[str] = (),
    dtype: str = AUTO,
) -> Mapping[str, float]:
    """Characters that each size of `SIZES` reads on a CPU, every pass counted.

    Args:
        model: the options of the run, before a size sets those that are not given.
        minutes: for training, evaluations and the compilation of the first step.
        backend: a name, or `auto`.
        given: names of options that no size overrides.
        dtype: see `chars_per_second`.

    >>> found = readable_chars(ModelConfig(vocab_size=65), minutes=2)
    >>> found["tiny"] > found["small"] > found["medium"] > found["large"] >= 0
    True
    """
    found = {}
    for name, options in SIZES.items():
        usual = {key: value for key, value in options.items() if key not in given}
        sized = replace(model, **pick(ModelConfig, usual))
        found[name] = chars_in(minutes, sized, expected_backend(backend, sized), dtype)
    return found


def chars_in(minutes: float, model: ModelConfig, backend: str, dtype: str = AUTO) -> float:
    """How many characters a run reads on a CPU in some minutes, every pass counted.

    >>> model = ModelConfig(65)
    >>> 0.99 < chars_in(minutes_to_read(1e6, model, "torch"), model, "torch") / 1e6 < 1.01
    True
    """
    seconds = max(0.0, 60 * minutes - FIRST_STEP[backend])
    return TRAINING * seconds * chars_per_second(model, backend, dtype)


def chars_to_read(
    num_chars: int, model: ModelConfig, train: TrainConfig, backend: str
) -> float:
    """How many characters a run reads on a CPU until its limits, every pass counted.

    >>> chars_to_read(1000, ModelConfig(65), TrainConfig(epochs=3), "torch")
    3000.0
    """
    chars = math.inf if train.epochs is None else float(train.epochs * num_chars)
    if train.max_minutes is None:
        return chars
    return min(chars, chars_in(train.max_minutes, model, backend, train.compute_dtype))


def minutes_to_read(
    num_chars: float, model: ModelConfig, backend: str, dtype: str = AUTO
) -> float:
    """How long a run takes on a CPU, from the compilation of its first step on.

    >>> one, two = (minutes_to_read(n, ModelConfig(65), "torch") for n in (1e6, 2e6))
    >>> one < two < 2 * one
    True
    """
    seconds = num_chars / TRAINING / chars_per_second(model, backend, dtype)
    return (FIRST_STEP[backend] + seconds) / 60
