"""What tuning varies, and between which limits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
)

from textgen.config.sizes import MOST_DROP
from textgen.errors import ConfigError
from textgen.training.task.task import Task

CHOICES: dict[str, tuple[Any, ...]] = {
    "num_layers": (1, 2, 3),
    "units": (128, 192, 256, 384, 512),
    "sum_layers": (False, True),
    "seq_length": (32, 64, 128, 192),
    "batch_size": (8, 16, 32, 64, 128),
    # Those whose rates lie in one range.
    "optimizer": ("adamw", "muon", "lamb"),
}

RESOLVED = ("vocab_size", "epochs", "max_minutes", "eval_every")
"""Options that follow from the text and the other options in every run."""

RANGES = {
    "dropout": (0.0, 0.6),
    "weight_drop": (0.0, MOST_DROP),
    "learning_rate": (0.002, 0.08),
}


def varied_names(given: Collection[str]) -> list[str]:
    """The options that tuning varies: all but those that a person has set.

    Raises:
        ConfigError: nothing is left to vary.
    """
    every = (*CHOICES, *RANGES)
    names = [name for name in every if name not in given]
    if not names:
        raise ConfigError(
            "there is nothing to vary, since every option that tuning varies is given. "
            f"Leave out at least one of {', '.join(f'`{name}`' for name in every)}."
        )
    return names


def defaults(task: Task, names: Collection[str]) -> dict[str, Any]:
    """What the options are in a run with all defaults, for this text and this time."""
    options = {**vars(task.model), **vars(task.train)}
    return {name: options[name] for name in names}


def recipe(task: Task, left_out: Collection[str]) -> dict[str, Any]:
    """The other options that are chosen for this text and this time.

    A trial gives them as well: which ones are chosen depends on what else is given.
    """
    options = {}
    for config in (task.model, task.train):
        for spec in fields(config):
            value = getattr(config, spec.name)
            if spec.name not in (*RESOLVED, *left_out) and value != spec.default:
                options[spec.name] = value
    return options


def distributions(default: Mapping[str, Any]) -> dict[str, BaseDistribution]:
    """The search space around the defaults, which always lie inside.

    >>> distributions({"units": 100})
    {'units': CategoricalDistribution(choices=(100, 128, 192, 256, 384, 512))}
    """
    return {name: _distribution(name, value) for name, value in default.items()}


def _distribution(name: str, default: Any) -> BaseDistribution:
    if name in RANGES:
        low, high = RANGES[name]
        is_rate = name == "learning_rate"
        return FloatDistribution(min(low, default), max(high, default), log=is_rate)
    choices = CHOICES[name]
    added = choices if default in choices else sorted((*choices, default))
    return CategoricalDistribution(tuple(added))


def as_options(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a trial as options of training, with few digits.

    >>> as_options({"learning_rate": 0.0123456, "units": 128})
    {'learning_rate': 0.0123, 'units': 128}
    """
    return {
        name: float(f"{value:.3g}") if name in RANGES else value
        for name, value in params.items()
    }
