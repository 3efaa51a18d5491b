"""The settings of a call: the seed, and `SamplingConfig` or its fields."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from textgen.config.arguments import check_instance
from textgen.config.fields import from_dict
from textgen.config.sampling import SamplingConfig, check_setting
from textgen.errors import ConfigError


def resolve_seed(seed: int | None) -> int:
    """The seed itself, or a random one for None.

    Raises:
        ConfigError: not a whole number of at least 0.

    >>> resolve_seed(7)
    7
    """
    if seed is None:
        return secrets.randbits(32)
    check_setting("seed", seed)
    return int(seed)


def sampling_config(
    sampling: SamplingConfig | None, settings: Mapping[str, Any]
) -> SamplingConfig:
    """The settings as one object.

    Raises:
        ConfigError: both an object and fields are given, or a value is invalid.
    """
    if sampling is None:
        return from_dict(SamplingConfig, settings)
    check_instance("sampling", sampling, SamplingConfig, "Or give its fields as keywords.")
    if settings:
        raise ConfigError(
            f"sampling already holds all settings, but {', '.join(settings)} was given as "
            "well. Use dataclasses.replace to change one of them."
        )
    return sampling
