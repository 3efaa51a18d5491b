"""The commands of a conversation: `/NAME VALUE`, their values and completion."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from typing import Any

import click

from textgen.cli.options import Option
from textgen.config.fields import ELSEWHERE
from textgen.config.sampling import SamplingConfig
from textgen.errors import ConfigError
from textgen.wording import did_you_mean, say

OFF = "off"
COMMAND = re.compile(r"/(?P<name>\S*)(?P<gap>\s*)(?P<value>.*)", re.DOTALL)
PATTERN = "pattern"
"""Its values are never unquoted: quotes and backslashes have a meaning of their own."""

SETTINGS: dict[str, click.Option] = {
    option.opts[0].removeprefix("--"): option
    for option in (
        *(Option("Sampling", spec) for spec in dataclasses.fields(SamplingConfig)),
        click.Option(
            ["--seed"],
            type=int,
            help="Random seed: the same prompt gives the same text.",
        ),
        click.Option(
            ["--label"], help="A label of the training text, for a model of labelled text."
        ),
    )
}
"""Every setting that `/NAME VALUE` changes, by its name without the slash."""

ACTIONS = {
    "again": "Use the last prompt again.",
    "settings": "Show the settings that differ from their defaults, as commands.",
    "help": "Show this list.",
    "quit": "Quit, like Ctrl-D.",
}

HOW_TO: list[tuple[str, str]] = [
    ("TEXT", "A prompt to continue. Trailing spaces count."),
    ("an empty line", "Continue the text so far."),
    ("//TEXT", "A prompt that begins with a slash."),
    ("/NAME VALUE", "Change a setting. In double quotes, \\n is a line feed."),
    ("/NAME off", "Reset a setting to its default."),
    ("/NAME", "Show a setting."),
    ("Ctrl-C", "Stop the text that is being written, or clear the line."),
]


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
    r"""The value that `/NAME TEXT` sets, parsed like the flag of the same name.

    Args:
        current: the value so far; a setting of several values, like `/stop`, is extended.

    Raises:
        ConfigError: the text is not a valid value.

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
    r"""The commands that set a value; one for each text of a setting with several.

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
    """The default of a setting."""
    # Seed and label are not fields of the configuration; they default to None.
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
            f"{text} begins with a double quote, but is not a valid JSON string. End it "
            r"with a double quote; inside, write \" for one, \\ for a backslash."
        ) from None


def _quoted(text: str) -> str:
    """The inverse of `_unquoted`; with quotes only if they are needed."""
    is_plain = text.isprintable() and text == text.strip() and text not in ("", OFF)
    return text if is_plain and text[0] != '"' else json.dumps(text, ensure_ascii=False)


def unknown_command(name: str) -> ConfigError:
    """The error for an unknown command, with the most similar one."""
    hint = did_you_mean(
        ELSEWHERE.get(name.replace("-", "_"), name),
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
    """The completions of a line: names of commands, or the values of one.

    Args:
        labels: the labels of the model.

    Returns:
        For each: the end of the line that it replaces, the replacement, and its help.

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
        # A setting takes a value, so a space follows its name.
        offers = {f"/{n} ": str(option.help) for n, option in SETTINGS.items()}
        offers |= {f"/{n}": text for n, text in ACTIONS.items()}
    return [(begun, new, text) for new, text in offers.items() if new.startswith(begun)]


def _known_values(name: str, labels: Sequence[str]) -> list[str]:
    kind = SETTINGS[name].type
    choices = list(kind.choices) if isinstance(kind, click.Choice) else []
    return [*choices, *(map(_quoted, labels) if name == "label" else ()), OFF]
