"""Parsing untrusted JSON: a subset of RFC 8259.

No duplicate names, no numbers beyond 64 bits, no lone surrogates, no deep nesting. All of
this is checked before anything larger than the file is allocated.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

from textgen.disk.strict_files import opened
from textgen.wording import shown

MAX_DEPTH = 32
MAX_VALUES = 1_000_000
MAX_NUMBER_CHARS = 100
_BRACES_AS_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
# A lone surrogate: a high one without a low one, or the reverse.
_HALF_CHARACTER = re.compile(
    rb"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]"
)


def read_json(path: Path, max_bytes: int) -> dict[str, Any]:
    """Read a file that contains a strict JSON object.

    Raises:
        CheckpointError: as `opened`, or the file contains something else.
    """
    with opened(path, max_bytes) as (file, size):
        data = parse_json(file.read(size))
        if not isinstance(data, dict):
            raise ValueError("expected a JSON object")
    return data


def parse_json(data: bytes) -> Any:
    r"""Parse strict JSON in UTF-8.

    Raises:
        ValueError: the data are not strict JSON; the message says why.

    >>> parse_json(b'{"a": [1, 2.5, "\\u00e9"]}')
    {'a': [1, 2.5, 'é']}
    >>> parse_json(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: the name 'a' occurs more than once
    """
    check_json(data)
    return json.loads(
        data.decode("utf-8"),
        object_pairs_hook=_object,
        parse_int=_whole_number,
        parse_float=_real_number,
        parse_constant=_no_number,
    )


def check_json(data: bytes, max_bytes: int | None = None) -> None:
    """Refuse JSON that would make the parser recurse deeply or create too many objects.

    Raises:
        ValueError: the data are such JSON, or larger than `max_bytes`.

    >>> check_json(b"[" * 33 + b"]" * 33)
    Traceback (most recent call last):
    ValueError: brackets not closed, or nested deeper than 32
    """
    if max_bytes is not None and len(data) > max_bytes:
        raise ValueError(f"{len(data):,} bytes are more than {max_bytes:,}")
    # Replacements of equal length, so that nothing new becomes adjacent.
    plain = data.replace(b"\\\\", b"__").replace(b'\\"', b"__")
    if _HALF_CHARACTER.search(plain):
        raise ValueError("lone surrogate in a string")
    # A value has at most two quotes, and so has its name.
    if plain.count(b'"') > 4 * MAX_VALUES:
        raise ValueError(f"more than {MAX_VALUES:,} values")
    outside = b"".join(plain.split(b'"')[::2])
    if sum(map(outside.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise ValueError(f"more than {MAX_VALUES:,} values")
    brackets = outside.translate(_BRACES_AS_BRACKETS, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        # Each round removes the innermost level.
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise ValueError(f"brackets not closed, or nested deeper than {MAX_DEPTH}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice, _ = counts.most_common(1)[0]
        raise ValueError(f"the name {shown(twice)} occurs more than once")
    return names


def _whole_number(text: str) -> int:
    # Converting many digits takes quadratic time.
    if len(text) <= 20 and -(2**63) <= (number := int(text)) < 2**64:
        return number
    raise ValueError(f"{_short(text)} is beyond 64 bits")


def _real_number(text: str) -> float:
    if len(text) <= MAX_NUMBER_CHARS and math.isfinite(number := float(text)):
        return number
    raise ValueError(f"{_short(text)} is not a finite number")


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _short(digits: str) -> str:
    return digits if len(digits) <= 40 else f"{digits[:40]}..."
