"""What training prints: a progress bar on a terminal or in a notebook, else plain lines.

Everything goes to stderr, in a notebook to stdout; see `textgen.streams.notes`.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from textgen.streams import progress_bar
from textgen.training.backend.loaded import keras
from textgen.training.loop.progress import Budget, Progress
from textgen.wording import clock_time, say


class Report(keras.callbacks.Callback):
    """Show progress on stderr: bits per character, speed, time left, sampled text.

    Args:
        window_chars: characters trained on per step, on average.
        ids_per_char: of the training text.
        steps_per_pass: steps to read the training text once.
        preview: samples a short text from the current model; None for no previews.
    """

    def __init__(
        self,
        progress: Progress,
        budget: Budget,
        *,
        window_chars: float,
        ids_per_char: float,
        steps_per_pass: int,
        preview: Callable[[], str] | None,
    ) -> None:
        super().__init__()
        self.progress = progress
        self.budget = budget
        self.ids_per_char = ids_per_char
        self.steps_per_pass = steps_per_pass
        self.preview = preview
        self.bar: Any = None
        self._pace = Pace(budget.share_used(progress), progress.seconds)
        self._speed = Speed(window_chars)
        self._next_update = 0.0

    def on_train_begin(self, logs: Any = None) -> None:
        """Show the bar, on a terminal or in a notebook only."""
        if self.bar is None:
            bar = progress_bar(total=1.0, bar_format="{percentage:3.0f}% |{bar}| {desc}")
            self.bar = None if bar.disable else bar
        if self.bar is not None:
            self.bar.set_description_str("the first step takes a few seconds")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Restart the measurement of speed: evaluation and preview do not count."""
        self._speed.restart()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Update the bar a few times a second."""
        now = time.monotonic()
        self._speed.add(now, self.progress.step)
        if self.bar is not None and now >= self._next_update and logs:
            self._next_update = now + 0.2
            bits = float(logs["bits_per_id"]) * self.ids_per_char
            self.bar.n = self.budget.share_used(self.progress)
            self.bar.set_description_str(
                f"{self._where()}  {bits:.3f} bits/char  {self._pace_text()}"
            )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Print the result of an evaluation, and a preview."""
        row = self.progress.rows[-1]
        decimals = _decimals([row["epoch"] for row in self.progress.rows[-2:]])
        best = "  best so far" if self.progress.best_step == self.progress.step else ""
        self._print(
            f"{self._where(decimals)}  train {row['train_bits_per_char']:.3f}  "
            f"val {row['val_bits_per_char']:.3f} bits/char  {self._pace_text()}{best}"
        )
        if self.preview is not None:
            self._print(textwrap.indent(self.preview(), "    | ", lambda line: True))

    def close(self) -> None:
        """Remove the bar."""
        if self.bar is not None:
            # A notebook would show a bar that ends early in red, as it shows an error.
            self.bar.total = self.bar.n
            self.bar.close()

    def _where(self, decimals: int = 1) -> str:
        passes = self.progress.step / self.steps_per_pass
        total_steps = self.budget.total_steps
        if total_steps is None or self.budget.is_short_of_time(self.progress):
            # A number of epochs that will not be reached would mislead.
            return f"epoch {passes:.{decimals}f}"
        return f"epoch {passes:.{decimals}f}/{total_steps / self.steps_per_pass:.0f}"

    def _pace_text(self) -> str:
        left = self._pace.seconds_left(
            self.budget.share_used(self.progress), self.progress.seconds
        )
        return f"{self._speed.chars_per_second:,.0f} chars/s  {clock_time(left)} left"

    def _print(self, text: str) -> None:
        is_drawn = self.bar is not None
        with self.bar.external_write_mode(self.bar.fp) if is_drawn else nullcontext():
            say(text)


def _decimals(epochs: Sequence[float]) -> int:
    """How many decimals tell the epochs of different evaluations apart, from 1 to 4.

    >>> _decimals([1.52]), _decimals([1.49, 1.52]), _decimals([1.52, 1.523])
    (1, 1, 3)
    """
    found = 1
    while found < 4 and len({f"{epoch:.{found}f}" for epoch in epochs}) < len(epochs):
        found += 1
    return found


class Speed:
    """Characters per second, from the second step on: the first one also compiles."""

    def __init__(self, window_chars: float) -> None:
        self.window_chars = window_chars
        self.chars_per_second = 0.0
        self._start: tuple[float, int] | None = None

    def restart(self) -> None:
        """Restart the measurement; until it has a result, the last speed remains."""
        self._start = None

    def add(self, now: float, step: int) -> None:
        """Note that `step` steps are done at time `now`, in seconds."""
        if self._start is None:
            self._start = now, step
        elif now > self._start[0]:
            steps = step - self._start[1]
            self.chars_per_second = steps * self.window_chars / (now - self._start[0])


class Pace:
    """Time left, extrapolated from the share of the budget used in this session.

    >>> Pace(share_used=0.5, seconds=100.0).seconds_left(share_used=0.75, seconds=120.0)
    20.0
    """

    def __init__(self, share_used: float, seconds: float) -> None:
        self.share_used = share_used
        self.seconds = seconds

    def seconds_left(self, share_used: float, seconds: float) -> float:
        """Seconds until `share_used` reaches 1; 0 while it is unknown."""
        gained = share_used - self.share_used
        return (seconds - self.seconds) * (1 - share_used) / gained if gained > 0 else 0.0
