"""A request for completions, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from textgen.config.sampling import SamplingConfig
from textgen.config.serving import ServingConfig
from textgen.disk.strict_json import parse_json
from textgen.errors import ConfigError
from textgen.generation.settings import resolve_seed
from textgen.serving.api.errors import ApiError
from textgen.serving.api.fields import SAMPLING, Schema, check_fields


@dataclass(frozen=True)
class CompletionRequest:
    """What is asked for.

    Args:
        model: None for the only one that is served.
        best_of: texts that are written for each prompt.
        n: texts that are returned for each prompt.
        logprobs: as in the request; None for none.
    """

    model: str | None
    prompts: tuple[str, ...]
    sampling: SamplingConfig
    seed: int
    n: int = 1
    best_of: int = 1
    label: str | None = None
    echo: bool = False
    logprobs: int | None = None
    is_streamed: bool = False
    includes_usage: bool = False

    @property
    def is_restricted(self) -> bool:
        """Whether only certain texts may be written."""
        return any((self.sampling.pattern, self.sampling.allow, self.sampling.forbid))

    @property
    def num_places(self) -> int:
        """Texts that are written at once, each with all its particles."""
        return len(self.prompts) * self.best_of * self.sampling.num_particles


def parse_request(
    body: bytes, known: Mapping[str, Schema], config: ServingConfig
) -> CompletionRequest:
    """Read the body of a request.

    Args:
        known: from `completion_fields`.

    Raises:
        ApiError: something is wrong with it; the message says what.
    """
    try:
        data = parse_json(body)
    except ValueError as error:
        raise ApiError(400, f"the body of the request is not JSON: {error}.") from None
    given = check_fields(data, known)
    prompt = given.get("prompt", "")
    prompts = (prompt,) if isinstance(prompt, str) else tuple(prompt)
    total = sum(map(len, prompts))
    if total > config.max_prompt:
        raise ApiError(
            400,
            f"the prompts have {total:,} characters together, and may have "
            f"{config.max_prompt:,}. Shorten them.",
            *("prompt", "context_length_exceeded"),
        )
    n = int(given.get("n", 1))
    best_of = int(given.get("best_of", n))
    _check_counts(n, best_of, given, len(prompts), config.max_streams)
    return CompletionRequest(
        given.get("model"),
        prompts,
        _sampling(given, known),
        resolve_seed(_whole(given.get("seed"))),
        n,
        best_of,
        given.get("label"),
        given.get("echo", False),
        _whole(given.get("logprobs")),
        given.get("stream", False),
        given.get("stream_options", {}).get("include_usage", False),
    )


def _check_counts(
    n: int, best_of: int, given: Mapping[str, Any], num_prompts: int, most: int
) -> None:
    if best_of < n:
        raise ApiError(400, f"best_of={best_of} must be at least n={n}.", "best_of")
    if best_of > n and given.get("stream"):
        raise ApiError(
            400,
            f"best_of={best_of} compares texts when they are finished, so they cannot be "
            "streamed. Leave out `stream` or `best_of`.",
            "best_of",
        )
    if num_prompts * best_of > most:
        raise ApiError(
            400,
            f"{num_prompts} prompts with {best_of} texts each are more than {most}. Ask "
            "for fewer at once.",
            "best_of" if "best_of" in given else "n",
        )
    if "stream_options" in given and not given.get("stream"):
        raise ApiError(
            400,
            "stream_options has no effect without `stream`. Set both or neither.",
            "stream_options",
        )


def _sampling(given: Mapping[str, Any], known: Mapping[str, Schema]) -> SamplingConfig:
    settings = {name: given[name] for name in SAMPLING if name in given}
    for name, value in settings.items():
        if known[name]["type"] == "integer":
            settings[name] = int(value)
    stop = given.get("stop", ())
    length = int(given.get("max_tokens", known["max_tokens"]["default"]))
    stops = (stop,) if isinstance(stop, str) else tuple(stop)
    try:
        return SamplingConfig(length=length, stop=stops, **settings)
    except ConfigError as error:
        raise not_possible(error) from None


def not_possible(error: Exception) -> ApiError:
    """The error of settings that contradict each other or do not fit the model."""
    return ApiError(400, in_fields(str(error)), code="invalid_value")


def in_fields(message: str) -> str:
    """A message of the library with the names that a request has for its settings.

    >>> in_fields("a is more than length=5. Raise `length`.")
    'a is more than max_tokens=5. Raise `max_tokens`.'
    """
    return re.sub(r"`length`|\blength(?==)", _renamed, message)


def _renamed(found: re.Match[str]) -> str:
    return found[0].replace("length", "max_tokens")


def _whole(value: float | None) -> int | None:
    """A number that JSON may hold as 3.0."""
    return None if value is None else int(value)
