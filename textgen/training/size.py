"""How large a model a text can feed."""

from __future__ import annotations

from textgen.errors import ConfigError

SIZES: dict[str, dict[str, int]] = {
    "tiny": {"num_layers": 1, "units": 128},
    "small": {"num_layers": 2, "units": 128},
    "medium": {"num_layers": 2, "units": 256},
    "large": {"num_layers": 2, "units": 512},
}

# The least text for which the next size scored better on held-out text of our own
# corpora (benchmarks/sizes.py); a model much larger than its text learns it by heart.
LEAST_CHARS = {"tiny": 0, "small": 30_000, "medium": 200_000, "large": 4_000_000}


def choose_size(num_chars: int) -> str:
    """The name of the largest size that `num_chars` characters of text can feed.

    >>> choose_size(1_000_000)
    'medium'
    """
    return max(
        (name for name, least in LEAST_CHARS.items() if num_chars >= least),
        key=lambda name: LEAST_CHARS[name],
    )


def size_options(size: str, num_chars: int) -> tuple[dict[str, int], str]:
    """Layers and units for a size, and a sentence that says what was taken and why.

    Args:
        size: `auto` or a name in `SIZES`.
        num_chars: characters of training text.

    Raises:
        ConfigError: an unknown size.

    >>> size_options("auto", 20_000)[0]
    {'num_layers': 1, 'units': 128}
    """
    if size not in ("auto", *SIZES):
        raise ConfigError(f"size={size!r} must be one of auto, {', '.join(SIZES)}.")
    name = choose_size(num_chars) if size == "auto" else size
    options = SIZES[name]
    why = f"for {num_chars:,} characters of training text" if size == "auto" else "as asked"
    return options, (
        f"size {name}, {why}: num_layers={options['num_layers']}, units={options['units']}"
    )
