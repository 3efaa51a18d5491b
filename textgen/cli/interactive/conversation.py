"""`textgen sample --interactive`: type prompts, stream text, change settings.

On a terminal, lines are edited with history and completion (prompt_toolkit); from a
pipe, they are read as plain lines. Text goes to stdout, everything else to stderr.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import click

from textgen.cli.common import note_ranges, write_text
from textgen.cli.interactive.commands import (
    ACTIONS,
    SETTINGS,
    as_commands,
    default_value,
    read_value,
    show_help,
    split_command,
    unknown_command,
)
from textgen.cli.interactive.terminal import (
    Reader,
    completer,
    find_terminal,
    piped_lines,
    typed_lines,
)
from textgen.config.flags import as_flags
from textgen.config.sampling import SamplingConfig
from textgen.errors import ConfigError, TextgenError
from textgen.text.unicode.code_points import SEPARATOR
from textgen.wording import say

if TYPE_CHECKING:
    from textgen.generation.generator import Generator


def converse(
    generator: Generator,
    settings: SamplingConfig,
    *,
    seed: int | None,
    label: str | None = None,
    unknown: str = "skip",
    echo: bool = True,
) -> None:
    """Answer lines from stdin until they end: prompts with text, commands with messages.

    A mistake gives one line on stderr and changes nothing. Ctrl-C stops the current text;
    on a terminal, the conversation continues.

    Args:
        settings, seed, label: the initial values, which commands change.
        unknown: what happens to unknown characters of a prompt, see `Generator.stream`.
        echo: show the prompt before its text.

    Raises:
        ConfigError: the settings do not fit this model.
        TokenizerError: an unknown label.
        click.exceptions.Exit: code 1 at the end of a pipe if a line failed.
    """
    values = {**dataclasses.asdict(settings), "seed": seed, "label": label}
    conversation = _Conversation(generator, values, unknown, echo)
    terminal = find_terminal()
    if terminal is not None:
        say("Type a prompt. Empty line: continue. /help: list commands. Ctrl-D: quit.")
        read = typed_lines(terminal, completer(generator.tokenizer.labels))
        _answer_all(conversation, read, is_typed=True)
    elif not _answer_all(conversation, piped_lines(), is_typed=False):
        raise click.exceptions.Exit(1)


LEAVE = ("exit", "quit")
"""What people type at other programs to leave them."""


def _answer_all(conversation: _Conversation, read: Reader, *, is_typed: bool) -> bool:
    """Answer every line; returns whether none failed."""
    has_succeeded = True
    while True:
        try:
            line = read()
            if is_typed and line.strip().lower() in LEAVE:
                say(f"To leave: /quit or Ctrl-D. {line.strip()!r} is taken as a prompt.")
            conversation.answer(line)
        except EOFError:
            return has_succeeded
        except TextgenError as error:
            say(f"Error: {as_flags(str(error), prefix='/')}")
            has_succeeded = False
        except KeyboardInterrupt:
            # Nobody types into a pipe: there, Ctrl-C ends the program.
            if not is_typed:
                raise


class _Conversation:
    """The settings and the text so far; a line that fails changes neither.

    Args:
        values: keywords of `Generator.stream`: `SamplingConfig` fields, seed and label.
    """

    def __init__(
        self, generator: Generator, values: dict[str, Any], unknown: str, echo: bool
    ) -> None:
        self._generator = generator
        self._unknown = unknown
        self._echo = echo
        self._values = self._checked(values)
        self._prompt: str | None = None
        self._text = ""
        self._seed = 0
        self._num_continued = 0

    def answer(self, line: str) -> None:
        """Carry out a line.

        Raises:
            TextgenError: it failed; nothing has changed.
            EOFError: it was /quit.
        """
        if not line:
            self._continue()
        elif line.startswith("//"):
            self._begin(line[1:])
        elif line.startswith("/"):
            self._execute(*split_command(line))
        else:
            self._begin(line)

    def _execute(self, name: str, value: str) -> None:
        if name in SETTINGS:
            self._change(name, value)
        elif name not in ACTIONS:
            raise unknown_command(name)
        elif value:
            raise ConfigError(f"/{name} takes no value. Leave out {value!r}.")
        elif name == "quit":
            raise EOFError
        else:
            {"again": self._again, "settings": self._settings, "help": show_help}[name]()

    def _change(self, name: str, value: str) -> None:
        key = str(SETTINGS[name].name)
        if value:
            changed = read_value(name, value, self._values[key])
            self._values = self._checked({**self._values, key: changed})
            if name in ("allow", "forbid"):
                note_ranges(name, changed, prefix="/")
        for line in as_commands(name, self._values[key]):
            say(line)
        if name == "seed" and self._values["seed"] is None and self._prompt is not None:
            say(f"The last text began with /seed {self._seed}")

    def _settings(self) -> None:
        lines: list[str] = []
        for name, option in SETTINGS.items():
            value = self._values[str(option.name)]
            if value != default_value(option):
                lines += as_commands(name, value)
        say("\n".join(lines) or "All settings have their defaults.")

    def _again(self) -> None:
        if self._prompt is None:
            raise ConfigError("there is no earlier prompt. Type one.")
        self._begin(self._prompt)

    def _begin(self, prompt: str) -> None:
        from textgen.generation.decoding.completing import shown_prompt, to_complete
        from textgen.generation.settings import resolve_seed

        seed = resolve_seed(self._values["seed"])
        # Python shows a warning only once; it is needed whenever the prompt is typed.
        pieces = self._stream(prompt, seed, "always")
        tokenizer = self._generator.tokenizer
        self._prompt, self._text = prompt, to_complete(tokenizer, prompt)
        self._seed, self._num_continued = seed, 0
        self._show(shown_prompt(tokenizer, prompt) if self._echo else "", pieces)

    def _continue(self) -> None:
        if self._prompt is None:
            self._begin("")
            return
        seed = self._seed if self._values["seed"] is None else self._values["seed"]
        # The same random numbers would lead to the same words again.
        number = self._num_continued + 1
        pieces = self._rest(seed + number)
        self._seed, self._num_continued = seed, number
        self._show("", pieces)

    def _rest(self, seed: int) -> Iterator[str]:
        """What follows the text so far; the next line, say, where this one is whole."""
        from textgen.generation.decoding.stopping import BREAKS

        # Unknown characters were reported with the prompt.
        pieces = self._stream(self._text, seed, "ignore")
        first = next(pieces, "")
        after = BREAKS.get(self._values["until"], "")
        if first or not after or self._generator.tokenizer.unknown_characters(after):
            return chain(filter(None, [first]), pieces)
        self._text += after
        return self._stream(self._text, seed, "ignore")

    def _stream(
        self, prompt: str, seed: int, warn: Literal["always", "ignore"]
    ) -> Iterator[str]:
        choices = {**self._values, "seed": seed, "unknown": self._unknown}
        with warnings.catch_warnings():
            # Settings were reported when they were set.
            warnings.simplefilter("ignore")
            warnings.filterwarnings(warn, "left out of the prompt")
            return self._generator.stream(prompt, **choices)

    def _show(self, prompt: str, pieces: Iterator[str]) -> None:
        """Stream the text, and remember the part that was written."""
        new: list[str] = []
        try:
            write_text(chain([prompt], _recorded(pieces, new)))
        except (KeyboardInterrupt, TextgenError):
            click.echo()
            raise
        finally:
            self._text += "".join(new)
        if not new:
            say("Nothing was added: with these settings, the text ends here.")

    def _checked(self, values: dict[str, Any]) -> dict[str, Any]:
        # Some settings are valid but do not fit this model, such as an unknown label.
        # Beginning a text checks all of them; nothing is written.
        # The separator alone begins a completion, which needs a prompt otherwise.
        separator = SEPARATOR if self._generator.tokenizer.separator else ""
        self._generator.stream(separator, **values)
        return values


def _recorded(pieces: Iterator[str], recorded: list[str]) -> Iterator[str]:
    for piece in pieces:
        recorded.append(piece)
        yield piece
