"""How much of a text is copied from a corpus, to the character.

A small text is looked for in a large corpus, so the text is indexed and the corpus
read: every piece of the text gets a hash, the hashes of all pieces of the corpus are
computed block by block in NumPy, and where two agree the characters themselves are
compared. Hashes only propose (Rabin and Karp 1987); what is counted was seen.

Memory: the corpus as it is given (1, 2 or 4 bytes per character of a file, as its
widest one needs), a few megabytes for a block of it, and about 100 bytes for each
character of the text and each length of piece. The command takes 220 MB for a corpus of
100 MB of ASCII, which it holds twice while it reads it, and more for other scripts, as
`read_text` does. A suffix array of that corpus was tried: it takes 400 MB beside it, and
building it alone took half as long again as all of this, with a text of 100 KB.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from textgen.checking.overlaps import Known, Shelf, Wanted, longest_match, search_hashes
from textgen.config.text import TextConfig
from textgen.errors import ConfigError, CorpusError
from textgen.text.reading.corpus import read_text
from textgen.text.reading.documents import Piece, cut_pieces, join_pieces
from textgen.text.reading.fingerprint import TextDigest
from textgen.text.reading.reader import CorpusReader, Observer, corpus_sources
from textgen.text.reading.records import Record, holds_records
from textgen.text.reading.sources import Paths, Source
from textgen.wording import is_whole_number

PIECES = (10, 20, 40)
"""Lengths of the pieces that are counted unless others are asked for."""


@dataclass(frozen=True)
class Overlap:
    """The longest piece that a text and a corpus have in common.

    Args:
        piece: the characters.
        text_offset: characters of the text before it.
        text_line: line of the text that it begins in, from 1.
        corpus_file: name of the file of the corpus that has it first.
        corpus_offset: characters of that file before it.
        corpus_line: line of that file that it begins in, from 1.
    """

    piece: str
    text_offset: int
    text_line: int
    corpus_file: str
    corpus_offset: int
    corpus_line: int


@dataclass(frozen=True)
class Novelty:
    """How much of a text stands in a corpus.

    Args:
        num_chars: of the text.
        num_files: of the corpus, without empty ones; of records each counts.
        num_corpus_chars: of all its files together.
        longest: the longest piece in common; None without a single common character.
        shares: for each length, the share of the text's pieces of so many characters
            that stand in the corpus, each position counted; None where the text is
            shorter.
    """

    num_chars: int
    num_files: int
    num_corpus_chars: int
    longest: Overlap | None
    shares: Mapping[int, float | None]

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON; `longest` also has its `length`.

        >>> novelty("ab", [("a.txt", "b")], pieces=[1]).to_dict()["shares"]
        {'1': 0.5}
        """
        data = asdict(self)
        if self.longest is not None:
            data["longest"]["length"] = len(self.longest.piece)
        data["shares"] = {str(length): share for length, share in self.shares.items()}
        return data


def novelty(
    text: str, corpus: Iterable[tuple[str, str]], pieces: Sequence[int] = PIECES
) -> Novelty:
    """Find what of a text is copied from a corpus.

    Upper and lower case, spaces and line feeds count like all characters; bring both
    into one normal form first. A piece lies within one file, never across a border.

    Args:
        text: what a model wrote, for example.
        corpus: name and text of each file.
        pieces: lengths of the pieces to count, in characters.

    Returns:
        The longest overlap, the first in the text and then in the corpus of several
        that are equally long, and the shares.

    Raises:
        ConfigError: a length that is not a whole number of at least 1, or none.
        CorpusError: text or corpus has no characters.

    >>> found = novelty("the dog sat", [("a.txt", "a cat sat")], pieces=[2, 20])
    >>> found.longest.piece, found.longest.text_offset, found.longest.corpus_offset
    (' sat', 7, 5)
    >>> found.shares
    {2: 0.3, 20: None}
    """
    lengths = checked_lengths(pieces)
    files = [(name, content) for name, content in corpus if content]
    if not text:
        raise CorpusError("the text is empty, so nothing in it can be copied. Add text.")
    if not files:
        raise CorpusError("the corpus is empty. Name files with text in them.")
    shelf = Shelf([content for _, content in files])
    counted = [
        Wanted(text, n, np.arange(len(text) - n + 1)) for n in lengths if n <= len(text)
    ]
    search_hashes(shelf, counted)
    return Novelty(
        num_chars=len(text),
        num_files=len(files),
        num_corpus_chars=shelf.num_chars,
        longest=_overlap(text, files, shelf, longest_match(text, shelf, counted)),
        shares=dict.fromkeys(lengths) | {each.length: each.share for each in counted},
    )


class Sources(NamedTuple):
    """What `read_sources` gives.

    Args:
        files: name and text of each; of records each by itself, named by file and line.
        sha256: what training on just these files noted as the fingerprint of its text.
    """

    files: list[tuple[str, str]]
    sha256: str


def read_sources(paths: Paths, config: TextConfig) -> Sources:
    r"""Read a corpus for `novelty`, as training does, but file by file.

    Args:
        paths: as for `read_corpus`; a file named twice is read once.
        config: encoding, glob, normal form and documents. Where these are records,
            but the files are not all of that kind, they are read as plain text.

    Raises:
        CorpusError: as for `read_corpus`.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "poems.jsonl")
    ...     _ = path.write_text('{"text": "Rain."}\n{"text": "Sun."}\n')
    ...     found = read_sources(folder, TextConfig(documents="records"))
    >>> [(Path(name).name, text) for name, text in found.files]
    [('poems.jsonl:1', 'Rain.'), ('poems.jsonl:2', 'Sun.')]
    """
    sources, _ = corpus_sources(paths, config)
    if config.documents == "records":
        if all(source.is_stdin or holds_records(source) for source in sources):
            return _record_sources(sources, config)
        config = replace(config, documents="whole")
    files = [(source.shown, read_text(source, config)) for source in sources]
    with_text = ([text] for _, text in files if text and not text.isspace())
    return Sources(files, _fingerprint(cut_pieces(with_text, config.documents)))


def _record_sources(sources: Sequence[Source], config: TextConfig) -> Sources:
    names = _RecordNames()
    records = list(join_pieces(CorpusReader(sources, config, observer=names)))
    texts = [record.text for record in records]
    return Sources(list(zip(names.names, texts, strict=True)), _fingerprint(records))


class _RecordNames(Observer):
    """Notes file and line of each record."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._source = ""

    def on_file(self, source: Source) -> None:
        self._source = source.shown

    def on_record(self, record: Record) -> None:
        self.names.append(f"{self._source}:{record.line}")


def _fingerprint(pieces: Iterable[Piece]) -> str:
    digest = TextDigest()
    for text, ends, label in pieces:
        digest.add([text], [ends], [label])
    return digest.hexdigest()


def checked_lengths(pieces: Sequence[int]) -> list[int]:
    """Lengths of pieces, ascending and each once, or an error before much is read.

    Raises:
        ConfigError: a length that is not a whole number of at least 1, or none.

    >>> checked_lengths([20, 10, 20])
    [10, 20]
    """
    for length in pieces:
        if not is_whole_number(length, least=1):
            raise ConfigError(
                f"pieces={length} must be a whole number of at least 1: the length of "
                "the pieces to count, in characters."
            )
    if not pieces:
        raise ConfigError("pieces must name at least one length. Try 10,20,40.")
    return sorted(set(pieces))


def _overlap(
    text: str, files: Sequence[tuple[str, str]], shelf: Shelf, known: Known
) -> Overlap | None:
    if known.length == 0:
        return None
    start = int(known.starts[0])
    file, offset = shelf.place(int(known.places[0]))
    name, content = files[file]
    return Overlap(
        piece=text[start : start + known.length],
        text_offset=start,
        text_line=_line(text, start),
        corpus_file=name,
        corpus_offset=offset,
        corpus_line=_line(content, offset),
    )


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1
