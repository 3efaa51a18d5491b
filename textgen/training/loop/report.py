"""What training prints: a progress bar on a terminal or in a notebook, else plain lines.

Everything goes to stderr, in a notebook to stdout; see `textgen.streams.notes`.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from textgen.streams import progress_bar
from textgen.training.backend.loaded import keras
from textgen.training.loop.previews import KeepPreview
from textgen.training.loop.progress import Budget, Progress
from textgen.training.loop.status import KeepStatus
from textgen.wording import clock_time, say

PREVIEW_SECONDS = 5.0
"""Previews that come sooner after the last printed one are kept, but not printed."""


class Report(keras.callbacks.Callback):
    """Show progress on stderr: bits per character, speed, time left, sampled text.

    Args:
        status: measures speed and time left; called before this one.
        preview: samples a short text; called before this one. None for no previews.
    """

    def __init__(
        self,
        progress: Progress,
        budget: Budget,
        status: KeepStatus,
        preview: KeepPreview | None,
    ) -> None:
        super().__init__()
        self.progress = progress
        self.budget = budget
        self.status = status
        self.preview = preview
        self.bar: Any = None
        self._next_update = 0.0
        self._next_preview = 0.0

    def on_train_begin(self, logs: Any = None) -> None:
        """Show the bar, on a terminal or in a notebook only."""
        if self.bar is None:
            bar = progress_bar(total=1.0, bar_format="{percentage:3.0f}% |{bar}| {desc}")
            self.bar = None if bar.disable else bar
        if self.bar is not None:
            self.bar.set_description_str("the first step takes a few seconds")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Update the bar a few times a second."""
        now = time.monotonic()
        if self.bar is not None and now >= self._next_update and logs:
            self._next_update = now + 0.2
            bits = float(logs["bits_per_id"]) * self.status.ids_per_char
            self.bar.n = self.budget.share_used(self.progress)
            self.bar.set_description_str(
                f"{self._where()}  {bits:.3f} bits/char  {self._pace_text()}"
            )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Print the result of an evaluation, and a preview unless one was just printed."""
        row = self.progress.rows[-1]
        decimals = _decimals([row["epoch"] for row in self.progress.rows[-2:]])
        best = "  best so far" if self.progress.best_step == self.progress.step else ""
        self._print(
            f"{self._where(decimals)}  train {row['train_bits_per_char']:.3f}  "
            f"val {row['val_bits_per_char']:.3f} bits/char  {self._pace_text()}{best}"
        )
        now = time.monotonic()
        if self.preview is not None and now >= self._next_preview:
            self._next_preview = now + PREVIEW_SECONDS
            self._print(textwrap.indent(self.preview.text, "    | ", lambda line: True))

    def close(self) -> None:
        """Remove the bar."""
        if self.bar is not None:
            # A notebook would show a bar that ends early in red, as it shows an error.
            self.bar.total = self.bar.n
            self.bar.close()

    def _where(self, decimals: int = 1) -> str:
        steps_per_pass = self.status.steps_per_pass
        passes = self.progress.step / steps_per_pass
        total_steps = self.budget.total_steps
        if total_steps is None or self.budget.is_short_of_time(self.progress):
            # A number of epochs that will not be reached would mislead.
            return f"epoch {passes:.{decimals}f}"
        return f"epoch {passes:.{decimals}f}/{total_steps / steps_per_pass:.0f}"

    def _pace_text(self) -> str:
        left = clock_time(self.status.seconds_left)
        return f"{self.status.chars_per_second:,.0f} chars/s  {left} left"

    def _print(self, text: str) -> None:
        is_drawn = self.bar is not None
        with self.bar.external_write_mode(self.bar.fp) if is_drawn else nullcontext():
            say(text)


def _decimals(epochs: Sequence[float]) -> int:
    """How many decimals tell the epochs of different evaluations apart, from 1 to 4.

    >>> _decimals([1.52]), _decimals([1.49, 1.52]), _decimals([1.52, 1.523])
    (1, 2, 3)
    """
    found = 1
    while found < 4 and len({f"{epoch:.{found}f}" for epoch in epochs}) < len(epochs):
        found += 1
    return found
