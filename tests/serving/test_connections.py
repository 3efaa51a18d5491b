"""Connections on which nothing comes, or nothing is read, are closed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

uvicorn = pytest.importorskip("uvicorn")

from tests.patience import PATIENCE  # noqa: E402
from textgen.serving import connections  # noqa: E402

LARGE = b"x" * 4_000_000
ASKED = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@asynccontextmanager
async def running(app: Any, most: int) -> AsyncIterator[tuple[Any, int]]:
    """A server that has at most this many connections, and its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = uvicorn.Config(
            app, http=connections.connections_of(most), log_config=None, lifespan="off"
        )
        server = uvicorn.Server(settings)
        serving = asyncio.create_task(server.serve([listener]))
        try:
            yield server, listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


async def closed(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


async def answers(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"answer"})


def test_one_connection_too_many_is_refused() -> None:
    async def run() -> None:
        async with running(answers, most=3) as (_, port):
            three = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            too_many, _ = await asyncio.open_connection("127.0.0.1", port)
            assert await closed(too_many)
            # Had it been closed for asking nothing, this one would have been before it.
            first, asks = three[0]
            asks.write(ASKED)
            assert (await first.readuntil(b"answer")).startswith(b"HTTP/1.1 200")

    asyncio.run(run())


def test_who_asks_nothing_is_sent_away_and_who_waits_for_an_answer_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 1)

    async def run() -> None:
        may_answer = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await may_answer.wait()
            await answers(scope, receive, send)

        async with running(app, most=3) as (_, port):
            waits, asks = await asyncio.open_connection("127.0.0.1", port)
            asks.write(ASKED)
            slow, begins = await asyncio.open_connection("127.0.0.1", port)
            begins.write(ASKED[:20])
            idle, _ = await asyncio.open_connection("127.0.0.1", port)
            assert await closed(idle)
            assert await closed(slow)
            may_answer.set()
            assert (await waits.readuntil(b"answer")).startswith(b"HTTP/1.1 200")
            # The next request on it may be as slow as the first.
            asks.write(ASKED)
            assert (await waits.readuntil(b"answer")).endswith(b"answer")
            asks.close()

    asyncio.run(run())


def test_a_head_without_end_and_a_second_request_before_the_answer_are_refused() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()

    async def run() -> None:
        async with running(app, most=3) as (_, port):
            endless, asks = await asyncio.open_connection("127.0.0.1", port)
            asks.write(ASKED[:-2] + b"X: " + b"x" * 2 * connections.MOST_HEAD)
            assert await closed(endless)
            twice, asks = await asyncio.open_connection("127.0.0.1", port)
            asks.write(ASKED + ASKED)
            assert await closed(twice)
            await gone.wait()

    gone = asyncio.Event()
    asyncio.run(run())


@pytest.mark.parametrize("is_whole", [True, False])
def test_who_does_not_read_an_answer_is_sent_away(
    monkeypatch: pytest.MonkeyPatch, is_whole: bool
) -> None:
    monkeypatch.setattr(connections, "FLUSH_SECONDS", 0.2)

    async def run() -> None:
        asked = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            asked.set()
            await send({"type": "http.response.start", "status": 200})
            body = {"type": "http.response.body", "body": LARGE, "more_body": not is_whole}
            await send(body)
            # Systems differ in how much they take of what nobody reads.
            while not is_whole and server.server_state.connections:
                await send(body)

        async with running(app, most=3) as (server, port), asyncio.timeout(PATIENCE):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(ASKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                await asked.wait()
                while server.server_state.connections:
                    await asyncio.sleep(0.01)

    asyncio.run(run())
