"""The first pass over a corpus: statistics that encoding needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from textgen.text.reading.documents import Piece, batches
from textgen.text.reading.file_stats import FileStats
from textgen.text.reading.fingerprint import TextDigest
from textgen.text.reading.reader import CorpusReader
from textgen.text.tokenizers.checks import check_num_labels
from textgen.text.unicode.code_points import CodePointCounts

MAX_BLOCKS = 1 << 22


@dataclass(frozen=True)
class CorpusStats:
    """Statistics of a corpus; small, whatever its size.

    Args:
        num_chars: characters of all documents together.
        num_documents: how many documents there are.
        counts: `(0x110000,)` how often each code point occurs.
        labels: how many documents each label has, or None if there are none.
        files: what reading the files found.
        sha256: the fingerprint of the documents, see `TextDigest`; empty if not wanted.
    """

    num_chars: int
    num_documents: int
    counts: np.ndarray
    labels: Counter[str] | None
    files: FileStats
    sha256: str


def scan(
    reader: CorpusReader,
    watch: Callable[[Iterable[Piece]], Iterable[Piece]] = iter,
    *,
    fingerprint: bool = True,
) -> tuple[CorpusStats, BlockLengths]:
    """Read a corpus once, for everything that must be known before it is encoded.

    Args:
        watch: passes on the pieces as they are read, for a caller that needs to see them.
        fingerprint: whether to compute `sha256`, a fifth of the time for short lines.

    Returns:
        statistics, and the lengths of the documents.

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
    ...     reader = CorpusReader([Source(str(path))], TextConfig(documents="lines"))
    ...     stats, lengths = scan(reader)
    >>> stats.num_documents, stats.num_chars, lengths.total().tolist()
    (2, 8, [3, 5])
    """
    counts, digest, lengths = CodePointCounts(), TextDigest(), BlockLengths()
    labels: Counter[str] = Counter()
    for batch in batches(watch(reader)):
        texts, ends, given = zip(*batch, strict=True)
        counts.add("".join(texts))
        if fingerprint:
            digest.add(texts, ends, given)
        lengths.add(list(map(len, texts)), ends)
        labels.update(filter(None, given))
        check_num_labels(len(labels))
    stats = CorpusStats(
        num_chars=lengths.num_chars,
        num_documents=lengths.num_documents,
        counts=counts.total(),
        labels=labels or None,
        files=reader.stats,
        sha256=digest.hexdigest() if fingerprint else "",
    )
    return stats, lengths


class BlockLengths:
    """Lengths of documents; of very many documents, lengths of blocks of neighbours.

    Args:
        max_blocks: an even number; when it is exceeded, pairs of blocks become one.

    Attributes:
        block_size: documents in a block.

    >>> lengths = BlockLengths(max_blocks=4)
    >>> lengths.add([1, 2, 3, 3, 1, 5], [True, True, True, False, True, True])
    >>> lengths.num_documents, lengths.block_size, lengths.total().tolist()
    (5, 2, [3, 7, 5])
    """

    def __init__(self, max_blocks: int = MAX_BLOCKS) -> None:
        self.block_size = 1
        self.num_documents = 0
        self.num_chars = 0
        # Pages of zeros take no memory until they are written to.
        self._blocks = np.zeros(max_blocks, np.int64)
        self._unfinished = 0

    def add(
        self, lengths: Sequence[int] | np.ndarray, ends: Sequence[bool] | np.ndarray
    ) -> None:
        """Add the lengths of the next pieces of documents.

        Args:
            lengths: characters of each piece.
            ends: whether a document ends with it.
        """
        sums = np.cumsum(np.concatenate([[self._unfinished], lengths]), dtype=np.int64)
        ended = np.diff(sums[1:][np.array(ends, bool)], prepend=0)
        self._unfinished = int(sums[-1] - ended.sum())
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
