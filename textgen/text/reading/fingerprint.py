"""Fingerprints: of the documents of a corpus, and of the bytes of its files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence

from textgen.text.reading.records import holds_records
from textgen.text.reading.sources import decompressed_name, reading_errors

_PIECE_BYTES = 1 << 20
_FEW = 100


class TextDigest:
    """A fingerprint of documents and their labels, and of nothing else.

    Names, kind and encoding of the files do not enter: equal text, cut at equal places,
    has an equal fingerprint.

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
        """Go on with pieces of documents.

        Args:
            ends: whether a document ends with each piece.
            labels: of the documents that end, or nothing.
        """
        # No UTF-8 contains the byte 0xff, so it marks the end without ambiguity.
        encoded = (
            part
            for text, is_end in zip(texts, ends, strict=True)
            for part in (text.encode("utf-8", "surrogatepass"), b"\xff" * is_end)
        )
        # Long texts as they are; of many short ones, the calls would take most of the time.
        for part in encoded if len(texts) < _FEW else [b"".join(encoded)]:
            self._text.update(part)
        for label in labels:
            if label is not None:
                self._labels = self._labels or hashlib.sha256()
                self._labels.update(label.encode("utf-8", "surrogatepass") + b"\xfe")

    def hexdigest(self) -> str:
        """64 hexadecimal digits."""
        digest = self._text.copy()
        # Without labels nothing is added: old runs keep their fingerprints.
        if self._labels is not None:
            digest.update(self._labels.digest())
        return digest.hexdigest()


def files_digest(
    names: Sequence[str], on_bytes: Callable[[int], object] | None = None
) -> str:
    """A fingerprint of the bytes of files in this order, compressed as they are.

    Of their names only the endings enter that say how the bytes are read.

    Args:
        names: of files; standard input must be spooled.
        on_bytes: is told after each reading how many bytes it brought.

    Raises:
        CorpusError: a file cannot be read.

    >>> files_digest([os.devnull])[:10]
    'e9f03cb136'
    """
    digest = hashlib.sha256()
    for name in names:
        with reading_errors(name), open(name, "rb") as file:
            one = hashlib.sha256()
            while data := file.read(_PIECE_BYTES):
                one.update(data)
                if on_bytes is not None:
                    on_bytes(len(data))
        digest.update(one.digest() + _ending(name).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _ending(name: str) -> str:
    plain = decompressed_name(name)
    compression = name[len(plain) :]
    kind = os.path.splitext(plain)[1] if holds_records(name) else ""
    return f"{kind}{compression}\n".lower()
