"""What is written for one request, on its way from the engine's thread to the network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from threading import Lock
from typing import NamedTuple

AHEAD = 64
"""Steps of each text, of a character or none, that may wait to be sent: this far the engine
writes ahead of a reader. With a client that is gone, no more than these are lost."""


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
        self._parts: dict[int, list[str]] = {}
        self._reasons: dict[int, str] = {}
        self._room = AHEAD * num_texts
        self._num_open = num_texts
        self._size = 0
        self._is_new = True
        self._arrived = asyncio.Event()
        self._error: Exception | None = None
        self._on_room = on_room
        self.is_closed = False

    @property
    def is_full(self) -> bool:
        """Whether its texts are to wait for the reader."""
        return self._size >= self._room

    @property
    def is_over(self) -> bool:
        """Whether all that there is has been taken."""
        return self._num_open == 0 and not self._parts and self._error is None

    def put(self, number: int, text: str, finish_reason: str | None) -> bool:
        """Add what a step of the engine has written of a text, perhaps nothing.

        Returns:
            Whether it cannot wait: the first characters, the last ones, and half of those
            that there is room for.
        """
        with self._lock:
            self._parts.setdefault(number, []).append(text)
            # A step that shows nothing counts as well: particles that do not agree yet
            # would go on and on for a reader who is gone.
            self._size += 1
            if finish_reason is not None:
                self._reasons[number] = finish_reason
                self._num_open -= 1
            is_first = self._is_new and text != ""
            self._is_new = self._is_new and not is_first
            return is_first or self._num_open == 0 or self._size == self._room // 2

    def fail(self, error: Exception) -> None:
        """Let the reader raise an error."""
        self._error = error

    def wake(self) -> None:
        """Wake the reader; in the thread of its event loop."""
        self._arrived.set()

    async def take(self) -> list[Piece]:
        """The new characters of the texts, when it is time for some; perhaps none.

        Raises:
            Exception: the one given to `fail`.
        """
        await self._arrived.wait()
        self._arrived.clear()
        if self._error is not None:
            raise self._error
        with self._lock:
            parts, self._parts = self._parts, {}
            reasons, self._reasons = self._reasons, {}
            was_full, self._size = self.is_full, 0
        if was_full:
            self._on_room()
        joined = (
            Piece(number, "".join(texts), reasons.get(number))
            for number, texts in parts.items()
        )
        return [piece for piece in joined if piece.text or piece.finish_reason]

    def close(self) -> None:
        """Nothing more is wanted."""
        self.is_closed = True
        self._on_room()


def wake(boxes: Iterable[Mailbox]) -> None:
    """Wake the readers of several mailboxes with one message to their event loop."""
    due = list(boxes)
    if due:
        due[0]._loop.call_soon_threadsafe(_wake_now, due)


def _wake_now(boxes: Iterable[Mailbox]) -> None:
    for box in boxes:
        box.wake()
