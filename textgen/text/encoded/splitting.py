"""Which text is learned from, and which is held back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from textgen.config.text import TextConfig
from textgen.errors import CorpusError
from textgen.text.reading.corpus import Corpus
from textgen.wording import count_of

PARTS = ("train", "val", "test")
Labels = tuple[str, ...] | None


@dataclass(frozen=True)
class Split:
    """The documents to learn from, to validate on, and never to look at.

    Iterating gives the documents of the three parts in this order.

    Args:
        train_labels: one for each document of `train`, or None where there are none;
            the other two likewise.
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
    """Hold text back for validation and for a last test.

    One whole text is cut in two places, so that what is held back is its end. Of
    several documents, whole ones are drawn at random until they hold the share
    wanted; inside each part they keep the order of the corpus.

    Args:
        corpus: what `read_corpus` gave.
        config: `val_fraction` and `test_fraction`, of the characters.
        seed: of the drawing; without effect on one whole text.

    Raises:
        CorpusError: too little text, or too few documents, for every part to have
            some.

    >>> text = Corpus(("to be or not",), "whole", (), ())
    >>> split(text, TextConfig(val_fraction=0.25), seed=0)
    Split(train=('to be or ',), val=('not',), test=(),
          train_labels=None, val_labels=None, test_labels=None)
    """
    if corpus.kind == "whole":
        (text,) = corpus.documents
        ends = part_ends(len(text), config)
        parts = [text[start:end] for start, end in pairwise((0, *ends))]
        return Split(*((part,) if part else () for part in parts))
    lengths = np.array([len(document) for document in corpus.documents])
    part_of = parts_of(lengths, corpus.kind, config, seed)
    # Inside each part the documents keep the order of the corpus.
    places = [np.flatnonzero(part_of == part).tolist() for part in range(len(PARTS))]
    documents = (tuple(corpus.documents[i] for i in part) for part in places)
    return Split(*documents, *(_labels_at(corpus, part) for part in places))


def _labels_at(corpus: Corpus, indices: Sequence[int]) -> Labels:
    if corpus.labels is None:
        return None
    return tuple(corpus.labels[index] for index in indices)


def part_ends(num_chars: int, config: TextConfig) -> tuple[int, int, int]:
    """Where the parts of one whole text end: what is held back is its end.

    Args:
        num_chars: characters of the text.
        config: `val_fraction` and `test_fraction`.

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
        fractions = "--val-fraction" + " and --test-fraction" * (needed == 3)
        raise CorpusError(
            f"{num_chars} characters are too few to cut into {needed} parts, of which each "
            f"has at least one. Add text, or raise {fractions}."
        )
    return ends


def parts_of(lengths: np.ndarray, kind: str, config: TextConfig, seed: int) -> np.ndarray:
    """The part of each document: 0 is learned from, 1 validates, 2 is the last test.

    Args:
        lengths: `(num_documents,)` characters of each.
        kind: of documents, for messages.
        config: `val_fraction` and `test_fraction`.
        seed: of the drawing.

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
    """How many documents, from the first on, hold `wanted` characters.

    At least `num_left` documents stay for the other parts, however short the ones
    drawn are.
    """
    enough = int(np.searchsorted(np.cumsum(lengths), wanted)) + 1
    return min(enough, len(lengths) - num_left)


def _too_few_documents(count: int, kind: str, num_parts: int) -> str:
    without_test = ", leave out --test-fraction" if num_parts == 3 else ""
    ways_out = (
        # Read as one text, records would lose their columns.
        f"Add records{without_test}."
        if kind == "records"
        else f"Add text{without_test}, or use --documents whole, which holds back the "
        "end of the text."
    )
    return (
        f"--documents {kind} found {count_of(count, 'document')}, "
        f"but training, validation{' and test' if num_parts == 3 else ''} need one each, "
        f"at least {num_parts}. {ways_out}"
    )
