"""A corpus as a stream: every document of every file, in pieces, as often as needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from textgen.config.text import TextConfig
from textgen.errors import CorpusError
from textgen.text.reading.decoding import PieceDecoder
from textgen.text.reading.documents import PIECE_BYTES, Piece, cut_pieces
from textgen.text.reading.records import LabelRule, RecordReader
from textgen.text.reading.sources import bytes_pieces
from textgen.text.reading.tally import Tally, no_text
from textgen.text.unicode.normal_form import PieceNormalizer


class CorpusReader:
    """The documents of files, in pieces; the same as `read_corpus` gives, in little memory.

    Each iteration reads the files anew.

    Args:
        names: files in reading order, as `find_files` gives them.
        config: encoding, normal form, and what counts as one document.
        on_bytes: is told after each reading how many bytes it brought.
        piece_bytes: how much is read at once.

    Attributes:
        tally: what was met in the files, complete when an iteration has ended.
        is_normal: whether plain text was in its normal form all along; likewise.

    Raises:
        CorpusError: as for `read_corpus`, when the place is reached.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from textgen.text.reading.documents import join_pieces
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "names.txt")
    ...     _ = path.write_bytes(b"Ada\\r\\nGrace")
    ...     reader = CorpusReader([str(path)], TextConfig(documents="lines"))
    ...     list(join_pieces(reader))
    ['Ada', 'Grace']
    >>> reader.tally.num_files
    1
    """

    def __init__(
        self,
        names: Sequence[str],
        config: TextConfig,
        on_bytes: Callable[[int], object] | None = None,
        piece_bytes: int = PIECE_BYTES,
    ) -> None:
        self.names = names
        self.config = config
        self.on_bytes = on_bytes
        self.piece_bytes = piece_bytes
        self.tally = Tally()
        self.is_normal = False

    def __iter__(self) -> Iterator[Piece]:
        self.tally = Tally()
        of_records = self.config.documents == "records"
        self.is_normal = not of_records
        yield from self._records() if of_records else self._plain()
        if not self.tally.num_files:
            is_empty = self.tally.num_empty > 0
            raise CorpusError(no_text(self.names, is_empty=is_empty, of_records=of_records))

    def _plain(self) -> Iterator[Piece]:
        texts = (self._text(number, name) for number, name in enumerate(self.names))
        return cut_pieces(_those_with_text(texts), self.config.documents)

    def _text(self, number: int, name: str) -> Iterator[str]:
        decoder = PieceDecoder(self.config.encoding, name)
        read = bytes_pieces(name, self.piece_bytes, self.on_bytes)
        num_chars, has_text = 0, False
        normalizer = PieceNormalizer(self.config.normalize)
        for piece in normalizer.normalize(decoder.decode(read)):
            num_chars += len(piece)
            has_text = has_text or not piece.isspace()
            yield piece
        self.tally.add_file(number, decoder.quirks, num_chars=num_chars, has_text=has_text)
        self.is_normal = self.is_normal and not normalizer.is_changed

    def _records(self) -> Iterator[Piece]:
        rule = LabelRule()
        for number, name in enumerate(self.names):
            reader = RecordReader(name, self.config, self.on_bytes)
            num_chars = 0
            for record in reader:
                rule.add(name, record)
                num_chars += len(record.text)
                yield Piece(record.text, ends=True, label=record.label)
            self.tally.add_file(
                number, reader.quirks, num_chars=num_chars, has_text=num_chars > 0
            )
            self.tally.add_records(reader.num_blank, reader.others)


def _those_with_text(texts: Iterable[Iterator[str]]) -> Iterator[Iterator[str]]:
    """Leave out what is blank from beginning to end."""
    for text in texts:
        blank: list[str] = []
        for piece in text:
            blank.append(piece)
            if piece and not piece.isspace():
                yield chain(blank, text)
                break
