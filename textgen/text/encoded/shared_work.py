"""What a worker does with its share of a corpus: count it, and encode it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np

from textgen.config.text import TextConfig
from textgen.errors import CorpusError, TextgenError
from textgen.text.encoded.shares import Share
from textgen.text.encoded.splitting import PARTS, Route
from textgen.text.reading.documents import Piece, batches
from textgen.text.reading.file_stats import FileSummary
from textgen.text.reading.fingerprint import fingerprinted
from textgen.text.reading.reader import CorpusReader, Observer
from textgen.text.reading.sources import Source
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.text.unicode.code_points import CodePointCounts

MOST_CHARS = 1 << 27
"""Characters of a share; only a compressed file can have more."""

NEWLINE = Piece("\n")


@dataclass(frozen=True)
class ScannedShare:
    """What the first pass finds in a share.

    Args:
        codes, times: its code points and how often they occur.
        lengths, ends: of its pieces of documents, as for `BlockLengths.add`.
        fingerprinted: their bytes, for `TextDigest`.
        files: its files, one after the other.
        is_normal: whether it was already in its normal form.
    """

    codes: np.ndarray
    times: np.ndarray
    lengths: np.ndarray
    ends: np.ndarray
    fingerprinted: bytes
    files: list[FileSummary]
    is_normal: bool

    @property
    def has_text(self) -> bool:
        """Whether it has more than whitespace."""
        return any(file.has_text for file in self.files)


@dataclass(frozen=True)
class EncodedShare:
    """What a share adds to one part of the corpus: ids, characters, ends of documents."""

    ids: np.ndarray
    num_chars: int
    num_documents: int


def scan_share(share: Share, text: TextConfig) -> ScannedShare:
    """Read a share, for everything that must be known before it is encoded.

    Raises:
        TextgenError: reading the corpus in one process decides what is wrong with it.
    """
    observer = _Files(share)
    reader = CorpusReader(share.sources, text, observer=observer)
    counts, num_chars = CodePointCounts(), 0
    lengths: list[int] = []
    all_ends: list[bool] = []
    data: list[bytes] = []
    for batch in batches(_pieces(share, reader)):
        texts, ends, _ = zip(*batch, strict=True)
        counts.add("".join(texts))
        lengths += map(len, texts)
        all_ends += ends
        data += fingerprinted(texts, ends)
        num_chars += sum(map(len, texts))
        if num_chars > MOST_CHARS:
            raise CorpusError("a share is too large for the memory of a worker.")
    times = counts.total()
    codes = np.flatnonzero(times)
    return ScannedShare(
        codes=codes,
        times=times[codes],
        lengths=np.array(lengths, np.int64),
        ends=np.array(all_ends, bool),
        fingerprinted=b"".join(data),
        files=observer.found,
        is_normal=reader.is_normal,
    )


def encode_share(
    share: Share,
    text: TextConfig,
    tokenizer: Tokenizer,
    route: Route,
    after_newline: bool,
) -> list[EncodedShare]:
    """Encode a share.

    Args:
        route: to the parts, from the beginning of this share.
        after_newline: whether a newline precedes the text, which lacked one.

    Returns:
        one for each part.

    Raises:
        TextgenError: as for `scan_share`; characters outside the vocabulary.
    """
    unknown = "error" if tokenizer.unknown_id is None else "token"
    encoders = [tokenizer.encoder(unknown) for _ in PARTS]
    for part, encoder in enumerate(encoders):
        if route.has_begun(part):
            # The mark of the document is in a share before.
            encoder.add([Piece("")])
            encoder.take()
    ids: list[list[np.ndarray]] = [[] for _ in PARTS]
    num_chars, num_documents = [0 for _ in PARTS], [0 for _ in PARTS]
    reader = CorpusReader(share.sources, text, observer=_Files(share))
    for part, pieces in route(chain([NEWLINE] * after_newline, _pieces(share, reader))):
        encoders[part].add(pieces)
        num_chars[part] += sum(len(piece.text) for piece in pieces)
        num_documents[part] += sum(piece.ends for piece in pieces)
        if encoders[part].is_full:
            ids[part].append(encoders[part].take())
    return [
        EncodedShare(np.concatenate([*ids[part], encoder.take()]), chars, documents)
        for part, (encoder, chars, documents) in enumerate(
            zip(encoders, num_chars, num_documents, strict=True)
        )
    ]


def _pieces(share: Share, reader: CorpusReader) -> Iterable[Piece]:
    """The pieces of a share; one whole text ends only with the last."""
    if share.is_last or reader.config.documents != "whole":
        return reader
    return (piece for piece in reader if not piece.ends)


class _Files(Observer):
    """Collects the files of a share."""

    def __init__(self, share: Share) -> None:
        self.found: list[FileSummary] = []
        self._is_span = share.is_span

    def on_end(self, file: FileSummary) -> None:
        self.found.append(file)

    def on_fault(self, error: TextgenError, source: Source | None) -> None:
        # Blank files add nothing, but the blank span of a file may belong to its text.
        if source is not None or self._is_span:
            raise error
