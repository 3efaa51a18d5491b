"""Work that precedes a text, in a thread of its own: many requests at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Result = TypeVar("Result")


class Preparation(Generic[Asked, Result]):
    """Hands on requests to a function, all that have come since it was called last.

    Args:
        work: gives the result of each request, or its error, in the same order. It is
            called in another thread, never twice at once.
    """

    def __init__(
        self, work: Callable[[Sequence[Asked]], Iterator[Result | Exception]]
    ) -> None:
        self._work = work
        self._thread = ThreadPoolExecutor(1)
        self._waiting: list[tuple[Asked, asyncio.Future[Result]]] = []
        self._working: asyncio.Future[None] | None = None

    async def result(self, asked: Asked) -> Result:
        """The result of one request."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((asked, future))
        if self._working is None:
            self._working = asyncio.ensure_future(self._empty())
        return await future

    def stop(self) -> None:
        """End the thread after the request that it works on."""
        self._thread.shutdown(cancel_futures=True)

    async def _empty(self) -> None:
        """Work until nobody waits."""
        loop = asyncio.get_running_loop()
        while wanted := [each for each in self._waiting if not each[1].done()]:
            self._waiting = []
            await loop.run_in_executor(self._thread, self._answer, wanted, loop)
        self._waiting = []
        self._working = None

    def _answer(
        self,
        wanted: Sequence[tuple[Asked, asyncio.Future[Result]]],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        try:
            results = self._work([asked for asked, _ in wanted])
            for (_, future), result in zip(wanted, results, strict=True):
                loop.call_soon_threadsafe(_settle, future, result)
        except Exception as error:
            for _, future in wanted:
                loop.call_soon_threadsafe(_settle, future, error)


def _settle(future: asyncio.Future[Result], result: Result | Exception) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
