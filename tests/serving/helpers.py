"""A real server in a process of its own."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.cli.helpers import untrained
from tests.patience import PATIENCE
from textgen.text.tokenizers.char import CharTokenizer

LETTERS = CharTokenizer("\n abcdefghijklmnopqrstuvwxyz.")


class Served(NamedTuple):
    """A server that runs."""

    url: str
    process: subprocess.Popen[str]


class Answered(NamedTuple):
    """The answer to a request."""

    status: int
    body: Any
    headers: Mapping[str, str]


def model(path: Path) -> Path:
    """An untrained model that knows the small letters."""
    return untrained(path, LETTERS)


@contextmanager
def serving(*arguments: object, **options: Any) -> Iterator[Served]:
    """Run the command on a free port until the body ends."""
    command = [sys.executable, "-m", "textgen", "serve", *map(str, arguments)]
    process = subprocess.Popen(
        [*command, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert url, process.communicate()
    try:
        yield Served(url, process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=PATIENCE)
        finally:
            process.kill()


def ask(
    url: str,
    path: str = "v1/completions",
    data: object = None,
    headers: Mapping[str, str] | None = None,
) -> Answered:
    """Send a request, with JSON if there are data, and read the answer."""
    body = data if isinstance(data, bytes) or data is None else json.dumps(data).encode()
    named = {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(url + path, body, named)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return _answered(answer)
    except urllib.error.HTTPError as error:
        return _answered(error)


def _answered(answer: Any) -> Answered:
    text = answer.read().decode()
    is_json = answer.headers["Content-Type"].startswith("application/json")
    body = json.loads(text) if is_json else text
    return Answered(answer.status, body, dict(answer.headers))


def figure(url: str, name: str) -> float:
    """One of the figures for Prometheus."""
    lines = ask(url, "metrics").body.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(name))


@contextmanager
def streaming(url: str, **fields: Any) -> Iterator[socket.socket]:
    """A stream of text that has begun, of which nothing more is read by itself."""
    body = json.dumps({"stream": True, "prompt": "a", "seed": 1, **fields}).encode()
    host = url.removeprefix("http://").rstrip("/")
    head = (
        f"POST /v1/completions HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    name, _, port = host.partition(":")
    with socket.socket() as connection:
        # Small, so that little fits between the server and a reader who does not read.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(PATIENCE)
        connection.connect((name, int(port)))
        connection.sendall(head.encode() + body)
        assert connection.recv(15).startswith(b"HTTP/1.1 200")
        yield connection


def rest_of(connection: socket.socket) -> str:
    """All that is still to come."""
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts).decode()
