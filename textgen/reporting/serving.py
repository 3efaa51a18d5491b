"""A server for one page, which only this machine can reach."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from textgen.errors import ConfigError
from textgen.serving.names import is_own

HOST = "127.0.0.1"
NAMES = ("localhost",)
"""What this machine calls itself, also at the other end of an SSH tunnel."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:; "
        "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PageServer(ThreadingHTTPServer):
    """Serves a page, made anew for each request, and its script.

    Args:
        page: makes the page; never called twice at once.
        script: JavaScript, at `watch.js`.
        port: 0 takes one that is free.

    Raises:
        ConfigError: the port is in use, or not allowed.
    """

    daemon_threads = True
    # On Windows this option would let two servers listen on one port.
    allow_reuse_address = os.name != "nt"

    def __init__(self, page: Callable[[], str], script: str, port: int) -> None:
        self._page, self._script, self._lock = page, script, Lock()
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise ConfigError(
                f"port={port} cannot be used ({error.strerror or error}): perhaps another "
                f"`textgen watch` has it. Choose another `port`, or 0 for one that is free."
            ) from error

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{HOST}:{self.server_port}/"

    def content(self, path: str) -> tuple[str, str] | None:
        """Type and text of what is at a path; None if nothing is there."""
        if path == "/":
            with self._lock:
                return "text/html", self._page()
        return ("text/javascript", self._script) if path == "/watch.js" else None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that did not wait for the answer."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    timeout = 10
    server_version = "textgen"
    sys_version = ""

    def do_GET(self) -> None:
        if not is_own(self.headers.get("Host", ""), NAMES):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        found = self.server.content(urlsplit(self.path).path)
        if found is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        kind, text = found
        data = text.encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Write no line for each request."""
