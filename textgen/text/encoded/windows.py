"""Cut one long array of ids into lanes that are read in parallel.

A recurrent network reads text in order. To fill a batch, the text is cut into
`batch_size` contiguous lanes; window k + 1 of a lane begins where window k ends, so a
state carried from window to window sees each lane from its first id to its last. This
is truncated backpropagation through time.

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

from textgen.config.arguments import described, whole_number
from textgen.config.sizes import LITTLE_CHARS
from textgen.errors import ConfigError, CorpusError
from textgen.text.encoded.completions import Completions
from textgen.wording import count_of


class Window(NamedTuple):
    """The ids of one step: inputs, targets, and the weights of the targets.

    All three are `(batch_size, seq_length)`; `weight` is 0 where an id is read but not
    counted, and None if every id counts.
    """

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None = None


@dataclass(frozen=True)
class Windows:
    """Windows to train on, all of one shape; see `windows`.

    Args:
        lanes: which ones are read, if other processes read the others.
    """

    ids: np.ndarray
    batch_size: int
    seq_length: int
    completions: Completions | None = None
    lanes: range | None = None

    @property
    def lane_length(self) -> int:
        """Ids that a lane predicts in one epoch, before cutting to whole windows."""
        return (len(self.ids) - 1) // self.batch_size

    def __len__(self) -> int:
        return self.lane_length // self.seq_length

    def __getitem__(self, index: int) -> Window:
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        lanes = np.array(self.lanes or range(self.batch_size))
        starts = lanes * self.lane_length + index * self.seq_length
        positions = starts[:, None] + np.arange(self.seq_length + 1)
        text = self.ids[positions].astype(np.int32)
        x, y = text[:, :-1], text[:, 1:]
        if self.completions is None:
            return Window(x, y)
        return Window(x, y, self.completions.weights(self.ids, starts, x))

    def forever(self, start: int = 0) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield windows epoch after epoch, beginning with step number `start`.

        Yields:
            `(x, y)`, or `(x, y, weight)` if only completions count.
        """
        step = start
        while True:
            window = self[step % len(self)]
            yield tuple(array for array in window if array is not None)
            step += 1
            if step % _STEPS_BETWEEN_RELEASES == 0:
                release_pages(self.ids)


_STEPS_BETWEEN_RELEASES = 1000


def release_pages(ids: np.ndarray) -> None:
    """Release the pages of a memory-mapped array; they are read again on access.

    Otherwise the resident memory of the process grows to the size of the corpus.
    """
    base = ids.base
    while isinstance(base, np.ndarray):
        base = base.base
    # The operating system Windows has no `madvise`.
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def windows(
    ids: np.ndarray,
    batch_size: int,
    seq_length: int,
    completions: Completions | None = None,
) -> Windows:
    """Cut one long text into parallel lanes that are read in order.

    Up to `batch_size * seq_length` ids at the ends of the lanes are left out, so that
    every window has the same shape; `evaluation_windows` leaves none out.

    Args:
        ids: `(num_ids,)` unsigned integers, in memory or memory-mapped.
        batch_size: number of lanes.
        seq_length: ids per window; gradients are truncated at its edges.
        completions: where they are marked, if nothing else counts.

    Returns:
        Windows of `(batch_size, seq_length)`; row i of a window continues row i
        of the window before it.

    Raises:
        CorpusError: fewer than `batch_size * seq_length + 1` ids.
        ConfigError: a size is below 1.

    >>> windows(np.arange(9), batch_size=2, seq_length=2)[0].x.tolist()
    [[0, 1], [4, 5]]
    >>> windows(np.arange(9), batch_size=2, seq_length=2)[1].y.tolist()
    [[3, 4], [7, 8]]
    """
    _check_sizes(batch_size, seq_length)
    _check_ids(ids)
    needed = batch_size * seq_length + 1
    if len(ids) < needed:
        raise CorpusError(
            f"the training text has {count_of(len(ids), 'id')}, but "
            f"`batch_size={batch_size}` with `seq_length={seq_length}` needs at least "
            f"{needed:,}. {_how_it_fits(len(ids) - 1)}"
        )
    return Windows(ids, batch_size, seq_length, completions)


def _how_it_fits(num_ids: int) -> str:
    if num_ids < _TOO_FEW:
        return (
            f"Add text: nothing can be learned from so little, and {LITTLE_CHARS:,} "
            "characters are a good start."
        )
    seq_length = min(32, num_ids // 4)
    sizes = f"`batch_size={min(8, num_ids // seq_length)}` with `seq_length={seq_length}`"
    return (
        f"Lower `batch_size`, `seq_length` or `val_fraction` ({sizes} fits), or add text."
    )


# Windows of fewer than 32 ids teach a network next to nothing.
_TOO_FEW = 4 * 32


@dataclass(frozen=True)
class EvaluationWindows:
    """Windows that count every id once; see `evaluation_windows`.

    Args:
        lanes: which ones are read, if other processes read the others.
    """

    ids: np.ndarray
    context: np.ndarray
    batch_size: int
    seq_length: int
    max_chars: int | None = None
    completions: Completions | None = None
    lanes: range | None = None

    @property
    def num_chars(self) -> int:
        """How many ids are predicted and, unless only completions are, counted."""
        left = len(self.ids) - np.arange(self.batch_size) * self.lane_length
        return int(np.clip(left, 0, self.counted_length).sum())

    @property
    def lane_length(self) -> int:
        """Ids of a lane; the last lane may have fewer."""
        return -(-len(self.ids) // self.batch_size)

    @property
    def counted_length(self) -> int:
        """How many ids at the beginning of each lane are predicted and counted."""
        if self.max_chars is None:
            return self.lane_length
        return min(self.lane_length, -(-self.max_chars // self.batch_size))

    def __len__(self) -> int:
        return 1 + -(-self.counted_length // self.seq_length)

    def __getitem__(self, index: int) -> Window:
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        first = np.array(self.lanes or range(self.batch_size)) * self.lane_length
        offset = np.arange(self.seq_length) + (index - 1) * self.seq_length
        target = first[:, None] + offset
        is_inside = (offset >= 0) & (offset < self.counted_length)
        counted = is_inside & (target < len(self.ids))
        x, weight = self._at(target - 1), counted.astype(np.float32)
        if self.completions is not None:
            weight *= self.completions.weights(self.ids, target[:, 0] - 1, x)
        return Window(x, self._at(target), weight)

    def _at(self, positions: np.ndarray) -> np.ndarray:
        # Positions after the text have weight 0; those before it index the context from
        # its end.
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
    completions: Completions | None = None,
) -> EvaluationWindows:
    """Cut a held-out text into lanes so that every id counts exactly once.

    Reading the text in one lane would be exact but slow. So it is read in `batch_size`
    lanes, each of which begins with a window that is read but not counted: when counting
    begins, the state has warmed up on the `seq_length` ids before. Short lanes and the
    last window are padded with ids of weight 0.

    Args:
        ids: `(num_ids,)` the held-out text.
        batch_size: number of lanes; a text that is too short for them is padded.
        seq_length: ids per window, and ids of warm-up.
        context: `(num_context,)` ids that precede `ids`, at least one; the first lane
            warms up on their end.
        max_chars: count at most about this many ids, in equal parts from the beginning of
            each lane, so that they are spread over the text.
        completions: where they are marked, if nothing else counts; then every id of a
            completion counts exactly once.

    Raises:
        CorpusError: there are no ids to evaluate, or none that counts; or there is no
            context.
        ConfigError: a size is below 1.

    >>> lanes = evaluation_windows(np.arange(5, 9), 2, 2, context=np.arange(5))
    >>> [(w.y.tolist(), w.weight.tolist()) for w in lanes][1]
    ([[5, 6], [7, 8]], [[1.0, 1.0], [1.0, 1.0]])
    """
    _check_sizes(batch_size, seq_length)
    if len(ids) == 0 or len(context) == 0:
        raise CorpusError(
            "there is no text to validate on. Raise `val_fraction` or add text."
        )
    context = np.array(context[-seq_length - 1 :], np.int32)
    lanes = EvaluationWindows(ids, context, batch_size, seq_length, max_chars, completions)
    if completions is not None and not any(np.any(window.weight) for window in lanes):
        raise CorpusError(
            "the part of the held-out text that is evaluated contains no completion. Raise "
            "`eval_chars` or `val_fraction`."
        )
    return lanes


def _check_sizes(batch_size: int, seq_length: int) -> None:
    for name, value in (("batch_size", batch_size), ("seq_length", seq_length)):
        whole_number(name, value, least=1)


def _check_ids(ids: object) -> None:
    if not isinstance(ids, np.ndarray) or ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise ConfigError(
            f"ids must be a flat NumPy array of integers, not {described(ids)}. Encode a "
            "text: tokenizer.encode(text)."
        )
