"""Arguments of public functions, checked at the entry.

Each function returns what the caller works with, or refuses the argument with a
`ConfigError` that names it and its type.
"""

from __future__ import annotations

import numbers
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import Any

from textgen.errors import ConfigError
from textgen.wording import is_whole_number, shown

_PYTHON = (type(None), bool, int, float, str)


def plain(value: Any) -> Any:
    """A scalar of NumPy or of a framework as Python's own; anything else as it is.

    >>> import numpy as np
    >>> plain(np.int64(8)), plain(np.bool_(True)), plain(np.float32(0.5)), plain(b"x")
    (8, True, 0.5, b'x')
    """
    if type(value) in _PYTHON:
        return value
    # NumPy is not imported: `--help` does without it.
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) else value


def type_name(value: object) -> str:
    """The type of a value for a message: `None`, or the name of its class.

    >>> type_name(None), type_name(b"x")
    ('None', 'bytes')
    """
    return "None" if value is None else type(value).__name__


def described(value: object) -> str:
    """The type of a value for a message, and the shape of an array.

    >>> import numpy as np
    >>> described(np.zeros((2, 3))), described(3)
    ('an array of float64 with shape (2, 3)', 'int')
    """
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"an array of {value.dtype} with shape {value.shape}"
    return type_name(value)


def check_instance(name: str, value: object, kind: type, fix: str = "") -> None:
    """Refuse an argument that is not an instance of a class.

    Args:
        fix: a sentence on how to make one.

    >>> check_instance("config", 3, dict, "Use dict().")
    Traceback (most recent call last):
    textgen.errors.ConfigError: config must be a dict, not int. Use dict().
    """
    if isinstance(value, kind):
        return
    article = "an" if kind.__name__[0] in "AEIO" else "a"
    raise ConfigError(
        f"{name} must be {article} {kind.__name__}, not {type_name(value)}. {fix}".rstrip()
    )


def flag(name: str, value: object) -> bool:
    """The argument, if it is True or False.

    >>> flag("echo", 1)
    Traceback (most recent call last):
    textgen.errors.ConfigError: echo=1 must be True or False.
    """
    value = plain(value)
    if not isinstance(value, bool):
        raise ConfigError(f"{name}={shown(value)} must be True or False.")
    return value


def one_of(name: str, value: object, choices: Sequence[str]) -> str:
    """The argument, if it is one of the choices.

    >>> one_of("unknown", "drop", ["skip", "error"])
    Traceback (most recent call last):
    textgen.errors.ConfigError: unknown='drop' must be one of skip, error.
    """
    # An array is not compared: it would be compared number by number.
    if not isinstance(value, str) or value not in choices:
        raise ConfigError(f"{name}={shown(value)} must be one of {', '.join(choices)}.")
    return value


def whole_number(
    name: str, value: object, least: int = 0, hint: str = "", most: int | None = None
) -> int:
    """The argument as an `int`, if it is a whole number from `least` to `most`.

    Args:
        hint: the end of the message.

    >>> whole_number("seed", 1.5)
    Traceback (most recent call last):
    textgen.errors.ConfigError: seed=1.5 must be a whole number of at least 0.
    """
    value = plain(value)
    if not is_whole_number(value, least):
        expected = f"must be a whole number of at least {least}. {hint}".rstrip()
        raise ConfigError(f"{name}={shown(value)} {expected}")
    if most is not None and value > most:
        raise ConfigError(f"{name}={shown(value)} must be at most {most:,}.")
    return value


def one_text(name: str, value: object) -> str:
    """The argument, if it is one text.

    >>> one_text("prompt", b"It was")
    Traceback (most recent call last):
    textgen.errors.ConfigError: prompt must be a text (str), not bytes. Decode it first: ...
    """
    if isinstance(value, str):
        return value
    raise ConfigError(
        f"{name} must be a text (str), not {type_name(value)}. {_to_text(value)}".rstrip()
    )


def _to_text(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return 'Decode it first: data.decode("utf-8").'
    if isinstance(value, PurePath):
        return 'Read the file first: path.read_text(encoding="utf-8").'
    return ""


def each_of(name: str, value: object, things: str = "texts") -> Iterator[Any]:
    """An iterator over the argument, if it holds several things; one text does not.

    Args:
        things: what it holds, for the message.

    >>> each_of("texts", "ab")
    Traceback (most recent call last):
    textgen.errors.ConfigError: texts must be several texts, such as a list, not str. ...
    """
    if not isinstance(value, str | bytes | bytearray):
        try:
            return iter(value)  # type: ignore[call-overload]
        except TypeError:
            pass  # refused below
    hint = " Put it in a list." if isinstance(value, str) else ""
    raise ConfigError(
        f"{name} must be several {things}, such as a list, not {type_name(value)}.{hint}"
    )


def several(name: str, value: object, things: str = "texts") -> list[Any]:
    """The argument as a list, made once: a generator can be read only once.

    >>> several("texts", (text for text in "ab"))
    ['a', 'b']
    """
    return list(each_of(name, value, things))


def several_texts(name: str, value: object) -> list[str]:
    """The argument as a list of texts, made once; one text is refused.

    >>> several_texts("texts", [b"a"])
    Traceback (most recent call last):
    textgen.errors.ConfigError: texts[0] must be a text (str), not bytes. ...
    """
    found = several(name, value)
    for number, text in enumerate(found):
        if not isinstance(text, str):
            one_text(f"{name}[{number}]", text)
    return found


def one_path(name: str, value: object) -> str:
    """The argument as a `str`, if it is a path.

    >>> one_path("out", 3)
    Traceback (most recent call last):
    textgen.errors.ConfigError: out must be a path (str or Path), not int.
    """
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else value
    if isinstance(path, str):
        _check_path(name, path)
        return path
    hint = " Decode it first: os.fsdecode(path)." if isinstance(path, bytes) else ""
    raise ConfigError(f"{name} must be a path (str or Path), not {type_name(path)}.{hint}")


MAX_NAME_BYTES, MAX_PATH_BYTES = 255, 4095
"""What the file systems and Linux allow."""


def _check_path(name: str, path: str) -> None:
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError:
        encoded = b"\0"
    if b"\0" in encoded:
        raise ConfigError(
            f"{name}={shown(path)} is not a valid path: it contains a character that no "
            "file name can have."
        )


def several_paths(name: str, value: Iterable[Any] | Any) -> list[str]:
    """One path or several, as a list that is made once.

    >>> from pathlib import Path
    >>> several_paths("paths", (Path(name) for name in "ab"))
    ['a', 'b']
    """
    is_one = isinstance(value, str | os.PathLike | bytes)
    paths = [value] if is_one else several(name, value, "paths")
    found = [one_path(name, path) for path in paths]
    for path in found:
        _check_no_text(name, path)
    return found


def _check_no_text(name: str, path: str) -> None:
    encoded = os.fsencode(path)
    longest = max(map(len, encoded.split(b"/")))
    if longest > MAX_NAME_BYTES or len(encoded) > MAX_PATH_BYTES:
        raise ConfigError(
            f"{name}={shown(path)} is too long for a path. If it is a text, write it to a "
            "file and name that."
        )
