"""An entry of the cache: a corpus as ids on the disk, mapped into memory."""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from textgen.config.text import TextConfig
from textgen.disk.atomic import flush_directory, write_flushed
from textgen.errors import CorpusError
from textgen.text.encoded.cache import ENTRY
from textgen.text.encoded.scan import CorpusStats
from textgen.text.encoded.splitting import PARTS
from textgen.text.encoded.vocabulary_rule import VocabularyRule
from textgen.text.reading.documents import Piece
from textgen.text.reading.file_stats import FileStats
from textgen.text.tokenizers.base import Encoder
from textgen.text.tokenizers.serialization import Tokenizer, tokenizer_from_dict
from textgen.text.unicode.code_points import NUM_CODE_POINTS
from textgen.wording import one_line

FORMAT_VERSION = 1
_PIECE_BYTES = 1 << 20
# What can be raised while a damaged entry is read.
DAMAGE = (OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError)


def corpus_key(content: str, text: TextConfig, seed: int, rule: VocabularyRule) -> str:
    """The key of an encoded corpus in the cache: 64 hexadecimal digits.

    Args:
        content: the fingerprint of the files' bytes.
        seed: part of the key only if documents are drawn.
    """
    # `content` says which files `glob` has found.
    options = {name: value for name, value in asdict(text).items() if name != "glob"}
    data = {
        "version": FORMAT_VERSION,
        # Another version may assign normal forms to more characters.
        "unicode": unicodedata.unidata_version,
        "content": content,
        "text": options,
        "seed": None if text.documents == "whole" else seed,
        "rule": rule.to_dict(),
    }
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Part:
    """The ids of one part of a corpus: train, val or test.

    Args:
        ids: `(num_ids,)` unsigned integers, memory-mapped unless empty.
        num_chars: how many characters were encoded.
        num_documents: how many documents were encoded.
    """

    ids: np.ndarray
    num_chars: int
    num_documents: int


@dataclass(frozen=True)
class EncodedCorpus:
    """A corpus as ids, ready to be trained on.

    Args:
        tokenizer: encoded the documents.
        train, val, test: the parts; `test` may be empty.
        stats: of all documents.
    """

    tokenizer: Tokenizer
    train: Part
    val: Part
    test: Part
    stats: CorpusStats


# --- writing ---


class PartWriter:
    """Encodes the documents of one part into a file.

    Args:
        file: open for writing, and empty.
        encoder: used for this part alone.
    """

    def __init__(self, file: BinaryIO, encoder: Encoder) -> None:
        self.num_chars = 0
        self.num_documents = 0
        self.num_ids = 0
        self._encoder = encoder
        self._file = file
        self._crc32 = 0

    def add(self, pieces: Sequence[Piece]) -> None:
        """Encode the next pieces of documents.

        Raises:
            TokenizerError: characters outside the vocabulary.
            OSError: the file cannot be written.
        """
        self._encoder.add(pieces)
        self.num_chars += sum(len(piece.text) for piece in pieces)
        self.num_documents += sum(piece.ends for piece in pieces)
        if self._encoder.is_full:
            self._write(self._encoder.take())

    def add_encoded(self, ids: np.ndarray, num_chars: int, num_documents: int) -> None:
        """Add what an encoder of the same tokenizer has made of the next documents.

        Raises:
            OSError: the file cannot be written.
        """
        self._write(ids)
        self.num_chars += num_chars
        self.num_documents += num_documents

    def finish(self) -> None:
        """Write the remaining ids, and wait until they are on the disk."""
        if self.num_documents:
            self._write(self._encoder.flush())
        self._file.flush()
        os.fsync(self._file.fileno())

    def to_dict(self) -> dict[str, Any]:
        """What `corpus.json` stores about the file."""
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
    stats: CorpusStats,
    parts: Sequence[PartWriter],
    name: str,
) -> None:
    """Write `corpus.json` next to the files of ids, which completes an entry.

    Args:
        name: of the corpus, for the list of entries only.
    """
    codes = np.flatnonzero(stats.counts)
    data = {
        "format_version": FORMAT_VERSION,
        "name": name,
        "tokenizer": tokenizer.to_dict(),
        "parts": {name: part.to_dict() for name, part in zip(PARTS, parts, strict=True)},
        "num_chars": stats.num_chars,
        "num_documents": stats.num_documents,
        "counts": [codes.tolist(), stats.counts[codes].tolist()],
        "labels": stats.labels,
        "tally": {stored: getattr(stats.files, name) for name, stored in _STATS.items()},
        "sha256": stats.sha256,
    }
    whole = {"crc32": _crc32_of_entry(data), "entry": data}
    write_flushed(folder / ENTRY, json.dumps(whole).encode())
    flush_directory(folder)


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
    """Describe an entry in one line of a list, without reading its ids."""
    try:
        data = _stored_entry(folder)
        kind = data["tokenizer"]["kind"]
        return one_line(f"{data['name']}: {data['num_chars']:,} characters ({kind})")
    except PermissionError:
        return "of another user"
    except DAMAGE:
        return "unfinished or damaged"


def read_entry(folder: Path) -> EncodedCorpus | None:
    """Read an entry of the cache; None if it is missing or damaged.

    Raises:
        CorpusError: it belongs to another user.
    """
    try:
        return open_entry(folder)
    except PermissionError as error:
        raise CorpusError(
            f"{folder}: this text was encoded by another user, and only they can read it. "
            "Choose another place with `cache_dir`."
        ) from error
    except DAMAGE:
        return None


def _stored_entry(folder: Path) -> dict[str, Any]:
    whole = json.loads((folder / ENTRY).read_bytes())
    data: dict[str, Any] = whole["entry"]
    if data["format_version"] != FORMAT_VERSION or _crc32_of_entry(data) != whole["crc32"]:
        raise ValueError(f"{folder} is damaged or of another version")
    return data


def open_entry(folder: Path, *, verify: bool = True) -> EncodedCorpus:
    """Open an entry of the cache.

    Args:
        verify: False skips the checksums of the ids, if this process has written them.

    Raises:
        Any of `DAMAGE`.
    """
    data = _stored_entry(folder)
    tokenizer = tokenizer_from_dict(data["tokenizer"])
    parts = {}
    for name in PARTS:
        path, stored = part_path(folder, name), data["parts"][name]
        if verify and _crc32_of(path) != stored["crc32"]:
            raise ValueError(f"{path} is damaged")
        ids = _map_ids(path, tokenizer.id_dtype)
        if len(ids) != stored["num_ids"]:
            raise ValueError(f"{path} has an unexpected length")
        parts[name] = Part(ids, stored["num_chars"], stored["num_documents"])
    return EncodedCorpus(tokenizer, **parts, stats=_stats_of(data))


def _stats_of(data: Mapping[str, Any]) -> CorpusStats:
    counts = np.zeros(NUM_CODE_POINTS, np.int64)
    codes, times = data["counts"]
    counts[codes] = times
    stats = {name: data["tally"][stored] for name, stored in _STATS.items()}
    return CorpusStats(
        num_chars=data["num_chars"],
        num_documents=data["num_documents"],
        counts=counts,
        labels=None if data["labels"] is None else Counter(data["labels"]),
        files=FileStats(**{**stats, "changes": Counter(stats["changes"])}),
        sha256=data["sha256"],
    )


def part_path(folder: Path, name: str) -> Path:
    """The file of ids of a part."""
    return folder / f"{name}.ids"


def _crc32_of(path: Path) -> int:
    # A CRC detects damage, not malice, and is fast: gigabytes per second.
    found = 0
    with open(path, "rb") as file:
        while data := file.read(_PIECE_BYTES):
            found = zlib.crc32(data, found)
    return found


def _map_ids(path: Path, dtype: np.dtype[Any]) -> np.ndarray:
    # An empty file cannot be mapped.
    if not os.path.getsize(path):
        return np.empty(0, dtype)
    # A plain array over the map, so that its slices are plain arrays as well.
    return np.asarray(np.memmap(path, dtype, mode="r"))
