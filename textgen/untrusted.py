r"""Files of a checkpoint from a stranger, read as data that may be hostile.

A file is opened only where it is a plain file of its own, no link, pipe or device, and
no larger than it may be. JSON is what RFC 8259 calls so and less: no name twice, no
number that is none, none beyond 64 bits, no half of a character, no deep nesting. The
parts of a safetensors file cover it from end to end, each once. All of this is known
before anything is made that is larger than the file.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from textgen.errors import CheckpointError, shown

MAX_DEPTH = 32
MAX_VALUES = 1_000_000
MAX_NUMBER_CHARS = 100
MAX_HEADER_BYTES = 4 * 2**20
MAX_DIMENSIONS = 8

# Bytes of each safetensors type that stands for whole bytes.
ITEM_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3"), 1),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 2),
    **dict.fromkeys(("I32", "U32", "F32"), 4),
    **dict.fromkeys(("I64", "U64", "F64"), 8),
}

_PLAIN_NAME = re.compile(r"\w+(\.\w+)*", re.ASCII)
_BRACES_AS_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
# A first half without its second, or a second without its first.
_HALF_CHARACTER = re.compile(
    rb"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]"
)


# --- files -------------------------------------------------------------------------


@contextmanager
def opened(path: Path, max_bytes: int | None = None) -> Iterator[tuple[BinaryIO, int]]:
    """Open a plain file of a checkpoint; what goes wrong while it is read names it.

    Args:
        max_bytes: no byte of a larger file is read.

    Yields:
        The file and its size in bytes.

    Raises:
        CheckpointError: missing, no plain file, too large, or not to be read; also in
            place of a `ValueError` or `MemoryError` of the body.

    >>> with opened(Path("nowhere/config.json")):
    ...     pass
    Traceback (most recent call last):
    textgen.errors.CheckpointError: nowhere/config.json: this file ... is missing. ...
    """
    try:
        # A pipe or device is not even opened: that alone can wait, or do something.
        _check_plain(path, os.lstat(path).st_mode)
        # O_NOFOLLOW and O_NONBLOCK: it may have been replaced since.
        flags = ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY")
        mode = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in flags)
        with os.fdopen(os.open(path, mode), "rb") as file:
            found = os.fstat(file.fileno())
            _check_plain(path, found.st_mode)
            if max_bytes is not None and found.st_size > max_bytes:
                limit = f"{found.st_size:,} bytes are more than {max_bytes:,}"
                raise CheckpointError(f"{path}: refused ({limit}). {_GET_ANOTHER}")
            yield file, found.st_size
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path}: this file of the checkpoint is missing. Copy the whole directory, "
            "or train again."
        ) from error
    except OSError as error:
        why = error.strerror or error
        raise CheckpointError(
            f"{path}: cannot be read ({why}). Check its permissions."
        ) from error
    except MemoryError as error:
        raise CheckpointError(
            f"{path}: too large for the memory of this machine."
        ) from error
    except ValueError as error:
        raise CheckpointError(damaged(path, error)) from error


_GET_ANOTHER = "Ask for a copy that textgen itself has written."


def _check_plain(path: Path, mode: int) -> None:
    if stat.S_ISLNK(mode):
        raise CheckpointError(
            f"{path}: refused (a symbolic link, which may lead out of the checkpoint). "
            f"{_GET_ANOTHER}"
        )
    if not stat.S_ISREG(mode):
        raise CheckpointError(f"{path}: refused (not a plain file). {_GET_ANOTHER}")


def damaged(path: Path, why: object) -> str:
    """The message for a file that cannot be what was written.

    >>> damaged(Path("config.json"), "it is empty")
    'config.json: damaged or cut short (it is empty). Copy it again, or train again.'
    """
    return f"{path}: damaged or cut short ({why}). Copy it again, or train again."


# --- JSON --------------------------------------------------------------------------


def read_json(path: Path, max_bytes: int) -> dict[str, Any]:
    """The JSON object that a file holds.

    Raises:
        CheckpointError: as `opened`, or it is no strict JSON object.
    """
    with opened(path, max_bytes) as (file, size):
        data = parse_json(file.read(size))
        if not isinstance(data, dict):
            raise ValueError("expected a JSON object")
    return data


def parse_json(data: bytes) -> Any:
    r"""What strict JSON in UTF-8 says.

    Raises:
        ValueError: it is not strict JSON; the message says why.

    >>> parse_json(b'{"a": [1, 2.5, "\\u00e9"]}')
    {'a': [1, 2.5, 'é']}
    >>> parse_json(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: the name 'a' stands there twice
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
    """Refuse what would make the parser recurse deeply or make too many objects.

    Raises:
        ValueError: that, or more than `max_bytes`.

    >>> check_json(b"[" * 33 + b"]" * 33)
    Traceback (most recent call last):
    ValueError: brackets not closed, or nested deeper than 32
    """
    if max_bytes is not None and len(data) > max_bytes:
        raise ValueError(f"{len(data):,} bytes are more than {max_bytes:,}")
    # What is escaped keeps its length, so that nothing new stands side by side.
    plain = data.replace(b"\\\\", b"__").replace(b'\\"', b"__")
    if _HALF_CHARACTER.search(plain):
        raise ValueError("half a character, a lone surrogate")
    # A value has two quotes at most, and its name has two.
    if plain.count(b'"') > 4 * MAX_VALUES:
        raise ValueError(f"more than {MAX_VALUES:,} values")
    outside = b"".join(plain.split(b'"')[::2])
    if sum(map(outside.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise ValueError(f"more than {MAX_VALUES:,} values")
    brackets = outside.translate(_BRACES_AS_BRACKETS, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        # Each time around takes away the innermost level.
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise ValueError(f"brackets not closed, or nested deeper than {MAX_DEPTH}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice, _ = counts.most_common(1)[0]
        raise ValueError(f"the name {shown(twice)} stands there twice")
    return names


def _whole_number(text: str) -> int:
    # More digits would take long to read.
    if len(text) <= 20 and -(2**63) <= (number := int(text)) < 2**64:
        return number
    raise ValueError(f"{_short(text)} is beyond 64 bits")


def _real_number(text: str) -> float:
    if len(text) <= MAX_NUMBER_CHARS and math.isfinite(number := float(text)):
        return number
    raise ValueError(f"{_short(text)} is no finite number")


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _short(digits: str) -> str:
    return digits if len(digits) <= 40 else f"{digits[:40]}..."


# --- safetensors -------------------------------------------------------------------


class Stored(NamedTuple):
    """Where an array lies in a safetensors file, in bytes from its beginning."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_layout(file: BinaryIO, size: int) -> dict[str, Stored]:
    """The names, types, shapes and places of the arrays of a safetensors file.

    Args:
        file: at its beginning.
        size: of the file, in bytes.

    Raises:
        ValueError: the header is not strict JSON, or it does not describe just this
            file: arrays that overlap, leave gaps, are of another size than their type
            and shape say, or do not end where the file ends.

    >>> import io
    >>> header = b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}'
    >>> data = len(header).to_bytes(8, "little") + header + b"xy"
    >>> read_layout(io.BytesIO(data), len(data))
    {'a': Stored(dtype='U8', shape=(2,), begin=61, end=63)}
    """
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > size - 8:
        raise ValueError(f"{size:,} bytes are too few for its header")
    if length > MAX_HEADER_BYTES:
        raise ValueError(f"a header of {length:,} bytes")
    header = file.read(length)
    if not header.startswith(b"{"):
        raise ValueError("its header is no JSON object")
    entries = parse_json(header)
    _check_metadata(entries.pop("__metadata__", {}))
    layout = {name: _stored(name, entry, 8 + length) for name, entry in entries.items()}
    _check_cover(layout, 8 + length, size)
    return layout


def fill(file: BinaryIO, stored: Stored, buffer: Any) -> None:
    """Read the bytes of an array into memory that has just its size.

    Raises:
        ValueError: the file has become shorter.
    """
    file.seek(stored.begin)
    # `readinto` is there for every file that is open for reading in binary.
    if file.readinto(buffer) != stored.end - stored.begin:  # type: ignore[attr-defined]
        raise ValueError("it ends before its header says")


def _check_metadata(metadata: object) -> None:
    if not isinstance(metadata, dict) or not all(
        isinstance(value, str) for value in metadata.values()
    ):
        raise ValueError("its __metadata__ is not made of strings")


def _stored(name: str, entry: object, data_begin: int) -> Stored:
    # Nothing like `..` or `/etc`; no such name could become one of a file.
    if len(name) > 200 or not _PLAIN_NAME.fullmatch(name):
        raise ValueError(f"{shown(name)} is no name of an array")
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{name} needs a dtype, a shape and data_offsets, and no more")
    dtype, shape = entry["dtype"], entry["shape"]
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise ValueError(f"{name} has the unknown type {shown(dtype)}")
    if not _are_sizes(shape) or len(shape) > MAX_DIMENSIONS:
        raise ValueError(f"{name} has the impossible shape {shown(shape)}")
    offsets = entry["data_offsets"]
    if not _are_sizes(offsets) or len(offsets) != 2:
        raise ValueError(f"{name} has the impossible data_offsets {shown(offsets)}")
    begin, end = offsets
    if end - begin != math.prod(shape) * ITEM_BYTES[dtype]:
        raise ValueError(f"{name} has {end - begin} bytes, which do not fit its shape")
    return Stored(dtype, tuple(shape), data_begin + begin, data_begin + end)


def _are_sizes(values: object) -> bool:
    return isinstance(values, list) and all(map(is_count, values))


def is_count(value: object) -> bool:
    """Whether a value is a whole number of at least 0.

    >>> is_count(3), is_count(True), is_count(-1)
    (True, False, False)
    """
    # `type`, not `isinstance`: True is an int to Python.
    return type(value) is int and value >= 0


def _check_cover(layout: Mapping[str, Stored], begin: int, size: int) -> None:
    places = sorted((stored.begin, stored.end, name) for name, stored in layout.items())
    for start, end, name in places:
        if start != begin:
            raise ValueError(f"before {name} arrays overlap or leave a gap")
        begin = end
    if begin != size:
        raise ValueError(f"its arrays end at byte {begin:,} of {size:,}")
