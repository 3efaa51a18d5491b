"""Connections of clients: how many there may be, and how long they may do nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

REQUEST_SECONDS = 10
"""Seconds from the first byte of a request, or from the beginning of a connection, in which
the head of the request must arrive. Uvicorn itself waits without end."""

MOST_HEAD = 65_536
"""Bytes of the head of a request."""

FLUSH_SECONDS = 60
"""Seconds in which a client must read what waits for it, or the end of an answer."""


def connections_of(most: int) -> type[HttpToolsProtocol]:
    """The protocol of a server that has no more than this many connections at once."""

    class Connection(_Connection):
        most_connections = most

    return Connection


class _Connection(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, with an end for those who ask or read nothing.

    With httptools, which takes a third less time for a piece of a text than h11.
    """

    most_connections: int
    _deadline: asyncio.TimerHandle | None = None
    _is_blocked = False
    _is_in_head = False
    _head_size = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            transport.abort()
        else:
            self._close_after(REQUEST_SECONDS)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_answering and not self._is_blocked:
            self._cancel()
        self._head_size = self._head_size + len(data) if self._is_in_head else 0
        if self._head_size > MOST_HEAD:
            self.transport.abort()

    def on_message_begin(self) -> None:
        self._is_in_head = True
        self._close_after(REQUEST_SECONDS)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        if self._is_answering:
            # Of two requests at once, uvicorn would not tell the first that its client is
            # gone. No client that is known sends them.
            self.transport.abort()
        else:
            super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_answering:
            # Uvicorn closes what is idle, but only when all has been read.
            self._close_after(FLUSH_SECONDS)

    def pause_writing(self) -> None:
        self._is_blocked = True
        self._close_after(FLUSH_SECONDS)
        super().pause_writing()

    def resume_writing(self) -> None:
        self._is_blocked = False
        if self._is_answering:
            self._cancel()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        super().connection_lost(exc)

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _close_after(self, seconds: float) -> None:
        self._cancel()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
