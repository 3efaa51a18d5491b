"""`POST /v1/completions`: from a request to a stream of text."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from textgen.config.serving import ServingConfig
from textgen.errors import ConfigError, TokenizerError
from textgen.serving.api.answers import Answer, error_event, to_json
from textgen.serving.api.errors import ApiError, failed, too_slow
from textgen.serving.api.fields import completion_fields
from textgen.serving.api.request import CompletionRequest, not_possible, parse_request
from textgen.serving.engine import Writing
from textgen.serving.mailbox import Mailbox
from textgen.serving.metrics import Metrics
from textgen.serving.models import Begun, ServedModel
from textgen.serving.places import Places
from textgen.wording import count_of, did_you_mean, say, shown

BODY_SECONDS = 30
"""Seconds in which the body of a request must arrive."""

MOST_RESTRICTED = 4
"""Requests with `pattern`, `allow` or `forbid` that are answered at once: a pattern may
take 200 MB."""

CLIENT_GONE = 499
"""The status that is counted for a client which did not wait for its answer."""


class Completions:
    """Answers requests for completions."""

    def __init__(
        self,
        models: Mapping[str, ServedModel],
        config: ServingConfig,
        places: Places,
        metrics: Metrics,
    ) -> None:
        self._models, self._config = models, config
        self._places, self._metrics = places, metrics
        self._restricted_places = Places(MOST_RESTRICTED, config.max_queue)
        self._fields = completion_fields(config)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        began = time.perf_counter()
        reply = _Reply(send)
        try:
            body = await _body(Request(scope, receive), self._config.max_body)
            asked = parse_request(body, self._fields, self._config)
            work = self._answer(asked, self._model(asked.model), reply)
            await _while_connected(receive, work)
        except ClientDisconnect:
            reply.status = CLIENT_GONE
        except ApiError as error:
            await reply.fail(error)
        except Exception as error:
            say("".join(traceback.format_exception(error)).rstrip())
            await reply.fail(failed())
        finally:
            seconds = time.perf_counter() - began
            if reply.first_at is not None:
                self._metrics.began(reply.first_at - began)
            self._metrics.answered(reply.status, seconds)

    def _model(self, name: str | None) -> ServedModel:
        if name is None and len(self._models) == 1:
            return next(iter(self._models.values()))
        if name is None:
            known = ", ".join(self._models)
            raise ApiError(400, f"model is missing. There are: {known}.", "model")
        if name not in self._models:
            raise no_such_model(name, self._models)
        return self._models[name]

    async def _answer(
        self, asked: CompletionRequest, model: ServedModel, reply: _Reply
    ) -> None:
        try:
            async with (
                asyncio.timeout(self._config.max_seconds),
                self._restricted_places.taken(1) if asked.is_restricted else nullcontext(),
                self._places.taken(asked.num_places),
            ):
                begun = await _begin(model, asked)
                answer = Answer(asked, model, begun)
                async with _written(model, begun) as box:
                    while not box.is_over:
                        pieces = await box.take()
                        answer.add(pieces)
                        if pieces:
                            reply.note_first()
                        if pieces and asked.is_streamed:
                            await reply.send_events(answer.events(pieces))
                if asked.is_streamed:
                    await reply.send_events(answer.last_events(), is_last=True)
                else:
                    await reply.send_json(200, answer.whole())
        except TimeoutError:
            raise too_slow(self._config.max_seconds) from None


def no_such_model(name: str, known: Mapping[str, Any]) -> ApiError:
    """The error of a request for a model that is not served."""
    hint = did_you_mean(name, known, otherwise=f"There are: {', '.join(known)}.")
    message = f"no model {shown(name)} is served. {hint}"
    return ApiError(404, message, "model", "model_not_found")


async def _body(request: Request, most: int) -> bytes:
    """The body of a request.

    Raises:
        ApiError: it is not JSON, larger than allowed, or does not arrive.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(
            415, "send the request as JSON, with the header Content-Type: application/json."
        )
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > most:
                    raise ApiError(
                        413, f"the request has more than {count_of(most, 'byte')}."
                    )
    except TimeoutError:
        raise ApiError(
            408, f"the request did not arrive within {BODY_SECONDS} seconds."
        ) from None
    return bytes(body)


async def _begin(model: ServedModel, asked: CompletionRequest) -> Begun:
    try:
        return await model.begin(asked)
    except (ConfigError, TokenizerError) as error:
        raise not_possible(error) from None


@asynccontextmanager
async def _written(model: ServedModel, begun: Begun) -> AsyncIterator[Mailbox]:
    """Where the texts arrive; they end when the body does."""
    box = Mailbox(len(begun.texts), model.engine.look)
    writings = [Writing(text, number, box) for number, text in enumerate(begun.texts)]
    model.engine.join(writings, begun.group, begun.logits, begun.state)
    try:
        yield box
    finally:
        box.close()


async def _while_connected(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Work until it is done or the client is gone.

    Raises:
        ClientDisconnect: it is gone.
    """
    working = asyncio.create_task(work)
    watching = asyncio.create_task(_disconnected(receive))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        working.result()
    finally:
        for task in (working, watching):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _Reply:
    """What is sent to a client: one JSON object, or events."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_streaming = False
        self.status = 200
        self.first_at: float | None = None

    def note_first(self) -> None:
        """Note the time of the first character."""
        if self.first_at is None:
            self.first_at = time.perf_counter()

    async def send_events(self, events: bytes, *, is_last: bool = False) -> None:
        """Send events."""
        if not self._is_streaming:
            self._is_streaming = True
            # Neither kept nor held back by what is in between.
            headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
            await self._start(200, "text/event-stream", headers)
        await self._send_body(events, is_last=is_last)

    async def send_json(
        self, status: int, data: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        """Send one object."""
        body = to_json(data)
        sized = {"content-length": str(len(body)), **(headers or {})}
        await self._start(status, "application/json", sized)
        await self._send_body(body, is_last=True)

    async def fail(self, error: ApiError) -> None:
        """Send an error, in whatever has been begun."""
        if self._is_streaming:
            self.status = error.status
            # Who does not read does not read this either.
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._send_body(error_event(error), is_last=True)
        else:
            await self.send_json(error.status, error.to_dict(), error.headers)

    async def _start(self, status: int, kind: str, headers: Mapping[str, str]) -> None:
        self.status = status
        named = {"content-type": f"{kind}; charset=utf-8", **headers}
        pairs = [(k.lower().encode(), v.encode()) for k, v in named.items()]
        await self._send(
            {"type": "http.response.start", "status": status, "headers": pairs}
        )

    async def _send_body(self, body: bytes, *, is_last: bool) -> None:
        await self._send(
            {"type": "http.response.body", "body": body, "more_body": not is_last}
        )
