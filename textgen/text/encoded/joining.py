"""Put together what workers have found in their shares of a corpus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from textgen.text.encoded.scan import BlockLengths, CorpusStats
from textgen.text.encoded.shared_work import ScannedShare
from textgen.text.encoded.shares import Share
from textgen.text.encoded.splitting import Route
from textgen.text.encoded.workers import RefusedError
from textgen.text.reading.decoding import HAD_CR, HAD_CRLF, HAD_MARK
from textgen.text.reading.file_stats import FileStats, FileSummary
from textgen.text.reading.fingerprint import TextDigest
from textgen.text.unicode.code_points import NUM_CODE_POINTS


@dataclass(frozen=True)
class Place:
    """Where a share stands in the corpus.

    Args:
        num_chars, num_documents: before it.
        size: documents in it.
        after_newline: whether a newline, which no file has, precedes it.
    """

    num_chars: int
    num_documents: int
    size: int
    after_newline: bool

    def of(self, route: Route) -> Route:
        """The route of the share, if this is that of the corpus."""
        return route.onwards(self.num_chars, self.num_documents, self.size)


class JoinedScan:
    """The statistics of all shares together, which are those of the corpus.

    Args:
        is_whole: whether the corpus is one document.

    Attributes:
        is_normal: whether all of it was in its normal form.
    """

    def __init__(self, *, is_whole: bool) -> None:
        self.is_normal = True
        self._is_whole = is_whole
        self._ends_line = True
        self._num_chars = 0
        self._counts = np.zeros(NUM_CODE_POINTS, np.int64)
        self._lengths = BlockLengths()
        self._digest = TextDigest()
        self._files: dict[int, FileSummary] = {}

    def add(self, share: Share, found: ScannedShare) -> Place:
        """Add the next share; returns its place."""
        place = Place(
            self._num_chars,
            self._lengths.num_documents,
            int(found.ends.sum()),
            after_newline=self._is_whole and found.has_text and not self._ends_line,
        )
        if place.after_newline:
            self._counts[ord("\n")] += 1
            self._add(np.array([1]), np.array([False]), b"\n")
        self._counts[found.codes] += found.times
        self._add(found.lengths, found.ends, found.fingerprinted)
        if found.has_text:
            self._ends_line = found.fingerprinted.endswith(b"\n")
        for number, file in enumerate(found.files, share.first):
            self._files[number] = _joined(self._files.get(number), file)
        self.is_normal = self.is_normal and found.is_normal
        return place

    def total(self) -> tuple[CorpusStats, BlockLengths]:
        """What `scan` returns.

        Raises:
            RefusedError: no file has any text.
        """
        files = FileStats()
        for number, file in self._files.items():
            files.add_file(number, file)
        if not files.num_files:
            raise RefusedError
        stats = CorpusStats(
            num_chars=self._lengths.num_chars,
            num_documents=self._lengths.num_documents,
            counts=self._counts,
            labels=None,
            files=files,
            sha256=self._digest.hexdigest(),
        )
        return stats, self._lengths

    def _add(self, lengths: np.ndarray, ends: np.ndarray, fingerprinted: bytes) -> None:
        self._num_chars += int(lengths.sum())
        self._lengths.add(lengths, ends)
        self._digest.add_encoded(fingerprinted)


def _joined(before: FileSummary | None, after: FileSummary) -> FileSummary:
    """The summary of a file from those of its spans."""
    if before is None:
        return after
    seen = {*before.changes, *after.changes}
    return after._replace(
        # In the order in which they are found in one file.
        changes=tuple(change for change in (HAD_MARK, HAD_CRLF, HAD_CR) if change in seen),
        num_chars=before.num_chars + after.num_chars,
        has_text=before.has_text or after.has_text,
    )
