"""What a server does for one client, and for many."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.patience import wait_until
from tests.serving.helpers import ask, figure, rest_of, serving, streaming
from textgen.serving.api.errors import ApiError
from textgen.serving.places import Places

LONG = 1_000_000
CHARACTERS = "textgen_characters_total"


@pytest.fixture(scope="module")
def narrow(checkpoint: Path) -> Iterator[str]:
    """A server with two places and a short queue."""
    flags = ("--max-streams", 2, "--max-queue", 1, "--max-body", 1000)
    with serving(checkpoint, *flags, "--max-tokens", LONG) as server:
        yield server.url


def characters_when_others_rest(url: str) -> float:
    """Wait until every other text rests; returns the characters written, ours included."""

    def are_all_ours() -> bool:
        # All texts that do not rest grow by a character at a time, side by side.
        before = figure(url, CHARACTERS)
        ask(url, data={"prompt": "a", "max_tokens": 50, "seed": 1})
        return figure(url, CHARACTERS) == before + 50

    wait_until(are_all_ours)
    return figure(url, CHARACTERS)


def test_a_slow_reader_holds_nobody_up_and_one_who_is_gone_leaves(narrow: str) -> None:
    with streaming(narrow, max_tokens=LONG):
        before = characters_when_others_rest(narrow)
        assert figure(narrow, "textgen_texts_running") == 1
        # What fits between server and reader, and is less than all.
        assert before < LONG
        answer = ask(narrow, data={"prompt": "a", "max_tokens": 500, "seed": 1})
        assert answer.body["usage"]["completion_tokens"] == 500
        before = figure(narrow, CHARACTERS)
    wait_until(lambda: figure(narrow, "textgen_texts_running") == 0)
    assert figure(narrow, CHARACTERS) - before <= 100


def test_a_full_queue_says_when_to_come_again(narrow: str) -> None:
    with ThreadPoolExecutor(1) as pool, streaming(narrow, max_tokens=LONG, n=2):
        waiting = pool.submit(ask, narrow, data={"prompt": "a", "max_tokens": 1})
        wait_until(lambda: figure(narrow, "textgen_requests_waiting") == 1)
        refused = ask(narrow, data={"prompt": "a", "max_tokens": 1})
        assert refused.status == 429
        assert refused.headers["retry-after"] == "5"
        assert refused.body["error"]["type"] == "rate_limit_error"
        assert not waiting.done()
    assert waiting.result().status == 200


def test_a_request_that_is_too_large_is_refused(narrow: str) -> None:
    refused = ask(narrow, data={"prompt": "a" * 1000})
    assert refused.status == 413
    assert "more than 1,000 bytes" in refused.body["error"]["message"]
    refused = ask(narrow, data={"prompt": "a", "n": 3})
    assert (refused.status, refused.body["error"]["param"]) == (400, "n")


def test_a_request_that_takes_too_long_ends(checkpoint: Path) -> None:
    with serving(checkpoint, "--max-seconds", 2, "--max-tokens", LONG) as server:
        late = ask(server.url, data={"prompt": "a", "max_tokens": LONG})
        assert late.status == 504
        assert late.body["error"]["code"] == "timeout"
        assert late.headers["x-should-retry"] == "false"
        with streaming(server.url, max_tokens=LONG) as connection:
            assert '"code":"timeout"' in rest_of(connection)[-300:]
        assert figure(server.url, "textgen_texts_running") == 0


@pytest.mark.parametrize(
    ("pattern", "status"),
    [("(a?){1000}", 400), (".*a.{14}", 200), ("(((((a*)*)*)*)*)*b", 200), ("(a", 400)],
)
def test_a_pattern_that_costs_much_ends_in_an_answer(
    url: str, pattern: str, status: int
) -> None:
    asked = {"prompt": "a", "max_tokens": 40, "seed": 1}
    with ThreadPoolExecutor(8) as pool:
        many = [pool.submit(ask, url, data={**asked, "pattern": pattern}) for _ in range(5)]
        plain = ask(url, data=asked)
    assert plain.body["usage"]["completion_tokens"] == 40
    assert {each.result().status for each in many} == {status}
    assert len({str(each.result().body.get("choices")) for each in many}) == 1


def test_a_pattern_takes_no_place_that_is_not_there(narrow: str) -> None:
    refused = ask(narrow, data={"prompt": "a", "pattern": "a*"})
    assert refused.status == 400
    assert "16 places of 2" in refused.body["error"]["message"]


# --- places ---


def test_who_comes_first_is_served_first() -> None:
    async def run() -> list[str]:
        places, order = Places(2, max_queue=3), []

        async def visit(name: str, count: int) -> None:
            async with places.taken(count):
                order.append(name)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group, places.taken(1):
            for name, count in (("a", 2), ("b", 1), ("c", 1)):
                group.create_task(visit(name, count))
                await asyncio.sleep(0)
            # One place is free, but who waits for two came first.
            assert (places.num_taken, places.num_waiting, order) == (1, 3, [])
            with pytest.raises(ApiError, match="3 requests wait already") as caught:
                await visit("d", 1)
            assert caught.value.status == 429
        assert (places.num_taken, places.num_waiting) == (0, 0)
        return order

    assert asyncio.run(run()) == ["a", "b", "c"]


def test_who_does_not_wait_any_longer_leaves_the_queue() -> None:
    async def run() -> tuple[int, int]:
        places = Places(1, max_queue=2)
        async with places.taken(1):
            tasks = [asyncio.create_task(places.taken(1).__aenter__()) for _ in range(2)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            await asyncio.sleep(0)
            assert places.num_waiting == 1
        await tasks[1]
        return places.num_taken, places.num_waiting

    assert asyncio.run(run()) == (1, 0)


def test_a_place_that_is_freed_while_a_request_gives_up_is_free() -> None:
    async def run() -> tuple[int, int]:
        places = Places(1, max_queue=2)
        async with places.taken(1):
            waiting = asyncio.create_task(places.taken(1).__aenter__())
            await asyncio.sleep(0)
            waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return places.num_taken, places.num_waiting

    assert asyncio.run(run()) == (0, 0)


def test_places_that_never_are_free_are_refused() -> None:
    async def run() -> None:
        async with Places(2, max_queue=9).taken(3):
            pass

    with pytest.raises(ApiError, match="3 places of 2"):
        asyncio.run(run())
