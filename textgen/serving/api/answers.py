"""Answers in the format of the OpenAI API: whole texts, and pieces of them."""

from __future__ import annotations

import json
import math
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from textgen.generation.decoding.completing import shown_prompt
from textgen.generation.decoding.text import Text
from textgen.serving.api.errors import ApiError
from textgen.serving.api.request import CompletionRequest
from textgen.serving.mailbox import Piece
from textgen.serving.models import Begun, ServedModel

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)

DONE = b"data: [DONE]\n\n"

IMPOSSIBLE = -9999.0
"""What the API of OpenAI gives as the log-probability of what cannot come."""


class Answer:
    """The answer to one request, whole or in pieces."""

    def __init__(self, asked: CompletionRequest, model: ServedModel, begun: Begun) -> None:
        self._asked = asked
        self._tokenizer = model.tokenizer
        self._head = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": model.id,
            "system_fingerprint": model.fingerprint,
            "seed": asked.seed,
        }
        if begun.warnings:
            self._head["warnings"] = list(begun.warnings)
        has_logprobs = asked.logprobs is not None
        self._choices = [
            _Choice(text, self._echoed(text), entries, has_logprobs)
            for text, entries in zip(begun.texts, begun.echoed, strict=True)
        ]
        self._num_prompt = sum(map(len, asked.prompts))

    def _echoed(self, text: Text) -> str:
        return shown_prompt(self._tokenizer, text.prompt) if self._asked.echo else ""

    def add(self, pieces: Iterable[Piece]) -> None:
        """Note new characters."""
        for piece in pieces:
            self._choices[piece.number].add(piece)

    def events(self, pieces: Iterable[Piece]) -> bytes:
        """What has been added of the texts of these pieces, as server-sent events."""
        usage = {"usage": None} if self._asked.includes_usage else {}
        news = (self._choices[number].news(number) for number, *_ in pieces)
        return b"".join(event({**self._head, "choices": [each], **usage}) for each in news)

    def last_events(self) -> bytes:
        """The events that end a stream."""
        if not self._asked.includes_usage:
            return DONE
        return event({**self._head, "choices": [], "usage": self._usage()}) + DONE

    def whole(self) -> dict[str, Any]:
        """All texts, when they are finished."""
        chosen = [choice for group in self._by_prompt() for choice in group]
        choices = [choice.news(index) for index, choice in enumerate(chosen)]
        return {**self._head, "choices": choices, "usage": self._usage()}

    def _by_prompt(self) -> Iterable[Sequence[_Choice]]:
        n, best_of = self._asked.n, self._asked.best_of
        for first in range(0, len(self._choices), best_of):
            group = self._choices[first : first + best_of]
            if n < best_of:
                group.sort(key=lambda choice: choice.mean_logprob, reverse=True)
            yield group[:n]

    def _usage(self) -> dict[str, int]:
        num_written = sum(choice.num_chars for choice in self._choices)
        return {
            "prompt_tokens": self._num_prompt,
            "completion_tokens": num_written,
            "total_tokens": self._num_prompt + num_written,
        }


class _Choice:
    """One text: what is known of it, and what has been sent."""

    def __init__(
        self,
        text: Text,
        echoed: str,
        echoed_entries: Sequence[Mapping[str, Any]],
        has_logprobs: bool,
    ) -> None:
        self._text = text
        self._has_logprobs = has_logprobs
        self._unsent = echoed
        self._offset = len(echoed)
        self._unsent_entries = list(echoed_entries)
        self._num_entries = 0
        self._finish_reason: str | None = None
        self.num_chars = 0

    def add(self, piece: Piece) -> None:
        self._unsent += piece.text
        self.num_chars += len(piece.text)
        self._finish_reason = piece.finish_reason

    def news(self, index: int) -> dict[str, Any]:
        """What has not been sent yet, as a choice of the API."""
        text, self._unsent = self._unsent, ""
        reason = self._finish_reason
        ended_by = {} if reason is None else {"ended_by": reason}
        return {
            "index": index,
            "text": text,
            "logprobs": self._logprobs(),
            "finish_reason": None if reason is None else finish_reason(reason),
            **ended_by,
        }

    def _logprobs(self) -> dict[str, Any] | None:
        if not self._has_logprobs:
            return None
        written = self._entries(self._num_entries)
        self._num_entries += len(written)
        moved = [each | {"offset": self._offset + each["offset"]} for each in written]
        entries, self._unsent_entries = [*self._unsent_entries, *moved], []
        return {
            "tokens": [each["symbol"] for each in entries],
            "token_logprobs": [_finite(each["logprob"]) for each in entries],
            "top_logprobs": [
                {symbol: _finite(logprob) for symbol, logprob in each["top"].items()}
                for each in entries
            ],
            "text_offset": [each["offset"] for each in entries],
        }

    @property
    def mean_logprob(self) -> float:
        """Log-probability per id; of a finished text."""
        logprobs = [each["logprob"] for each in self._entries()]
        return math.fsum(logprobs) / max(len(logprobs), 1)

    def _entries(self, first: int = 0) -> list[dict[str, Any]]:
        # The id that ends a document has no character; what was cut off is not sent.
        is_whole = self._finish_reason not in (None, "stop", "until")
        return self._text.entries(first, None if is_whole else self.num_chars)


def _finite(logprob: float | None) -> float | None:
    """A log-probability for JSON, which has no infinity."""
    return None if logprob is None else max(logprob, IMPOSSIBLE)


def finish_reason(reason: str) -> str:
    """The reason in the words of the API.

    >>> finish_reason("length"), finish_reason("until")
    ('length', 'stop')
    """
    return reason if reason == "length" else "stop"


def event(data: Mapping[str, Any]) -> bytes:
    r"""A server-sent event.

    >>> event({"text": "é"}).decode()
    'data: {"text":"é"}\n\n'
    """
    return b"data: %b\n\n" % to_json(data)


def error_event(error: ApiError) -> bytes:
    """The event that ends a stream which has failed."""
    return event(error.to_dict())


def to_json(data: Mapping[str, Any]) -> bytes:
    """Compact JSON in UTF-8."""
    return _ENCODER.encode(data).encode()
