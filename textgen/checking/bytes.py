"""The bytes of one file on the way to its text, and what is noticed of them."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from textgen.checking.guess import Guess, guess_encoding
from textgen.errors import CorpusError, TextgenError
from textgen.text.reading.decoding import HAD_CR, HAD_CRLF, PieceDecoder, without_mark
from textgen.text.reading.reader import PIECE_BYTES
from textgen.text.reading.sources import Source, bytes_pieces

# How much before and behind a wrong byte is looked at.
_BEFORE, _BEHIND = 1 << 15, 1 << 17


@dataclass(frozen=True)
class Fault:
    """Why one file cannot be read.

    Args:
        message: the line with which training would refuse it.
        guess: how it seems to be encoded, where its bytes are the fault.
        place: which byte is wrong and where, or nothing.
    """

    name: str
    message: str
    guess: Guess | None = None
    place: str = ""


class FileFacts(NamedTuple):
    """What is known of the bytes of one file.

    Args:
        changes: what was changed in its text; see `PieceDecoder.changes`.
        endings: its line endings, such as "LF and CRLF", or nothing.
        num_doubled_cr: how many lines end in CR CR LF.
        is_narrow: whether it lacks the NUL bytes that an encoding of two or four bytes
            for each character has.
    """

    changes: tuple[str, ...]
    endings: str
    num_doubled_cr: int
    is_narrow: bool


def fault_of_records(name: Source, error: TextgenError, encoding: str) -> Fault:
    """What is said of an error that ended the reading of a file of records."""
    cause = error.__cause__
    is_decoding = isinstance(cause, UnicodeDecodeError)
    if os.path.isfile(name.path) and (is_decoding or "NUL byte" in str(error)):
        found = _fault_of_bytes(name, encoding)
        if found is not None and found.message == str(error):
            return found
    if not isinstance(cause, UnicodeDecodeError):
        return Fault(name.shown, str(error))
    sample = _sample(cause)
    guess = guess_encoding(sample[:64], sample, encoding)
    return Fault(name.shown, str(error), guess, f"byte 0x{_wrong_byte(cause):02x}")


def _fault_of_bytes(name: Source, encoding: str) -> Fault | None:
    """What is wrong with the bytes of a file, whatever it holds."""
    file = FileBytes(name, encoding, PIECE_BYTES, None)
    try:
        for _ in file.texts():
            pass
    except CorpusError as error:
        return file.fault(error)
    return None


def _sample(cause: UnicodeDecodeError) -> bytes:
    return bytes(cause.object[max(0, cause.start - _BEFORE) : cause.start + _BEHIND])


def _wrong_byte(cause: UnicodeDecodeError) -> int:
    return cause.object[cause.start]


class FileBytes:
    """Decodes one file, and looks at its bytes.

    Args:
        name: as for `bytes_pieces`; and so are the two last.
        encoding: of the file.

    Attributes:
        has_text: whether any text came out so far.
    """

    def __init__(
        self,
        name: Source,
        encoding: str,
        piece_bytes: int,
        on_bytes: Callable[[int], object] | None,
    ) -> None:
        self._name = name
        self._encoding = encoding
        self._piece_bytes = piece_bytes
        self._on_bytes = on_bytes
        self._decoder = PieceDecoder(encoding, name.shown)
        self._start = self._last = b""
        self._num_bytes = self._num_lines = 0
        self._num_lf = self._num_crlf = self._num_doubled = 0
        self._crs = b""
        self._has_nul = False
        self.has_text = False

    def texts(self) -> Iterator[str]:
        """The decoded pieces, none of them empty."""
        for data in bytes_pieces(self._name, self._piece_bytes, self._on_bytes):
            self._look_at(data)
            if text := self._decoder.feed(data):
                self._num_lines += text.count("\n")
                self.has_text = True
                yield text
        if text := self._decoder.flush():
            yield text

    def _look_at(self, data: bytes) -> None:
        self._start = self._start or data[:64]
        self._last = data
        self._num_bytes += len(data)
        self._num_lf += data.count(b"\n")
        self._has_nul = self._has_nul or b"\0" in data
        if self._crs or b"\r" in data:
            joined = self._crs + data
            self._num_crlf += joined.count(b"\r\n")
            self._num_doubled += joined.count(b"\r\r\n")
            # Only these can be part of what ends in the next piece.
            end = joined[-2:]
            self._crs = end[len(end.rstrip(b"\r")) :]

    def facts(self) -> FileFacts:
        """What is known when the file has been read."""
        changes = self._decoder.changes
        # In UTF-16 the bytes of a line feed may be halves of other characters.
        is_wide = codecs.lookup(self._encoding).name.startswith(("utf-16", "utf-32"))
        kinds = [name for name, q in (("CRLF", HAD_CRLF), ("CR", HAD_CR)) if q in changes]
        if self._num_lf > self._num_crlf and not is_wide:
            kinds.insert(0, "LF")
        is_narrow = is_wide and self._num_bytes > 0 and not self._has_nul
        return FileFacts(changes, " and ".join(kinds), self._num_doubled, is_narrow)

    def fault(self, error: CorpusError) -> Fault:
        """What the doctor says of an error that ended the reading."""
        name, cause = self._name.shown, error.__cause__
        if not isinstance(cause, UnicodeDecodeError):
            if b"\0" in self._last and "is not plain text" not in str(error):
                return self._nul_fault(str(error))
            return Fault(name, str(error))
        # The decoder saw what it had kept from the pieces before, too.
        offset = self._num_bytes - len(cause.object) + cause.start
        # Some codecs give a name that Python does not know to what they cannot decode.
        encoding, _ = without_mark(self._encoding, self._start)
        before = cause.object[: cause.start].decode(encoding, "replace")
        line = self._num_lines + before.count("\n") + 1
        guess = guess_encoding(self._start, _sample(cause), self._encoding)
        place = f"byte 0x{_wrong_byte(cause):02x} at offset {offset:,}, line {line:,}"
        return Fault(name, str(error), guess, place)

    def _nul_fault(self, message: str) -> Fault:
        """What is said of NUL bytes: another encoding, a few strays, or no text at all."""
        name = self._name.shown
        at = self._last.index(0)
        sample = self._last[: at + _BEHIND]
        guess = guess_encoding(self._start, sample, self._encoding)
        if guess is not None:
            return Fault(name, message, guess, "it has NUL bytes")
        text = sample.decode("utf-8", "replace")
        if text.count("\ufffd") < 4:
            offset = self._num_bytes - len(self._last) + at
            return Fault(name, message, place=f"a NUL byte at offset {offset:,}")
        return Fault(name, message)
