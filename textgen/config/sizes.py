"""Model sizes for `--size`, and which one suits an amount of text."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from textgen.config.arguments import one_of

# A short text is read many times, so its model needs dropout to avoid memorising it.
SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"num_layers": 1, "units": 128, "dropout": 0.3},
    "small": {"num_layers": 1, "units": 256, "dropout": 0.3},
    "medium": {"num_layers": 2, "units": 256, "dropout": 0.1},
    "large": {"num_layers": 2, "units": 512, "dropout": 0.1},
}

# The minimum text for each size, as measured by benchmarks/sizes.py.
LEAST_CHARS = {"tiny": 0, "small": 40_000, "medium": 400_000, "large": 10_000_000}


def check_size(size: str) -> None:
    """Refuse a size that is neither `auto` nor in `SIZES`."""
    one_of("size", size, ("auto", *SIZES))


def choose_size(num_chars: int) -> str:
    """The largest size that suits `num_chars` characters of training text.

    >>> choose_size(1_000_000)
    'medium'
    """
    return max(
        (name for name, least in LEAST_CHARS.items() if num_chars >= least),
        key=lambda name: LEAST_CHARS[name],
    )


def size_options(
    size: str, num_chars: int, given: Collection[str] = ()
) -> tuple[dict[str, Any], str]:
    """The options of a size, and a sentence that explains the choice.

    Args:
        size: `auto` or a name in `SIZES`.
        num_chars: characters of training text.
        given: names of options that the user set, which are not overridden.

    Raises:
        ConfigError: an unknown size.

    >>> size_options("auto", 20_000, given=["dropout"])[0]
    {'num_layers': 1, 'units': 128}
    """
    check_size(size)
    name = choose_size(num_chars) if size == "auto" else size
    options = {key: value for key, value in SIZES[name].items() if key not in given}
    why = (
        f"for {num_chars:,} characters of training text"
        if size == "auto"
        else "as requested"
    )
    listed = ", ".join(f"{key}={value}" for key, value in options.items())
    return options, f"Size {name}, {why}: {listed}."
