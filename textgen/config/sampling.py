"""Options for generating text: `SamplingConfig`."""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from textgen.config.arguments import plain
from textgen.config.fields import MOST, check_types_and_choices, option
from textgen.errors import ConfigError
from textgen.wording import is_whole_number, shown


@dataclass(frozen=True)
class SamplingConfig:
    """How long a text is, how each next character is chosen, and what ends the text.

    Names and meanings follow Hugging Face `transformers` where it has the option, the
    OpenAI API for `frequency_penalty` and `presence_penalty`, and llama.cpp for `dry_*`,
    so values can be reused. All of them count characters, or bytes for a byte model;
    `length`, `min_length` and `pattern` always count characters. The order in which the
    options apply is documented in `textgen.generation.sampling.filters`.

    Raises:
        ConfigError: a value is out of range, or options contradict each other.

    >>> SamplingConfig(top_p=0)
    Traceback (most recent call last):
    textgen.errors.ConfigError: top_p=0 must be above 0 and at most 1; ...
    """

    length: int = option(500, "Maximum number of new characters.")
    min_length: int = option(0, "Minimum number of new characters.")
    # Chosen by a blind reading, see benchmarks/sampling_defaults.py.
    temperature: float | tuple[float, ...] = option(
        0.6,
        "Below 1 is more predictable, above 1 more varied; 0 always picks the most likely "
        "character. Several values (1.0,0.5) alternate, one per character.",
    )
    top_k: int | None = option(None, "Sample from the K most likely characters.")
    top_p: float | None = option(
        None, "Sample from the most likely characters with this total probability."
    )
    min_p: float | None = option(
        None, "Drop characters below this fraction of the highest probability."
    )
    typical_p: float | None = option(
        None,
        "Sample from the characters whose surprise is closest to the expected surprise, "
        "with this total probability.",
    )
    repetition_penalty: float | None = option(
        None, "Above 1 penalises characters already in the prompt or text."
    )
    no_repeat_ngram_size: int | None = option(
        None, "Never write the same sequence of N characters twice."
    )
    frequency_penalty: float | None = option(
        None, "Lower a character's logit by this for each time it was generated."
    )
    presence_penalty: float | None = option(
        None, "Lower a character's logit by this once it was generated."
    )
    dry_multiplier: float | None = option(
        None, "Strength of the penalty on continuing a repeated sequence (DRY)."
    )
    dry_base: float = option(1.75, "Growth of the DRY penalty per repeated character.")
    dry_allowed_length: int = option(
        12, "Shorter repeated sequences are not penalised (llama.cpp's 2 counts tokens)."
    )
    dry_breakers: str = option('\n:"*', "Characters that end a repeated sequence.")
    stop: tuple[str, ...] = option((), "Stop at this text (not shown); repeatable.")
    until: str | None = option(
        None,
        "Stop after the first complete sentence, line, paragraph or document.",
        ("sentence", "line", "paragraph", "document"),
    )
    allow: str | None = option(None, "Write only these characters (abc; no ranges).")
    forbid: str | None = option(None, "Never write these characters.")
    pattern: str | None = option(
        None, "Regular expression that the whole new text must match."
    )
    particles: int = option(
        16,
        "Texts written side by side for each text that pattern, allow or forbid restricts, "
        "to draw one as the model would write it; 1 only masks characters.",
    )
    beam_width: int | None = option(
        None, "Search for the most likely text with this many beams instead of sampling."
    )
    length_penalty: float = option(
        1.0, "Beam search divides by the length to this power; 0 favours short texts."
    )

    def __post_init__(self) -> None:
        if isinstance(self.stop, str):
            object.__setattr__(self, "stop", (self.stop,))
        check_types_and_choices(self)
        for f in fields(self):
            value = getattr(self, f.name)
            # None disables an option.
            if value is not None and f.name in _RANGES:
                check_setting(f.name, value)
        self._check_contradictions()
        self._check_pattern()
        self._check_beam_search()
        for name in ("dry_base", "dry_allowed_length", "dry_breakers"):
            self._check_needed(name, by="dry_multiplier")
        self._check_needed("length_penalty", by="beam_width")
        self._check_particles()

    @property
    def num_particles(self) -> int:
        """Particles per text: 1 where nothing restricts it, or nothing is drawn."""
        is_restricted = any((self.pattern, self.allow, self.forbid))
        temperatures = (
            self.temperature if isinstance(self.temperature, tuple) else (self.temperature,)
        )
        is_drawn = self.beam_width is None and any(temperatures)
        return self.particles if is_restricted and is_drawn else 1

    def _check_contradictions(self) -> None:
        if self.min_length > self.length:
            raise ConfigError(
                f"min_length={self.min_length} is more than length={self.length}. "
                "Lower the first or raise the second."
            )
        both = set(self.allow or ()) & set(self.forbid or ())
        if both:
            raise ConfigError(
                f"{min(both)!r} is in both allow and forbid. Remove it from one of them."
            )

    def _check_pattern(self) -> None:
        if self.pattern is None:
            return
        if self.stop or self.until not in (None, "document"):
            name = "stop" if self.stop else "until"
            raise ConfigError(
                f"{name}={shown(getattr(self, name))} would cut the text off before it "
                "matches the whole pattern. Leave it out, and let the pattern say how the "
                r"text ends: [^\n]* is one line, [^.!?]*[.!?] one sentence."
            )
        if self.no_repeat_ngram_size is not None:
            raise ConfigError(
                "no_repeat_ngram_size may rule out every character before the text matches "
                "pattern. Use only one of the two; dry_multiplier also reduces repetition, "
                "but rules nothing out."
            )

    def _check_beam_search(self) -> None:
        if self.beam_width is None:
            return
        filters = ("top_k", "top_p", "min_p", "typical_p")
        useless = [name for name in filters if getattr(self, name) is not None]
        if self.temperature not in (SamplingConfig.temperature, 1):
            useless.append("temperature")
        if useless:
            raise ConfigError(
                "beam_width searches for the most likely text instead of sampling, so "
                f"{useless[0]} has no effect. Use only one of the two."
            )

    def _check_particles(self) -> None:
        if self.particles in (SamplingConfig.particles, 1) or self.num_particles > 1:
            return
        if self.pattern or self.allow or self.forbid:
            other = "beam_width" if self.beam_width is not None else "temperature=0"
            raise ConfigError(
                f"particles has no effect with {other}, which looks for a likely text "
                "instead of sampling. Use only one of the two."
            )
        raise ConfigError(
            "particles has no effect without pattern, allow or forbid. Set one of them, or "
            "leave out particles."
        )

    def _check_needed(self, name: str, *, by: str) -> None:
        if getattr(self, by) is None and getattr(self, name) != getattr(type(self), name):
            raise ConfigError(f"{name} has no effect without {by}. Set both or neither.")


def check_setting(name: str, value: Any) -> None:
    """Refuse a setting of generation that is out of range.

    Args:
        name: a field of `SamplingConfig` or an argument of `Generator.samples`.

    Raises:
        ConfigError: states the range.

    >>> check_setting("top_k", 0)
    Traceback (most recent call last):
    textgen.errors.ConfigError: top_k=0 must be a whole number of at least 1; ...
    """
    is_valid, expected = _RANGES[name]
    several = value if name == "temperature" and isinstance(value, tuple) else ()
    for each in several or (value,):
        if not is_valid(each):
            raise ConfigError(f"{name}={shown(plain(each))} must be {expected}.")


class _Range(NamedTuple):
    is_valid: Callable[[Any], bool]
    expected: str


def _whole(least: int, hint: str = "", most: float = math.inf) -> _Range:
    limit = "" if most == math.inf else f" and at most {most:,}"
    return _Range(
        lambda value: is_whole_number(value, least) and value <= most,
        f"a whole number of at least {least}{limit}{hint}",
    )


def _number(least: float, most: float, hint: str = "") -> _Range:
    limits = f"of at least {least}" if most == _LARGEST else f"from {least:,} to {most:,}"
    return _Range(
        lambda v: _is_real(v) and least <= v <= most, f"a finite number {limits}{hint}"
    )


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


_LARGEST = sys.float_info.max
_SHARE = _Range(
    lambda value: _is_real(value) and 0 < value <= 1,
    "above 0 and at most 1; 1 keeps every character",
)
_RANGES: dict[str, _Range] = {
    "length": _whole(0),
    "min_length": _whole(0),
    "temperature": _number(0, _LARGEST, ", or several; 0 always picks the most likely"),
    "top_k": _whole(1, "; leave it out to keep all"),
    "top_p": _SHARE,
    "min_p": _number(0, 1, "; 0 keeps every character"),
    "typical_p": _SHARE,
    # Wider than is useful, and narrow enough to keep logits finite.
    "repetition_penalty": _number(1e-6, 10**6, "; 1 disables it"),
    "no_repeat_ngram_size": _whole(1, "; leave it out to allow repetition"),
    "frequency_penalty": _number(-(10**6), 10**6, "; 0 disables it"),
    "presence_penalty": _number(-(10**6), 10**6, "; 0 disables it"),
    "dry_multiplier": _number(0, _LARGEST, "; 0 disables it"),
    "dry_base": _number(1, _LARGEST),
    "dry_allowed_length": _whole(1),
    "stop": _Range(
        lambda value: all(isinstance(text, str) and text for text in value),
        "texts of at least one character: an empty one would end every text at once",
    ),
    "allow": _Range(bool, "at least one character; leave it out to allow all"),
    "forbid": _Range(bool, "at least one character; leave it out to forbid none"),
    "pattern": _Range(bool, "a regular expression; leave it out to allow any text"),
    "particles": _whole(1, "; 1 only masks characters"),
    "beam_width": _whole(1, "; leave it out to sample"),
    "length_penalty": _number(-10, 10, "; 1 compares means"),
    # Arguments of `Generator.samples`.
    "num_samples": _whole(1, most=MOST),
    "batch_size": _whole(1),
    "logprobs": _whole(0, "; leave it out for none"),
    "seed": _whole(0, "; leave it out for a different text each time"),
}
