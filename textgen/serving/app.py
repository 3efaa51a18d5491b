"""The server as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from textgen.config.serving import ServingConfig
from textgen.serving.api.description import description
from textgen.serving.api.errors import ApiError
from textgen.serving.completions import Completions, no_such_model
from textgen.serving.guards import Guard
from textgen.serving.metrics import Metrics
from textgen.serving.models import ServedModel
from textgen.serving.page import page_routes
from textgen.serving.places import Places


def make_app(
    models: Sequence[ServedModel],
    config: ServingConfig,
    keys: Sequence[str],
    places: Places,
    metrics: Metrics,
    on_ready: Callable[[], None],
) -> ASGIApp:
    """Bring the parts together.

    Args:
        keys: see `Guard`.
        on_ready: called when requests are answered and signals end the server.
    """
    by_id = {model.id: model for model in models}

    async def list_models(request: Request) -> Response:
        entries = [model.to_dict() for model in models]
        return JSONResponse({"object": "list", "data": entries})

    async def one_model(request: Request) -> Response:
        name = request.path_params["id"]
        if name not in by_id:
            raise no_such_model(name, by_id)
        return JSONResponse(by_id[name].to_dict())

    async def health(request: Request) -> Response:
        on_disk = {model.id: model.on_disk for model in models}
        return JSONResponse({"status": "ok", "on_disk": on_disk})

    async def figures(request: Request) -> Response:
        return Response(metrics.page(), media_type="text/plain; version=0.0.4")

    async def described(request: Request) -> Response:
        return JSONResponse(description(config, needs_key=bool(keys)))

    @asynccontextmanager
    async def running(app: Starlette) -> AsyncIterator[None]:
        for model in models:
            model.start()
        on_ready()
        yield
        for model in models:
            model.stop()

    completions = Completions(by_id, config, places, metrics)
    app = Starlette(
        routes=[
            Route("/v1/models", list_models),
            Route("/v1/models/{id:path}", one_model),
            Route("/v1/completions", completions, methods=["POST"]),
            Route("/healthz", health),
            Route("/metrics", figures),
            Route("/openapi.json", described),
            *page_routes(),
        ],
        exception_handlers={HTTPException: _refused, ApiError: _failed},
        lifespan=running,
    )
    guarded = Guard(app, config, keys)
    if not config.cors_origin:
        return guarded
    # Outermost: a browser asks without the key whether a page may use the server.
    return CORSMiddleware(
        guarded,
        allow_origins=config.cors_origin,
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
    )


async def _refused(request: Request, error: Any) -> Response:
    phrase = HTTPStatus(error.status_code).phrase.lower()
    what = f"{request.method} {request.url.path}: {phrase}."
    if error.status_code == HTTPStatus.NOT_FOUND:
        what += " Texts are written by POST /v1/completions; /openapi.json describes it."
    return _response(ApiError(error.status_code, what, headers=error.headers))


async def _failed(request: Request, error: Any) -> Response:
    return _response(error)


def _response(error: ApiError) -> Response:
    headers: Mapping[str, str] = error.headers
    return JSONResponse(error.to_dict(), error.status, headers)
