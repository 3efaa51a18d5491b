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


def checked_counts(
    config: SamplingConfig, logprobs: int | None, num_samples: int, batch_size: int
) -> tuple[int | None, int, int]:
    """The counts of `Generator.samples`; a beam search writes its texts in one batch.

    Raises:
        ConfigError: one of them is invalid, or larger than `beam_width` allows.
    """
    check_setting("num_samples", num_samples)
    check_setting("batch_size", batch_size)
    if logprobs is not None:
        check_setting("logprobs", logprobs)
    if (width := config.beam_width) is not None:
        if num_samples > width:
            raise ConfigError(
                f"beam_width={width} keeps no more than {width} texts, but "
                f"num_samples={num_samples}. Raise beam_width."
            )
        batch_size = num_samples
    return logprobs, int(num_samples), int(batch_size)
