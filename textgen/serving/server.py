"""Runs the server until a signal ends it."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from textgen.config.serving import ServingConfig
from textgen.errors import ConfigError, UnknownCharacterWarning
from textgen.wording import install_command

SEND_BUFFER = 1 << 15
"""Bytes of a connection that the system keeps for a slow reader. By itself it would keep
megabytes, as many as a long text has."""

SPARE_CONNECTIONS = 256
"""Connections beside those of requests that are answered or wait: for pages, and idle."""

SWITCH_INTERVAL = 0.0005
"""Seconds after which a thread of Python lets others run. With Python's own 0.005, a batch
of 64 texts took half as long again beside a pattern that is compiled."""


def check_installed() -> None:
    """Refuse to begin without the packages that a server needs.

    Raises:
        ConfigError: one is missing; the message says how to install it.
    """
    try:
        import httptools  # noqa: F401
        import prometheus_client  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"a server needs httptools, prometheus-client, starlette and uvicorn ({error})."
            f" Install them: {install_command('serve')}"
        ) from error


def serve(
    paths: Sequence[Path],
    names: Sequence[str],
    config: ServingConfig,
    keys: Sequence[str],
    memory: bool | None,
    on_start: Callable[[str, Sequence[str]], Any],
) -> None:
    """Serve checkpoints until SIGINT or SIGTERM, which let begun requests be finished.

    Args:
        paths: their directories.
        names: what the person called them.
        keys: see `Guard`.
        memory: see `ngrams_to_use`.
        on_start: called with the address and the ids of the models, once requests are
            answered.

    Raises:
        CheckpointError: one is damaged.
        ConfigError: the port is in use, or a checkpoint is named twice.
    """
    from textgen.serving.app import make_app
    from textgen.serving.metrics import Metrics
    from textgen.serving.models import ServedModel, model_ids
    from textgen.serving.places import Places

    listener = _listener(config)
    with listener, _as_server():
        places = Places(config.max_streams, config.max_queue)
        metrics = Metrics(lambda: places.num_taken, lambda: places.num_waiting)
        models = [
            ServedModel(path, name, memory, _counter(metrics, name))
            for path, name in zip(paths, model_ids(paths, names), strict=True)
        ]
        url = address(config.host, listener.getsockname()[1])

        def on_ready() -> None:
            on_start(url, [model.id for model in models])

        app = make_app(models, config, keys, places, metrics, on_ready)
        asyncio.run(_run(app, listener, config))


def _counter(metrics: Any, id: str) -> Callable[[int], None]:
    return lambda num_chars: metrics.written(id, num_chars)


def address(host: str, port: int) -> str:
    """The URL of a server.

    >>> address("0.0.0.0", 8000), address("::1", 8000)
    ('http://127.0.0.1:8000/', 'http://[::1]:8000/')
    """
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"http://{f'[{reached}]' if ':' in reached else reached}:{port}/"


async def _run(app: Any, listener: socket.socket, config: ServingConfig) -> None:
    import uvicorn

    from textgen.serving.connections import connections_of

    most = config.max_streams + config.max_queue + SPARE_CONNECTIONS
    settings = uvicorn.Config(
        app,
        http=connections_of(most),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(config.max_seconds) + 1,
    )
    await uvicorn.Server(settings).serve([listener])


@contextmanager
def _as_server() -> Iterator[None]:
    """Without warnings of what strangers ask for; SIGTERM is an interrupt like Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    interval = sys.getswitchinterval()
    # While a pattern is compiled, the batch waits for its turn after each matrix product.
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnknownCharacterWarning)
            yield
    finally:
        sys.setswitchinterval(interval)
        signal.signal(signal.SIGTERM, before)


def _listener(config: ServingConfig) -> socket.socket:
    """A socket that listens.

    Raises:
        ConfigError: the port is in use or not allowed, or there is no such host.
    """
    try:
        family, *_, place = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(place[:2], family=family, backlog=2048)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        return listener
    except OSError as error:
        raise ConfigError(
            f"`host={config.host}` with `port={config.port}` cannot be used "
            f"({error.strerror or error}). Choose another `port`, 0 for one that is free, "
            "or another `host`."
        ) from error
