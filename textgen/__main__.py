"""Entry point of the `textgen` command; turns errors into one line and an exit code."""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import Any

import click

from textgen.cli import cli
from textgen.cli.options import as_flags
from textgen.errors import (
    ConfigError,
    TextgenError,
    TokenizerError,
    UnknownCharacterWarning,
)
from textgen.wording import one_line, say

INTERRUPTED = 130  # as shells report Ctrl-C; SIGTERM ends training the same way


def main() -> None:
    """Run the command line and exit with 0 (success), 1 (failure) or 2 (wrong usage)."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command line without exiting Python; returns the exit code.

    >>> run(["--version"])
    textgen, version ...
    0
    """
    _prepare_streams()
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
        message = str(error)
        # These are about options; others may quote files in which names are as in Python.
        if isinstance(error, ConfigError | TokenizerError):
            message = as_flags(message)
        say(f"Error: {one_line(message)}")
        return 2 if isinstance(error, ConfigError) else 1
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has closed the pipe (`textgen sample | head`); click exits with 1 if
        # this happens inside a command. Python flushes stdout again at exit, which must
        # not fail.
        _drop_output()
        return 1
    except OSError as error:
        # Files that users name have errors of their own; without a name it is stdout.
        what = f"{error.filename}:" if error.filename else "the output cannot be written:"
        say(f"Error: {one_line(what)} {error.strerror or error}.")
        _drop_output()
        return 1


def _drop_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _prepare_streams() -> None:
    """Write UTF-8 regardless of the locale, and warnings as one line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    warnings.showwarning = _show_warning


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    is_ours = isinstance(message, UnknownCharacterWarning)
    say(f"Warning: {as_flags(str(message)) if is_ours else message}")


if __name__ == "__main__":
    main()
