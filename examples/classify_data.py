"""The data of classify.py: sentences spoken or told, passages by novelists, a table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from example import ROOT, Example, labelled
from sklearn.model_selection import train_test_split

import textgen
from textgen.corpora.bundled import bundled_corpus

BOOKS = ROOT.parent / "shared" / "books"
NOVELISTS = {
    "Austen": ("emma", "pride_and_prejudice"),
    "Dickens": ("great_expectations", "david_copperfield"),
    "Doyle": ("the_adventures_of_sherlock_holmes", "the_hound_of_the_baskervilles"),
    "Wells": ("the_war_of_the_worlds", "the_time_machine"),
}
"""For each, the book that is learned from and the one that is tested on."""
PASSAGE_CHARS = 250
NUM_PASSAGES = 240
PLAIN = str.maketrans({**dict.fromkeys("“”‘’\"'", "'"), **dict.fromkeys("—_", "-")})
"""Editions differ in their quotation marks and dashes; authors should not."""

Texts = tuple[list[str], list[str], list[str], list[str]]
"""Texts and labels to learn from, texts and labels to test on."""


def datasets(example: Example) -> Iterator[tuple[str, Texts]]:
    """Yield the name of each data set and its texts."""
    if example.file:
        yield example.file.name, own_texts(example.file)
        return
    yield "spoken or told", sentences(8 if example.quick else None)
    if not BOOKS.exists():
        print("Without novelists: the books are not in ../shared/books.")
    elif not example.quick:
        yield "four novelists", novelists()


def own_texts(path: Path) -> Texts:
    """The rows of a table, a fifth of them to test on."""
    texts, labels = labelled(path)
    parts = train_test_split(texts, labels, test_size=0.2, random_state=0)
    return parts[0], parts[2], parts[1], parts[3]


def sentences(num_fables: int | None) -> Texts:
    """Sentences without quotation marks; those of the last five fables are tested on."""
    (book,) = textgen.read_corpus(bundled_corpus("little_harbour.txt")).documents
    fables = book.split("\n\n\n")[:num_fables]
    found: Texts = ([], [], [], [])
    for number, fable in enumerate(fables):
        texts, labels = found[2:] if number >= len(fables) - 5 else found[:2]
        for paragraph in fable.strip().split("\n\n")[1:]:
            for place, part in enumerate(paragraph.split('"')):
                for sentence in re.split(r"(?<=[.!?])\s+", part):
                    if (
                        20
                        <= len(text := " ".join(sentence.split()).strip(" ,.!?;:"))
                        <= 120
                    ):
                        texts.append(text)
                        labels.append("spoken" if place % 2 else "told")
    return found


def novelists() -> Texts:
    """Passages from anywhere in the books, in plain punctuation."""
    rng = np.random.default_rng(0)
    found: Texts = ([], [], [], [])
    for author, books in NOVELISTS.items():
        for book, texts, labels in zip(books, found[::2], found[1::2], strict=True):
            text = (BOOKS / f"{book}.txt").read_text(encoding="utf-8").translate(PLAIN)
            text = re.sub(r"\s+", " ", re.sub("-+", "-", text))
            count = NUM_PASSAGES // 4 if texts is found[2] else NUM_PASSAGES
            starts = rng.integers(0, len(text) - PASSAGE_CHARS, count)
            texts += [text[start : start + PASSAGE_CHARS] for start in starts]
            labels += [author] * count
    return found
