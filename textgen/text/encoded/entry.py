"""A corpus as ids on disk, mapped into memory: of any size, encoded once."""

from __future__ import annotations

import json
import os
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from textgen.disk.atomic import flush_directory, write_flushed
from textgen.errors import CorpusError
from textgen.text.encoded.cache import ENTRY
from textgen.text.encoded.scan import CorpusFacts
from textgen.text.encoded.splitting import PARTS
from textgen.text.reading.documents import Piece
from textgen.text.reading.file_stats import FileStats
from textgen.text.tokenizers.serialization import Tokenizer, tokenizer_from_dict
from textgen.text.tokenizers.streaming import Encoder
from textgen.text.unicode.code_points import NUM_CODE_POINTS
from textgen.wording import one_line

FORMAT_VERSION = 1
_PIECE_BYTES = 1 << 20
# What reading an entry that is not as it was written can raise.
DAMAGE = (OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError)


@dataclass(frozen=True)
class Part:
    """The ids of what is learned from, or of what is held back.

    Args:
        ids: `(num_ids,)` unsigned integers, memory-mapped where there are any.
        num_chars: characters they stand for.
        num_documents: how many documents those are.
    """

    ids: np.ndarray
    num_chars: int
    num_documents: int


@dataclass(frozen=True)
class EncodedCorpus:
    """A corpus, ready to be learned from.

    Args:
        tokenizer: what the ids mean.
        train, val, test: the parts; `test` may be empty.
        facts: about all of it.
    """

    tokenizer: Tokenizer
    train: Part
    val: Part
    test: Part
    facts: CorpusFacts


# --- writing ---


class PartWriter:
    """Encodes the documents of one part into a file.

    Args:
        file: open for writing, and empty.
        encoder: of this part alone.
    """

    def __init__(self, file: BinaryIO, encoder: Encoder) -> None:
        self.num_chars = 0
        self.num_documents = 0
        self.num_ids = 0
        self._encoder = encoder
        self._file = file
        self._crc32 = 0

    def add(self, pieces: Sequence[Piece]) -> None:
        """Go on with pieces of documents.

        Raises:
            TokenizerError: characters outside the vocabulary.
            OSError: the file cannot be written.
        """
        self._encoder.add(pieces)
        self.num_chars += sum(len(piece.text) for piece in pieces)
        self.num_documents += sum(piece.ends for piece in pieces)
        if self._encoder.is_full:
            self._write(self._encoder.take())

    def finish(self) -> None:
        """Write what is held, and wait until the disk has it."""
        if self.num_documents:
            self._write(self._encoder.flush())
        self._file.flush()
        os.fsync(self._file.fileno())

    def to_dict(self) -> dict[str, Any]:
        """What `corpus.json` keeps of the file."""
        return {
            "num_ids": self.num_ids,
            "num_chars": self.num_chars,
            "num_documents": self.num_documents,
            "crc32": self._crc32,
        }

    def _write(self, ids: np.ndarray) -> None:
        data = ids.tobytes()
        self._file.write(data)
        self._crc32 = zlib.crc32(data, self._crc32)
        self.num_ids += len(ids)


def write_entry(
    folder: Path,
    tokenizer: Tokenizer,
    facts: CorpusFacts,
    parts: Sequence[PartWriter],
    name: str,
) -> None:
    """Write what stands beside the files of ids; with it, an entry is whole.

    Args:
        name: of the corpus, for a list of entries; it has no other meaning.
    """
    codes = np.flatnonzero(facts.counts)
    data = {
        "format_version": FORMAT_VERSION,
        "name": name,
        "tokenizer": tokenizer.to_dict(),
        "parts": {name: part.to_dict() for name, part in zip(PARTS, parts, strict=True)},
        "num_chars": facts.num_chars,
        "num_documents": facts.num_documents,
        "counts": [codes.tolist(), facts.counts[codes].tolist()],
        "labels": facts.labels,
        "tally": _stored_stats(facts.files),
        "sha256": facts.sha256,
    }
    whole = {"crc32": _crc32_of_entry(data), "entry": data}
    write_flushed(folder / ENTRY, json.dumps(whole).encode())
    flush_directory(folder)


def _stored_stats(files: FileStats) -> dict[str, Any]:
    return {stored: getattr(files, name) for name, stored in _STATS.items()}


# Fields of `FileStats` and what `corpus.json` calls them.
_STATS = {
    **{name: name for name in ("num_files", "sources", "num_empty", "num_blank_records")},
    "changes": "quirks",
    "ignored": "others",
}


def _crc32_of_entry(data: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(data).encode())


# --- reading ---


def describe_entry(folder: Path) -> str:
    """What an entry is, in a few words for a list; nothing but these is read."""
    try:
        data = _stored_entry(folder)
        kind = data["tokenizer"]["kind"]
        return one_line(f"{data['name']}: {data['num_chars']:,} characters ({kind})")
    except PermissionError:
        return "of another user"
    except DAMAGE:
        return "unfinished or damaged"


def read_entry(folder: Path) -> EncodedCorpus | None:
    """Read an entry of the cache; None where there is none, or it is not as written.

    Raises:
        CorpusError: it is another user's.
    """
    try:
        return _entry_of(folder, _stored_entry(folder))
    except PermissionError as error:
        raise CorpusError(
            f"{folder}: this text was encoded by another user, who alone may read it. "
            "Choose another place with --cache-dir."
        ) from error
    except DAMAGE:
        return None


def _stored_entry(folder: Path) -> dict[str, Any]:
    whole = json.loads((folder / ENTRY).read_bytes())
    data: dict[str, Any] = whole["entry"]
    if data["format_version"] != FORMAT_VERSION or _crc32_of_entry(data) != whole["crc32"]:
        raise ValueError(f"{folder} is of another version, or not as it was written")
    return data


def _entry_of(folder: Path, data: Mapping[str, Any]) -> EncodedCorpus:
    tokenizer = tokenizer_from_dict(data["tokenizer"])
    train, val, test = (
        _read_part(folder, name, data["parts"][name], tokenizer) for name in PARTS
    )
    return EncodedCorpus(tokenizer, train, val, test, _facts_of(data))


def _facts_of(data: Mapping[str, Any]) -> CorpusFacts:
    counts = np.zeros(NUM_CODE_POINTS, np.int64)
    codes, times = data["counts"]
    counts[codes] = times
    stats = {ours: data["tally"][stored] for ours, stored in _STATS.items()}
    return CorpusFacts(
        num_chars=data["num_chars"],
        num_documents=data["num_documents"],
        counts=counts,
        labels=None if data["labels"] is None else Counter(data["labels"]),
        files=FileStats(**{**stats, "changes": Counter(stats["changes"])}),
        sha256=data["sha256"],
    )


def _read_part(
    folder: Path, name: str, data: Mapping[str, Any], tokenizer: Tokenizer
) -> Part:
    path = part_path(folder, name)
    if _crc32_of(path) != data["crc32"]:
        raise ValueError(f"{path} is not as it was written")
    ids = map_ids(path, tokenizer.id_dtype)
    if len(ids) != data["num_ids"]:
        raise ValueError(f"{path} is shorter or longer than it was")
    return Part(ids, data["num_chars"], data["num_documents"])


def part_path(folder: Path, name: str) -> Path:
    """The file of ids of a part."""
    return folder / f"{name}.ids"


def _crc32_of(path: Path) -> int:
    # Against damage, not against malice, and quick: gigabytes a second.
    found = 0
    with open(path, "rb") as file:
        while data := file.read(_PIECE_BYTES):
            found = zlib.crc32(data, found)
    return found


def map_ids(path: Path, dtype: np.dtype[Any]) -> np.ndarray:
    """The ids in a file, mapped into memory: read when they are looked at.

    Returns:
        `(num_ids,)` of `dtype`, not to be written to.

    Raises:
        OSError: the file cannot be read.
        ValueError: it does not hold a whole number of ids.
    """
    # An empty file cannot be mapped.
    if not os.path.getsize(path):
        return np.empty(0, dtype)
    # A plain array on top of the map, whose parts are plain arrays, too.
    return np.asarray(np.memmap(path, dtype, mode="r"))
