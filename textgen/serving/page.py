"""The page at `/`, with which a person writes: the files of `textgen.page`."""

from __future__ import annotations

from pathlib import PurePosixPath

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from textgen.page import TYPES, names, source

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""What a browser lets the page do: it asks this server, and no other host."""

INDEX = "index.html"


def page_routes() -> list[Route]:
    """A route for each file; they are read once."""
    return [_route(name) for name in names()]


def _route(name: str) -> Route:
    content = source(name)
    media_type = TYPES[PurePosixPath(name).suffix]

    async def answer(request: Request) -> Response:
        return Response(content, media_type=media_type, headers=HEADERS)

    return Route("/" if name == INDEX else f"/{name}", answer)
