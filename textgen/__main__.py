"""Entry point of the `textgen` command; turns errors into one line and an exit code."""

from __future__ import annotations

import io
import os
import signal
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from textgen.errors import (
    ConfigError,
    TextgenError,
    TokenizerError,
    UnknownCharacterWarning,
)
from textgen.streams import open_missing_descriptors, whole
from textgen.wording import one_line, say

INTERRUPTED = 130  # as shells report Ctrl-C; SIGTERM ends training the same way


def main() -> None:
    """Run the command line and exit with 0 (success), 1 (failure) or 2 (wrong usage)."""
    open_missing_descriptors()
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        # Another Ctrl-C, while Python ends, would print a traceback.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        _settle(stream)
    # After an interrupt inside `exec`, with which libraries make classes, `python -m` would
    # end by the signal instead of this code. Another `exec` lets Python forget it.
    exec("")
    sys.exit(code)


def _settle(stream: Any) -> None:
    """Flush a stream; Python does so again at exit, which must not fail."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def run(arguments: list[str]) -> int:
    """Run the command line without exiting Python; returns the exit code.

    >>> run(["--version"])
    textgen, version ...
    0
    """
    on_ctrl_c = signal.getsignal(signal.SIGINT)
    try:
        with redirect_stdout(whole(sys.stdout)), redirect_stderr(whole(sys.stderr)):
            _prepare_streams()
            return _run(arguments)
    finally:
        # A command that was interrupted may have left it ignored.
        if signal.getsignal(signal.SIGINT) is not on_ctrl_c:
            signal.signal(signal.SIGINT, on_ctrl_c)


def _run(arguments: list[str]) -> int:
    # Imported late, so that Ctrl-C during an import is an interrupt like any other.
    import click

    from textgen.cli import cli
    from textgen.config.flags import as_flags, marked_as_flags

    try:
        # Outside its standalone mode, click raises errors and returns exit codes.
        code = cli(arguments, prog_name="textgen", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        # The message may quote a file name.
        page = io.StringIO()
        error.show(page)
        say(page.getvalue().rstrip("\n"))
        return error.exit_code
    except TextgenError as error:
        # These are about options; others may quote files in which names are as in Python.
        is_about_options = isinstance(error, ConfigError | TokenizerError)
        message = (as_flags if is_about_options else marked_as_flags)(str(error))
        say(f"Error: {one_line(message)}")
        return 2 if isinstance(error, ConfigError) else 1
    except MemoryError:
        say("Error: there is not enough memory. Ask for less, or use a smaller model.")
        return 1
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has closed the pipe (`textgen sample | head`).
        return 1
    except SystemExit as end:
        # click exits by itself if that happens inside a command.
        return end.code if isinstance(end.code, int) else 1
    except OSError as error:
        # Files that users name have errors of their own; without a name it is stdout.
        what = f"{error.filename}:" if error.filename else "the output cannot be written:"
        say(f"Error: {one_line(what)} {error.strerror or error}.")
        return 1


def _prepare_streams() -> None:
    """Write UTF-8 regardless of the locale, and warnings as one line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    warnings.showwarning = _show_warning


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    from textgen.config.flags import as_flags

    is_ours = isinstance(message, UnknownCharacterWarning)
    say(f"Warning: {as_flags(str(message)) if is_ours else message}")


if __name__ == "__main__":
    main()
