"""One reading of a corpus, in pieces, that gathers all the doctor wants to know.

Memory is bounded: counts by code point, one hash for each document and each file, and
the pieces at hand. A file that cannot be read or decoded is noted, and the rest goes on.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from textgen.config import TextConfig
from textgen.errors import CorpusError
from textgen.text.files import (
    HAD_CR,
    HAD_CRLF,
    find_files,
    open_bytes,
    reading_errors,
    shown_name,
    without_repeats,
)
from textgen.text.finding import Place
from textgen.text.guess import Guess, guess_encoding
from textgen.text.normal_form import normalize_text
from textgen.text.records import RECORD_GLOBS, RecordFile, labels_of, read_records
from textgen.text.repeats import Fingerprint, Repeats
from textgen.text.stream import PIECE_BYTES, PieceNormalizer, cut_pieces
from textgen.text.strict import PieceDecoder
from textgen.text.symptoms import CONTROLS, INVISIBLE, NUM_CODES, REPLACEMENT

# How much before and behind a wrong byte is looked at.
_BEFORE, _BEHIND = 1 << 15, 1 << 17
# UTF-8 read as Windows-1252 or Latin-1: the first byte of a character becomes a letter
# with an accent, and those behind it signs that hardly ever follow such a letter.
_TAIL = (
    "[\u0080-\u00bf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039"
    "\u0152\u017d\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a"
    "\u0153\u017e\u0178]"
)
_MOJIBAKE = re.compile(f"[ÂÃÐÑ]{_TAIL}|[âãäåæçè]{_TAIL}{{2}}")
_MOJIBAKE_LEADS = np.array([ord(c) for c in "ÂÃÐÑâãäåæçè"])


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


@dataclass
class Survey:
    """What a reading of a corpus found.

    Args:
        raw: `(0x110000,)` how often each code point stands in the files.
        nfc: the same in the normal form NFC.
        counts: the same in the documents that a model would learn from.
        places: where each suspicious character stands first.
        documents: hash and length of each document.
        files: the same of each file's whole text, where there is more than one file.
        first_document: for each file that was read, the number of its first document.
        num_lines: of each file that was read.
        endings: how many files have which line endings.
        narrow: files without NUL bytes, though read in an encoding of two or four bytes.
        mojibake: how many characters seem to be read in a wrong encoding, and where.
    """

    config: TextConfig
    names: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    quirks: Counter[str] = field(default_factory=Counter)
    quirk_names: dict[str, str] = field(default_factory=dict)
    endings: Counter[str] = field(default_factory=Counter)
    ending_names: dict[str, str] = field(default_factory=dict)
    num_doubled_cr: int = 0
    num_blank_files: int = 0
    narrow: list[str] = field(default_factory=list)
    raw: np.ndarray = field(default_factory=lambda: np.zeros(NUM_CODES, np.int64))
    nfc: np.ndarray = field(default_factory=lambda: np.zeros(NUM_CODES, np.int64))
    counts: np.ndarray = field(default_factory=lambda: np.zeros(NUM_CODES, np.int64))
    places: dict[int, Place] = field(default_factory=dict)
    mojibake: Counter[str] = field(default_factory=Counter)
    mojibake_place: Place | None = None
    documents: Repeats = field(default_factory=Repeats)
    files: Repeats = field(default_factory=Repeats)
    first_document: list[int] = field(default_factory=list)
    num_lines: list[int] = field(default_factory=list)
    longest_line: int = 0
    longest_line_place: Place | None = None
    has_labels: bool = False

    @property
    def num_chars(self) -> int:
        """Characters that a model would learn from or be validated on."""
        return int(self.counts.sum())

    def place_of_document(self, number: int) -> str:
        """Where a document lies, in words, counted from 0 over the whole corpus."""
        file = bisect_right(self.first_document, number) - 1
        kind = self.config.documents
        if kind == "files":
            return shown_name(self.read[file])
        name = f"{shown_name(self.read[file])}, " if len(self.names) > 1 else ""
        own = number - self.first_document[file] + 1
        if kind == "lines":
            ends = [*self.first_document, self.documents.count]
            full = ends[file + 1] - ends[file] == self.num_lines[file]
            return f"{name}line {own:,}{'' if full else ' (blank ones not counted)'}"
        return f"{name}{kind.removesuffix('s')} {own:,}"


def survey(
    paths: str | Path | Iterable[str | Path],
    config: TextConfig,
    *,
    piece_bytes: int = PIECE_BYTES,
    on_start: Callable[[list[str]], object] | None = None,
    on_bytes: Callable[[int], object] | None = None,
) -> Survey:
    """Read everything that `paths` name, once, and gather what there is to know.

    Args:
        paths: as for `read_corpus`.
        on_start: is told the names of the files before the first is read.
        on_bytes: is told after each reading how many bytes it brought.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "names.txt")
    ...     _ = path.write_bytes(b"Ada\\r\\nKit\\r\\nAda\\r\\n")
    ...     found = survey(path, TextConfig(documents="lines"))
    >>> found.documents.count, found.num_chars, dict(found.endings)
    (3, 9, {'CRLF': 1})
    """
    result = Survey(config)
    _find(paths, result)
    if on_start is not None:
        on_start(result.names)
    reader = _Reader(result, piece_bytes, on_bytes)
    if config.documents == "records":
        _read_record_files(reader, result)
    else:
        for name in result.names:
            reader.read_text(name)
    reader.raw.flush()
    reader.count_documents()
    return result


def _find(paths: str | Path | Iterable[str | Path], result: Survey) -> None:
    """Name all files that there are, and note what does not exist."""
    config = result.config
    named = [paths] if isinstance(paths, str | Path) else list(paths)
    is_default = config.glob == TextConfig.glob and config.documents == "records"
    found: list[str] = []
    for path in named:
        try:
            found += find_files(path, RECORD_GLOBS if is_default else config.glob)
        except CorpusError as error:
            result.faults.append(Fault(str(path), str(error)))
    if named:
        result.names, result.notes = without_repeats(found)
    else:
        find_files([], config.glob)


class _Reader:
    """Reads file after file into a survey."""

    def __init__(
        self, result: Survey, piece_bytes: int, on_bytes: Callable[[int], object] | None
    ) -> None:
        self.result = result
        self.raw = RawText(result)
        self._piece_bytes = piece_bytes
        self._on_bytes = on_bytes
        self._held: list[str] = []
        self._num_held = 0
        self._last = "\n"
        self._document = Fingerprint()

    def read_text(self, name: str) -> None:
        """Read one file of text."""
        result = self.result
        kind = result.config.documents
        before = result.documents.count
        # One whole text leaves out blank files, as files do.
        cut_as = "files" if kind == "whole" else kind
        self.raw.begin(name)
        file = _FileBytes(name, result.config.encoding, self._piece_bytes, self._on_bytes)
        normalizer = PieceNormalizer(result.config.normalize)
        try:
            for piece in cut_pieces([self._texts(file, normalizer)], cut_as):
                if piece.text:
                    self._take(piece.text)
                if piece.ends:
                    self.end_document()
        except CorpusError as error:
            result.faults.append(file.fault(error))
            self._document.close()
            self.raw.abandon()
            return
        result.read.append(name)
        result.first_document.append(before)
        result.num_blank_files += result.documents.count == before
        file.note_endings(result)
        self.raw.end()

    def _texts(self, file: _FileBytes, normalizer: PieceNormalizer) -> Iterator[str]:
        for text in file.texts():
            self.raw.add(text)
            if ready := normalizer.feed(text):
                yield ready
        if ready := normalizer.flush():
            yield ready

    def _take(self, text: str) -> None:
        self._document.feed(text)
        self._held.append(text)
        self._num_held += len(text)
        if self._num_held >= PIECE_BYTES:
            self.count_documents()

    def take_document(self, text: str) -> None:
        """Take one document as a whole."""
        self._take(text)
        self.end_document()

    def end_document(self) -> None:
        """Note hash and length of the document that ends."""
        self.result.documents.add(*self._document.close())

    def count_documents(self) -> None:
        """Count the characters that were held back, so that NumPy is called seldom."""
        add_counts(self.result.counts, "".join(self._held))
        self._held, self._num_held = [], 0


def _read_record_files(reader: _Reader, result: Survey) -> None:
    config = replace(result.config, normalize="none")
    heads: list[RecordFile] = []
    for name in result.names:
        before = result.documents.count
        try:
            file = read_records(name, config)
            labels_of([file])
        except CorpusError as error:
            result.faults.append(Fault(shown_name(name), str(error)))
            continue
        for record in file.records:
            reader.raw.begin(name, record.line)
            reader.raw.add(record.text)
            reader.raw.end()
            reader.take_document(normalize_text(record.text, result.config.normalize))
        result.read.append(name)
        result.first_document.append(before)
        result.quirks.update(file.quirks)
        heads.append(file._replace(records=file.records[:1]))
        result.num_blank_files += not file.records
    try:
        result.has_labels = labels_of(heads) is not None
    except CorpusError as error:
        result.faults.append(Fault(shown_name(result.read[0]), str(error)))


class RawText:
    """The text as it stands in the files: counted, and searched where it is suspicious."""

    def __init__(self, result: Survey) -> None:
        self._result = result
        self._suspicious = np.zeros(NUM_CODES, bool)
        self._suspicious[[*CONTROLS, *INVISIBLE, REPLACEMENT]] = True
        self._held: list[tuple[str, int, str]] = []
        self._num_held = 0
        self._normalizer = PieceNormalizer("nfc")
        self._normal: list[str] = []
        self._whole = Fingerprint()
        self._name, self._line, self._tail = "", 1, 0

    def begin(self, name: str, line: int = 1) -> None:
        """Another text follows."""
        several = len(self._result.names) > 1
        self._name, self._line, self._tail = shown_name(name) * several, line, 0

    def add(self, text: str) -> None:
        """Take a piece of it."""
        self._whole.feed(text)
        self._held.append((self._name, self._line, text))
        self._normal.append(self._normalizer.feed(text))
        self._num_held += len(text)
        self._measure_lines(text)
        if self._num_held >= PIECE_BYTES:
            self.flush()

    def _measure_lines(self, text: str) -> None:
        lengths = list(map(len, text.split("\n")))
        lengths[0] += self._tail
        longest = max(lengths)
        if longest > self._result.longest_line:
            line = self._line + lengths.index(longest)
            self._result.longest_line = longest
            self._result.longest_line_place = Place(self._name, line)
        self._line += len(lengths) - 1
        self._tail = lengths[-1]

    def end(self) -> None:
        """The text ends here."""
        self._normal.append(self._normalizer.flush())
        self._result.files.add(*self._whole.close())
        self._result.num_lines.append(self._line - (self._tail == 0))

    def abandon(self) -> None:
        """The text cannot be read any further."""
        self._normal.append(self._normalizer.flush())
        self._whole.close()

    def flush(self) -> None:
        """Count what is held back, and look for places of what is suspicious."""
        found = add_counts(self._result.raw, "".join(text for _, _, text in self._held))
        add_counts(self._result.nfc, "".join(self._normal))
        codes = np.flatnonzero(found)
        for code in codes[self._suspicious[codes]].tolist():
            if code not in self._result.places:
                self._result.places[code] = self._place_of(chr(code))
        if np.isin(_MOJIBAKE_LEADS, codes).any():
            self._look_for_mojibake()
        self._held, self._normal, self._num_held = [], [], 0

    def _place_of(self, character: str) -> Place:
        for name, line, text in self._held:
            at = text.find(character)
            if at >= 0:
                return Place(name, line + text.count("\n", 0, at))
        raise AssertionError("it was counted, so it is here")

    def _look_for_mojibake(self) -> None:
        result = self._result
        for name, line, text in self._held:
            for match in _MOJIBAKE.finditer(text):
                if not is_mojibake(match[0]):
                    continue
                if result.mojibake_place is None:
                    before = text.count("\n", 0, match.start())
                    result.mojibake_place = Place(name, line + before)
                result.mojibake[match[0]] += 1


def is_mojibake(text: str) -> bool:
    """Whether a text is UTF-8 that was read as something else.

    >>> is_mojibake("Ã©"), is_mojibake("é")
    (True, False)
    """
    return mended(text) is not None


def mended(text: str) -> str | None:
    """What stood there before it was read in the wrong encoding, or None.

    >>> mended("Ã©")
    'é'
    """
    for encoding in ("cp1252", "latin-1"):
        try:
            return text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
    return None


def add_counts(counts: np.ndarray, text: str) -> np.ndarray:
    """Add how often each code point occurs in `text` to `counts`; return that alone."""
    if text.isascii():
        data = np.frombuffer(text.encode("ascii"), np.uint8)
    else:
        data = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    found = np.bincount(data)
    counts[: len(found)] += found
    return found


class _FileBytes:
    """The bytes of one file, decoded, with all that is noticed on the way."""

    def __init__(
        self,
        name: str,
        encoding: str,
        piece_bytes: int,
        on_bytes: Callable[[int], object] | None,
    ) -> None:
        self._name = name
        self._encoding = encoding
        self._piece_bytes = piece_bytes
        self._on_bytes = on_bytes
        self._decoder = PieceDecoder(encoding, name)
        self._start = self._last = b""
        self._num_bytes = self._num_lines = 0
        self._num_lf = self._num_crlf = self._num_doubled = 0
        self._previous = 0
        self._has_nul = False

    def texts(self) -> Iterator[str]:
        """The decoded pieces, none of them empty."""
        with reading_errors(self._name), open_bytes(self._name) as file:
            while data := file.read(self._piece_bytes):
                self._look_at(data)
                if text := self._decoder.feed(data):
                    self._num_lines += text.count("\n")
                    yield text
                if self._on_bytes is not None:
                    self._on_bytes(len(data))
            if text := self._decoder.flush():
                yield text

    def _look_at(self, data: bytes) -> None:
        self._start = self._start or data[:64]
        self._last = data
        self._num_bytes += len(data)
        self._num_lf += data.count(b"\n")
        self._has_nul = self._has_nul or b"\0" in data
        if b"\r" in data or self._previous == 13:
            joined = b"\r" + data if self._previous == 13 else data
            self._num_crlf += joined.count(b"\r\n")
            self._num_doubled += joined.count(b"\r\r\n")
        self._previous = data[-1]

    def note_endings(self, result: Survey) -> None:
        """Note which line endings the file had, and what else was done to it."""
        quirks = self._decoder.quirks
        result.quirks.update(quirks)
        for quirk in quirks:
            result.quirk_names.setdefault(quirk, shown_name(self._name))
        # In UTF-16 the bytes of a line feed may be halves of other characters.
        is_wide = codecs.lookup(self._encoding).name.startswith(("utf-16", "utf-32"))
        kinds = [name for name, q in (("CRLF", HAD_CRLF), ("CR", HAD_CR)) if q in quirks]
        if is_wide and self._num_bytes and not self._has_nul:
            result.narrow.append(shown_name(self._name))
        if self._num_lf > self._num_crlf and not is_wide:
            kinds.insert(0, "LF")
        kind = " and ".join(kinds)
        if kind:
            result.endings[kind] += 1
            result.ending_names.setdefault(kind, shown_name(self._name))
        result.num_doubled_cr += self._num_doubled

    def fault(self, error: CorpusError) -> Fault:
        """What the doctor says of an error that ended the reading."""
        name, cause = shown_name(self._name), error.__cause__
        if not isinstance(cause, UnicodeDecodeError):
            if b"\0" in self._last and "is not plain text" not in str(error):
                return self._nul_fault(str(error))
            return Fault(name, str(error))
        # The decoder saw what it had kept from the pieces before, too.
        offset = self._num_bytes - len(cause.object) + cause.start
        before = cause.object[: cause.start].decode(cause.encoding, "replace")
        line = self._num_lines + before.count("\n") + 1
        sample = cause.object[max(0, cause.start - _BEFORE) : cause.start + _BEHIND]
        guess = guess_encoding(self._start, sample, self._encoding)
        byte = cause.object[cause.start]
        place = f"byte 0x{byte:02x} at offset {offset:,}, line {line:,}"
        return Fault(name, str(error), guess, place)

    def _nul_fault(self, message: str) -> Fault:
        """What is said of NUL bytes: another encoding, a few strays, or no text at all."""
        name = shown_name(self._name)
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
