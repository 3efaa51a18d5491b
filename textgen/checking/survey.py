"""One pass over a corpus that gathers what the findings are based on.

Memory is bounded: counts by code point, one hash for each document and each long line, a
few numbers for each file, and the pieces at hand. A file that cannot be read becomes a
fault, and the pass continues with the next.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from textgen.checking.faults import Fault, fault_of
from textgen.checking.finding import Place
from textgen.checking.places import TextCounter
from textgen.checking.repeats import LONG_CHARS, RepeatedLines, Repeats, TextHash
from textgen.config.flags import marked_as_flags
from textgen.config.text import TextConfig
from textgen.errors import CorpusError, TextgenError
from textgen.text.encoded.scan import BlockLengths, CorpusStats, scan
from textgen.text.reading.documents import Piece
from textgen.text.reading.file_stats import FileSummary
from textgen.text.reading.progress import reading_bar
from textgen.text.reading.reader import (
    PIECE_BYTES,
    CorpusReader,
    Observer,
    corpus_globs,
)
from textgen.text.reading.records import Record
from textgen.text.reading.sources import Paths, Source, find_sources, without_repeats
from textgen.text.tokenizers.checks import check_num_labels
from textgen.text.unicode.code_points import SEPARATOR


@dataclass
class SurveyedFile:
    """One file of the corpus.

    Args:
        first_document: number of its first document in the corpus, from 0.
        changes: made to its text; see `PieceDecoder.changes`.
        endings: its kinds of line endings, such as "LF and CRLF".
        num_lines: of its text.
        has_text: whether it has more than whitespace; if it was cut, any text.
        is_read: whether it was read to its end, without a fault.
    """

    source: Source
    first_document: int
    changes: tuple[str, ...] = ()
    endings: str = ""
    num_lines: int = 0
    has_text: bool = False
    is_read: bool = False


@dataclass
class Survey:
    """What a pass over a corpus found.

    Args:
        sources: all files, in reading order.
        notes: about files named more than once.
        files: those that could be opened.
        text: counts of the text before the normal form.
        stats: of the documents, as training computes them.
        lengths: of the documents, as training splits them.
        repeats: the hashes of all documents; of one whole text, those of its files.
        lines: the hashes of long lines; none where lines or records are the documents.
    """

    config: TextConfig
    sources: list[Source] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    files: list[SurveyedFile] = field(default_factory=list)
    text: TextCounter = field(default_factory=TextCounter)
    repeats: Repeats = field(default_factory=Repeats)
    lines: RepeatedLines = field(default_factory=RepeatedLines)
    stats: CorpusStats = field(init=False)
    lengths: BlockLengths = field(init=False)

    @property
    def read(self) -> list[Source]:
        """The files that were read without a fault."""
        return [file.source for file in self.files if file.is_read]

    @property
    def with_text(self) -> list[Source]:
        """Those of them that have text."""
        return [file.source for file in self.files if file.is_read and file.has_text]

    @property
    def num_cut(self) -> int:
        """How many files were read up to a fault."""
        return sum(file.has_text and not file.is_read for file in self.files)

    @property
    def line_endings(self) -> Counter[str]:
        """How many files have which kinds of line endings."""
        return Counter(file.endings for file in self.files if file.endings)

    def place_of_line(self, index: int) -> str:
        """The place of a long line, by its number in `lines.repeats`, in words."""
        number = self.lines.number_of(index)
        for file in self.files:
            if number < file.num_lines:
                break
            number -= file.num_lines
        name = file.source.shown if len(self.sources) > 1 else ""
        return str(Place(name, number + 1))

    def place_of_document(self, number: int) -> str:
        """The place of a document, by its number in `repeats`, in words."""
        kind = self.config.documents
        if kind == "whole":
            return self.with_text[number].shown
        firsts = [file.first_document for file in self.files]
        index = bisect_right(firsts, number) - 1
        file = self.files[index]
        if kind == "files":
            return file.source.shown
        name = f"{file.source.shown}, " if len(self.sources) > 1 else ""
        own = number - firsts[index] + 1
        if kind == "lines":
            num_documents = [*firsts, self.repeats.count][index + 1] - firsts[index]
            has_blanks = num_documents != file.num_lines
            return f"{name}line {own:,}{' (not counting blank lines)' * has_blanks}"
        return f"{name}{kind.removesuffix('s')} {own:,}"


def survey(
    paths: Paths,
    config: TextConfig,
    *,
    piece_bytes: int = PIECE_BYTES,
    progress: bool = False,
) -> Survey:
    """Read a corpus once and gather facts about it.

    Args:
        paths: as for `read_corpus`.
        piece_bytes: bytes read at a time.
        progress: whether to show a progress bar on stderr.

    Raises:
        CorpusError: no path at all is named.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "names.txt")
    ...     _ = path.write_bytes(b"Ada\\r\\nKit\\r\\nAda\\r\\n")
    ...     found = survey(path, TextConfig(documents="lines"))
    >>> found.repeats.count, found.stats.num_chars, dict(found.line_endings)
    (3, 9, {'CRLF': 1})
    """
    result = Survey(config)
    _find(paths, result)
    surveyor = _Surveyor(result)
    with reading_bar(result.sources, wanted=progress) as on_bytes:
        reader = CorpusReader(
            result.sources, config, on_bytes, observer=surveyor, piece_bytes=piece_bytes
        )
        watch = iter if config.documents == "whole" else surveyor.hashed
        result.stats, result.lengths = scan(reader, watch, fingerprint=False)
    result.text.flush()
    return result


def _find(paths: Paths, result: Survey) -> None:
    """Find the files; paths that do not exist become faults."""
    named = [paths] if isinstance(paths, str | Path) else list(paths)
    globs = corpus_globs(result.config)
    if not named:
        find_sources([], globs)  # raises the error for this
    found: list[Source] = []
    for path in named:
        try:
            found += find_sources(path, globs)
        except CorpusError as error:
            result.faults.append(Fault(str(path), marked_as_flags(str(error))))
    result.sources, result.notes = without_repeats(found)


class _Surveyor(Observer):
    """Enters what a reader meets into a survey."""

    def __init__(self, result: Survey) -> None:
        self._result = result
        self._text = result.text
        self._hash = TextHash()
        self._labels: set[str] = set()

    def hashed(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        """Pass on pieces of documents, with the hash of each document to the survey."""
        add, document = self._result.repeats.add, self._hash
        for piece in pieces:
            text, ends, _ = piece
            # Most lines come in one piece.
            if ends and not document.num_chars and len(text) <= LONG_CHARS:
                add(hash(text), len(text))
            else:
                document.feed(text)
                if ends:
                    add(*document.close())
            yield piece

    def on_file(self, source: Source) -> None:
        self._result.files.append(SurveyedFile(source, self._result.repeats.count))
        self._text.begin(self._shown(source))

    def on_text(self, text: str) -> None:
        self._text.add(text)
        self._file.has_text = True
        if self._result.config.documents == "whole":
            self._hash.feed(text)
        if self._result.config.documents not in ("lines", "records"):
            self._result.lines.feed(text)

    def on_record(self, record: Record) -> None:
        if record.label is not None:
            self._labels.add(record.label)
            # Here, an error is a fault of the file; in the scan, it would end the pass.
            check_num_labels(len(self._labels))
        self._text.begin(self._shown(self._file.source), record.line)
        # Between a prompt and its completion; no file has it.
        self._text.add(record.text.replace(SEPARATOR, ""))
        self._text.end()

    def on_end(self, file: FileSummary) -> None:
        config, entry = self._result.config, self._file
        self._end_text()
        entry.has_text, entry.is_read, entry.changes = file.has_text, True, file.changes
        # The standard of CSV asks for CRLF.
        if config.documents != "records":
            entry.endings = " and ".join(file.line_endings)
        if config.documents == "whole":
            hashed = self._hash.close()
            if file.has_text:
                self._result.repeats.add(*hashed)

    def on_fault(self, error: TextgenError, source: Source | None) -> None:
        # Without any text, the sizes of the parts say so.
        if source is not None:
            self._result.faults.append(fault_of(error, source.shown))
            self._end_text()
            if self._result.config.documents == "whole":
                self._hash.close()

    @property
    def _file(self) -> SurveyedFile:
        return self._result.files[-1]

    def _end_text(self) -> None:
        self._text.end()
        self._result.lines.close()
        self._file.num_lines = self._text.num_lines

    def _shown(self, source: Source) -> str:
        return source.shown if len(self._result.sources) > 1 else ""
