"""Reading the lines of a conversation, from a terminal or a pipe."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from textgen.cli.interactive.commands import completions
from textgen.disk.places import user_folder
from textgen.streams import whole
from textgen.wording import say

if TYPE_CHECKING:
    from prompt_toolkit.completion import Completer
    from prompt_toolkit.history import History


Reader: TypeAlias = Callable[[], str]
"""Returns the next line without its line feed; raises EOFError after the last."""

PROMPT_SIGN = "> "


def find_terminal() -> Any:
    """The stream on which to edit lines, or None if stdin is not a terminal."""
    if not whole(sys.stdin).isatty():
        return None
    # Preferably stderr: stdout is for the text and may be redirected to a file.
    return next((s for s in (sys.stderr, sys.stdout) if whole(s).isatty()), None)


def piped_lines() -> Reader:
    """Read lines of UTF-8; invalid bytes become characters that no model knows."""
    # A closed stdin has no lines.
    stdin = sys.stdin or io.StringIO()
    if isinstance(stdin, io.TextIOWrapper):
        stdin.reconfigure(encoding="utf-8-sig", errors="surrogateescape")

    def read() -> str:
        line = stdin.readline()
        if not line:
            raise EOFError
        return line.removesuffix("\n")

    return read


def typed_lines(terminal: Any, names: Completer) -> Reader:
    """Read lines typed on a terminal, with a lasting history and Tab completion."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.output import create_output

    session: PromptSession[str] = PromptSession(
        history=_history(),
        completer=names,
        # No menu until Tab is pressed: most lines are prose.
        complete_while_typing=False,
        enable_history_search=True,
        output=create_output(stdout=terminal),
    )

    def read() -> str:
        while True:
            try:
                return session.prompt(PROMPT_SIGN)
            except KeyboardInterrupt:
                if not session.default_buffer.text:
                    say("Quit with Ctrl-D or /quit.")

    return read


def _history() -> History:
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    if (folder := user_folder("data")) is None:
        say("Warning: the history is not saved: this user has no home directory.")
        return InMemoryHistory()
    path = folder / "history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The history is private: readable by its owner only.
        path.touch(mode=0o600)
        with path.open("r+b"):
            return FileHistory(str(path))
    except OSError as error:
        say(f"Warning: the history is not saved; cannot write {path}: {error.strerror}.")
        return InMemoryHistory()


def completer(labels: Sequence[str]) -> Completer:
    """Adapt `completions` to prompt_toolkit."""
    from prompt_toolkit.completion import Completer, Completion

    class Names(Completer):
        def get_completions(self, document: Any, complete_event: Any) -> Iterator[Any]:
            for begun, new, text in completions(document.text_before_cursor, labels):
                yield Completion(new, -len(begun), display=new.strip(), display_meta=text)

    return Names()
