"""Decode the bytes of a file, in pieces of any size, to text."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Iterable, Iterator

from textgen.errors import CorpusError
from textgen.text.reading.encodings import Guess, Surroundings, advice_on, guess_encoding

BYTE_ORDER_MARK = "\ufeff"
HAD_CRLF = "had CRLF line endings; they were read as LF"
HAD_CR = "had lone CR line endings; they were read as LF"
HAD_MARK = "began with a byte order mark; it was dropped"
# Invalid bytes in a sample that is text all the same.
_FEW = 4
# The length of the longest signature or byte order mark.
_START_BYTES = 5
_SIGNATURES = {
    b"%PDF-": "a PDF document. Save it as text first",
    b"{\\rtf": "an RTF document. Save it as text first",
    b"PK\x03\x04": "a docx, odt, epub or other ZIP archive. Save it as text first",
    b"\x1f\x8b\x08": "gzip data. Give it a name that ends in .gz",
}


class WrongByteError(CorpusError):
    """A byte that is not text in the encoding of its file.

    Args:
        offset: bytes of the decompressed file before it.
        line: the line it is in, counted from 1; None for a NUL byte.
        advice: what to do about it.
        guess: the likely encoding of the file.
        is_text: whether the bytes around it are UTF-8, or nearly so.
    """

    def __init__(
        self,
        what: str,
        *,
        byte: int,
        offset: int,
        line: int | None,
        advice: str = "",
        guess: Guess | None = None,
        is_text: bool = True,
    ) -> None:
        super().__init__(f"{what} {advice}".rstrip())
        self.what = what
        self.byte = byte
        self.offset = offset
        self.line = line
        self.guess = guess
        self.is_text = is_text


class PieceDecoder:
    r"""Decodes one file strictly: bytes go in, text with LF line endings comes out.

    The text and the errors do not depend on how the bytes are cut into pieces.

    Args:
        encoding: any text encoding that Python knows.
        name: of the file, for messages.

    >>> decoder = PieceDecoder("utf-8", "a.txt")
    >>> decoder.feed(b"one\r\ntw\xc3") + decoder.feed(b"\xb6\r") + decoder.flush()
    'one\ntwö\n'
    """

    def __init__(self, encoding: str, name: str) -> None:
        self._encoding = self._decoding = encoding
        self._name = name
        self._decoder: codecs.IncrementalDecoder | None = None
        self._newlines = io.IncrementalNewlineDecoder(None, translate=True)
        self._ends_in_cr = False
        self._had_lf = False
        self._start = b""
        self._num_bytes = 0
        self._num_lines = 0
        self._had_text = False
        self._had_mark = False

    def feed(self, data: bytes) -> str:
        """The text that `data` completes; an incomplete character is kept for later.

        Raises:
            WrongByteError: a byte that is wrong in this encoding, or a NUL byte; without
                advice, which `decode` adds.
            CorpusError: the file is of a known binary format.
        """
        return self._feed(data, final=False)

    def flush(self) -> str:
        """The remaining text, at the end of the file.

        Raises:
            WrongByteError: the file ends in the middle of a character.
        """
        return self._feed(b"", final=True)

    def decode(self, pieces: Iterable[bytes]) -> Iterator[str]:
        """Decode a whole file that arrives in pieces.

        Raises:
            CorpusError: as `feed` and `flush`, while iterating.
        """
        around = Surroundings(pieces)
        try:
            for piece in around:
                if text := self.feed(piece):
                    yield text
            if text := self.flush():
                yield text
        except WrongByteError as error:
            raise _advised(error, around, self._encoding) from error

    @property
    def changes(self) -> tuple[str, ...]:
        """What was changed in the text so far, each as the end of "1 file ..."."""
        seen = self.line_endings
        found = {HAD_MARK: self._had_mark, HAD_CRLF: "CRLF" in seen, HAD_CR: "CR" in seen}
        return tuple(change for change, was_made in found.items() if was_made)

    @property
    def line_endings(self) -> tuple[str, ...]:
        """The kinds seen so far: LF, CRLF and CR, in this order."""
        # None, one kind or several, of the pieces that went through the newline decoder.
        seen = self._newlines.newlines or ()
        seen = (seen,) if isinstance(seen, str) else seen
        kinds = {"LF": "\n", "CRLF": "\r\n", "CR": "\r"}
        return tuple(
            name
            for name, kind in kinds.items()
            if kind in seen or (kind == "\n" and self._had_lf)
        )

    def _feed(self, data: bytes, *, final: bool) -> str:
        if self._decoder is None:
            data = self._start = self._start + data
            if len(data) < _START_BYTES and not final:
                return ""
            data = data[self._begin() :]
        self._check_binary(data)
        return self._tidied(self._decoded(data, final=final), final=final)

    def _begin(self) -> int:
        """Choose the decoder by the first bytes; return the length of their mark."""
        self._start, data = self._start[:_START_BYTES], self._start
        for start, what in _SIGNATURES.items():
            if data.startswith(start):
                raise CorpusError(f"{self._name} is not plain text: it looks like {what}.")
        self._decoding, self._num_bytes = _without_mark(self._encoding, data)
        try:
            self._decoder = codecs.getincrementaldecoder(self._decoding)("strict")
        except LookupError as error:
            raise self._undecodable(error) from error
        return self._num_bytes

    def _check_binary(self, data: bytes) -> None:
        if b"\0" in data and not _is_wide(self._encoding):
            offset = self._num_bytes + data.index(0)
            raise WrongByteError(
                f"{self._name} is not {self._encoding}: it has a NUL byte at offset "
                f"{offset}.",
                byte=0,
                offset=offset,
                line=None,
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
            self._had_mark = text.startswith(BYTE_ORDER_MARK)
            text = text.removeprefix(BYTE_ORDER_MARK)
        # The newline decoder is slow, and needed only where there is a CR.
        if not self._ends_in_cr and "\r" not in text:
            self._had_lf = self._had_lf or "\n" in text
            return text
        self._ends_in_cr = text.endswith("\r") or (self._ends_in_cr and not text)
        return self._newlines.decode(text, final)

    def _wrong_byte(self, error: UnicodeDecodeError) -> WrongByteError:
        data, index = bytes(error.object), error.start
        # The decoder may have kept bytes of the pieces before this one.
        offset = self._num_bytes - len(data) + index
        # Not `error.encoding`, which may be a name that only the codec knows.
        before = data[:index].decode(self._decoding, "replace")
        line = self._num_lines + before.count("\n") + 1
        return WrongByteError(
            f"{self._name}: byte 0x{data[index]:02x} at offset {offset} (line {line}) is "
            f"not {self._encoding}.",
            byte=data[index],
            offset=offset,
            line=line,
        )

    def _undecodable(self, error: Exception) -> CorpusError:
        return CorpusError(
            f"{self._name} cannot be decoded with `encoding={self._encoding!r}`: {error}. "
            "Try utf-8, cp1252 or utf-16."
        )


def _without_mark(encoding: str, start: bytes) -> tuple[str, int]:
    """The encoding to decode with after a byte order mark, and the length of the mark.

    Python's incremental decoders treat a missing mark and a file of nothing but a mark
    differently from `bytes.decode`.
    """
    own = codecs.lookup(encoding).name
    if own == "utf-8-sig":
        return "utf-8", 3 * start.startswith(codecs.BOM_UTF8)
    if own in ("utf-16", "utf-32"):
        for order in ("le", "be"):
            mark = BYTE_ORDER_MARK.encode(f"{own}-{order}")
            if start.startswith(mark):
                return f"{own}-{order}", len(mark)
        return f"{own}-{sys.byteorder[0]}e", 0
    return encoding, 0


def _is_wide(encoding: str) -> bool:
    """Whether NUL bytes are an ordinary part of text in this encoding."""
    return codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))


def _advised(error: WrongByteError, around: Surroundings, tried: str) -> WrongByteError:
    """The same error, with the likely encoding and what to do."""
    sample = around.sample(error.offset)
    guess = guess_encoding(around.start, sample, tried)
    is_text = sample.decode("utf-8", "replace").count("\ufffd") < _FEW
    return WrongByteError(
        error.what,
        byte=error.byte,
        offset=error.offset,
        line=error.line,
        advice=_advice(guess, tried, has_nul=error.line is None, is_text=is_text),
        guess=guess,
        is_text=is_text,
    )


def _advice(guess: Guess | None, tried: str, *, has_nul: bool, is_text: bool) -> str:
    if guess is not None and guess.encoding is not None:
        reason = f": {guess.reason}" if guess.reason else ""
        return f"It looks like {guess.encoding}{reason}. {advice_on(guess.encoding, tried)}"
    if guess is not None:
        return "The text around it is UTF-8, but damaged there: fix or delete that byte."
    if has_nul:
        return (
            "Delete its NUL bytes."
            if is_text
            else "It is binary: name a file with text in it."
        )
    return (
        f"If the file has another encoding, name it with `encoding`: {_others(tried)}. "
        "If not, fix that byte."
    )


def _others(encoding: str) -> str:
    own = codecs.lookup(encoding).name
    usual = ("utf-8", "latin-1", "cp1252", "utf-16")
    *first, last = (e for e in usual if codecs.lookup(e).name != own)
    return f"{', '.join(first)} or {last}"
