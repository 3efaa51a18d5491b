"""A first reading of a corpus: all that must be known before it can be encoded."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass

import numpy as np

from textgen.errors import TokenizerError
from textgen.text.code_points import CodePointCounts
from textgen.text.digest import TextDigest
from textgen.text.notes import Tally
from textgen.text.reading import CorpusReader
from textgen.text.vocabulary import MAX_LABELS, too_many_labels

MOST_BLOCKS = 1 << 22


@dataclass(frozen=True)
class CorpusFacts:
    """What one reading of a corpus tells; small, whatever the corpus' size.

    Args:
        num_chars: characters of all documents together.
        num_documents: how many there are.
        counts: `(0x110000,)` how often each code point occurs.
        labels: how many documents each one has, or None where there are none.
        tally: what was met in the files.
        sha256: the fingerprint of the documents, see `TextDigest`.
    """

    num_chars: int
    num_documents: int
    counts: np.ndarray
    labels: Counter[str] | None
    tally: Tally
    sha256: str


@dataclass(frozen=True)
class Scan:
    """What must be known of a corpus before it can be encoded.

    Args:
        facts: about all of it.
        block_lengths: `(num_blocks,)` characters of each document; of more than
            4 million documents, of each block of neighbours.
        block_size: documents in a block.
    """

    facts: CorpusFacts
    block_lengths: np.ndarray
    block_size: int


def scan(reader: CorpusReader) -> Scan:
    """Read a corpus once.

    Raises:
        CorpusError: as for `read_corpus`.
        TokenizerError: too many different labels.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from textgen.config import TextConfig
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "names.txt")
    ...     _ = path.write_text("Ada\\nGrace\\n")
    ...     found = scan(CorpusReader([str(path)], TextConfig(documents="lines")))
    >>> found.facts.num_documents, found.facts.num_chars, found.block_lengths.tolist()
    (2, 8, [3, 5])
    """
    counts, digest, lengths = CodePointCounts(), TextDigest(), BlockLengths()
    labels: Counter[str] = Counter()
    num_chars = length = 0
    for text, ends, label in reader:
        counts.add(text)
        digest.add(text)
        length += len(text)
        if not ends:
            continue
        digest.end_document(label)
        lengths.add(length)
        num_chars, length = num_chars + length, 0
        if label is not None:
            labels[label] += 1
            if len(labels) > MAX_LABELS:
                raise TokenizerError(too_many_labels(len(labels)))
    facts = CorpusFacts(
        num_chars=num_chars,
        num_documents=lengths.num_documents,
        counts=counts.total(),
        labels=labels or None,
        tally=reader.tally,
        sha256=digest.hexdigest(),
    )
    return Scan(facts, lengths.total(), lengths.block_size)


class BlockLengths:
    """Lengths of documents, or, where these are very many, of blocks of neighbours.

    Args:
        most_blocks: an even number; past it, each two blocks become one.

    >>> lengths = BlockLengths(most_blocks=2)
    >>> for length in (1, 2, 3, 4, 5):
    ...     lengths.add(length)
    >>> lengths.block_size, lengths.total().tolist()
    (2, [3, 7, 5])
    """

    def __init__(self, most_blocks: int = MOST_BLOCKS) -> None:
        self.block_size = 1
        self.num_documents = 0
        self._most_blocks = most_blocks
        self._full = array("q")
        self._begun = 0

    def add(self, length: int) -> None:
        """Note the length of the next document."""
        self.num_documents += 1
        self._begun += length
        if self.num_documents % self.block_size:
            return
        if len(self._full) == self._most_blocks:
            pairs = np.frombuffer(self._full, np.int64).reshape(-1, 2)
            self._full = array("q", pairs.sum(axis=1).tobytes())
            self.block_size *= 2
            if self.num_documents % self.block_size:
                return
        self._full.append(self._begun)
        self._begun = 0

    def total(self) -> np.ndarray:
        """`(num_blocks,)` int64: the lengths so far; the last block may be smaller."""
        full = np.array(self._full, np.int64)
        is_whole = self.num_documents % self.block_size == 0
        return full if is_whole else np.append(full, self._begun)
