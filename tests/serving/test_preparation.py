"""Requests that come while others are prepared are prepared together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest

from textgen.serving.preparation import Preparation


def test_what_comes_meanwhile_is_handed_on_at_once() -> None:
    batches, may_go_on = [], threading.Event()

    def work(numbers: Sequence[int]) -> Iterator[int | Exception]:
        batches.append(list(numbers))
        may_go_on.wait()
        for number in numbers:
            yield ValueError(number) if number == 3 else number * number

    async def run() -> list[object]:
        preparation = Preparation(work)
        first = asyncio.create_task(preparation.result(1))
        while not batches:
            await asyncio.sleep(0.01)
        others = [asyncio.create_task(preparation.result(n)) for n in (2, 3, 4)]
        await asyncio.sleep(0)
        others[0].cancel()
        await asyncio.sleep(0)
        may_go_on.set()
        results = await asyncio.gather(first, *others, return_exceptions=True)
        assert await preparation.result(5) == 25
        preparation.stop()
        return results

    first, gone, wrong, last = asyncio.run(run())
    assert (first, last) == (1, 16)
    assert isinstance(gone, asyncio.CancelledError)
    assert isinstance(wrong, ValueError)
    assert batches == [[1], [3, 4], [5]]


def test_a_failure_of_the_work_is_the_result_of_all() -> None:
    def work(numbers: Sequence[int]) -> Iterator[int | Exception]:
        raise MemoryError(len(numbers))
        yield 0

    async def run() -> None:
        preparation = Preparation(work)
        for _ in range(2):
            with pytest.raises(MemoryError):
                await preparation.result(1)
        preparation.stop()

    asyncio.run(run())
