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

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from textgen.config import TextConfig
from textgen.errors import ConfigError, CorpusError
from textgen.text.corpus import STDIN, Corpus, cut_documents, find_files, read_text
from textgen.text.files import shown_name, without_repeats
from textgen.text.records import (
    RECORD_GLOBS,
    RecordFile,
    holds_records,
    labels_of,
    read_records,
)

Hashes: TypeAlias = NDArray[np.uint64]
Positions: TypeAlias = NDArray[np.int64]

PIECES = (10, 20, 40)
"""Lengths of the pieces that are counted unless others are asked for."""

# Odd and without pattern in its bits: 2^64 divided by the golden ratio.
_MULTIPLIER = 0x9E3779B97F4A7C15
# Blocks of this many characters, and all that is computed from them, stay in the cache.
_BLOCK_CHARS = 1 << 16
_SLOTS_PER_KEY = 16
_MOST_SLOT_BITS = 26


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
    shelf = _Shelf([content for _, content in files])
    counted = [
        _Wanted(text, n, np.arange(len(text) - n + 1)) for n in lengths if n <= len(text)
    ]
    _search(shelf, counted)
    return Novelty(
        num_chars=len(text),
        num_files=len(files),
        num_corpus_chars=shelf.num_chars,
        longest=_overlap(text, files, shelf, _longest(text, shelf, counted)),
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


def read_sources(paths: str | Iterable[str], config: TextConfig) -> Sources:
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
    by_records = config.documents == "records"
    glob = RECORD_GLOBS if by_records and config.glob == TextConfig.glob else config.glob
    names, _ = without_repeats(find_files(paths, glob))
    if by_records and all(name == STDIN or holds_records(name) for name in names):
        return _sources_of_records([read_records(name, config) for name in names])
    files = [(shown_name(name), read_text(name, config)) for name in names]
    with_text = [text for _, text in files if text and not text.isspace()]
    kind = "whole" if by_records else config.documents
    documents = tuple(cut_documents(with_text, kind)) if with_text else ()
    return Sources(files, Corpus(documents, kind, (), ()).sha256)


def _sources_of_records(read: Sequence[RecordFile]) -> Sources:
    found = [(file.name, record) for file in read for record in file.records]
    documents = tuple(record.text for _, record in found)
    corpus = Corpus(documents, "records", (), (), labels_of(read))
    files = [(f"{shown_name(name)}:{record.line}", record.text) for name, record in found]
    return Sources(files, corpus.sha256)


def checked_lengths(pieces: Sequence[int]) -> list[int]:
    """Lengths of pieces, ascending and each once, or an error before much is read.

    Raises:
        ConfigError: a length that is not a whole number of at least 1, or none.

    >>> checked_lengths([20, 10, 20])
    [10, 20]
    """
    for length in pieces:
        if not isinstance(length, int) or isinstance(length, bool) or length < 1:
            raise ConfigError(
                f"pieces={length} must be a whole number of at least 1: the length of "
                "the pieces to count, in characters."
            )
    if not pieces:
        raise ConfigError("pieces must name at least one length. Try 10,20,40.")
    return sorted(set(pieces))


# --- searching -----------------------------------------------------------------


class _Shelf:
    """The files of a corpus, side by side: one position means a file and a place."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        *self._starts, self.num_chars = accumulate(map(len, texts), initial=0)

    def place(self, position: int) -> tuple[int, int]:
        """Number of the file, and characters before it there."""
        file = bisect_right(self._starts, position) - 1
        return file, position - self._starts[file]

    def read(self, position: int, length: int) -> str:
        """So many characters, fewer at the end of a file."""
        file, offset = self.place(position)
        return self.texts[file][offset : offset + length]

    def blocks(self, size: int, overlap: int) -> Iterator[tuple[int, str]]:
        """Everything in blocks that overlap, each with its position.

        They run across the borders of files; what is found is compared by `read`,
        which does not.
        """
        position, block = 0, ""
        for text in self.texts:
            for start in range(0, len(text), size):
                block += text[start : start + size]
                if len(block) > size:
                    yield position, block
                    position += len(block) - overlap
                    block = block[len(block) - overlap :]
        yield position, block


class _Wanted:
    """Pieces of one length that begin at `starts` of a text, and where they were found.

    `places` is `(num_starts,)`: position of the first equal piece on the shelf, or -1.
    """

    def __init__(self, text: str, length: int, starts: Positions) -> None:
        self.length = length
        self.starts = starts
        self.places = np.full(len(starts), -1)
        self._text = text
        hashes = _hashes(text, [length])[length][starts]
        # Pieces with equal hashes form a group; usually they are equal pieces.
        self._keys, groups, sizes = np.unique(
            hashes, return_inverse=True, return_counts=True
        )
        self._members = groups.argsort(kind="stable")
        self._ends = sizes.cumsum()
        self._missing = sizes
        self._make_table()

    def _make_table(self) -> None:
        """Mark the slot of every key; most slots are empty, most look-ups end there."""
        bits = min((len(self._keys) * _SLOTS_PER_KEY).bit_length(), _MOST_SLOT_BITS)
        self._shift = np.uint64(64 - bits)
        self._slots = self._slots_of(self._keys)
        self._table = np.zeros(1 << bits, bool)
        self._table[self._slots] = True
        # The keys are sorted, and so are their slots: a shared one has a neighbour.
        same = np.diff(self._slots) == 0
        self._shared = np.append(same, False) | np.append(False, same)

    def _slots_of(self, hashes: Hashes) -> Positions:
        return (hashes >> self._shift).view(np.int64)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to look for."""
        return not self._missing.any()

    @property
    def found(self) -> tuple[Positions, Positions]:
        """Starts and places of the pieces that were found, in order of the text."""
        seen = self.places >= 0
        return self.starts[seen], self.places[seen]

    @property
    def share(self) -> float:
        """Which part of the pieces was found."""
        return int((self.places >= 0).sum()) / len(self.starts)

    def look_in(self, shelf: _Shelf, position: int, hashes: Hashes) -> None:
        """Compare with the pieces of a block that begins at `position` on the shelf."""
        at = self._table[self._slots_of(hashes)].nonzero()[0]
        keys = self._keys.searchsorted(hashes[at]).clip(max=len(self._keys) - 1)
        likely = (self._keys[keys] == hashes[at]) & (self._missing[keys] > 0)
        for offset, key in zip(at[likely].tolist(), keys[likely].tolist(), strict=True):
            if self._missing[key]:
                self._compare(key, shelf, position + offset)

    def _compare(self, key: int, shelf: _Shelf, position: int) -> None:
        piece = shelf.read(position, self.length)
        # Shorter at the end of a file.
        if len(piece) < self.length:
            return
        end = self._ends[key]
        begin = self._ends[key - 1] if key else 0
        for member in self._members[begin:end].tolist():
            start = int(self.starts[member])
            if self.places[member] < 0 and self._text.startswith(piece, start):
                self.places[member] = position
                self._missing[key] -= 1
        if not self._missing[key] and not self._shared[key]:
            self._table[self._slots[key]] = False


def _search(shelf: _Shelf, wanted: Sequence[_Wanted]) -> None:
    """Read the corpus once, and note for each piece where it stands first."""
    longest = max((each.length for each in wanted), default=1)
    for position, block in shelf.blocks(max(_BLOCK_CHARS, 2 * longest), longest - 1):
        wanted = [each for each in wanted if not each.is_complete]
        if not wanted:
            return
        hashes = _hashes(block, [each.length for each in wanted])
        for each in wanted:
            each.look_in(shelf, position, hashes[each.length])


def _hashes(text: str, lengths: Sequence[int]) -> dict[int, Hashes]:
    """For each length, a hash of every piece of so many characters.

    Pieces of 1, 2, 4, 8, ... characters come first, each of two halves: a polynomial
    of its characters, modulo 2^64. Any other length is two of those that overlap.

    Returns:
        `(len(text) - length + 1,)` for each length, nothing for a longer one.
    """
    # Lone surrogates, which no file holds, are characters like any other here.
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    level, width = codes * np.uint64(_MULTIPLIER), 1
    hashes = {}
    while True:
        for length in lengths:
            if width <= length < 2 * width:
                hashes[length] = _joined(level, length - width, width)
        if len(hashes) == len(lengths):
            return hashes
        level, width = _joined(level, width, width), 2 * width


def _joined(level: Hashes, distance: int, width: int) -> Hashes:
    """Hashes of what two pieces of one width, so far from each other, cover together."""
    if distance == 0:
        return level
    right = level[distance:]
    joined: Hashes = level[: len(right)] * np.uint64(pow(_MULTIPLIER, width, 1 << 64))
    joined += right
    return joined


# --- the longest ---------------------------------------------------------------


class _Known(NamedTuple):
    """All places in a text where a piece of `length` begins that the corpus has, too.

    `starts` and `places` are `(num_starts,)`: ascending positions in the text, and
    for each the first on the shelf.
    """

    length: int
    starts: Positions
    places: Positions


def _longest(text: str, shelf: _Shelf, counted: Sequence[_Wanted]) -> _Known:
    """Find the greatest length that any piece in common has.

    What is known of one length sets a limit to longer pieces (`_reach`) and tells
    where to look for them (`_extended`). Usually the longest is seen at once so, and
    one more reading of the corpus, for it and for one character more, proves it.
    """
    starts = np.arange(len(text) + 1)
    known, high, step = _Known(0, starts, np.zeros_like(starts)), len(text), 1
    wanted = list(counted)
    while True:
        for each in wanted:
            if each.share:
                known = _Known(each.length, *each.found)
            else:
                high = min(high, each.length - 1)
        reach = _reach(known)
        high = min(high, int(reach.max()))
        if known.length == high:
            return known
        low = _extended(text, shelf, known, reach)
        lengths = sorted({low, min(low + step, high)} - {known.length})
        wanted = [_Wanted(text, n, known.starts[reach >= n]) for n in lengths]
        _search(shelf, wanted)
        # Repetitive texts mislead `_extended`; then longer strides save readings.
        step = 2 * step if wanted[-1].share else 1


def _reach(known: _Known) -> Positions:
    """For each start, how long a piece in common can be at most.

    All shorter pieces inside it are in common, too, so at the last of several starts
    that follow each other it is the length known, and one more at the one before.
    """
    last = np.append(np.diff(known.starts) != 1, True).nonzero()[0]
    index = np.arange(len(known.starts))
    reach: Positions = known.length + last[last.searchsorted(index)] - index
    return reach


def _extended(text: str, shelf: _Shelf, known: _Known, reach: Positions) -> int:
    """The longest piece in common at the places known, each the first of its kind."""
    longest = known.length
    # The empty piece is everywhere, so that no place of it tells anything.
    if longest == 0:
        return 0
    follows = (np.diff(known.starts) == 1) & (np.diff(known.places) == 1)
    heads = np.append(True, ~follows).nonzero()[0]
    for head in heads[reach[heads].argsort(kind="stable")[::-1]]:
        if reach[head] <= longest:
            break
        start, place = int(known.starts[head]), int(known.places[head])
        mine = text[start : start + int(reach[head])]
        longest = max(longest, _common_length(mine, shelf.read(place, len(mine))))
    return longest


def _common_length(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    lengths = range(1, min(len(one), len(other)) + 1)
    return bisect_left(lengths, True, key=lambda n: one[:n] != other[:n])


def _overlap(
    text: str, files: Sequence[tuple[str, str]], shelf: _Shelf, known: _Known
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
