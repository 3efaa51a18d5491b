"""Who may use the server: names, origins and keys."""

from __future__ import annotations

import hmac
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textgen.config.serving import ServingConfig
from textgen.errors import ConfigError
from textgen.serving.api.answers import to_json
from textgen.serving.api.errors import ApiError
from textgen.serving.names import is_own
from textgen.wording import one_line, say

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

GUARDED = ("/v1/", "/metrics")
"""Paths that need the key, if there is one."""


class Guard:
    """Refuses requests under a foreign name, from foreign pages, or without the key.

    Args:
        keys: any of them will do; none lets everybody in.
    """

    def __init__(self, app: ASGIApp, config: ServingConfig, keys: Sequence[str]) -> None:
        self._app = app
        names = ("localhost", config.host, *config.allow_host)
        self._names = {name.lower() for name in names}
        self._origins = config.cors_origin
        self._keys = [f"Bearer {key}".encode() for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] == "http":
            try:
                self._check(dict(scope["headers"]), scope["path"])
            except ApiError as error:
                await _refuse(error, send)
                return
        await self._app(scope, receive, send)

    def _check(self, headers: Mapping[bytes, bytes], path: str) -> None:
        host = headers.get(b"host", b"").decode("latin-1")
        if not is_own(host, self._names):
            raise ApiError(
                421,
                f"this server does not answer to the name {one_line(host)!r}. Start it "
                "with --allow-host to let it.",
                code="unknown_host",
            )
        origin = headers.get(b"origin", b"").decode("latin-1")
        own = ("http://" + host, "https://" + host)
        if origin and origin not in (*own, *self._origins):
            raise ApiError(
                403,
                f"pages of {one_line(origin)} may not use this server. Start it with "
                "--cors-origin to let them.",
                code="unknown_origin",
            )
        if self._keys and path.startswith(GUARDED):
            self._check_key(headers.get(b"authorization", b""))

    def _check_key(self, given: bytes) -> None:
        # All of them are compared, each in constant time: time tells nothing of a key.
        matches = [hmac.compare_digest(given, key) for key in self._keys]
        if not any(matches):
            raise ApiError(
                401,
                "this server needs a key: Authorization: Bearer KEY.",
                code="invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )


async def _refuse(error: ApiError, send: Send) -> None:
    body = to_json(error.to_dict())
    headers = {"content-type": "application/json", **error.headers}
    headers["content-length"] = str(len(body))
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    start = {"type": "http.response.start", "status": error.status, "headers": pairs}
    await send(start)
    await send({"type": "http.response.body", "body": body})


def read_keys(path: str) -> list[str]:
    """The keys in a file, one a line; says on stderr if everybody may read them.

    Raises:
        ConfigError: it cannot be read, or has none.
    """
    try:
        lines = Path(path).read_text("utf-8").splitlines()
        mode = os.stat(path).st_mode
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigError(f"api_key_file={path}: {reason}. Name a file of keys.") from error
    if os.name == "posix" and mode & stat.S_IROTH:
        say(
            f"Warning: everybody on this machine can read {one_line(path)}. To keep the "
            f"keys to yourself: chmod 600 {one_line(path)}"
        )
    keys = [line.strip() for line in lines if line.strip()]
    if not keys:
        raise ConfigError(f"api_key_file={path}: there is no key in it. Write one a line.")
    return keys
