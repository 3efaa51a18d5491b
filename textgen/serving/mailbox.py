"""What is written for one request, on its way from the engine's thread to the network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Lock
from typing import NamedTuple

AHEAD = 64
"""Characters of each text that may wait to be sent: this far the engine writes ahead of a
reader. With a client that is gone, no more than these are lost."""

ENOUGH = AHEAD // 2
"""Characters that are sent without waiting for more."""

PAUSE = 0.03
"""Seconds between two messages to a reader, unless there is enough to send."""

MOST_MESSAGES = 1000
"""Messages a second to all readers: each costs as much as several characters. With many
readers, pauses are longer."""


class Piece(NamedTuple):
    """New characters of a text, by its number in the request."""

    number: int
    text: str
    finish_reason: str | None


class Mailbox:
    """Pieces of the texts of one request; `put` is for one thread, the rest for another.

    Args:
        num_texts: how many the request has.
        on_room: called when a full mailbox has been emptied or closed.
    """

    def __init__(self, num_texts: int, on_room: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = Lock()
        self._pieces: list[Piece] = []
        self._room = AHEAD * num_texts
        self._num_open = num_texts
        self._size = 0
        self._wanted = 0
        self._arrived = asyncio.Event()
        self._error: Exception | None = None
        self._on_room = on_room
        self.is_closed = False

    @property
    def is_full(self) -> bool:
        """Whether its texts are to wait for the reader."""
        return self._size >= self._room

    def put(self, piece: Piece) -> bool:
        """Add a piece. Returns whether the reader is to be woken."""
        with self._lock:
            self._pieces.append(piece)
            self._size += len(piece.text)
            self._num_open -= piece.finish_reason is not None
            return self._is_due()

    def fail(self, error: Exception) -> bool:
        """Let the reader raise an error. Returns whether it is to be woken."""
        with self._lock:
            self._error = error
            return self._is_due()

    def wake(self) -> None:
        """Wake the reader; in the thread of its event loop."""
        self._arrived.set()

    async def take(self) -> dict[int, Piece]:
        """The new characters of each text, when there are some; empty after the last.

        Raises:
            Exception: the one given to `fail`.
        """
        await self._until(1)
        with self._lock:
            pieces, self._pieces = self._pieces, []
            was_full, self._size = self.is_full, 0
        if self._error is not None:
            raise self._error
        if was_full:
            self._on_room()
        return _joined(pieces)

    async def pause(self, num_readers: int) -> None:
        """Wait until there is enough to send, or it is time to."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(PAUSE, num_readers / MOST_MESSAGES)):
                await self._until(ENOUGH)

    def close(self) -> None:
        """Nothing more is wanted."""
        self.is_closed = True
        self._on_room()

    async def _until(self, count: int) -> None:
        """Wait for this many characters, or the end."""
        while not self._is_there(count):
            await self._arrived.wait()
        self._wanted = 0

    def _is_there(self, count: int) -> bool:
        with self._lock:
            self._wanted = count
            self._arrived.clear()
            return self._is_due()

    def _is_due(self) -> bool:
        is_over = self._num_open == 0 or self._error is not None
        return is_over or self._size >= self._wanted > 0


def _joined(pieces: Iterable[Piece]) -> dict[int, Piece]:
    joined: dict[int, list[Piece]] = {}
    for piece in pieces:
        joined.setdefault(piece.number, []).append(piece)
    return {
        number: Piece(number, "".join(each.text for each in parts), parts[-1].finish_reason)
        for number, parts in joined.items()
    }


def wake(boxes: Iterable[Mailbox]) -> None:
    """Wake the readers of several mailboxes with one message to their event loop."""
    due = list(boxes)
    if due:
        due[0]._loop.call_soon_threadsafe(_wake_now, due)


def _wake_now(boxes: Iterable[Mailbox]) -> None:
    for box in boxes:
        box.wake()
