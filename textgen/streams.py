"""The standard streams as they are: whole, missing, closed, or those of a notebook.

A process may start without stdout or stderr (`2>&-`, a service, a program without a
console), and a script may replace them by None or by an object that can only write. This
module returns streams that are safe to use in all of these cases.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TextIO, cast

USED = ("isatty", "flush", "write", "writelines")
"""What this package and its libraries call on a stream."""

UNKNOWN_SIZE = {"ncols": 80, "nrows": 24}
"""The size of a terminal that reports none, as in some containers and editors."""

PIECE_SECONDS = 0.1
"""The time between two pieces of a text in a notebook: each is a message to the browser."""


def notes() -> TextIO:
    """Where notes, warnings and progress go: stderr.

    In a notebook this is stdout: a notebook shows stderr on red, like an error.
    """
    return whole(sys.stdout if in_notebook() else sys.stderr)


def results() -> TextIO:
    """Where results go: stdout."""
    return whole(sys.stdout)


def whole(stream: Any) -> TextIO:
    """The stream itself if it has what a stream needs, or a stream that writes to it.

    What is written to no stream (None), or to a closed one, is dropped.

    >>> whole(None).write("dropped"), whole(sys.__stdout__) is sys.__stdout__
    (7, True)
    """
    if stream is None or getattr(stream, "closed", False):
        return cast(TextIO, _Writer(None))
    if all(hasattr(stream, name) for name in USED):
        return cast(TextIO, stream)
    return cast(TextIO, _Writer(stream))


class _Writer:
    """A stream that is no terminal, around an object that has only `write`, or None."""

    encoding = "utf-8"

    def __init__(self, target: Any) -> None:
        self._target = target

    def write(self, text: str) -> int:
        if self._target is not None:
            self._target.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if hasattr(self._target, "flush"):
            self._target.flush()

    def isatty(self) -> bool:
        return False


def open_missing_descriptors() -> None:
    """Open descriptors 0 to 2 on the null device where the process started without them.

    Otherwise the next files to be opened would get their numbers, and messages of native
    libraries would be written into them.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is taken, and all below are open by now.
            os.open(os.devnull, os.O_RDWR)


def in_notebook() -> bool:
    """Whether this process is the kernel of a Jupyter notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and "IPKernelApp" in shell.config


def pieces_to_show(pieces: Iterator[str]) -> Iterator[str]:
    """The pieces of a text as they are; in a notebook joined to about ten a second."""
    return _joined(pieces) if in_notebook() else pieces


def _joined(pieces: Iterator[str]) -> Iterator[str]:
    waiting, next_time = "", 0.0
    for piece in pieces:
        waiting += piece
        if time.monotonic() >= next_time:
            yield waiting
            waiting, next_time = "", time.monotonic() + PIECE_SECONDS
    if waiting:
        yield waiting


def progress_bar(*, wanted: bool = True, **options: Any) -> Any:
    """A tqdm bar among the notes, on a terminal or in a notebook that can show one.

    Args:
        wanted: False makes a bar that is not shown.
        options: of `tqdm.tqdm`.
    """
    stream = notes()
    shows_widgets = in_notebook() and find_spec("ipywidgets") is not None
    if wanted and in_notebook() and not shows_widgets:
        _say_what_shows_bars()
    is_shown = wanted and (stream.isatty() or shows_widgets)
    tqdm = import_module("tqdm.notebook" if shows_widgets else "tqdm").tqdm
    usual = {"leave": False, **_size(stream), **options}
    return tqdm(file=stream, disable=not is_shown, **usual)


@cache
def _say_what_shows_bars() -> None:
    print(
        "No progress bar is shown, since ipywidgets is not installed. To install it: "
        "pip install ipywidgets",
        file=notes(),
        flush=True,
    )


def _size(stream: TextIO) -> dict[str, Any]:
    """Options of tqdm; in a terminal that reports 0 columns it would draw nothing."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return {"dynamic_ncols": True}  # no terminal, so either no bar or a widget
    return {"dynamic_ncols": True} if min(size) else UNKNOWN_SIZE
