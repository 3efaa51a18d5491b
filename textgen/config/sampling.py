"""How text is generated: `SamplingConfig`."""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

from textgen.config.fields import check_types_and_choices, option
from textgen.errors import ConfigError


@dataclass(frozen=True)
class SamplingConfig:
    """How long a text gets, how each next character is chosen, and what ends it.

    Names and meanings are those of Hugging Face `transformers` where it has them, those
    of the OpenAI API for `frequency_penalty` and `presence_penalty`, and those of
    llama.cpp for `dry_*`, so that numbers carry over; but here they count characters
    (of a byte model, bytes; `length`, `min_length` and `pattern` always characters).
    The order in which they work stands in `textgen.generation.sampling.filters`.

    Raises:
        ConfigError: a value out of its range, or settings that contradict each other.

    >>> SamplingConfig(top_p=0)
    Traceback (most recent call last):
    textgen.errors.ConfigError: top_p=0 must be above 0 and at most 1; ...
    """

    length: int = option(500, "New characters, at most; the prompt is not counted.")
    min_length: int = option(0, "New characters, at least; nothing ends the text before.")
    temperature: float | tuple[float, ...] = option(
        0.8,
        "Below 1 is safer, above 1 is wilder; 0 always takes the most likely. Several "
        "(1.0,0.5) take turns, a character each.",
    )
    top_k: int | None = option(None, "Choose among this many likeliest characters.")
    top_p: float | None = option(
        None, "Choose among the likeliest characters that have this share together."
    )
    min_p: float | None = option(
        None, "Leave out characters below this share of the likeliest one's chance."
    )
    typical_p: float | None = option(
        None,
        "Choose among the characters whose surprise is nearest to the expected one and "
        "that have this share together.",
    )
    repetition_penalty: float | None = option(
        None, "Above 1 makes characters of prompt and text less likely to come again."
    )
    no_repeat_ngram_size: int | None = option(
        None, "Never write a sequence of this many characters twice."
    )
    frequency_penalty: float | None = option(
        None, "Lower a character's logit by this for each time it was written."
    )
    presence_penalty: float | None = option(
        None, "Lower a character's logit by this once it was written."
    )
    dry_multiplier: float | None = option(
        None, "Strength of the penalty on going on with a repeated sequence (DRY)."
    )
    dry_base: float = option(1.75, "How that penalty grows with each character.")
    dry_allowed_length: int = option(
        12, "Repeated characters that cost nothing (llama.cpp's 2 counts tokens)."
    )
    dry_breakers: str = option('\n:"*', "Characters that no repeated sequence crosses.")
    stop: tuple[str, ...] = option(
        (), "End before this text, which is not shown; may be given again."
    )
    until: str | None = option(
        None,
        "End with the first whole sentence, line, paragraph or document.",
        ("sentence", "line", "paragraph", "document"),
    )
    allow: str | None = option(None, "Write these characters only (abc; no ranges).")
    forbid: str | None = option(None, "Never write these characters.")
    pattern: str | None = option(
        None, "A regular expression that the whole new text matches."
    )
    beam_width: int | None = option(
        None, "Search for the most likely text, this many at once, instead of drawing."
    )
    length_penalty: float = option(
        1.0, "Beam search divides by the length to this power; 0 favours short texts."
    )

    def __post_init__(self) -> None:
        # A list, or one stop text, is as good as a tuple.
        if isinstance(self.temperature, list):
            object.__setattr__(self, "temperature", tuple(self.temperature))
        if isinstance(self.stop, str):
            object.__setattr__(self, "stop", (self.stop,))
        elif isinstance(self.stop, Iterable):
            object.__setattr__(self, "stop", tuple(self.stop))
        check_types_and_choices(self)
        for f in fields(self):
            value = getattr(self, f.name)
            # None is "off".
            if value is not None and f.name in _RANGES:
                check_setting(f.name, value)
        self._check_contradictions()

    def _check_contradictions(self) -> None:
        if self.min_length > self.length:
            raise ConfigError(
                f"min_length={self.min_length} is more than length={self.length}. Lower "
                "the one or raise the other."
            )
        both = set(self.allow or ()) & set(self.forbid or ())
        if both:
            raise ConfigError(
                f"{min(both)!r} is both in allow and in forbid. Take it out of one."
            )
        if self.pattern is not None and (self.stop or self.until not in (None, "document")):
            raise ConfigError(
                "a text that stop or until cuts short may not match the pattern. Say in "
                "the pattern how the text ends."
            )
        if self.pattern is not None and self.no_repeat_ngram_size is not None:
            raise ConfigError(
                "no_repeat_ngram_size can leave no character before the text matches the "
                "pattern. Leave out one of the two; dry_multiplier holds back repetition, "
                "too, and bans nothing."
            )
        for name in ("dry_base", "dry_allowed_length", "dry_breakers"):
            self._check_needed(name, by="dry_multiplier")
        self._check_needed("length_penalty", by="beam_width")
        drawing = [
            name
            for name in ("top_k", "top_p", "min_p", "typical_p")
            if getattr(self, name) is not None
        ]
        if self.temperature not in (SamplingConfig.temperature, 1):
            drawing.append("temperature")
        if self.beam_width is not None and drawing:
            raise ConfigError(
                f"beam_width searches for the most likely text and draws nothing, so "
                f"{drawing[0]} has no meaning. Leave out one of the two."
            )

    def _check_needed(self, name: str, *, by: str) -> None:
        if getattr(self, by) is None and getattr(self, name) != getattr(type(self), name):
            raise ConfigError(f"{name} has no effect without {by}. Give both, or none.")


def check_setting(name: str, value: Any) -> None:
    """Refuse a value of a `SamplingConfig` field that is out of its range.

    Raises:
        ConfigError: says what the range is.

    >>> check_setting("top_k", 0)
    Traceback (most recent call last):
    textgen.errors.ConfigError: top_k=0 must be a whole number of at least 1; ...
    """
    fits, wanted = _RANGES[name]
    several = value if name == "temperature" and isinstance(value, tuple) else ()
    for each in several or (value,):
        if not fits(each):
            shown = f"{each!r}" if isinstance(each, str | tuple) else f"{each}"
            raise ConfigError(f"{name}={shown} must be {wanted}.")


def _within(least: float, most: float) -> Callable[[Any], bool]:
    return lambda value: least <= _as_float(value) <= most


def _as_float(value: Any) -> float:
    """The number, or NaN for what is none or does not fit."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def _whole(least: int) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, numbers.Integral)
        and not isinstance(value, bool)
        and int(value) >= least
    )


def _share(value: Any) -> bool:
    return 0 < _as_float(value) <= 1


_LARGEST = sys.float_info.max


_RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "length": (_whole(0), "a whole number of at least 0"),
    "min_length": (_whole(0), "a whole number of at least 0"),
    "temperature": (
        _within(0, _LARGEST),
        "a finite number of at least 0, or several; 0 always takes the most likely",
    ),
    "top_k": (_whole(1), "a whole number of at least 1; leave it out to keep all"),
    "top_p": (_share, "above 0 and at most 1; 1 keeps every character"),
    "min_p": (_within(0, 1), "in 0 to 1; 0 keeps every character"),
    "typical_p": (_share, "above 0 and at most 1; 1 keeps every character"),
    # Wider than is of use, and narrow enough for logits to stay finite.
    "repetition_penalty": (
        _within(1e-6, 1e6),
        "a finite number in 0.000001 to 1000000; 1 changes nothing",
    ),
    "no_repeat_ngram_size": (
        _whole(1),
        "a whole number of at least 1; leave it out to allow repetition",
    ),
    "frequency_penalty": (
        _within(-1e6, 1e6),
        "a finite number in -1000000 to 1000000; 0 changes nothing",
    ),
    "presence_penalty": (
        _within(-1e6, 1e6),
        "a finite number in -1000000 to 1000000; 0 changes nothing",
    ),
    "dry_multiplier": (
        _within(0, _LARGEST),
        "a finite number of at least 0; 0 changes nothing",
    ),
    "dry_base": (_within(1, _LARGEST), "a finite number of at least 1"),
    "dry_allowed_length": (_whole(1), "a whole number of at least 1"),
    "stop": (
        lambda value: all(isinstance(text, str) and text for text in value),
        "texts of at least one character: an empty one would end every text at once",
    ),
    "allow": (bool, "at least one character; leave it out to allow all"),
    "forbid": (bool, "at least one character; leave it out to forbid none"),
    "pattern": (bool, "a regular expression; leave it out to allow all"),
    "beam_width": (_whole(1), "a whole number of at least 1; leave it out to draw"),
    # Not fields, but the numbers of `Generator.samples`.
    "num_samples": (_whole(1), "a whole number of at least 1"),
    "batch_size": (_whole(1), "a whole number of at least 1"),
    "logprobs": (_whole(0), "a whole number of at least 0; leave it out for none"),
    "length_penalty": (_within(-10, 10), "a finite number in -10 to 10; 1 compares means"),
}
