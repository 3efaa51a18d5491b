"""A network with an n-gram memory of its training text beside it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from textgen.config.model import ModelConfig
from textgen.generation.network.layers.base import Floats, Ids, State, Weights
from textgen.generation.network.network import Network
from textgen.ngrams.model import NgramModel, Probs
from textgen.ngrams.recent import NUM_RECENT, learned
from textgen.ngrams.tables import NOTHING, Integers, within_document


class RememberingNetwork:
    """A network whose predictions are interpolated with n-gram counts, as one network.

    The state is that of the network followed by the ids read last, `(1, 1, batch, width)`.

    Args:
        network: the network itself.
        ngrams: counts of ids of the same vocabulary.
        learns: whether the memory also learns from what is read; see
            `textgen.ngrams.recent`.

    Attributes:
        network, ngrams: the parts.
        learns: as given.
    """

    def __init__(
        self, network: Network, ngrams: NgramModel, *, learns: bool = False
    ) -> None:
        assert network.config.vocab_size == ngrams.tables.vocab_size
        self.network, self.ngrams = network, ngrams
        self.config = network.config
        self.learns = learns
        self._num_recent = max(ngrams.context_size, NUM_RECENT * learns)
        shape = network.initial_state().shape
        self._shape = shape[0], shape[1], shape[3]
        self._width = int(np.prod(self._shape))

    def initial_state(self, batch_size: int = 1) -> State:
        """The state before the first character: zeros, and no ids read."""
        state = np.zeros((1, 1, batch_size, self._width + self._num_recent), np.float32)
        state[..., self._width :] = NOTHING
        return state

    def step(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """Read one character in each row of a batch, as `Network.step` does.

        Returns:
            Log-probabilities `(batch, vocab_size)`, which also serve as logits, and the
            new state.
        """
        logits, own = self.network.step(ids, self._own(state))
        after = np.empty_like(state)
        rows = after[0, 0]
        rows[:, : self._width] = self._flat(own)
        rows[:, self._width : -1] = state[0, 0, :, self._width + 1 :]
        # Exact: float32 holds all whole numbers up to 2^24.
        rows[:, -1] = ids
        return self._mixed(logits, rows[:, self._width :]), after

    def read_chunks(self, ids: Ids, state: State) -> Iterator[tuple[Floats, State]]:
        """Read one text of any length, as `Network.read_chunks` does."""
        for logits, recent, after in self.read_apart(ids, state):
            yield self._mixed(logits, recent), after

    def read_apart(
        self, ids: Ids, state: State
    ) -> Iterator[tuple[Floats, Integers, State]]:
        """Read one text of any length without mixing the predictions.

        Yields:
            The logits of the network alone `(time, vocab_size)`, the ids read last after
            each id `(time, num_recent)`, and the state after the last one.
        """
        ids = np.asarray(ids, np.int64)
        recent, done = state[0, 0, 0, self._width :].astype(np.int64), 0
        for logits, own in self.network.read_chunks(ids, self._own(state)):
            read = np.concatenate([recent, ids[done : done + len(logits)]])
            done += len(logits)
            windows = np.lib.stride_tricks.sliding_window_view(read, len(recent))[1:]
            recent = windows[-1]
            after = np.concatenate([self._flat(own)[0], recent.astype(np.float32)])
            yield logits, windows, after[np.newaxis, np.newaxis, np.newaxis]

    def _own(self, state: State) -> State:
        """The part of a state that is the network's."""
        part = state[0, 0, :, : self._width].reshape(-1, *self._shape)
        return part.transpose(1, 2, 0, 3)

    def _flat(self, own: State) -> Floats:
        """The state of the network as rows `(batch, width)`."""
        return own.transpose(2, 0, 1, 3).reshape(-1, self._width)

    def _mixed(self, logits: Floats, recent: Integers) -> Floats:
        """Log-probabilities of the next ids.

        Args:
            recent: `(batch, num_recent)` the ids read last.
        """
        ngrams = self.ngrams
        contexts = recent[:, -ngrams.context_size :].astype(np.int64)
        if len(logits) == 1:
            # Plain vectors cost less than matrices of one row.
            mixed = ngrams.mix_one(_exps(logits[0]), contexts[0].tolist())[np.newaxis]
        else:
            mixed = ngrams.mix(np.stack([_exps(row) for row in logits]), contexts)
        if self.learns:
            contexts = within_document(contexts, ngrams.tables.boundary)
            rows = zip(mixed, recent.astype(np.int64), contexts, strict=True)
            mixed = np.stack([learned(*row) for row in rows])
        logs: Floats = np.log(mixed).astype(np.float32)
        return logs


def _exps(logits: Floats) -> Probs:
    """Numbers in proportion to the probabilities of ids."""
    # `argmax` takes a fraction of the time of `max`.
    exps: Probs = np.exp(logits - logits[logits.argmax()], dtype=np.float64)
    return exps


def network_of(
    config: ModelConfig,
    weights: Weights,
    ngrams: NgramModel | None,
    *,
    copy: bool = False,
) -> Network | RememberingNetwork:
    """A network, with its n-gram memory if there is one.

    Args:
        copy: as for `Network`; without a copy the weights are modified.
    """
    network = Network(config, weights, copy=copy)
    return network if ngrams is None else RememberingNetwork(network, ngrams)
