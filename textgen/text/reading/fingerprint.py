"""Fingerprints of the documents of a corpus and of the bytes of its files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from textgen.text.reading.records import holds_records
from textgen.text.reading.sources import Source, reading_errors

_PIECE_BYTES = 1 << 20
_FEW_TEXTS = 100


class TextDigest:
    """A fingerprint of documents and their labels, and of nothing else.

    It does not depend on names and encodings of files: equal documents have an equal
    fingerprint.

    >>> whole, cut = TextDigest(), TextDigest()
    >>> whole.add(["text"], [True])
    >>> cut.add(["te", "xt"], [False, True])
    >>> whole.hexdigest() == cut.hexdigest()
    True
    """

    def __init__(self) -> None:
        self._text = hashlib.sha256()
        self._labels: hashlib._Hash | None = None

    def add(
        self,
        texts: Sequence[str],
        ends: Sequence[bool],
        labels: Sequence[str | None] = (),
    ) -> None:
        """Add pieces of documents.

        Args:
            ends: whether a document ends with each piece.
            labels: of the documents that end, if they have any.
        """
        encoded = fingerprinted(texts, ends)
        # Many short texts are joined first, since calls would dominate the time.
        for part in encoded if len(texts) < _FEW_TEXTS else [b"".join(encoded)]:
            self.add_encoded(part)
        for label in labels:
            if label is not None:
                self._labels = self._labels or hashlib.sha256()
                self._labels.update(label.encode("utf-8", "surrogatepass") + b"\xfe")

    def add_encoded(self, data: bytes) -> None:
        """Add pieces of documents as `fingerprinted` returns them."""
        self._text.update(data)

    def hexdigest(self) -> str:
        """64 hexadecimal digits."""
        digest = self._text.copy()
        # Without labels nothing is added: the fingerprint is that of the documents.
        if self._labels is not None:
            digest.update(self._labels.digest())
        return digest.hexdigest()


def fingerprinted(texts: Iterable[str], ends: Iterable[bool]) -> Iterator[bytes]:
    """The bytes of pieces of documents that a `TextDigest` is made of.

    Args:
        ends: whether a document ends with each piece.
    """
    # The byte 0xff never occurs in UTF-8, so it marks the end without ambiguity.
    for text, is_end in zip(texts, ends, strict=True):
        yield text.encode("utf-8", "surrogatepass")
        if is_end:
            yield b"\xff"


def files_digest(
    sources: Sequence[Source], on_bytes: Callable[[int], object] | None = None
) -> str:
    """A fingerprint of the bytes of files in this order, as they are on the disk.

    Of their names, only the suffixes that decide how the bytes are read are part of it.

    Args:
        sources: standard input and pipes must be spooled.
        on_bytes: called after each read with the number of bytes.

    Raises:
        CorpusError: a file cannot be read.

    >>> files_digest([Source("/dev/null")])[:10]
    'e9f03cb136'
    """
    digest = hashlib.sha256()
    for source in sources:
        with reading_errors(source), open(source.path, "rb") as file:
            one = hashlib.sha256()
            while data := file.read(_PIECE_BYTES):
                one.update(data)
                if on_bytes is not None:
                    on_bytes(len(data))
        kind = source.suffix if holds_records(source) else ""
        suffixes = f"{kind}{source.compression}\n"
        digest.update(one.digest() + suffixes.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
