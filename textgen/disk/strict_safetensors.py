"""Reading untrusted safetensors files, whose arrays must cover each byte exactly once."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple

from textgen.disk.strict_json import parse_json
from textgen.wording import is_whole_number, shown

MAX_HEADER_BYTES = 4 * 2**20
MAX_DIMENSIONS = 8

# Bytes per item of the safetensors types that are whole bytes.
ITEM_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3"), 1),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 2),
    **dict.fromkeys(("I32", "U32", "F32"), 4),
    **dict.fromkeys(("I64", "U64", "F64"), 8),
}

_PLAIN_NAME = re.compile(r"\w+(\.\w+)*", re.ASCII)


class Stored(NamedTuple):
    """Type, shape and byte range of an array in a safetensors file."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_layout(file: BinaryIO, size: int) -> dict[str, Stored]:
    """The names, types, shapes and byte ranges of the arrays of a safetensors file.

    Args:
        file: at its beginning.
        size: of the file, in bytes.

    Raises:
        ValueError: the header is not strict JSON or does not match the file: arrays
            overlap, leave gaps, have a size that does not match their type and shape,
            or do not end where the file ends.

    >>> import io
    >>> header = b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}'
    >>> data = len(header).to_bytes(8, "little") + header + b"xy"
    >>> read_layout(io.BytesIO(data), len(data))
    {'a': Stored(dtype='U8', shape=(2,), begin=61, end=63)}
    """
    return read_header(file, size)[1]


def read_header(
    file: BinaryIO, size: int, max_bytes: int = MAX_HEADER_BYTES
) -> tuple[dict[str, str], dict[str, Stored]]:
    """The metadata of a safetensors file, and what `read_layout` returns.

    Args:
        max_bytes: a longer header is refused before it is read.

    Raises:
        ValueError: as `read_layout`.
    """
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > size - 8:
        raise ValueError(f"{size:,} bytes are too few for its header")
    if length > max_bytes:
        raise ValueError(f"a header of {length:,} bytes")
    header = file.read(length)
    if not header.startswith(b"{"):
        raise ValueError("its header is not a JSON object")
    entries = parse_json(header)
    metadata = _checked_metadata(entries.pop("__metadata__", {}))
    layout = {name: _stored(name, entry, 8 + length) for name, entry in entries.items()}
    _check_cover(layout, 8 + length, size)
    return metadata, layout


def fill(file: BinaryIO, stored: Stored, buffer: Any) -> None:
    """Read the bytes of an array into a buffer of exactly its size.

    Raises:
        ValueError: the file has become shorter.
    """
    file.seek(stored.begin)
    # Every file that is open for binary reading has `readinto`.
    if file.readinto(buffer) != stored.end - stored.begin:  # type: ignore[attr-defined]
        raise ValueError("it ends before its header says")


def _checked_metadata(metadata: object) -> dict[str, str]:
    if not isinstance(metadata, dict) or not all(
        isinstance(value, str) for value in metadata.values()
    ):
        raise ValueError("its __metadata__ must consist of strings")
    return metadata


def _stored(name: str, entry: object, data_begin: int) -> Stored:
    # No path such as `..` or `/etc`, in case a name is ever used as a file name.
    if len(name) > 200 or not _PLAIN_NAME.fullmatch(name):
        raise ValueError(f"{shown(name)} is not the name of an array")
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{name} must have exactly a dtype, a shape and data_offsets")
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
        raise ValueError(f"{name} has {end - begin} bytes, which does not match its shape")
    return Stored(dtype, tuple(shape), data_begin + begin, data_begin + end)


def _are_sizes(values: object) -> bool:
    return isinstance(values, list) and all(map(is_whole_number, values))


def _check_cover(layout: Mapping[str, Stored], begin: int, size: int) -> None:
    places = sorted((stored.begin, stored.end, name) for name, stored in layout.items())
    for start, end, name in places:
        if start != begin:
            raise ValueError(f"arrays before {name} overlap or leave a gap")
        begin = end
    if begin != size:
        raise ValueError(f"its arrays end at byte {begin:,} of {size:,}")
