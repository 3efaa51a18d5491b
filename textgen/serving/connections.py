"""Connections of clients: how many there may be, and how long they may do nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 10
"""Seconds from the first byte of a request, or from the beginning of a connection, in which
the head of the request must arrive. Uvicorn itself waits without end."""

FLUSH_SECONDS = 60
"""Seconds in which a client must read the end of an answer."""


def connections_of(most: int) -> type[H11Protocol]:
    """The protocol of a server that has no more than this many connections at once."""

    class Connection(_Connection):
        most_connections = most

    return Connection


class _Connection(H11Protocol):
    """HTTP as uvicorn speaks it, with an end for those who ask or read nothing."""

    most_connections: int
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            transport.abort()
        else:
            self._close_after(REQUEST_SECONDS)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_answering:
            self._cancel()
        elif self._deadline is None:
            self._close_after(REQUEST_SECONDS)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_answering:
            # Uvicorn closes what is idle, but only when all has been read.
            self._close_after(FLUSH_SECONDS)

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
