"""What a server counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


class Metrics:
    """Counters of one server.

    >>> metrics = Metrics(num_running=lambda: 3, num_waiting=lambda: 0)
    >>> metrics.written("my_book", 10)
    >>> print(metrics.page().decode())
    # HELP textgen_requests_total ...
    textgen_characters_total{model="my_book"} 10.0
    ...
    textgen_texts_running 3.0
    ...
    """

    def __init__(
        self, num_running: Callable[[], int], num_waiting: Callable[[], int]
    ) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            *("textgen_requests", "Requests for completions, by status of the answer."),
            ["status"],
            registry=self._registry,
        )
        self._characters = Counter(
            *("textgen_characters", "Characters written."),
            ["model"],
            registry=self._registry,
        )
        self._first = Histogram(
            *("textgen_first_character_seconds", "Seconds to the first character."),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._seconds = Histogram(
            *("textgen_request_seconds", "Seconds that a request for completions took."),
            buckets=SECONDS,
            registry=self._registry,
        )
        running = Gauge(
            *("textgen_texts_running", "Places that texts being written take."),
            registry=self._registry,
        )
        running.set_function(num_running)
        waiting = Gauge(
            *("textgen_requests_waiting", "Requests in the queue."),
            registry=self._registry,
        )
        waiting.set_function(num_waiting)

    def written(self, model: str, num_chars: int) -> None:
        """Characters that a model has written."""
        self._characters.labels(model).inc(num_chars)

    def began(self, seconds: float) -> None:
        """A request has its first character."""
        self._first.observe(seconds)

    def answered(self, status: int, seconds: float) -> None:
        """A request for completions is over."""
        self._requests.labels(str(status)).inc()
        self._seconds.observe(seconds)

    def page(self) -> bytes:
        """All figures, in the text format of Prometheus."""
        return generate_latest(self._registry)
