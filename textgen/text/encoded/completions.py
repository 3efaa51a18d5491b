"""Where the completions are in documents of a prompt and a completion.

Only they are predicted: what a person will ask is neither to be learned nor to be scored.
The ids say it themselves, so nothing is stored beside them: from the separator on, what
follows counts, up to the end of the document and with it.

    ids       <eod> 4 2 <sep> z w ö l f <eod> 7 <sep> s i e b e n <eod>
    counts          0 0   0   1 1 1 1 1   1   0   0   1 1 1 1 1 1   1
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from textgen.text.tokenizers.base import BaseTokenizer

_NEAR = 256
"""Ids that are searched at first for the mark before a place; then twice as many, ..."""


@dataclass(frozen=True)
class Completions:
    """The two ids that mark where completions begin and end."""

    separator_id: int
    eod_id: int

    def weights(self, ids: np.ndarray, starts: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Which of the ids that follow those of `x` count.

        Args:
            ids: `(num_ids,)` the documents, in memory or memory-mapped.
            starts: `(rows,)` the place in `ids` of the first id of each row of `x`.
            x: `(rows, length)` ids that are read, each predicting the next one.

        Returns:
            `(rows, length)` float32, 1 where the next id belongs to a completion, else 0.

        >>> ids = np.array([0, 5, 1, 6, 6, 0, 5, 1, 6, 0])
        >>> rows = ids[:-1].reshape(3, 3)
        >>> Completions(1, 0).weights(ids, np.array([0, 3, 6]), rows).astype(int).tolist()
        [[0, 0, 1], [1, 1, 0], [0, 1, 1]]
        """
        is_mark = (x == self.separator_id) | (x == self.eod_id)
        places = np.where(is_mark, np.arange(x.shape[1]), -1)
        last = np.maximum.accumulate(places, axis=1)
        counts = np.take_along_axis(x, np.maximum(last, 0), axis=1) == self.separator_id
        for row in np.flatnonzero(last[:, 0] < 0):
            mark = _last(ids, int(starts[row]), self.separator_id, self.eod_id)
            counts[row, last[row] < 0] = mark >= 0 and ids[mark] == self.separator_id
        return counts.astype(np.float32)

    def prompt_before(self, ids: np.ndarray, place: int) -> np.ndarray:
        """The ids of a whole prompt that ends before a place, or of the last one.

        >>> Completions(1, 0).prompt_before(np.array([0, 5, 7, 1, 6, 0]), 5).tolist()
        [5, 7]
        """
        end = _last(ids, place, self.separator_id)
        if end < 0:
            end = _last(ids, len(ids), self.separator_id)
        return ids[_last(ids, end, self.eod_id) + 1 : end]


def _last(ids: np.ndarray, end: int, *marks: int) -> int:
    """The last place before `end` where one of the marks is, or -1."""
    size = _NEAR
    while end > 0:
        start = max(0, end - size)
        part = ids[start:end]
        # `np.isin` takes ten times as long.
        found = np.flatnonzero(reduce(np.logical_or, [part == mark for mark in marks]))
        if len(found):
            return start + int(found[-1])
        end, size = start, 2 * size
    return -1


def completions_of(tokenizer: BaseTokenizer) -> Completions | None:
    """Where completions are marked in what a tokenizer encodes; None without prompts."""
    if tokenizer.separator_id is None or tokenizer.eod_id is None:
        return None
    return Completions(tokenizer.separator_id, tokenizer.eod_id)
