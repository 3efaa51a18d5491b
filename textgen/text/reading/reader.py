"""The only path from files to documents: sources in, pieces of documents out.

source --> bytes --> text --> normal form --> documents
           sources   decoding  unicode         documents, records
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from textgen.config.arguments import check_instance
from textgen.config.text import TextConfig
from textgen.errors import CorpusError, TextgenError
from textgen.text.reading.decoding import PieceDecoder
from textgen.text.reading.documents import Piece, cut_pieces
from textgen.text.reading.file_stats import FileStats, FileSummary, no_text
from textgen.text.reading.records import RECORD_GLOBS, Record, RecordReader, RecordRule
from textgen.text.reading.sources import (
    Paths,
    Source,
    bytes_pieces,
    find_sources,
    without_repeats,
)
from textgen.text.unicode.normal_form import PieceNormalizer, normalize_text

PIECE_BYTES = 1 << 18
DEFAULTS = TextConfig()


def corpus_sources(
    paths: Paths, config: TextConfig = DEFAULTS
) -> tuple[list[Source], list[str]]:
    """The files of a corpus, each once, and notes about those named more than once.

    Args:
        paths: as for `read_corpus`.
        config: `glob` and `documents`.

    Raises:
        CorpusError: a path does not exist, or a directory has no matching file.
    """
    check_instance("config", config, TextConfig)
    return without_repeats(find_sources(paths, corpus_globs(config)))


def corpus_globs(config: TextConfig) -> str | tuple[str, ...]:
    """Which files of a directory are read: `config.glob`, or its default for records.

    >>> corpus_globs(TextConfig(glob="*.md"))
    '*.md'
    """
    # `*.txt` would find only files without records, which are refused.
    if config.documents == "records" and config.glob == DEFAULTS.glob:
        return RECORD_GLOBS
    return config.glob


class Observer:
    """Is notified of everything that a `CorpusReader` reads; override what is needed.

    Files are read one by one: every call after `on_file` is about that file. An error
    that a method raises counts as a fault of the file.
    """

    def on_file(self, source: Source) -> None:
        """The reader begins with a file."""

    def on_bytes(self, data: bytes) -> None:
        """The next bytes of the file, decompressed."""

    def on_text(self, text: str) -> None:
        """The next text, decoded but not yet normalised; not called for records."""

    def on_record(self, record: Record) -> None:
        """The next record, not yet normalised."""

    def on_end(self, file: FileSummary) -> None:
        """The file was read to its end; its last document may follow."""

    def on_fault(self, error: TextgenError, source: Source | None) -> None:
        """A file cannot be read any further; return to continue with the next one.

        Args:
            source: None if the error is that no file has any text.
        """
        raise error


class CorpusReader:
    """The documents of files, in pieces and bounded memory; each iteration reads again.

    Args:
        sources: files in reading order, as `corpus_sources` gives them.
        config: encoding, normal form, and what counts as one document.
        on_bytes: called after each read with the number of bytes, for a progress bar.
        observer: notified of everything that is read.
        allow_blank: read blank files like any other. Otherwise they are left out, and
            it is an error if all files are blank.
        piece_bytes: bytes read at a time.

    Attributes:
        stats: of the files, after an iteration.
        is_normal: whether plain text was already in its normal form, after an iteration.

    Raises:
        CorpusError: as `read_corpus`, while iterating.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from textgen.text.reading.documents import join_pieces
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "names.txt")
    ...     _ = path.write_bytes(b"Ada\\r\\nGrace")
    ...     reader = CorpusReader([Source(str(path))], TextConfig(documents="lines"))
    ...     [document.text for document in join_pieces(reader)]
    ['Ada', 'Grace']
    >>> reader.stats.num_files
    1
    """

    def __init__(
        self,
        sources: Sequence[Source],
        config: TextConfig = DEFAULTS,
        on_bytes: Callable[[int], object] | None = None,
        *,
        observer: Observer | None = None,
        allow_blank: bool = False,
        piece_bytes: int = PIECE_BYTES,
    ) -> None:
        self.sources = sources
        self.config = config
        self.stats = FileStats()
        self.is_normal = False
        self._on_bytes = on_bytes
        self._observer = observer or Observer()
        self._allow_blank = allow_blank
        self._piece_bytes = piece_bytes

    def __iter__(self) -> Iterator[Piece]:
        self.stats = FileStats()
        of_records = self.config.documents == "records"
        self.is_normal = not of_records
        yield from self._records() if of_records else self._documents()
        if not self.stats.num_files and not self._allow_blank:
            shown = [source.shown for source in self.sources]
            is_empty = self.stats.num_empty > 0
            message = no_text(shown, is_empty=is_empty, of_records=of_records)
            self._observer.on_fault(CorpusError(message), None)

    def _documents(self) -> Iterator[Piece]:
        texts = (self._text(number) for number in range(len(self.sources)))
        chosen = texts if self._allow_blank else _without_blank(texts)
        return cut_pieces(chosen, self.config.documents)

    def _text(self, number: int) -> Iterator[str]:
        source = self.sources[number]
        decoder = PieceDecoder(self.config.encoding, source.shown)
        normalizer = PieceNormalizer(self.config.normalize)
        num_chars, has_text = 0, False
        try:
            self._observer.on_file(source)
            decoded = self._observed(decoder.decode(self._bytes(source)))
            for piece in normalizer.normalize(decoded):
                num_chars += len(piece)
                has_text = has_text or not piece.isspace()
                yield piece
            self._end(number, decoder, num_chars, has_text=has_text)
        except TextgenError as error:
            self._observer.on_fault(error, source)
        self.is_normal = self.is_normal and not normalizer.is_changed

    def _records(self) -> Iterator[Piece]:
        rule = RecordRule()
        for number, source in enumerate(self.sources):
            try:
                self._observer.on_file(source)
                yield from self._records_of(number, rule)
            except TextgenError as error:
                self._observer.on_fault(error, source)

    def _records_of(self, number: int, rule: RecordRule) -> Iterator[Piece]:
        source = self.sources[number]
        decoder = PieceDecoder(self.config.encoding, source.shown)
        reader = RecordReader(source, decoder.decode(self._bytes(source)))
        form = self.config.normalize
        num_chars = 0
        for record in reader:
            rule.add(source, record)
            self._observer.on_record(record)
            text, label = normalize_text(record.text, form), record.label
            if label is not None:
                label = normalize_text(label, form).strip()
            num_chars += len(text)
            yield Piece(text, ends=True, label=label)
        self.stats.add_records(reader.num_blank, reader.ignored)
        self._end(number, decoder, num_chars, has_text=num_chars > 0)

    def _end(
        self, number: int, decoder: PieceDecoder, num_chars: int, *, has_text: bool
    ) -> None:
        file = FileSummary(
            self.sources[number],
            decoder.changes,
            decoder.line_endings,
            num_chars,
            has_text,
        )
        self.stats.add_file(number, file)
        self._observer.on_end(file)

    def _bytes(self, source: Source) -> Iterator[bytes]:
        for data in bytes_pieces(source, self._piece_bytes, self._on_bytes):
            self._observer.on_bytes(data)
            yield data

    def _observed(self, texts: Iterable[str]) -> Iterator[str]:
        for text in texts:
            self._observer.on_text(text)
            yield text


def _without_blank(texts: Iterable[Iterator[str]]) -> Iterator[Iterator[str]]:
    """Leave out texts that are blank from beginning to end."""
    for text in texts:
        blank: list[str] = []
        for piece in text:
            blank.append(piece)
            if piece and not piece.isspace():
                yield chain(blank, text)
                break
