"""The two passes over a text that is to be encoded, in this process or in several."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from textgen.config.text import TextConfig
from textgen.cores import num_cores
from textgen.text.encoded.cache_entry import PartWriter, part_path
from textgen.text.encoded.joining import JoinedScan, Place
from textgen.text.encoded.scan import BlockLengths, CorpusStats, scan
from textgen.text.encoded.shared_work import encode_share, scan_share
from textgen.text.encoded.shares import Share, cut_into_shares, num_bytes_of
from textgen.text.encoded.splitting import PARTS, Route
from textgen.text.encoded.workers import RefusedError, Workers
from textgen.text.reading.progress import reading_bar
from textgen.text.reading.reader import CorpusReader
from textgen.text.reading.sources import Source
from textgen.text.tokenizers.serialization import Tokenizer

ENOUGH_BYTES = 100_000_000
"""From this size of the files on, several processes are started unasked."""

MOST_UNASKED = 16
"""With more of them, the process that puts everything together is the slowest."""


class Passes:
    """Both passes in this process.

    Args:
        sources: standard input and pipes must be spooled.
        progress: whether to show progress bars on stderr.
    """

    def __init__(
        self, sources: Sequence[Source], text: TextConfig, *, progress: bool
    ) -> None:
        self.sources = sources
        self.text = text
        self.progress = progress
        self._is_normal = False

    def scan(self) -> tuple[CorpusStats, BlockLengths]:
        """The first pass; as `textgen.text.encoded.scan.scan`."""
        with reading_bar(self.sources, "Counting", wanted=self.progress) as on_bytes:
            reader = CorpusReader(self.sources, self.text, on_bytes)
            found = scan(reader)
        self._is_normal = reader.is_normal
        return found

    def encode(self, route: Route, tokenizer: Tokenizer, folder: Path) -> list[PartWriter]:
        """The second pass: write the ids of each part into its file.

        Raises:
            TokenizerError: characters outside the vocabulary.
        """
        with (
            part_writers(folder, tokenizer) as parts,
            reading_bar(self.sources, "Encoding", wanted=self.progress) as on_bytes,
        ):
            reader = CorpusReader(self.sources, self.text_to_encode, on_bytes)
            for number, pieces in route(reader):
                parts[number].add(pieces)
        return parts

    @property
    def text_to_encode(self) -> TextConfig:
        """How to read the text again; what was in its normal form is not normalised."""
        return replace(self.text, normalize="none") if self._is_normal else self.text


class SharedPasses(Passes):
    """Both passes in several processes, with the same results.

    Each worker reads shares of the text; this process puts together what they find, in the
    order of the text. What a worker refuses is read in one process, which knows the place
    of a fault.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        text: TextConfig,
        shares: Sequence[Share],
        workers: Workers,
        *,
        progress: bool,
    ) -> None:
        super().__init__(sources, text, progress=progress)
        self._shares = shares
        self._workers = workers
        self._places: list[Place] = []

    def scan(self) -> tuple[CorpusStats, BlockLengths]:
        """The first pass."""
        try:
            return self._scan()
        except RefusedError:
            self._places = []
            return super().scan()

    def encode(self, route: Route, tokenizer: Tokenizer, folder: Path) -> list[PartWriter]:
        """The second pass."""
        if not self._places:
            return super().encode(route, tokenizer, folder)
        try:
            return self._encode(route, tokenizer, folder)
        except RefusedError:
            return super().encode(route, tokenizer, folder)

    def _scan(self) -> tuple[CorpusStats, BlockLengths]:
        joined = JoinedScan(is_whole=self.text.documents == "whole")
        calls = ((share, self.text) for share in self._shares)
        with reading_bar(self.sources, "Counting", wanted=self.progress) as on_bytes:
            found = self._workers.map(scan_share, calls)
            for share, scanned in zip(self._shares, found, strict=True):
                self._places.append(joined.add(share, scanned))
                on_bytes(share.num_bytes)
        self._is_normal = joined.is_normal
        return joined.total()

    def _encode(self, route: Route, tokenizer: Tokenizer, folder: Path) -> list[PartWriter]:
        calls = (
            (share, self.text_to_encode, tokenizer, place.of(route), place.after_newline)
            for share, place in zip(self._shares, self._places, strict=True)
        )
        with (
            part_writers(folder, tokenizer) as parts,
            reading_bar(self.sources, "Encoding", wanted=self.progress) as on_bytes,
        ):
            found = self._workers.map(encode_share, calls)
            for share, encoded in zip(self._shares, found, strict=True):
                for part, added in zip(parts, encoded, strict=True):
                    part.add_encoded(added.ids, added.num_chars, added.num_documents)
                on_bytes(share.num_bytes)
        return parts


@contextmanager
def passes_over(
    sources: Sequence[Source],
    text: TextConfig,
    workers: int | None = None,
    *,
    progress: bool = False,
) -> Iterator[Passes]:
    """Choose in how many processes a text is read; they end with the block.

    Args:
        workers: at most so many. None takes all cores, up to `MOST_UNASKED`, from
            `ENOUGH_BYTES` on, and for less text this process alone.
    """
    wanted = _wanted_workers(sources, workers)
    shares = cut_into_shares(sources, text) if wanted > 1 and sys.executable else []
    number = min(wanted, len(shares))
    if number < 2:
        yield Passes(sources, text, progress=progress)
        return
    with Workers(number) as started:
        yield SharedPasses(sources, text, shares, started, progress=progress)


def _wanted_workers(sources: Sequence[Source], workers: int | None) -> int:
    if workers is not None:
        return workers
    num_bytes = sum(map(num_bytes_of, sources))
    return min(num_cores(), MOST_UNASKED) if num_bytes >= ENOUGH_BYTES else 1


@contextmanager
def part_writers(folder: Path, tokenizer: Tokenizer) -> Iterator[list[PartWriter]]:
    """Writers of the files of all parts, which are complete at the end of the block."""
    unknown = "error" if tokenizer.unknown_id is None else "token"
    with ExitStack() as stack:
        files = [stack.enter_context(open(part_path(folder, p), "wb")) for p in PARTS]
        parts = [PartWriter(file, tokenizer.encoder(unknown)) for file in files]
        yield parts
        for part in parts:
            part.finish()
