"""Whose turn it is: a limited number of texts at once, and a queue of limited length."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from textgen.serving.api.errors import ApiError
from textgen.wording import count_of

RETRY_AFTER = 5
"""Seconds after which a client that was refused may try again."""


class Places:
    """Places for texts; who comes first is served first.

    Args:
        count: how many there are.
        max_queue: requests that may wait for places.

    Attributes:
        num_taken: places in use.
    """

    def __init__(self, count: int, max_queue: int) -> None:
        self._count, self._max_queue = count, max_queue
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.num_taken = 0

    @property
    def num_waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    @asynccontextmanager
    async def taken(self, count: int) -> AsyncIterator[None]:
        """Hold places, once there are as many and those who came before have theirs.

        Raises:
            ApiError: the queue is full, or there are never as many places.
        """
        await self._take(count)
        try:
            yield
        finally:
            self.num_taken -= count
            self._call_next()

    async def _take(self, count: int) -> None:
        if count > self._count:
            raise ApiError(
                400,
                f"the request takes {count_of(count, 'place')} of {self._count:,}. Ask for "
                "fewer texts at once.",
                code="too_many_texts",
            )
        if not self._queue and self.num_taken + count <= self._count:
            self.num_taken += count
            return
        if len(self._queue) >= self._max_queue:
            raise ApiError(
                429,
                f"{count_of(len(self._queue), 'request')} wait already. Try again later.",
                code="rate_limit_exceeded",
                headers={"Retry-After": str(RETRY_AFTER)},
            )
        turn = asyncio.get_running_loop().create_future()
        self._queue.append((count, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.num_taken -= count
            elif (count, turn) in self._queue:
                # Otherwise its turn had come, and was passed on to the next.
                self._queue.remove((count, turn))
            self._call_next()
            raise

    def _call_next(self) -> None:
        while self._queue and self.num_taken + self._queue[0][0] <= self._count:
            count, turn = self._queue.popleft()
            if not turn.cancelled():
                self.num_taken += count
                turn.set_result(None)
