"""Lines of a conversation, from a terminal or a pipe."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from textgen.cli.interactive.commands import completions
from textgen.wording import say

if TYPE_CHECKING:
    from prompt_toolkit.completion import Completer
    from prompt_toolkit.history import History


Reader: TypeAlias = Callable[[], str]
"""Gives the next line without its line feed; raises EOFError after the last."""

SIGN = "> "


# --- lines ---


def find_terminal() -> Any:
    """The stream to talk with a person through, or None where nobody types."""
    if sys.stdin is None or not sys.stdin.isatty():
        return None
    # stderr where possible: stdout is for the text, and may go into a file.
    return next((s for s in (sys.stderr, sys.stdout) if s and s.isatty()), None)


def piped_lines() -> Reader:
    """Lines of UTF-8; broken bytes become characters that no model knows."""
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
    """Lines from a person, with a history that lasts and completion by Tab."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.output import create_output

    session: PromptSession[str] = PromptSession(
        history=_history(),
        completer=names,
        # Menus only when asked for with Tab: most of what is typed is prose.
        complete_while_typing=False,
        enable_history_search=True,
        output=create_output(stdout=terminal),
    )

    def read() -> str:
        while True:
            try:
                return session.prompt(SIGN)
            except KeyboardInterrupt:
                if not session.default_buffer.text:
                    say("Ctrl-D or /quit ends.")

    return read


def _history() -> History:
    import platformdirs
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    path = Path(platformdirs.user_data_dir("textgen", appauthor=False)) / "history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What was typed is nobody else's business.
        path.touch(mode=0o600)
        with path.open("r+b"):
            return FileHistory(str(path))
    except OSError as error:
        say(f"Warning: no history is kept, as {path} cannot be written: {error.strerror}.")
        return InMemoryHistory()


def completer(labels: Sequence[str]) -> Completer:
    """`completions`, as prompt_toolkit asks for them."""
    from prompt_toolkit.completion import Completer, Completion

    class Names(Completer):
        def get_completions(self, document: Any, complete_event: Any) -> Iterator[Any]:
            for begun, new, text in completions(document.text_before_cursor, labels):
                yield Completion(new, -len(begun), display=new.strip(), display_meta=text)

    return Names()
