"""Messages of the library as the command line spells them: options as flags.

The library names an option by its keyword. Alone, the name of one is put in backticks,
with or without a value (`length`, `documents='whole'`), since it may also be a word.
"""

from __future__ import annotations

import ast
import dataclasses
import re
import shlex

from textgen.config.model import ModelConfig
from textgen.config.sampling import SamplingConfig
from textgen.config.serving import ServingConfig
from textgen.config.text import TextConfig
from textgen.config.train import TrainConfig

CONFIGS = (TextConfig, ModelConfig, TrainConfig, SamplingConfig, ServingConfig)

_NAMES = sorted(
    {spec.name for kind in CONFIGS for spec in dataclasses.fields(kind)}
    | {"unknown", "num_samples", "logprobs", "label", "size", "window", "until"}
    | {"out", "resume", "overwrite", "init_from", "backend", "cache_dir"}
    | {"distributed", "workers"}
    | {"minutes", "trial_minutes", "storage", "port", "api_key_file"}
    | {"format", "output", "weights"}
)
_MARKED = re.compile(rf"`(?P<name>{'|'.join(_NAMES)})(?:=(?P<value>[^`]*))?`")
_QUOTED = r"""(?<!\w)'(?:[^'\\]|\\.)*'|(?<!\w)"(?:[^"\\]|\\.)*\""""
_SPELLED = re.compile(
    rf"(?<![\w./-])(?P<name>{'|'.join(_NAMES)})=(?P<value>{_QUOTED}|[^\s,;]*[^\s,;.])"
    rf"|(?P<quoted>{_QUOTED})"
    rf"|(?<![\w./-])(?P<bare>{'|'.join(n for n in _NAMES if '_' in n)})(?![\w/=-]|\.\w)"
)


def as_flags(message: str, prefix: str = "--") -> str:
    """A message about options with all of them as the command line spells them.

    >>> as_flags("min_length=9 is more than length=5. Say unknown='skip', or `length`.")
    '--min-length 9 is more than --length 5. Say --unknown skip, or --length.'
    """
    message = marked_as_flags(message, prefix)
    return _SPELLED.sub(lambda found: _spelled(found, prefix), message)


def marked_as_flags(message: str, prefix: str = "--") -> str:
    """A message of the library with the options in backticks as flags.

    >>> marked_as_flags("Lower `length`, or use `resume=True` or `documents='whole'`.")
    'Lower --length, or use --resume or --documents whole.'
    """
    return _MARKED.sub(lambda found: _flag(found["name"], found["value"], prefix), message)


def _spelled(found: re.Match[str], prefix: str) -> str:
    name, value = found["name"] or found["bare"], found["value"]
    if name is None:
        return found["quoted"]
    return _flag(name, value, prefix)


def _flag(name: str, value: str | None, prefix: str) -> str:
    flag = prefix + name.replace("_", "-")
    if value in (None, "True"):
        return flag
    if re.fullmatch(_QUOTED, value):
        value = in_shell(ast.literal_eval(value))
    return f"{flag} {value}"


def in_shell(text: str) -> str:
    r"""A text as it is typed in a shell.

    >>> print(in_shell("word"), in_shell(r"\n"), in_shell("it's"), in_shell("\n"))
    word '\n' 'it'"'"'s' $'\n'
    """
    if re.fullmatch(r"[\w.][\w.-]*", text):
        return text
    if text.isprintable():
        return shlex.quote(text) if "'" in text else f"'{text}'"
    # Escapes are those of Python, which uses single quotes if there is a double one.
    return f"$'{repr(chr(34) + text)[2:]}"
