"""Fingerprints: of the documents of a corpus, and of the bytes of its files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence

from textgen.text.files import decompressed_name, reading_errors
from textgen.text.records import holds_records

_PIECE_BYTES = 1 << 20


class TextDigest:
    """A fingerprint of documents and their labels, and of nothing else.

    Names, kind and encoding of the files do not enter: equal text, cut at equal places,
    has an equal fingerprint.

    >>> whole, cut = TextDigest(), TextDigest()
    >>> whole.add("text")
    >>> cut.add("te"), cut.add("xt")
    (None, None)
    >>> whole.end_document(), cut.end_document()
    (None, None)
    >>> whole.hexdigest() == cut.hexdigest()
    True
    """

    def __init__(self) -> None:
        self._text = hashlib.sha256()
        self._labels: hashlib._Hash | None = None
        self._held: list[bytes] = []
        self._num_held = 0

    def add(self, text: str) -> None:
        """Go on with a document."""
        self._add(text.encode("utf-8", "surrogatepass"))

    def end_document(self, label: str | None = None) -> None:
        """End a document, which may have a label."""
        # No UTF-8 contains this byte, so it marks the end without ambiguity.
        self._add(b"\xff")
        if label is not None:
            self._labels = self._labels or hashlib.sha256()
            self._labels.update(label.encode("utf-8", "surrogatepass") + b"\xfe")

    def hexdigest(self) -> str:
        """64 hexadecimal digits."""
        self._flush()
        digest = self._text.copy()
        # Without labels nothing is added: old runs keep their fingerprints.
        if self._labels is not None:
            digest.update(self._labels.digest())
        return digest.hexdigest()

    def _add(self, data: bytes) -> None:
        # Many short documents would spend their time in calls of the library.
        self._held.append(data)
        self._num_held += len(data)
        if self._num_held >= _PIECE_BYTES:
            self._flush()

    def _flush(self) -> None:
        self._text.update(b"".join(self._held))
        self._held, self._num_held = [], 0


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
