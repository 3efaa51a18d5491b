"""Options of the server: `ServingConfig`."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from textgen.config.fields import (
    check_above_zero,
    check_at_least,
    check_at_most,
    check_types_and_choices,
    option,
)
from textgen.errors import ConfigError
from textgen.wording import shown


@dataclass(frozen=True)
class ServingConfig:
    """Where a server listens, whom it answers, and how much it does for them.

    >>> ServingConfig(max_streams=0)
    Traceback (most recent call last):
    textgen.errors.ConfigError: max_streams=0 must be at least 1.
    """

    host: str = option(
        "127.0.0.1",
        "Address to listen on; 0.0.0.0 for every machine that can reach this one.",
    )
    port: int = option(8000, "Port to listen on; 0 takes one that is free.")
    allow_host: tuple[str, ...] = option(
        (), "Also answer to this name; repeatable. Addresses and localhost always are."
    )
    cors_origin: tuple[str, ...] = option(
        (), "Let pages of this origin (https://example.org) use the server; repeatable."
    )
    max_body: int = option(1_000_000, "Bytes of a request.")
    max_prompt: int = option(10_000, "Characters of all prompts of a request together.")
    max_tokens: int = option(10_000, "Characters of each text.")
    max_streams: int = option(
        256, "Texts written at once; what a pattern restricts counts as several."
    )
    max_queue: int = option(256, "Requests that wait for their turn; others are refused.")
    max_seconds: float = option(300.0, "Seconds that a request may take.")

    def __post_init__(self) -> None:
        for name in ("allow_host", "cors_origin"):
            if isinstance(getattr(self, name), str):
                object.__setattr__(self, name, (getattr(self, name),))
        check_types_and_choices(self)
        check_at_least(self, 0, "port", "max_queue")
        check_at_most(self, {"port": 65535})
        limits = [f.name for f in fields(self) if f.name.startswith("max_")]
        check_at_least(self, 1, *(name for name in limits if name not in UNUSUAL))
        check_above_zero(self, "max_seconds")
        for host in self.allow_host:
            if not re.fullmatch(r"[^\s/:@?#\[\]\\]+", host):
                raise ConfigError(
                    f"allow_host={shown(host)} must be a name alone, without http:// and "
                    "port, which may be any: example.org"
                )
        for origin in self.cors_origin:
            scheme, _, rest = origin.partition("://")
            if origin != "null" and (scheme not in ("http", "https") or "/" in rest):
                raise ConfigError(
                    f"cors_origin={shown(origin)} must be a scheme and a host, with a port "
                    "if it has one, and no slash at the end: https://example.org"
                )


UNUSUAL = ("max_queue", "max_seconds")
"""Limits that may be below 1."""
