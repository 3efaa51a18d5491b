"""Split a corpus into text to train on and text held out for validation and test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Protocol, TypeAlias

import numpy as np

from textgen.config.arguments import check_instance, whole_number
from textgen.config.text import TextConfig
from textgen.errors import CorpusError
from textgen.text.encoded.scan import BlockLengths
from textgen.text.reading.corpus import Corpus
from textgen.text.reading.documents import Piece, batches, join_pieces
from textgen.wording import count_of

PARTS = ("train", "val", "test")
Labels: TypeAlias = tuple[str, ...] | None
Routed: TypeAlias = Iterator[tuple[int, list[Piece]]]
"""Pieces in reading order, in groups, each with the position of its part in `PARTS`."""


@dataclass(frozen=True)
class Split:
    """The documents to train on, to validate on, and to test on at the very end.

    Iterating gives the documents of the three parts in this order.

    Args:
        train_labels: one for each document of `train`, or None if there are none;
            likewise for the other two.
    """

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    train_labels: Labels = None
    val_labels: Labels = None
    test_labels: Labels = None

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return iter((self.train, self.val, self.test))

    @property
    def labels(self) -> tuple[Labels, Labels, Labels]:
        """The labels of the three parts, in the order of iteration."""
        return self.train_labels, self.val_labels, self.test_labels


def split(corpus: Corpus, config: TextConfig, seed: int) -> Split:
    """Hold out text for validation and for a final test.

    Of one whole text, the end is held out. Of several documents, whole ones are drawn at
    random until they contain the requested share; within each part they keep the order
    of the corpus.

    Args:
        corpus: as `read_corpus` returns it.
        config: `val_fraction` and `test_fraction`, of the characters.
        seed: of the random draw; without effect on one whole text.

    Raises:
        CorpusError: too little text, or too few documents, for every part to have
            some.

    >>> text = Corpus(("to be or not",), "whole", (), ())
    >>> split(text, TextConfig(val_fraction=0.25), seed=0)
    Split(train=('to be or ',), val=('not',), test=(),
          train_labels=None, val_labels=None, test_labels=None)
    """
    check_instance("corpus", corpus, Corpus, "Read one with read_corpus.")
    check_instance("config", config, TextConfig)
    seed = whole_number("seed", seed)
    lengths = BlockLengths()
    lengths.add(list(map(len, corpus.documents)), [True] * corpus.num_documents)
    route = router(lengths, corpus.kind, config, seed)
    labelled = zip_longest(corpus.documents, corpus.labels or ())
    parts: list[list[Piece]] = [[] for _ in PARTS]
    for part, pieces in route(Piece(text, True, label) for text, label in labelled):
        parts[part] += pieces
    whole = [list(join_pieces(pieces)) for pieces in parts]
    texts = (tuple(document.text for document in part) for part in whole)
    return Split(*texts, *(_labels_of(part, corpus) for part in whole))


def _labels_of(documents: Iterable[Piece], corpus: Corpus) -> Labels:
    if corpus.labels is None:
        return None
    return tuple(str(document.label) for document in documents)


class Route(Protocol):
    """Assigns each piece of a corpus to its part."""

    def __call__(self, pieces: Iterable[Piece]) -> Routed:
        """Route the pieces of the corpus, in reading order."""

    def onwards(self, num_chars: int, num_documents: int, size: int) -> Route:
        """The route of a share of the corpus.

        Args:
            num_chars, num_documents: before the share.
            size: documents that the share has.
        """

    def has_begun(self, part: int) -> bool:
        """Whether the share goes on with a document of a part."""


def router(lengths: BlockLengths, kind: str, config: TextConfig, seed: int) -> Route:
    """The route of the pieces of a corpus.

    Args:
        lengths: of all documents of the corpus.
        kind: what counts as one document.

    Raises:
        CorpusError: too little text, or too few documents, for every part to have some.
    """
    if kind == "whole":
        return CutAt(part_ends(lengths.num_chars, config))
    return ByDocument(parts_of(lengths.total(), kind, config, seed), lengths.block_size)


@dataclass(frozen=True)
class CutAt:
    """Cuts one whole text where its parts end.

    Args:
        ends: characters of the text before the end of each part.
        position: characters of the text before the first piece.

    >>> route = CutAt((1, 3, 3))
    >>> [(part, piece.text) for part, (piece,) in route([Piece("abc", ends=True)])]
    [(0, 'a'), (1, 'bc'), (0, ''), (1, '')]
    """

    ends: tuple[int, ...]
    position: int = 0

    def __call__(self, pieces: Iterable[Piece]) -> Routed:
        """Route the pieces of the text; with it, every part ends."""
        bounds = list(enumerate(pairwise((0, *self.ends))))
        position = self.position
        for piece in pieces:
            for part, (start, end) in bounds:
                text = piece.text[max(0, start - position) : max(0, end - position)]
                if text:
                    yield part, [Piece(text)]
            position += len(piece.text)
            if piece.ends:
                for part, (start, end) in bounds:
                    if start < end:
                        yield part, [Piece("", ends=True)]

    def onwards(self, num_chars: int, num_documents: int, size: int) -> CutAt:
        """The route of what follows so many characters."""
        return CutAt(self.ends, num_chars)

    def has_begun(self, part: int) -> bool:
        """Whether a part begins before the first piece.

        >>> [CutAt((10, 15, 15), position=12).has_begun(part) for part in range(3)]
        [True, True, False]
        """
        return (0, *self.ends)[part] < self.position


@dataclass(frozen=True)
class ByDocument:
    """Routes whole documents.

    Args:
        part_of_block: `(num_blocks,)` the part of each block of documents.
        block_size: documents in a block.
        first: documents of the first block that are missing.
    """

    part_of_block: np.ndarray
    block_size: int = 1
    first: int = 0

    def __call__(self, pieces: Iterable[Piece]) -> Routed:
        """Route the pieces of documents."""
        num_ended = self.first
        for batch in batches(pieces):
            ends = np.array([piece.ends for piece in batch])
            numbers = num_ended + np.cumsum(ends) - ends
            part_of_piece = self.part_of_block[numbers // self.block_size]
            for part in range(len(PARTS)):
                yield part, [batch[n] for n in np.flatnonzero(part_of_piece == part)]
            num_ended += int(ends.sum())

    def onwards(self, num_chars: int, num_documents: int, size: int) -> ByDocument:
        """The route of the documents from a number on.

        >>> ByDocument(np.array([0, 1, 2, 3]), block_size=2).onwards(0, 3, size=2)
        ByDocument(part_of_block=array([1, 2]), block_size=2, first=1)
        """
        block, first = divmod(num_documents, self.block_size)
        end = -(-(num_documents + size) // self.block_size)
        return ByDocument(self.part_of_block[block:end], self.block_size, first)

    def has_begun(self, part: int) -> bool:
        """No: a share begins with a document."""
        return False


def part_ends(num_chars: int, config: TextConfig) -> tuple[int, int, int]:
    """Where the parts of one whole text end; the end of the text is held out.

    Raises:
        CorpusError: too little text for every part to have some.

    >>> part_ends(12, TextConfig(val_fraction=0.25))
    (9, 12, 12)
    """
    val_start = int(num_chars * (1 - config.val_fraction - config.test_fraction))
    test_start = int(num_chars * (1 - config.test_fraction))
    ends = val_start, test_start, num_chars
    needed = 3 if config.test_fraction else 2
    if any(start == end for start, end in list(pairwise((0, *ends)))[:needed]):
        fractions = "`val_fraction`" + " and `test_fraction`" * (needed == 3)
        raise CorpusError(
            f"{num_chars} characters are too few to cut into {needed} parts, of which each "
            f"must have at least one. Add text, or raise {fractions}."
        )
    return ends


def parts_of(lengths: np.ndarray, kind: str, config: TextConfig, seed: int) -> np.ndarray:
    """The part of each document, as a position in `PARTS`.

    Args:
        lengths: `(num_documents,)` characters of each.
        kind: what counts as one document, for messages.

    Returns:
        `(num_documents,)` uint8.

    Raises:
        CorpusError: too few documents for every part to have one.

    >>> parts_of(np.ones(10), "lines", TextConfig(), seed=0).tolist()
    [0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    """
    num_parts = 3 if config.test_fraction else 2
    if len(lengths) < num_parts:
        raise CorpusError(_too_few_documents(len(lengths), kind, num_parts))
    order = np.random.default_rng(seed).permutation(len(lengths))
    drawn = lengths[order]
    num_chars = lengths.sum()
    num_val = _num_drawn(drawn, config.val_fraction * num_chars, num_parts - 1)
    num_test = 0
    if config.test_fraction:
        num_test = _num_drawn(drawn[num_val:], config.test_fraction * num_chars, 1)
    part_of = np.zeros(len(lengths), np.uint8)
    part_of[order[:num_val]] = 1
    part_of[order[num_val : num_val + num_test]] = 2
    return part_of


def _num_drawn(lengths: np.ndarray, wanted: float, num_left: int) -> int:
    """How many of the first documents hold `wanted` characters together.

    At least `num_left` documents remain for the other parts.
    """
    enough = int(np.searchsorted(np.cumsum(lengths), wanted)) + 1
    return min(enough, len(lengths) - num_left)


def _too_few_documents(count: int, kind: str, num_parts: int) -> str:
    without_test = ", leave out `test_fraction`" if num_parts == 3 else ""
    ways_out = (
        # Records that are read as one text are no longer records.
        f"Add records{without_test}."
        if kind == "records"
        else f"Add text{without_test}, or use `documents='whole'`, which holds out the "
        "end of the text."
    )
    return (
        f"`documents={kind!r}` found {count_of(count, 'document')}, "
        f"but training{', validation and test' if num_parts == 3 else ' and validation'} "
        f"need one each: at least {num_parts}. {ways_out}"
    )
