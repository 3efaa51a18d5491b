"""The two protocols of scoring: continuous and windowed.

One reading gives the surprise under the model and, with an n-gram memory that does not
learn, under each of its parts: arrays of nats have the shape `(num_parts, num_ids)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from textgen.generation.network.layers.base import Floats
from textgen.generation.network.mixture import Mixture
from textgen.generation.network.network import Network
from textgen.generation.network.remembering import RememberingNetwork
from textgen.generation.scoring.segments import Segment
from textgen.ngrams.tables import NOTHING, contexts_of

Nats: TypeAlias = NDArray[np.float64]
Model: TypeAlias = Network | RememberingNetwork | Mixture

NUM_ROWS = 64
"""Windows per batch."""


def nats_of(logits: Floats, ids: Sequence[int] | NDArray[Any]) -> Nats:
    """The negative log-probability of each id under the logits of its row, in nats.

    Args:
        logits: `(time, vocab)`.
        ids: `(time,)`.

    Returns:
        `(time,)` float64, without overflow for logits of any size.

    >>> nats_of(np.array([[0.0, 0.0], [1e4, -1e4]], np.float32), [0, 1]).tolist()
    [0.6931471805599453, 20000.0]
    """
    shifted = logits - logits.max(axis=1, keepdims=True).astype(np.float64)
    log_sums = np.log(np.exp(shifted).sum(axis=1))
    nats: Nats = log_sums - shifted[np.arange(len(ids)), ids]
    return nats


def num_parts(network: Model) -> int:
    """3, for both, the network and the n-grams, or 1."""
    return 3 if isinstance(network, RememberingNetwork) and not network.learns else 1


class Continuous:
    """Predicts segment after segment and carries the state from each to the next."""

    def __init__(self, network: Model, start_id: int) -> None:
        self._network = network
        self._before = start_id
        self._state: Any = network.initial_state(1)

    def nats(self, segment: Segment) -> Nats:
        """`(num_parts, num_ids)`: the surprise of each id."""
        x, self._before = _shifted(segment.ids, self._before)
        nats, self._state = _read(self._network, x, segment.ids, self._state)
        return nats


class Windowed:
    """Predicts with a cold start every `window` characters.

    Windows that lie entirely within a segment are read in parallel, as rows of one matrix
    product. A window that spans segments is read part by part, and its state is carried
    over.
    """

    def __init__(self, network: Model, start_id: int, window: int) -> None:
        self._network = network
        self._before = start_id
        self._window = window
        self._num_done = 0
        # The number and state of the window that continues in the next segment.
        self._open = -1
        self._state: Any = None

    def nats(self, segment: Segment) -> Nats:
        """`(num_parts, num_ids)`: the surprise of each id."""
        y = segment.ids
        x, self._before = _shifted(y, self._before)
        nats = np.zeros((num_parts(self._network), len(y)))
        whole = []
        for number, row in self._rows(segment):
            if number != self._open and (number + 1) * self._window <= self._num_done:
                whole.append(row)
            else:
                nats[:, row] = self._read_part(number, x[row], y[row])
        if whole:
            found = parts_of_rows(
                self._network, [x[r] for r in whole], [y[r] for r in whole]
            )
            for row, part in zip(whole, found, strict=True):
                nats[:, row] = part
        return nats

    def _rows(self, segment: Segment) -> list[tuple[int, slice]]:
        """The windows with ids in this segment: the number and the ids of each."""
        predicted = segment.is_predicted
        # An id that is not predicted belongs to the window of the next one that is.
        before = self._num_done + np.cumsum(predicted) - predicted
        self._num_done += int(predicted.sum())
        numbers = np.repeat(before // self._window, segment.widths)
        starts = np.flatnonzero(np.diff(numbers, prepend=-1))
        ends = [*starts[1:], len(numbers)]
        rows = zip(numbers[starts].tolist(), map(slice, starts, ends), strict=True)
        return list(rows)

    def _read_part(self, number: int, x: NDArray[Any], y: NDArray[Any]) -> Nats:
        if number != self._open:
            self._open, self._state = number, self._network.initial_state(1)
        nats, self._state = _read(self._network, x, y, self._state)
        return nats


def _shifted(ids: NDArray[Any], before: int) -> tuple[NDArray[Any], int]:
    """The ids read to predict `ids`: the one before each; and the last of `ids`."""
    if not len(ids):
        return ids, before
    return np.append(np.asarray(before, ids.dtype), ids[:-1]), int(ids[-1])


def _read(network: Model, x: NDArray[Any], y: NDArray[Any], state: Any) -> tuple[Nats, Any]:
    """Read `x` and predict `y`, both `(num_ids,)`; also returns the state after `x`."""
    found = [np.zeros((num_parts(network), 0))]
    for nats, after in _read_chunks(network, x, y, state):
        found.append(nats)
        state = after
    return np.concatenate(found, axis=1), state


def _read_chunks(
    network: Model, x: NDArray[Any], y: NDArray[Any], state: Any
) -> Iterator[tuple[Nats, Any]]:
    done = 0
    if not isinstance(network, RememberingNetwork) or network.learns:
        for logits, after in network.read_chunks(x, state):
            yield nats_of(logits, y[done : done + len(logits)])[np.newaxis], after
            done += len(logits)
        return
    ngrams = network.ngrams
    for logits, recent, after in network.read_apart(x, state):
        targets = y[done : done + len(logits)]
        contexts = recent[:, -ngrams.context_size :]
        yield ngrams.nats_beside(nats_of(logits, targets), contexts, targets), after
        done += len(logits)


def parts_of_rows(
    network: Model, xs: Sequence[NDArray[Any]], ys: Sequence[NDArray[Any]]
) -> list[Nats]:
    """As `nats_of_rows`, `(num_parts, num_ids)` for each text."""
    if not isinstance(network, RememberingNetwork) or network.learns:
        return [nats[np.newaxis] for nats in nats_of_rows(network, xs, ys)]
    own, ngrams = nats_of_rows(network.network, xs, ys), network.ngrams
    nothing, boundary = np.full(ngrams.context_size, NOTHING), ngrams.tables.boundary
    contexts = np.concatenate([contexts_of(x, nothing, boundary) for x in xs])
    nats = ngrams.nats_beside(np.concatenate(own), contexts, np.concatenate(ys))
    return np.split(nats, np.cumsum([len(x) for x in xs])[:-1], axis=1)


def nats_of_rows(
    network: Model, xs: Sequence[NDArray[Any]], ys: Sequence[NDArray[Any]]
) -> list[Nats]:
    """The surprise of each id of a batch of texts, each from a cold start.

    Args:
        xs: for each text the `(num_ids,)` ids that are read.
        ys: for each text the ids that follow them, which are predicted.
    """
    longest = max(map(len, xs))
    # Time comes first, so that the ids of a step are contiguous; padding is ignored.
    x = np.zeros((longest, len(xs)), xs[0].dtype)
    y = np.zeros_like(x)
    for row, (read, predicted) in enumerate(zip(xs, ys, strict=True)):
        x[: len(read), row], y[: len(read), row] = read, predicted
    nats = np.empty(x.shape)
    state = network.initial_state(len(xs))
    for time in range(longest):
        logits, state = network.step(x[time], state)
        nats[time] = nats_of(logits, y[time])
    return [nats[: len(read), row] for row, read in enumerate(xs)]
