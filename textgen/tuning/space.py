"""What tuning varies, and between which limits."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
)

from textgen.config.fields import command_line
from textgen.config.sizes import MOST_DROP
from textgen.errors import ConfigError
from textgen.training.task.fine_tuning import NETWORK_OPTIONS
from textgen.training.task.task import Task

CHOICES: dict[str, tuple[Any, ...]] = {
    "num_layers": (1, 2, 3),
    "units": (128, 192, 256, 384, 512),
    "sum_layers": (False, True),
    "conv": (0, 4, 8),
    "seq_length": (32, 64, 128, 192),
    "batch_size": (8, 16, 32, 64, 128),
    # Those whose rates lie in one range.
    "optimizer": ("adamw", "muon", "lamb"),
    "epochs": (1, 2, 3, 4, 6, 8),
}

FINE_TUNING_ONLY = frozenset({"epochs"})
"""A network that begins from nothing is trained as long as its minutes allow."""

RESOLVED = ("vocab_size", "epochs", "max_minutes", "eval_every")
"""Options that follow from the text and the other options in every run."""

RANGES = {
    "dropout": (0.0, 0.6),
    "weight_drop": (0.0, MOST_DROP),
    "learning_rate": (0.002, 0.08),
}


STEPS: tuple[tuple[str, int], ...] = (
    ("conv", 1),
    ("learning_rate", 1),
    ("epochs", 1),
    ("units", -1),
    ("dropout", 1),
    ("seq_length", 1),
    ("weight_drop", -1),
    ("batch_size", -1),
    ("num_layers", 1),
    ("learning_rate", -1),
    ("epochs", -1),
    ("units", 1),
    ("weight_drop", 1),
    ("conv", 1),
    ("num_layers", -1),
    ("dropout", -1),
)
"""Changes of the best options so far that are tried first, one at a time.

The defaults are good, so that options drawn from the whole space are nearly always worse,
and there is time for few.
"""

RATE_STEP, SHARE_STEP = 1.5, 0.1
"""A factor of the learning rate; a difference of dropout and weight drop."""


def varied_names(given: Collection[str], *, is_fine_tuned: bool = False) -> list[str]:
    """The options that tuning varies: all but those that a person has set.

    Args:
        is_fine_tuned: whether trials begin with a network that has learned, and keep it.

    Raises:
        ConfigError: nothing is left to vary.
    """
    left_out = NETWORK_OPTIONS if is_fine_tuned else FINE_TUNING_ONLY
    every = [name for name in (*CHOICES, *RANGES) if name not in left_out]
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
    if task.base is not None:
        left_out = {*left_out, *NETWORK_OPTIONS}
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


def neighbours(
    best: Mapping[str, Any], default: Mapping[str, Any], first: int
) -> Iterator[dict[str, Any]]:
    """The options that differ from the best ones by one of the `STEPS`, inside the space.

    Args:
        first: the number of the first step.

    >>> best = {"learning_rate": 0.01, "units": 128}
    >>> [n for n in neighbours(best, best, 0) if n["units"] == 128]
    [{'learning_rate': 0.015, 'units': 128}, {'learning_rate': 0.00667, 'units': 128}]
    """
    space = distributions(default)
    for name, step in STEPS[first:]:
        if name in best and (value := _moved(best[name], step, name, space[name])):
            yield {**best, name: value[0]}


def _moved(value: Any, step: int, name: str, among: BaseDistribution) -> list[Any]:
    """The value some steps further, alone in a list; empty where there is no such."""
    if isinstance(among, CategoricalDistribution):
        place = among.choices.index(value) + step
        return list(among.choices[max(0, place) : place + 1])
    assert isinstance(among, FloatDistribution)
    is_rate = name == "learning_rate"
    moved = value * RATE_STEP**step if is_rate else value + SHARE_STEP * step
    moved = float(f"{min(max(moved, among.low), among.high):.3g}")
    return [moved] * (moved != value)


def _distribution(name: str, default: Any) -> BaseDistribution:
    if name in RANGES:
        low, high = RANGES[name]
        is_rate = name == "learning_rate"
        return FloatDistribution(min(low, default), max(high, default), log=is_rate)
    choices = CHOICES[name]
    added = choices if default in choices else sorted((*choices, default))
    return CategoricalDistribution(tuple(added))


def said(params: Mapping[str, Any], default: Mapping[str, Any]) -> str:
    """The options of a trial for a person: what differs from the defaults.

    >>> default = {"units": 128, "dropout": 0.2}
    >>> said({"units": 192, "dropout": 0.2}, default), said(default, default)
    ('--units 192', 'defaults: --units 128 --dropout 0.2')
    """
    usual, options = as_options(default), as_options(params)
    if options == usual:
        return f"defaults: {command_line(usual)}"
    return command_line({n: v for n, v in options.items() if v != usual.get(n)})


def as_options(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a trial as options of training, with few digits.

    >>> as_options({"learning_rate": 0.0123456, "units": 128})
    {'learning_rate': 0.0123, 'units': 128}
    """
    return {
        name: float(f"{value:.3g}") if name in RANGES else value
        for name, value in params.items()
    }
