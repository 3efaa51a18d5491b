"""A corpus in memory, and single texts such as prompts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

from textgen.config.text import TextConfig
from textgen.errors import CorpusError
from textgen.text.reading.documents import join_pieces
from textgen.text.reading.file_stats import FileSummary, read_as_plain_text
from textgen.text.reading.fingerprint import TextDigest
from textgen.text.reading.reader import (
    DEFAULTS,
    CorpusReader,
    Observer,
    corpus_sources,
)
from textgen.text.reading.sources import Paths, Source, single_source

_HASH_CHARS = 1 << 20


@dataclass(frozen=True)
class Corpus:
    """The documents of a corpus and the files they come from.

    Args:
        documents: decoded, with LF line endings, in the requested normal form.
        kind: what counts as one document: "whole", "lines", "paragraphs", "files" or
            "records".
        sources: name of each file with text and its number of characters.
        notes: sentences about what was changed while reading.
        labels: one for each document, or None if there are none.

    Raises:
        CorpusError: the numbers of labels and documents differ.

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
                "documents. Give one label for each document, or none at all."
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


def read_corpus(paths: Paths, config: TextConfig = DEFAULTS) -> Corpus:
    """Read the documents of files and directories into memory, strictly decoded.

    Args:
        paths: one or several of: a file, a directory (searched recursively for
            `config.glob`, in sorted order, without hidden files), a pattern such as
            `texts/*.md`, or `-` for standard input. Files that end in `.gz`, `.bz2` or
            `.xz` are decompressed.
        config: encoding, normal form, and what counts as one document. For records,
            see `RecordReader`; `glob`, unless changed, then matches `*.csv`, `*.tsv`,
            `*.jsonl` and `*.ndjson`.

    Raises:
        CorpusError: a file is missing, unreadable, damaged, binary or in another
            encoding; there is no text at all; a record is malformed; or only some
            records have a label.

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
    sources, notes = corpus_sources(paths, config)
    files = _Files()
    reader = CorpusReader(sources, config, observer=files)
    documents = list(join_pieces(reader))
    of_records = config.documents == "records"
    notes += reader.stats.notes(of_records=of_records)
    notes += () if of_records else read_as_plain_text(sources)
    labels = [document.label for document in documents if document.label is not None]
    return Corpus(
        documents=tuple(document.text for document in documents),
        kind=config.documents,
        sources=tuple(files.sizes),
        notes=tuple(notes),
        labels=tuple(labels) or None,
    )


def read_text(path: str | Path | Source, config: TextConfig = DEFAULTS) -> str:
    """Read one file, a prompt for example, as strictly as a corpus.

    Args:
        path: a file, also compressed, or `-` for standard input.
        config: encoding and normal form; the rest is ignored.

    Returns:
        The text as it is, even if it is blank.

    Raises:
        CorpusError: as for `read_corpus`.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "prompt.txt")
    ...     _ = path.write_text("It was ")
    ...     read_text(path)
    'It was '
    """
    source = path if isinstance(path, Source) else single_source(path)
    whole = replace(config, documents="whole")
    pieces = CorpusReader([source], whole, allow_blank=True)
    return "".join(piece.text for piece in pieces)


class _Files(Observer):
    """Collects the size of each file that has text."""

    def __init__(self) -> None:
        self.sizes: list[tuple[str, int]] = []

    def on_end(self, file: FileSummary) -> None:
        if file.has_text:
            self.sizes.append((file.source.shown, file.num_chars))
