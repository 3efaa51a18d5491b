"""One long array of ids, cut into lanes that are read side by side.

A recurrent network learns from text in the order it was written. To fill a whole
batch, the text is cut into `batch_size` contiguous lanes; window k + 1 of a lane
begins where its window k ended, so a state carried from window to window sees
each lane from its first character to its last.

    text      a b c d e f g h i          batch_size=2, seq_length=2
    lane 0    a b c d                    windows  [a b]  [c d]
    lane 1    e f g h                             [e f]  [g h]
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from textgen.errors import ConfigError, CorpusError


class Window(NamedTuple):
    """One step's worth of text: inputs, the characters that follow, their weight.

    All three are `(batch_size, seq_length)`; `weight` is 0 where a character is
    read but not counted, and None where every one counts.
    """

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None = None


@dataclass(frozen=True)
class Windows:
    """Windows to train on, all of one shape; see `windows`."""

    ids: np.ndarray
    batch_size: int
    seq_length: int

    @property
    def lane_length(self) -> int:
        """Characters a lane predicts in one pass, before cutting to whole windows."""
        return (len(self.ids) - 1) // self.batch_size

    def __len__(self) -> int:
        return self.lane_length // self.seq_length

    def __getitem__(self, index: int) -> Window:
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        starts = np.arange(self.batch_size) * self.lane_length + index * self.seq_length
        positions = starts[:, None] + np.arange(self.seq_length + 1)
        text = self.ids[positions].astype(np.int32)
        return Window(text[:, :-1], text[:, 1:])

    def forever(self, start: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield `(x, y)` pass after pass, beginning with step number `start`."""
        step = start
        while True:
            window = self[step % len(self)]
            yield window.x, window.y
            step += 1
            if step % _STEPS_BETWEEN_RELEASES == 0:
                release_pages(self.ids)


_STEPS_BETWEEN_RELEASES = 1000


def release_pages(ids: np.ndarray) -> None:
    """Let go of what was read of a memory-mapped array; it is read again when needed.

    Else a process that has read a corpus of any size once seems to hold all of it.
    """
    base = ids.base
    while isinstance(base, np.ndarray):
        base = base.base
    # Windows has no such advice.
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def windows(ids: np.ndarray, batch_size: int, seq_length: int) -> Windows:
    """Cut one long text into parallel lanes that are read in order.

    Up to `batch_size * seq_length` characters at the lanes' ends are left out, so
    that every window has the same shape; evaluation leaves none out
    (`evaluation_windows`).

    Args:
        ids: `(num_chars,)` unsigned integers, in memory or memory-mapped.
        batch_size: number of lanes.
        seq_length: characters per window; gradients stop at its edges.

    Returns:
        Windows of `(batch_size, seq_length)`; row i of a window continues row i
        of the window before it.

    Raises:
        CorpusError: fewer than `batch_size * seq_length + 1` characters.
        ConfigError: no lanes, or windows of no length.

    >>> windows(np.arange(9), batch_size=2, seq_length=2)[0].x.tolist()
    [[0, 1], [4, 5]]
    >>> windows(np.arange(9), batch_size=2, seq_length=2)[1].y.tolist()
    [[3, 4], [7, 8]]
    """
    _check_sizes(batch_size, seq_length)
    needed = batch_size * seq_length + 1
    if len(ids) < needed:
        raise CorpusError(
            f"the training text has {len(ids):,} characters, but batch_size={batch_size} "
            f"with seq_length={seq_length} needs at least {needed:,}. Lower --batch-size, "
            f"--seq-length or --val-fraction{_sizes_that_fit(len(ids) - 1)}, or add text."
        )
    return Windows(ids, batch_size, seq_length)


def _sizes_that_fit(num_chars: int) -> str:
    if num_chars < 1:
        return ""
    seq_length = max(1, min(32, num_chars // 4))
    return (
        f" (--batch-size {min(8, num_chars // seq_length)} --seq-length {seq_length} fits)"
    )


@dataclass(frozen=True)
class EvaluationWindows:
    """Windows that count every character once; see `evaluation_windows`."""

    ids: np.ndarray
    context: np.ndarray
    batch_size: int
    seq_length: int
    max_chars: int | None = None

    @property
    def num_chars(self) -> int:
        """Characters that are predicted and counted."""
        left = len(self.ids) - np.arange(self.batch_size) * self.lane_length
        return int(np.clip(left, 0, self.counted_length).sum())

    @property
    def lane_length(self) -> int:
        """Characters of a lane; the last lane may have fewer."""
        return -(-len(self.ids) // self.batch_size)

    @property
    def counted_length(self) -> int:
        """Those of them, from the first on, that are predicted and counted."""
        if self.max_chars is None:
            return self.lane_length
        return min(self.lane_length, -(-self.max_chars // self.batch_size))

    def __len__(self) -> int:
        return 1 + -(-self.counted_length // self.seq_length)

    def __getitem__(self, index: int) -> Window:
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        first = np.arange(self.batch_size) * self.lane_length
        offset = np.arange(self.seq_length) + (index - 1) * self.seq_length
        target = first[:, None] + offset
        is_inside = (offset >= 0) & (offset < self.counted_length)
        counted = is_inside & (target < len(self.ids))
        x = self._at(target - 1)
        return Window(x, self._at(target), counted.astype(np.float32))

    def _at(self, positions: np.ndarray) -> np.ndarray:
        # Positions outside the text belong to characters that are not counted; those
        # before it count from the end of the context.
        positions = np.clip(positions, -len(self.context), len(self.ids) - 1)
        before = self.context[np.minimum(positions, -1)]
        inside = self.ids[np.maximum(positions, 0)].astype(np.int32)
        return np.where(positions < 0, before, inside)

    def __iter__(self) -> Iterator[Window]:
        return (self[index] for index in range(len(self)))


def evaluation_windows(
    ids: np.ndarray,
    batch_size: int,
    seq_length: int,
    context: np.ndarray,
    max_chars: int | None = None,
) -> EvaluationWindows:
    """Cut a held-out text into lanes such that every character counts exactly once.

    Reading the text in one lane would be exact and slow. So it is read in
    `batch_size` lanes, and each begins with one window that is read but not
    counted: the state has warmed up on the `seq_length` characters before it when
    counting begins. Short lanes and the last partial window are filled up with
    characters of weight 0.

    Args:
        ids: `(num_chars,)` the held-out text.
        batch_size: number of lanes; a text too short for them is filled up.
        seq_length: characters per window, and of warm-up.
        context: `(num_context,)` text that precedes `ids`, at least one character;
            the first lane warms up on its end.
        max_chars: count about this many characters at most, in equal parts from the
            beginning of each lane, so that they are spread over the text.

    Raises:
        CorpusError: no character to evaluate or no context to begin from.
        ConfigError: no lanes, or windows of no length.

    >>> lanes = evaluation_windows(np.arange(5, 9), 2, 2, context=np.arange(5))
    >>> [(w.y.tolist(), w.weight.tolist()) for w in lanes][1]
    ([[5, 6], [7, 8]], [[1.0, 1.0], [1.0, 1.0]])
    """
    _check_sizes(batch_size, seq_length)
    if len(ids) == 0 or len(context) == 0:
        raise CorpusError(
            "there is no text to validate on. Raise --val-fraction or add text."
        )
    context = np.array(context[-seq_length - 1 :], np.int32)
    return EvaluationWindows(ids, context, batch_size, seq_length, max_chars)


def _check_sizes(batch_size: int, seq_length: int) -> None:
    for name, value in (("batch_size", batch_size), ("seq_length", seq_length)):
        if value < 1:
            raise ConfigError(f"{name}={value} must be at least 1.")
