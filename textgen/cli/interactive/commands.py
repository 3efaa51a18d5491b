"""The commands of a conversation: `/NAME VALUE`, their values and completion."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from typing import Any

import click

from textgen.cli.options import Option
from textgen.config.sampling import SamplingConfig
from textgen.errors import ConfigError
from textgen.wording import did_you_mean, say

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
        return default_value(option)
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


def default_value(option: click.Option) -> Any:
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


def unknown_command(name: str) -> ConfigError:
    """The error for a command that does not exist; it offers the nearest one."""
    hint = did_you_mean(
        name,
        [*SETTINGS, *ACTIONS],
        otherwise="/help lists all of them.",
        show="/{}".format,
    )
    return ConfigError(
        f"unknown command /{name}. {hint} A prompt that begins with a slash is typed "
        "with two."
    )


def show_help() -> None:
    """Print every command with its help."""
    formatter = click.HelpFormatter(max_width=100)
    settings = [(f"/{name} VALUE", str(each.help)) for name, each in SETTINGS.items()]
    formatter.write_dl([*HOW_TO, *settings, *((f"/{n}", h) for n, h in ACTIONS.items())])
    say(formatter.getvalue().rstrip())


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
