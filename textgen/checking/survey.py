"""One reading of a corpus, in pieces, that gathers all the doctor wants to know.

Memory is bounded: counts by code point, one hash for each document and each file, and
the pieces at hand. A file that cannot be read or decoded is noted, and the rest goes on.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from textgen.checking.bytes import Fault, FileBytes, FileFacts, fault_of_records
from textgen.checking.places import RawText, TextFacts, no_counts
from textgen.checking.repeats import Fingerprint, Repeats
from textgen.config.text import TextConfig
from textgen.errors import CorpusError, TokenizerError
from textgen.text.encoded.scan import BlockLengths
from textgen.text.reading.decoding import PieceDecoder
from textgen.text.reading.documents import cut_pieces
from textgen.text.reading.reader import PIECE_BYTES, corpus_globs
from textgen.text.reading.records import LabelRule, Record, RecordReader
from textgen.text.reading.sources import Source, bytes_pieces, find_sources, without_repeats
from textgen.text.tokenizers.checks import check_labels, check_num_labels, gathered_labels
from textgen.text.unicode.code_points import CodePointCounts
from textgen.text.unicode.normal_form import PieceNormalizer, normalize_text

_MOST_ENDED = 1 << 14


@dataclass
class Survey:
    """What a reading of a corpus found.

    Args:
        names: of all files, in reading order.
        begun: those that could be opened, of these `read` the ones without fault, and of
            these `filled` the ones with text.
        notes: sentences about the names.
        quirk_names: for each quirk the first file that has it; `ending_names` likewise.
        endings: how many files have which line endings.
        num_doubled_cr: how many lines end in CR CR LF.
        num_blank_files: files without text.
        num_cut: files that were read in part, up to an error.
        narrow: files without NUL bytes, though read in an encoding of two or four bytes.
        text: what is known of the text as it stands in the files.
        counts: `(0x110000,)` how often each code point stands in the documents.
        documents: hash and length of each.
        lengths: of the documents as a training splits them.
        first_document: for each file in `begun`, the number of its first document.
    """

    config: TextConfig
    names: list[Source] = field(default_factory=list)
    begun: list[Source] = field(default_factory=list)
    read: list[Source] = field(default_factory=list)
    filled: list[Source] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    quirks: Counter[str] = field(default_factory=Counter)
    quirk_names: dict[str, str] = field(default_factory=dict)
    endings: Counter[str] = field(default_factory=Counter)
    ending_names: dict[str, str] = field(default_factory=dict)
    num_doubled_cr: int = 0
    num_blank_files: int = 0
    num_cut: int = 0
    narrow: list[str] = field(default_factory=list)
    text: TextFacts = field(default_factory=TextFacts)
    counts: np.ndarray = field(default_factory=no_counts)
    documents: Repeats = field(default_factory=Repeats)
    lengths: BlockLengths = field(default_factory=BlockLengths)
    first_document: list[int] = field(default_factory=list)
    has_labels: bool = False

    @property
    def num_chars(self) -> int:
        """Characters that a model would learn from or be validated on."""
        return int(self.counts.sum())

    def add_file(self, name: Source, facts: FileFacts, *, is_blank: bool) -> None:
        """Note what is known of the bytes of one file that was read to its end."""
        self.read.append(name)
        if is_blank:
            self.num_blank_files += 1
        else:
            self.filled.append(name)
        self.quirks.update(facts.changes)
        for quirk in facts.changes:
            self.quirk_names.setdefault(quirk, name.shown)
        if facts.endings:
            self.endings[facts.endings] += 1
            self.ending_names.setdefault(facts.endings, name.shown)
        self.num_doubled_cr += facts.num_doubled_cr
        if facts.is_narrow:
            self.narrow.append(name.shown)

    def place_of_document(self, number: int) -> str:
        """Where a document lies, in words, counted from 0 over the whole corpus."""
        file = bisect_right(self.first_document, number) - 1
        kind = self.config.documents
        if kind == "files":
            return self.begun[file].shown
        name = f"{self.begun[file].shown}, " if len(self.names) > 1 else ""
        own = number - self.first_document[file] + 1
        if kind == "lines":
            ends = [*self.first_document, self.documents.count]
            full = ends[file + 1] - ends[file] == self.text.num_lines[file]
            return f"{name}line {own:,}{'' if full else ' (blank ones not counted)'}"
        return f"{name}{kind.removesuffix('s')} {own:,}"


def survey(
    paths: str | Path | Iterable[str | Path],
    config: TextConfig,
    *,
    piece_bytes: int = PIECE_BYTES,
    on_start: Callable[[list[Source]], object] | None = None,
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
    for name in result.names:
        if config.documents == "records":
            reader.read_records(name)
        else:
            reader.read_text(name)
    reader.finish()
    return result


def _find(paths: str | Path | Iterable[str | Path], result: Survey) -> None:
    """Name all files that there are, and note what does not exist."""
    config = result.config
    named = [paths] if isinstance(paths, str | Path) else list(paths)
    found: list[Source] = []
    for path in named:
        try:
            found += find_sources(path, corpus_globs(config))
        except CorpusError as error:
            result.faults.append(Fault(str(path), str(error)))
    if named:
        result.names, result.notes = without_repeats(found)
    else:
        find_sources([], config.glob)


class _Reader:
    """Reads file after file into a survey."""

    def __init__(
        self, result: Survey, piece_bytes: int, on_bytes: Callable[[int], object] | None
    ) -> None:
        self._result = result
        self._raw = RawText(is_named=len(result.names) > 1)
        self._piece_bytes = piece_bytes
        self._on_bytes = on_bytes
        self._counts = CodePointCounts()
        self._ended: list[int] = []
        self._last = "\n"
        self._document = Fingerprint()
        self._rule = LabelRule()
        self._labels: set[str] = set()

    def read_text(self, name: Source) -> None:
        """Read one file of text."""
        result, config = self._result, self._result.config
        # One whole text leaves out blank files, as files do.
        kind = "files" if config.documents == "whole" else config.documents
        file = FileBytes(name, config.encoding, self._piece_bytes, self._on_bytes)
        self._begin(name)
        try:
            for piece in cut_pieces([self._texts(file)], kind):
                self._take(piece.text, ends=piece.ends)
        except CorpusError as error:
            result.faults.append(file.fault(error))
            result.num_cut += file.has_text
            self._document.close()
            self._raw.abandon()
            return
        is_blank = result.documents.count == result.first_document[-1]
        result.add_file(name, file.facts(), is_blank=is_blank)
        self._raw.end(is_blank=is_blank)

    def read_records(self, name: Source) -> None:
        """Read one file of records, each as a document."""
        result = self._result
        config = result.config
        self._begin(name)
        try:
            decoder = PieceDecoder(config.encoding, name.shown)
            data = bytes_pieces(name, self._piece_bytes, self._on_bytes)
            reader = RecordReader(name, decoder.decode(data))
            for record in reader:
                self._rule.add(name, record)
                self._add_label(record.label)
                self._take_record(name, record)
        except (CorpusError, TokenizerError) as error:
            result.faults.append(fault_of_records(name, error, config.encoding))
            return
        is_blank = result.documents.count == result.first_document[-1]
        # CSV has CRLF by its standard.
        facts = FileFacts(decoder.changes, "", 0, is_narrow=False)
        result.add_file(name, facts, is_blank=is_blank)

    def finish(self) -> None:
        """Count what is still held back."""
        self._result.counts = self._counts.total()
        self._note_lengths()
        self._raw.flush()
        self._result.text = self._raw.facts

    def _begin(self, name: Source) -> None:
        self._result.begun.append(name)
        self._result.first_document.append(self._result.documents.count)
        self._raw.begin(name)

    def _texts(self, file: FileBytes) -> Iterator[str]:
        normalizer = PieceNormalizer(self._result.config.normalize)
        for text in file.texts():
            self._raw.add(text)
            if ready := normalizer.feed(text):
                yield ready
        if ready := normalizer.flush():
            yield ready

    def _add_label(self, label: str | None) -> None:
        if label is not None and label not in self._labels:
            self._labels.add(label)
            check_num_labels(len(self._labels))
            form = self._result.config.normalize
            check_labels(gathered_labels([label], form), form, end_of_document=True)

    def _take_record(self, name: Source, record: Record) -> None:
        self._raw.begin(name, record.line)
        self._raw.add(record.text)
        self._raw.end()
        self._result.has_labels = record.label is not None
        text = normalize_text(record.text, self._result.config.normalize)
        self._take(text, ends=True)

    def _take(self, text: str, *, ends: bool) -> None:
        """Take a piece of a document."""
        document = self._document
        hashed = None
        if ends and not document.num_chars:
            hashed = Fingerprint.of(text)
        if hashed is not None:
            # Most lines come as a whole.
            self._add_document(hashed, len(text))
        else:
            document.feed(text)
            if self._result.config.documents == "whole" and text:
                self._join(text)
            if ends:
                self._add_document(*document.close())
        self._counts.add(text)

    def _add_document(self, hashed: int, num_chars: int) -> None:
        self._result.documents.add(hashed, num_chars)
        self._ended.append(num_chars)
        if len(self._ended) == _MOST_ENDED:
            self._note_lengths()

    def _join(self, text: str) -> None:
        """Give a file that lacks its last line feed one before the next."""
        if self._last != "\n" and self._document.num_chars == len(text):
            self._counts.add("\n")
        self._last = text[-1]

    def _note_lengths(self) -> None:
        """Note many at once, so that NumPy is called seldom."""
        self._result.lengths.add(self._ended, [True] * len(self._ended))
        self._ended = []
