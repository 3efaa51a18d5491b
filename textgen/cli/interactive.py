"""`textgen sample --interactive`: prompts typed in, text streamed, settings changed.

On a terminal, lines are edited with a history and completion (prompt_toolkit); where
a pipe is read instead, they are plain lines. Text goes to stdout, all else to stderr.
"""

from __future__ import annotations

import dataclasses
import difflib
import io
import json
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import click

from textgen.cli.common import write_text
from textgen.cli.options import Option
from textgen.config import SamplingConfig
from textgen.console import say
from textgen.errors import ConfigError, TextgenError

if TYPE_CHECKING:
    from prompt_toolkit.completion import Completer
    from prompt_toolkit.history import History

    from textgen.generation.generator import Generator

Reader: TypeAlias = Callable[[], str]
"""Gives the next line without its line feed; raises EOFError after the last."""

SIGN = "> "
OFF = "off"
COMMAND = re.compile(r"/(?P<name>\S*)(?P<gap>\s*)(?P<value>.*)", re.DOTALL)
PATTERN = "pattern"
"""Its values are never unquoted: quotes and backslashes mean something in them."""

SETTINGS: dict[str, click.Option] = {
    option.opts[0].removeprefix("--"): option
    for option in (
        *(Option("Sampling", spec) for spec in dataclasses.fields(SamplingConfig)),
        click.Option(
            ["--seed"],
            type=int,
            help="Start of the random choices: the same prompt gives the same text.",
        ),
        click.Option(
            ["--label"], help="What the text is to be like, for a model of labelled text."
        ),
    )
}
"""Everything that `/NAME VALUE` changes, by name; the keys stand without the slash."""

ACTIONS = {
    "again": "The last prompt once more.",
    "settings": "Show what differs from the defaults, as it is typed.",
    "help": "Show this list.",
    "quit": "End, as Ctrl-D does.",
}

HOW_TO: list[tuple[str, str]] = [
    ("TEXT", "A prompt; the new text goes on from it. Spaces at its end count."),
    ("an empty line", "Go on with the text so far."),
    ("//TEXT", "A prompt that begins with a slash."),
    ("/NAME VALUE", "Change a setting. In double quotes, \\n is a line feed."),
    ("/NAME off", "Set it back to its default."),
    ("/NAME", "Show it."),
    ("Ctrl-C", "Stop the text that is being written; or clear the line."),
]


def converse(
    generator: Generator,
    settings: SamplingConfig,
    *,
    seed: int | None,
    label: str | None = None,
    unknown: str = "skip",
    echo: bool = True,
) -> None:
    """Answer lines from stdin until they end: prompts with text, commands with notes.

    A mistake is one line on stderr and changes nothing. Ctrl-C stops a text, and on a
    terminal nothing but that.

    Args:
        settings, seed, label: what holds until a command changes it.
        unknown: what becomes of unknown characters of a prompt, see `Generator.stream`.
        echo: show the prompt before its text.

    Raises:
        ConfigError: the settings make no sense for this model.
        TokenizerError: the model does not know the label.
        click.exceptions.Exit: code 1 at the end of a pipe of which some line failed.
    """
    values = {**dataclasses.asdict(settings), "seed": seed, "label": label}
    conversation = _Conversation(generator, values, unknown, echo)
    terminal = _terminal()
    if terminal is not None:
        say("Type how a text begins; an empty line goes on, /help lists, Ctrl-D ends.")
        read = _typed_lines(terminal, _completer(generator.tokenizer.labels))
        _answer_all(conversation, read, is_typed=True)
    elif not _answer_all(conversation, _piped_lines(), is_typed=False):
        raise click.exceptions.Exit(1)


def _answer_all(conversation: _Conversation, read: Reader, *, is_typed: bool) -> bool:
    """Returns whether no line was a mistake."""
    is_all_well = True
    while True:
        try:
            conversation.answer(read())
        except EOFError:
            return is_all_well
        except TextgenError as error:
            say(f"Error: {error}")
            is_all_well = False
        except KeyboardInterrupt:
            # Nobody types into a pipe: there, Ctrl-C means the program.
            if not is_typed:
                raise


class _Conversation:
    """The settings and the text so far; each line changes one of them or fails whole.

    Args:
        values: the keywords of `Generator.stream`: `SamplingConfig`, seed and label.
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
        """Do what a line asks for.

        Raises:
            TextgenError: it cannot be done; nothing has changed.
            EOFError: it says that it was the last.
        """
        if not line:
            self._go_on()
        elif line.startswith("//"):
            self._begin(line[1:])
        elif line.startswith("/"):
            self._obey(*split_command(line))
        else:
            self._begin(line)

    def _obey(self, name: str, value: str) -> None:
        if name in SETTINGS:
            self._change(name, value)
        elif name not in ACTIONS:
            raise _unknown_command(name)
        elif value:
            raise ConfigError(f"/{name} takes no value. Leave out {value!r}.")
        elif name == "quit":
            raise EOFError
        else:
            {"again": self._again, "settings": self._settings, "help": _help}[name]()

    def _change(self, name: str, value: str) -> None:
        key = str(SETTINGS[name].name)
        if value:
            changed = read_value(name, value, self._values[key])
            self._values = self._checked({**self._values, key: changed})
        for line in as_commands(name, self._values[key]):
            say(line)
        if name == "seed" and self._values["seed"] is None and self._prompt is not None:
            say(f"The last text began with /seed {self._seed}")

    def _settings(self) -> None:
        lines: list[str] = []
        for name, option in SETTINGS.items():
            value = self._values[str(option.name)]
            if value != _default(option):
                lines += as_commands(name, value)
        say("\n".join(lines) or "All settings have their defaults.")

    def _again(self) -> None:
        if self._prompt is None:
            raise ConfigError("there is no prompt to take again. Type one.")
        self._begin(self._prompt)

    def _begin(self, prompt: str) -> None:
        from textgen.generation.generator import checked_seed

        seed = checked_seed(self._values["seed"])
        # Python would warn once; a person who types it again wants to hear it again.
        pieces = self._stream(prompt, seed, "always")
        self._prompt = self._text = prompt
        self._seed, self._num_continued = seed, 0
        self._show(prompt if self._echo else "", pieces)

    def _go_on(self) -> None:
        if self._prompt is None:
            self._begin("")
            return
        seed = self._seed if self._values["seed"] is None else self._values["seed"]
        # The same random numbers again would lead back to the same words.
        number = self._num_continued + 1
        # What is unknown was named when it was new.
        pieces = self._stream(self._text, seed + number, "ignore")
        self._seed, self._num_continued = seed, number
        self._show("", pieces)

    def _stream(
        self, prompt: str, seed: int, warn: Literal["always", "ignore"]
    ) -> Iterator[str]:
        choices = {**self._values, "seed": seed, "unknown": self._unknown}
        with warnings.catch_warnings():
            warnings.simplefilter(warn)
            return self._generator.stream(prompt, **choices)

    def _show(self, prompt: str, pieces: Iterator[str]) -> None:
        """Write the text as it comes, and remember what was written of it."""
        new: list[str] = []
        try:
            write_text(chain([prompt], _noted(pieces, new)))
        except (KeyboardInterrupt, TextgenError):
            click.echo()
            raise
        finally:
            self._text += "".join(new)
        if not new:
            say("Nothing was added: with these settings, the text ends here.")

    def _checked(self, values: dict[str, Any]) -> dict[str, Any]:
        # Some settings make sense alone but not with this model, as an unknown label
        # does. A text that is begun, but never written, finds all of that out.
        self._generator.stream("", **values)
        return values


def _noted(pieces: Iterator[str], noted: list[str]) -> Iterator[str]:
    for piece in pieces:
        noted.append(piece)
        yield piece


# --- commands ---


def split_command(line: str) -> tuple[str, str]:
    """The name and the value of a command; either may be empty.

    >>> split_command("/top-p  0.9 ")
    ('top-p', '0.9')
    >>> split_command("/again")
    ('again', '')
    """
    name, _, value = COMMAND.findall(line)[0]
    return name, value.strip()


def read_value(name: str, text: str, current: Any) -> Any:
    r"""What `/NAME TEXT` sets, read as the flag of the same name reads it.

    Args:
        current: a setting of several values, as `/stop`, gets one more.

    Raises:
        ConfigError: the text is no such value.

    >>> read_value("temperature", "1.0,0.5", 0.8)
    (1.0, 0.5)
    >>> read_value("stop", r'"\n"', ("END",))
    ('END', '\n')
    >>> read_value("stop", "off", ("END",))
    ()
    """
    option = SETTINGS[name]
    if text == OFF:
        return _default(option)
    try:
        value = option.type(_unquoted(text) if _is_quotable(name) else text, param=option)
    except click.BadParameter as error:
        raise ConfigError(f"/{name}: {error.message}") from None
    return tuple(dict.fromkeys((*current, value))) if option.multiple else value


def as_commands(name: str, value: Any) -> list[str]:
    r"""The commands that set a value; several where it holds several texts.

    >>> as_commands("stop", ("END", "\n"))
    ['/stop END', '/stop "\\n"']
    >>> as_commands("top-k", None)
    ['/top-k off']
    """
    if value is None or value == ():
        return [f"/{name} {OFF}"]
    if isinstance(value, tuple) and not SETTINGS[name].multiple:
        return [f"/{name} {','.join(map(str, value))}"]
    each = value if isinstance(value, tuple) else (value,)
    return [f"/{name} {_quoted(v) if _is_quotable(name) else v}" for v in each]


def _default(option: click.Option) -> Any:
    """The value of a setting that was never set."""
    # Seed and label are no fields: they are off.
    return getattr(SamplingConfig, str(option.name), None)


def _is_quotable(name: str) -> bool:
    return SETTINGS[name].type is click.STRING and name != PATTERN


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        raise ConfigError(
            f"{text} begins with a double quote, but is no text as JSON writes it. End it "
            r"with a double quote; inside, write \" for one, \\ for a backslash."
        ) from None


def _quoted(text: str) -> str:
    """As `_unquoted` reads it; the quotes only where it needs them."""
    is_plain = text.isprintable() and text == text.strip() and text not in ("", OFF)
    return text if is_plain and text[0] != '"' else json.dumps(text, ensure_ascii=False)


def _unknown_command(name: str) -> ConfigError:
    near = difflib.get_close_matches(name, [*SETTINGS, *ACTIONS], n=1)
    hint = f"Did you mean /{near[0]}?" if near else "/help lists all of them."
    return ConfigError(
        f"unknown command /{name}. {hint} A prompt that begins with a slash is typed "
        "with two."
    )


def _help() -> None:
    formatter = click.HelpFormatter(max_width=100)
    settings = [(f"/{name} VALUE", str(each.help)) for name, each in SETTINGS.items()]
    formatter.write_dl([*HOW_TO, *settings, *((f"/{n}", h) for n, h in ACTIONS.items())])
    say(formatter.getvalue().rstrip())


# --- lines ---


def _terminal() -> Any:
    """The stream to talk with a person through, or None where nobody types."""
    if sys.stdin is None or not sys.stdin.isatty():
        return None
    # stderr where possible: stdout is for the text, and may go into a file.
    return next((s for s in (sys.stderr, sys.stdout) if s and s.isatty()), None)


def _piped_lines() -> Reader:
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


def _typed_lines(terminal: Any, names: Completer) -> Reader:
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


def completions(line: str, labels: Sequence[str] = ()) -> list[tuple[str, str, str]]:
    """What Tab offers at the end of a line: names of commands, then their values.

    Args:
        labels: those that the model knows.

    Returns:
        For each: the end of the line that it replaces, what comes there, a word of help.

    >>> [new for _, new, _ in completions("/top")]
    ['/top-k ', '/top-p ']
    >>> [new for _, new, _ in completions("/until s")]
    ['sentence']
    """
    if not line.startswith("/") or line.startswith("//"):
        return []
    name, gap, value = COMMAND.findall(line)[0]
    if gap:
        begun = value
        offers = dict.fromkeys(_known_values(name, labels) if name in SETTINGS else (), "")
    else:
        begun = line
        # A setting wants a value next, so a space follows its name.
        offers = {f"/{n} ": str(option.help) for n, option in SETTINGS.items()}
        offers |= {f"/{n}": text for n, text in ACTIONS.items()}
    return [(begun, new, text) for new, text in offers.items() if new.startswith(begun)]


def _known_values(name: str, labels: Sequence[str]) -> list[str]:
    kind = SETTINGS[name].type
    choices = list(kind.choices) if isinstance(kind, click.Choice) else []
    return [*choices, *(map(_quoted, labels) if name == "label" else ()), OFF]


def _completer(labels: Sequence[str]) -> Completer:
    """`completions`, as prompt_toolkit asks for them."""
    from prompt_toolkit.completion import Completer, Completion

    class Names(Completer):
        def get_completions(self, document: Any, complete_event: Any) -> Iterator[Any]:
            for begun, new, text in completions(document.text_before_cursor, labels):
                yield Completion(new, -len(begun), display=new.strip(), display_meta=text)

    return Names()
