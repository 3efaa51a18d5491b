"""Errors of a request, in the format of the OpenAI API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """A request that is answered with an error.

    Args:
        status: of HTTP.
        message: what happened, what was expected, how to fix it.
        param: the field that is to blame.
        code: a name that programs can look for.
        headers: of the answer.

    >>> ApiError(404, "no such model", "model").to_dict()["error"]["type"]
    'invalid_request_error'
    """

    def __init__(
        self,
        status: int,
        message: str,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.headers = dict(headers or {})

    def to_dict(self) -> dict[str, Any]:
        """The body of the answer."""
        return {
            "error": {
                "message": self.message,
                "type": _type(self.status),
                "param": self.param,
                "code": self.code,
            }
        }


def _type(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"


def too_slow(seconds: float) -> ApiError:
    """The error of a request that takes longer than it may."""
    # Clients of OpenAI try again by themselves; that would only take as long once more.
    return ApiError(
        504,
        f"the request has taken the {seconds:g} seconds that it may. Ask for fewer or "
        "shorter texts.",
        code="timeout",
        headers={"x-should-retry": "false"},
    )


def failed() -> ApiError:
    """The error of a request that failed for a reason of the server's own."""
    return ApiError(500, "the server could not answer; its log says why.", code="failed")
