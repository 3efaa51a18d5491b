"""A run as a path that a notebook shows with its curve, its score and a text."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from textgen.checkpoint.previews import read_previews
from textgen.checkpoint.runs import RunDirectory
from textgen.checkpoint.status import read_status
from textgen.generation.showing import facts_html, text_html
from textgen.reporting.facts import best_of, read_history
from textgen.reporting.pictures import can_draw, history_png

if TYPE_CHECKING:
    PlatformPath = Path
else:
    # Before Python 3.12, only the path of a platform can have subclasses.
    PlatformPath = type(Path())


class Run(PlatformPath):
    """The directory of a run, a path; in a notebook it shows how the training went.

    Paths that are made from it are of this class as well. Where there is no history, a
    notebook shows the path alone.
    """

    __slots__ = ()

    def _repr_html_(self) -> str | None:
        run = RunDirectory(Path(self))
        rows = read_history(run.history_csv)
        if not rows:
            return None
        return "".join([facts_html(self.name, _facts(run)), *_picture(rows), *_text(run)])


def _facts(run: RunDirectory) -> Iterator[tuple[str, str]]:
    best = best_of(read_history(run.history_csv))
    if best is not None:
        yield (
            "score",
            f"{best['val_bits_per_char']:.3f} bits per character on held-out text, "
            f"epoch {best['epoch']:.1f}",
        )
    status = read_status(run.status)
    if status is not None:
        yield "ended", status.ended_shown


def _picture(rows: list[dict[str, float]]) -> Iterator[str]:
    if can_draw():
        data = base64.b64encode(history_png(rows)).decode()
        words = "bits per character of training and held-out text over the epochs"
        yield f'<img src="data:image/png;base64,{data}" alt="{words}" width="850">'


def _text(run: RunDirectory) -> Iterator[str]:
    for preview in read_previews(run.previews)[-1:]:
        yield text_html(f"It wrote at step {preview.step:,}:", preview.text)
