"""Files, directories, patterns and standard input to documents of text.

Files are found and decoded in `files.py`, records with a label are read in
`records.py`; here their text becomes documents (`read_corpus`, `cut_documents`), of
which some are held back (`split`).
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

import numpy as np

from textgen.config import TextConfig
from textgen.errors import CorpusError
from textgen.text.files import (
    HAD_CR,
    HAD_CRLF,
    HAD_MARK,
    STDIN,
    Decoded,
    decode_text,
    few,
    find_files,
    missing_file,
    open_bytes,
    read_bytes,
    shown_name,
    without_repeats,
)
from textgen.text.normal_form import normalize_text
from textgen.text.records import (
    RECORD_GLOBS,
    RecordFile,
    holds_records,
    labels_of,
    read_records,
)

# What other rooms ask this one for, wherever in this folder it is made.
__all__ = [
    "DEFAULTS",
    "STDIN",
    "Corpus",
    "Decoded",
    "Split",
    "cut_documents",
    "decode_text",
    "find_files",
    "normalize_text",
    "open_bytes",
    "read_bytes",
    "read_corpus",
    "read_text",
    "split",
]

DEFAULTS = TextConfig()
_HASH_CHARS = 1 << 20


@dataclass(frozen=True)
class Corpus:
    """The documents of a corpus and what is worth knowing about their origin.

    Args:
        documents: decoded, with LF line endings, in the normal form asked for.
        kind: what counts as one document: "whole", "lines", "paragraphs", "files" or
            "records".
        sources: name of each file that was read and its number of characters.
        notes: sentences for stderr about what was changed on the way.
        labels: one for each document, or None where there are none.

    Raises:
        CorpusError: not as many labels as documents.

    >>> corpus = Corpus(("one\\n", "three\\n"), "files", (("a", 4), ("b", 6)), ())
    >>> corpus.num_documents, corpus.num_chars
    (2, 10)
    """

    documents: tuple[str, ...]
    kind: str
    sources: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]
    labels: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.labels is not None and len(self.labels) != len(self.documents):
            raise CorpusError(
                f"{len(self.labels):,} labels do not fit {len(self.documents):,} "
                "documents. Give each document one, or leave the labels out."
            )

    @property
    def num_documents(self) -> int:
        """How many documents there are."""
        return len(self.documents)

    @property
    def num_chars(self) -> int:
        """Characters of all documents together."""
        return sum(len(document) for document in self.documents)

    @cached_property
    def sha256(self) -> str:
        """A fingerprint of the documents and their labels, and of nothing else.

        Names, kind and encoding of the files do not enter: equal text, cut at equal
        places, has an equal fingerprint.
        """
        digest = hashlib.sha256()
        for document in self.documents:
            for start in range(0, len(document), _HASH_CHARS):
                part = document[start : start + _HASH_CHARS]
                digest.update(part.encode("utf-8", "surrogatepass"))
            # No UTF-8 contains this byte, so it marks the end without ambiguity.
            digest.update(b"\xff")
        # Without labels nothing is added: old runs keep their fingerprints.
        for label in self.labels or ():
            digest.update(label.encode("utf-8", "surrogatepass") + b"\xfe")
        return digest.hexdigest()


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


_NO_TEXT = "held no text and added nothing"


def read_corpus(
    paths: str | Path | Iterable[str | Path], config: TextConfig = DEFAULTS
) -> Corpus:
    """Read everything that `paths` name, strictly, into documents.

    Args:
        paths: one or several of: a file, a directory (searched with all that is
            below it for `config.glob`, in sorted order, hidden files left out), a
            pattern such as `texts/*.md`, or `-` for standard input. Files that end
            in `.gz`, `.bz2` or `.xz` are decompressed.
        config: encoding, normal form, and what counts as one document. For records,
            see `read_records`; `glob`, unless it was changed, then finds `*.csv`,
            `*.tsv`, `*.jsonl` and `*.ndjson`.

    Raises:
        CorpusError: a file is missing, unreadable, damaged, binary or in another
            encoding, or there is no text at all; a record is broken, or some have
            a label and others none.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "names.txt")
    ...     _ = path.write_bytes(b"Ada\\r\\nGrace\\r\\n")
    ...     corpus = read_corpus(path, TextConfig(documents="lines"))
    >>> corpus.documents
    ('Ada', 'Grace')
    >>> corpus.notes
    ('1 file had CRLF line endings; they were read as LF.',)
    """
    names, notes = without_repeats(find_files(paths, _globs(config)))
    if config.documents == "records":
        return _corpus_of_records(names, notes, config)
    decoded = [(name, _read_decoded(name, config)) for name in names]
    texts = [(name, text) for name, (text, _) in decoded if _has_text(text)]
    if not texts:
        raise CorpusError(_no_text_message([(n, text) for n, (text, _) in decoded]))
    quirks = Counter(quirk for _, (_, found) in decoded for quirk in found)
    quirks[_NO_TEXT] = len(decoded) - len(texts)
    return Corpus(
        documents=tuple(cut_documents((text for _, text in texts), config.documents)),
        kind=config.documents,
        sources=tuple((shown_name(name), len(text)) for name, text in texts),
        notes=(*notes, *_sentences(quirks), *_read_as_plain_text(names)),
    )


def _globs(config: TextConfig) -> str | tuple[str, ...]:
    # A text file holds no records, so the default would find nothing.
    if config.documents == "records" and config.glob == DEFAULTS.glob:
        return RECORD_GLOBS
    return config.glob


def _read_as_plain_text(names: Sequence[str]) -> Iterator[str]:
    found = [name for name in names if holds_records(name)]
    if found:
        yield (
            f"{few(found)}: read as plain text, names and punctuation of its columns "
            "included. To learn from its records alone, use --documents records."
        )


def _corpus_of_records(
    names: Sequence[str], notes: Sequence[str], config: TextConfig
) -> Corpus:
    read = [read_records(name, config) for name in names]
    files = [file for file in read if file.records]
    if not files:
        shown = few([shown_name(name) for name in names])
        raise CorpusError(f"{shown}: there is no record with text in it. Add some.")
    return Corpus(
        documents=tuple(record.text for file in files for record in file.records),
        kind=config.documents,
        sources=tuple((shown_name(file.name), file.num_chars) for file in files),
        notes=(*notes, *_notes_on_records(read)),
        labels=labels_of(files),
    )


def _notes_on_records(files: Sequence[RecordFile]) -> Iterator[str]:
    quirks = Counter(quirk for file in files for quirk in file.quirks)
    # CSV has CRLF by its standard, so that it is nothing to report.
    del quirks[HAD_CRLF]
    quirks[_NO_TEXT] = sum(not file.records for file in files)
    yield from _sentences(quirks)
    num_blank = sum(file.num_blank for file in files)
    if num_blank:
        yield f"{num_blank:,} record{'s' * (num_blank > 1)} without text left out."
    others = list(dict.fromkeys(name for file in files for name in file.others))
    if others:
        yield f"Only text and label of records are read, not {few(others)}."


def read_text(path: str | Path, config: TextConfig = DEFAULTS) -> str:
    """Read one file, a prompt for example, as strictly as a corpus.

    Args:
        path: a file, also compressed, or `-` for standard input.
        config: encoding and normal form; the rest does not matter here.

    Returns:
        The text as it stands, also when it is empty.

    Raises:
        CorpusError: as for `read_corpus`.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "prompt.txt")
    ...     _ = path.write_text("It was ")
    ...     read_text(path)
    'It was '
    """
    name = str(path)
    if name != STDIN and os.path.isdir(name):
        raise CorpusError(f"{name} is a directory; one file is needed here.")
    if name != STDIN and not os.path.exists(name):
        raise missing_file(name)
    return _read_decoded(name, config).text


def _read_decoded(name: str, config: TextConfig) -> Decoded:
    text, quirks = decode_text(read_bytes(name), config.encoding, name)
    return Decoded(normalize_text(text, config.normalize), quirks)


def cut_documents(texts: Iterable[str], kind: str) -> Iterator[str]:
    """Cut the texts of files into documents, none of them blank.

    Args:
        texts: one for each file.
        kind: "whole" joins all files, with a newline after a file that lacks one;
            "lines" and "paragraphs" (which blank lines separate) cut each file;
            "files" leaves each as it is, and so does "records", where each text is
            that of a record.

    >>> list(cut_documents(["a\\nb\\n\\nc\\n"], "paragraphs"))
    ['a\\nb', 'c']
    """
    if kind == "whole":
        return iter([_joined(list(texts))])
    if kind in ("files", "records"):
        return (text for text in texts if _has_text(text))
    cut = _lines if kind == "lines" else _paragraphs
    return (document for text in texts for document in cut(text))


def _joined(texts: Sequence[str]) -> str:
    *first, last = texts
    return "".join(t if t.endswith("\n") else t + "\n" for t in first) + last


def _lines(text: str) -> Iterator[str]:
    # str.splitlines would also cut at form feeds and U+2028, which stand within lines.
    return (line for line in text.split("\n") if _has_text(line))


def _paragraphs(text: str) -> Iterator[str]:
    for has_text, lines in groupby(text.split("\n"), key=_has_text):
        if has_text:
            yield "\n".join(lines)


def _has_text(text: str) -> bool:
    return bool(text) and not text.isspace()


def _no_text_message(read: Sequence[tuple[str, str]]) -> str:
    if len(read) > 1:
        shown = few([shown_name(name) for name, _ in read])
        return f"none of these {len(read)} files holds any text: {shown}. Add text."
    name, text = read[0]
    what = "holds nothing but whitespace" if text else "is empty"
    return f"{shown_name(name)} {what}. Name a file with text in it."


def _sentences(quirks: Counter[str]) -> Iterator[str]:
    for quirk in (HAD_MARK, HAD_CRLF, HAD_CR, _NO_TEXT):
        count = quirks[quirk]
        if count:
            yield f"{count:,} file{'s' if count > 1 else ''} {quirk}."


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
        return _split_text(corpus.documents[0], config)
    return _split_documents(corpus, config, seed)


def _split_text(text: str, config: TextConfig) -> Split:
    n = len(text)
    val_start = int(n * (1 - config.val_fraction - config.test_fraction))
    test_start = int(n * (1 - config.test_fraction))
    parts = text[:val_start], text[val_start:test_start], text[test_start:]
    needed = 3 if config.test_fraction else 2
    if not all(parts[:needed]):
        fractions = "--val-fraction" + " and --test-fraction" * (needed == 3)
        raise CorpusError(
            f"{n} characters are too few to cut into {needed} parts, of which each has "
            f"at least one. Add text, or raise {fractions}."
        )
    return Split(*((part,) if part else () for part in parts))


def _split_documents(corpus: Corpus, config: TextConfig, seed: int) -> Split:
    num_parts = 3 if config.test_fraction else 2
    if corpus.num_documents < num_parts:
        raise CorpusError(_too_few_documents(corpus, num_parts))
    order = np.random.default_rng(seed).permutation(corpus.num_documents)
    lengths = np.array([len(document) for document in corpus.documents])[order]
    num_val = _num_drawn(lengths, config.val_fraction * corpus.num_chars, num_parts - 1)
    num_test = 0
    if config.test_fraction:
        wanted = config.test_fraction * corpus.num_chars
        num_test = _num_drawn(lengths[num_val:], wanted, 1)
    val, test, train = np.split(order, [num_val, num_val + num_test])
    # Inside each part the documents keep the order of the corpus.
    parts = [np.sort(part).tolist() for part in (train, val, test)]
    documents = (tuple(corpus.documents[i] for i in part) for part in parts)
    return Split(*documents, *(_labels_at(corpus, part) for part in parts))


def _labels_at(corpus: Corpus, indices: Sequence[int]) -> Labels:
    if corpus.labels is None:
        return None
    return tuple(corpus.labels[index] for index in indices)


def _num_drawn(lengths: np.ndarray, wanted: float, num_left: int) -> int:
    """How many documents, from the first on, hold `wanted` characters.

    At least `num_left` documents stay for the other parts, however short the ones
    drawn are.
    """
    enough = int(np.searchsorted(np.cumsum(lengths), wanted)) + 1
    return min(enough, len(lengths) - num_left)


def _too_few_documents(corpus: Corpus, num_parts: int) -> str:
    count = corpus.num_documents
    without_test = ", leave out --test-fraction" if num_parts == 3 else ""
    ways_out = (
        # Read as one text, records would lose their columns.
        f"Add records{without_test}."
        if corpus.kind == "records"
        else f"Add text{without_test}, or use --documents whole, which holds back the "
        "end of the text."
    )
    return (
        f"--documents {corpus.kind} found {count} document{'s' if count != 1 else ''}, "
        f"but training, validation{' and test' if num_parts == 3 else ''} need one each, "
        f"at least {num_parts}. {ways_out}"
    )
