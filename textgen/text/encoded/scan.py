"""A first reading of a corpus: all that must be known before it can be encoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textgen.text.reading.documents import batches
from textgen.text.reading.file_stats import FileStats
from textgen.text.reading.fingerprint import TextDigest
from textgen.text.reading.reader import CorpusReader
from textgen.text.tokenizers.checks import check_num_labels
from textgen.text.unicode.code_points import CodePointCounts

MOST_BLOCKS = 1 << 22


@dataclass(frozen=True)
class CorpusFacts:
    """What one reading of a corpus tells; small, whatever the corpus' size.

    Args:
        num_chars: characters of all documents together.
        num_documents: how many there are.
        counts: `(0x110000,)` how often each code point occurs.
        labels: how many documents each one has, or None where there are none.
        files: what reading them found.
        sha256: the fingerprint of the documents, see `TextDigest`.
    """

    num_chars: int
    num_documents: int
    counts: np.ndarray
    labels: Counter[str] | None
    files: FileStats
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
    >>> from textgen.config.text import TextConfig
    >>> from textgen.text.reading.sources import Source
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "names.txt")
    ...     _ = path.write_text("Ada\\nGrace\\n")
    ...     found = scan(CorpusReader([Source(str(path))], TextConfig(documents="lines")))
    >>> found.facts.num_documents, found.facts.num_chars, found.block_lengths.tolist()
    (2, 8, [3, 5])
    """
    counts, digest, lengths = CodePointCounts(), TextDigest(), BlockLengths()
    labels: Counter[str] = Counter()
    for batch in batches(reader):
        texts, ends, given = zip(*batch, strict=True)
        counts.add("".join(texts))
        digest.add(texts, ends, given)
        lengths.add(list(map(len, texts)), ends)
        labels.update(label for label in given if label is not None)
        check_num_labels(len(labels))
    facts = CorpusFacts(
        num_chars=lengths.num_chars,
        num_documents=lengths.num_documents,
        counts=counts.total(),
        labels=labels or None,
        files=reader.stats,
        sha256=digest.hexdigest(),
    )
    return Scan(facts, lengths.total(), lengths.block_size)


class BlockLengths:
    """Lengths of documents, or, where these are very many, of blocks of neighbours.

    Args:
        most_blocks: an even number; past it, each two blocks become one.

    >>> lengths = BlockLengths(most_blocks=4)
    >>> lengths.add([1, 2, 3, 3, 1, 5], [True, True, True, False, True, True])
    >>> lengths.num_documents, lengths.block_size, lengths.total().tolist()
    (5, 2, [3, 7, 5])
    """

    def __init__(self, most_blocks: int = MOST_BLOCKS) -> None:
        self.block_size = 1
        self.num_documents = 0
        self.num_chars = 0
        # Memory that is zero costs nothing until it is written to.
        self._blocks = np.zeros(most_blocks, np.int64)
        self._begun = 0

    def add(self, lengths: Sequence[int], ends: Sequence[bool]) -> None:
        """Note the lengths of the next pieces of documents.

        Args:
            lengths: characters of each piece.
            ends: whether a document ends with it.
        """
        sums = np.cumsum([self._begun, *lengths])
        ended = np.diff(sums[1:][np.array(ends, bool)], prepend=0)
        self._begun = int(sums[-1] - ended.sum())
        numbers = self.num_documents + np.arange(len(ended))
        self.num_documents += len(ended)
        self.num_chars += int(ended.sum())
        while self.num_documents > len(self._blocks) * self.block_size:
            self._halve()
        np.add.at(self._blocks, numbers // self.block_size, ended)

    def total(self) -> np.ndarray:
        """`(num_blocks,)` int64: the lengths so far; the last block may be smaller."""
        return self._blocks[: -(-self.num_documents // self.block_size)].copy()

    def _halve(self) -> None:
        half = len(self._blocks) // 2
        self._blocks[:half] = self._blocks.reshape(-1, 2).sum(axis=1)
        self._blocks[half:] = 0
        self.block_size *= 2
