"""Bytes to text, in pieces of any size, as strictly as `decode_text` does it at once."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from textgen.errors import CorpusError
from textgen.text.reading.sources import shown_name

MARK = "\ufeff"
# As long as the longest signature or byte order mark.
_START_BYTES = 5


class PieceDecoder:
    r"""Decodes one file bit by bit: its bytes go in, text with LF line endings comes out.

    However the bytes are cut into pieces, the pieces of text together are what
    `decode_text` makes of the whole, and what it refuses is refused here.

    Args:
        encoding: any text encoding that Python knows.
        name: of the file, for messages.

    >>> decoder = PieceDecoder("utf-8", "a.txt")
    >>> decoder.feed(b"one\r\ntw\xc3") + decoder.feed(b"\xb6\r") + decoder.flush()
    'one\ntwö\n'
    """

    def __init__(self, encoding: str, name: str) -> None:
        self._encoding = self._decoding = encoding
        self._name = shown_name(name)
        self._decoder: codecs.IncrementalDecoder | None = None
        # It is slow, and of use only where there is a CR.
        self._ends_in_cr = False
        self._newlines = io.IncrementalNewlineDecoder(None, translate=True)
        self._start = b""
        self._num_bytes = 0
        self._num_lines = 0
        self._had_text = False
        self._had_mark = False

    def feed(self, data: bytes) -> str:
        """The text that `data` completes; a part of a character waits for its rest.

        Raises:
            CorpusError: a byte that is wrong in this encoding, or a binary file. Of
                several faults the one in the first piece is named.
        """
        return self._feed(data, final=False)

    def flush(self) -> str:
        """What is left at the end of the file.

        Raises:
            CorpusError: the file ends in the middle of a character.
        """
        return self._feed(b"", final=True)

    def decode(self, pieces: Iterable[bytes]) -> Iterator[str]:
        """The text of all pieces of a file, as it becomes known.

        Raises:
            CorpusError: as `feed` and `flush`, when the place is reached.
        """
        for piece in pieces:
            if text := self.feed(piece):
                yield text
        if text := self.flush():
            yield text

    @property
    def quirks(self) -> tuple[str, ...]:
        """What had to be done to the text so far, each as the end of "1 file ..."."""
        seen = self._newlines.newlines or ()
        seen = (seen,) if isinstance(seen, str) else seen
        found = {HAD_MARK: self._had_mark, HAD_CRLF: "\r\n" in seen, HAD_CR: "\r" in seen}
        return tuple(quirk for quirk, is_so in found.items() if is_so)

    def _feed(self, data: bytes, *, final: bool) -> str:
        if self._decoder is None:
            data = self._start = self._start + data
            if len(data) < _START_BYTES and not final:
                return ""
            data = data[self._begin() :]
        self._check_binary(data)
        return self._tidied(self._decoded(data, final=final), final=final)

    def _begin(self) -> int:
        """Choose the decoder by the file's first bytes; return how many those are."""
        self._start, data = self._start[:_START_BYTES], self._start
        for start, what in _SIGNATURES.items():
            if data.startswith(start):
                raise CorpusError(f"{self._name} is not plain text: it looks like {what}.")
        self._decoding, self._num_bytes = without_mark(self._encoding, data)
        try:
            self._decoder = codecs.getincrementaldecoder(self._decoding)("strict")
        except LookupError as error:
            raise self._undecodable(error) from error
        return self._num_bytes

    def _check_binary(self, data: bytes) -> None:
        if b"\0" in data and not _is_wide(self._encoding):
            hint = _mark_hint(self._start) or (
                "If it is UTF-16 without a mark, try --encoding utf-16."
            )
            raise CorpusError(
                f"{self._name} is binary, not text: it has a NUL byte at offset "
                f"{self._num_bytes + data.index(0)}. {hint}"
            )

    def _decoded(self, data: bytes, *, final: bool) -> str:
        assert self._decoder is not None
        self._num_bytes += len(data)
        try:
            text = self._decoder.decode(data, final)
        except UnicodeDecodeError as error:
            raise self._wrong_byte(error) from error
        except UnicodeError as error:
            raise self._undecodable(error) from error
        self._num_lines += text.count("\n")
        return text

    def _tidied(self, text: str, *, final: bool) -> str:
        if text and not self._had_text:
            self._had_text = True
            self._had_mark = text.startswith(MARK)
            text = text.removeprefix(MARK)
        if not self._ends_in_cr and "\r" not in text:
            return text
        self._ends_in_cr = text.endswith("\r") or (self._ends_in_cr and not text)
        return self._newlines.decode(text, final)

    def _wrong_byte(self, error: UnicodeDecodeError) -> CorpusError:
        # What the decoder held back from the pieces before lies in front of this one.
        offset = self._num_bytes - len(error.object) + error.start
        # Not `error.encoding`, which may be a name that only the codec knows.
        before = error.object[: error.start].decode(self._decoding, "replace")
        line = self._num_lines + before.count("\n") + 1
        hint = _mark_hint(self._start) or (
            f"If the file has another encoding, name it: --encoding "
            f"{_others(self._encoding)}. If not, mend that byte."
        )
        return CorpusError(
            f"{self._name}: byte 0x{error.object[error.start]:02x} at offset {offset} "
            f"(line {line}) is not {self._encoding}. {hint}"
        )

    def _undecodable(self, error: Exception) -> CorpusError:
        return CorpusError(
            f"{self._name} cannot be decoded with --encoding {self._encoding}: {error}. "
            "Try utf-8, cp1252 or utf-16."
        )


def decode_pieces(pieces: Iterable[bytes], encoding: str, name: str) -> Iterator[str]:
    r"""Decode a file that comes in pieces; see `PieceDecoder`.

    >>> list(decode_pieces([b"n\xc3", b"\xa9\r", b"\n"], "utf-8", "a.txt"))
    ['né\n']
    """
    return PieceDecoder(encoding, name).decode(pieces)


def without_mark(encoding: str, start: bytes) -> tuple[str, int]:
    """The encoding behind a byte order mark that tells it, and the mark's length.

    Python's incremental decoders handle a missing or lonely mark unlike `decode`.
    """
    own = codecs.lookup(encoding).name
    if own == "utf-8-sig":
        return "utf-8", 3 * start.startswith(codecs.BOM_UTF8)
    if own in ("utf-16", "utf-32"):
        for order in ("le", "be"):
            mark = MARK.encode(f"{own}-{order}")
            if start.startswith(mark):
                return f"{own}-{order}", len(mark)
        return f"{own}-{sys.byteorder[0]}e", 0
    return encoding, 0


def _others(encoding: str) -> str:
    own = codecs.lookup(encoding).name
    usual = ("utf-8", "latin-1", "cp1252", "utf-16")
    *first, last = (e for e in usual if codecs.lookup(e).name != own)
    return f"{', '.join(first)} or {last}"


HAD_CRLF = "had CRLF line endings; they were read as LF"
HAD_CR = "had lone CR line endings; they were read as LF"
HAD_MARK = "began with a byte order mark; it was dropped"


class Decoded(NamedTuple):
    """A text and what had to be done to it, each as the end of "1 file ..."."""

    text: str
    quirks: tuple[str, ...]


def decode_text(data: bytes, encoding: str, name: str) -> Decoded:
    """Decode the bytes of one file strictly, and make every line end in LF.

    Args:
        data: the whole file, decompressed.
        encoding: any text encoding that Python knows.
        name: of the file, for messages.

    Returns:
        The text without its byte order mark, and what was changed.

    Raises:
        CorpusError: a byte that is wrong in this encoding, or a binary file.

    >>> decode_text(b"one\\r\\ntwo", "utf-8", "a.txt")
    Decoded(text='one\\ntwo', quirks=('had CRLF line endings; they were read as LF',))
    """
    _check_binary(data, encoding, name)
    text = _decoded_strictly(data, encoding, name)
    quirks = []
    if text.startswith("\ufeff"):
        text = text[1:]
        quirks.append(HAD_MARK)
    if "\r\n" in text:
        text = text.replace("\r\n", "\n")
        quirks.append(HAD_CRLF)
    if "\r" in text:
        text = text.replace("\r", "\n")
        quirks.append(HAD_CR)
    return Decoded(text, tuple(quirks))


def _check_binary(data: bytes, encoding: str, name: str) -> None:
    for start, what in _SIGNATURES.items():
        if data.startswith(start):
            raise CorpusError(
                f"{shown_name(name)} is not plain text: it looks like {what}."
            )
    if b"\0" in data and not _is_wide(encoding):
        hint = _mark_hint(data) or "If it is UTF-16 without a mark, try --encoding utf-16."
        raise CorpusError(
            f"{shown_name(name)} is binary, not text: it has a NUL byte at offset "
            f"{data.index(0)}. {hint}"
        )


_SIGNATURES = {
    b"%PDF-": "a PDF document. Save it as text first",
    b"{\\rtf": "an RTF document. Save it as text first",
    b"PK\x03\x04": "a docx, odt, epub or other ZIP archive. Save it as text first",
    b"\x1f\x8b\x08": "gzip data. Give it a name that ends in .gz",
}


def _is_wide(encoding: str) -> bool:
    """Whether NUL bytes are an ordinary part of text in this encoding."""
    return codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))


def _mark_hint(data: bytes) -> str:
    """Advice where the file itself says that it is UTF-16 or UTF-32, else nothing."""
    # The mark of UTF-32 begins with that of UTF-16.
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        wide = "32"
    elif data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        wide = "16"
    else:
        return ""
    return f"It starts with a UTF-{wide} byte order mark: try --encoding utf-{wide}."


def _decoded_strictly(data: bytes, encoding: str, name: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        # Some codecs count from behind the byte order mark.
        offset = error.start + len(data) - len(error.object)
        raise CorpusError(_wrong_byte_message(data, offset, encoding, name)) from error
    except (LookupError, UnicodeError) as error:
        raise CorpusError(
            f"{shown_name(name)} cannot be decoded with --encoding {encoding}: {error}. "
            "Try utf-8, cp1252 or utf-16."
        ) from error


def _wrong_byte_message(data: bytes, offset: int, encoding: str, name: str) -> str:
    line = data[:offset].decode(encoding, "replace").count("\n") + 1
    own = codecs.lookup(encoding).name
    others = [
        e for e in ("utf-8", "latin-1", "cp1252", "utf-16") if codecs.lookup(e).name != own
    ]
    hint = _mark_hint(data) or (
        f"If the file has another encoding, name it: --encoding {', '.join(others[:-1])} "
        f"or {others[-1]}. If not, mend that byte."
    )
    return (
        f"{shown_name(name)}: byte 0x{data[offset]:02x} at offset {offset} (line {line}) "
        f"is not {encoding}. {hint}"
    )
