"""Files, directories, patterns and standard input to documents of text.

Files are found and decoded in `files.py`, records with a label are read in
`records.py`; here their text becomes documents (`read_corpus`, `cut_documents`), all in
memory. Training reads the same documents in pieces (`reading.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, zip_longest
from pathlib import Path

from textgen.config.text import TextConfig
from textgen.errors import CorpusError
from textgen.text.reading.decoding import Decoded, decode_text
from textgen.text.reading.fingerprint import TextDigest
from textgen.text.reading.records import RECORD_GLOBS, labels_of, read_records
from textgen.text.reading.sources import (
    STDIN,
    find_files,
    missing_file,
    open_bytes,
    read_bytes,
    shown_name,
    without_repeats,
)
from textgen.text.reading.tally import Tally, no_text, read_as_plain_text
from textgen.text.unicode.normal_form import normalize_text

# What other rooms ask this one for, wherever in this folder it is made.
__all__ = [
    "DEFAULTS",
    "STDIN",
    "Corpus",
    "Decoded",
    "cut_documents",
    "decode_text",
    "find_files",
    "normalize_text",
    "open_bytes",
    "read_bytes",
    "read_corpus",
    "read_text",
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
        """A fingerprint of the documents and their labels; see `TextDigest`."""
        digest = TextDigest()
        for document, label in zip_longest(self.documents, self.labels or ()):
            starts = range(0, len(document), _HASH_CHARS)
            parts = [document[start : start + _HASH_CHARS] for start in starts]
            digest.add([*parts, ""], [False] * len(parts) + [True], [label])
        return digest.hexdigest()


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
    names, notes = without_repeats(find_files(paths, corpus_globs(config)))
    if config.documents == "records":
        return _corpus_of_records(names, notes, config)
    tally = Tally()
    texts = []
    for number, name in enumerate(names):
        text, quirks = _read_decoded(name, config)
        tally.add_file(number, quirks, num_chars=len(text), has_text=_has_text(text))
        if _has_text(text):
            texts.append((shown_name(name), text))
    if not texts:
        is_empty = tally.num_empty > 0
        raise CorpusError(no_text(names, is_empty=is_empty, of_records=False))
    return Corpus(
        documents=tuple(cut_documents((text for _, text in texts), config.documents)),
        kind=config.documents,
        sources=tuple((name, len(text)) for name, text in texts),
        notes=(*notes, *tally.sentences(of_records=False), *read_as_plain_text(names)),
    )


def corpus_globs(config: TextConfig) -> str | tuple[str, ...]:
    """Which files of a directory are read: those of records, where nothing else is said.

    >>> corpus_globs(TextConfig(glob="*.md"))
    '*.md'
    """
    # A text file holds no records, so the default would find nothing.
    if config.documents == "records" and config.glob == DEFAULTS.glob:
        return RECORD_GLOBS
    return config.glob


def _corpus_of_records(
    names: Sequence[str], notes: Sequence[str], config: TextConfig
) -> Corpus:
    read = [read_records(name, config) for name in names]
    files = [file for file in read if file.records]
    if not files:
        raise CorpusError(no_text(names, is_empty=False, of_records=True))
    tally = Tally()
    for number, file in enumerate(read):
        num_chars = file.num_chars
        tally.add_file(number, file.quirks, num_chars=num_chars, has_text=num_chars > 0)
        tally.add_records(file.num_blank, file.others)
    return Corpus(
        documents=tuple(record.text for file in files for record in file.records),
        kind=config.documents,
        sources=tuple((shown_name(file.name), file.num_chars) for file in files),
        notes=(*notes, *tally.sentences(of_records=True)),
        labels=labels_of(files),
    )


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
