"""A network with an n-gram memory of its training text beside it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from textgen.config.model import ModelConfig
from textgen.generation.network.layers.base import Floats, Ids, Recorded, State, Weights
from textgen.generation.network.network import Network
from textgen.ngrams.model import NgramModel, Probs
from textgen.ngrams.recent import NUM_RECENT, learned
from textgen.ngrams.tables import NOTHING, Integers, within_document


class RememberingNetwork:
    """A network whose predictions are interpolated with n-gram counts, as one network.

    The state is that of the network followed by the ids read last, `(batch, width)`.

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
        self._width = network.initial_state().shape[1]

    def initial_state(self, batch_size: int = 1) -> State:
        """The state before the first character: zeros, and no ids read."""
        state = np.zeros((batch_size, self._width + self._num_recent), np.float32)
        state[:, self._width :] = NOTHING
        return state

    def step(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """Read one character in each row of a batch, as `Network.step` does.

        Returns:
            Log-probabilities `(batch, vocab_size)`, which also serve as logits, and the
            new state.
        """
        logits, own = self.network.step(ids, state[:, : self._width])
        after = np.empty_like(state)
        after[:, : self._width] = own
        after[:, self._width : -1] = state[:, self._width + 1 :]
        # Exact: float32 holds all whole numbers up to 2^24.
        after[:, -1] = ids
        return self._mixed(logits, after[:, self._width :]), after

    def read_chunks(
        self, ids: Ids, state: State, recorded: Recorded | None = None
    ) -> Iterator[tuple[Floats, State]]:
        """Read one text of any length, as `Network.read_chunks` does."""
        for logits, recent, after in self.read_apart(ids, state, recorded):
            yield self._mixed(logits, recent), after

    def read_apart(
        self, ids: Ids, state: State, recorded: Recorded | None = None
    ) -> Iterator[tuple[Floats, Integers, State]]:
        """Read one text of any length without mixing the predictions.

        Yields:
            The logits of the network alone `(time, vocab_size)`, the ids read last after
            each id `(time, num_recent)`, and the state after the last one.
        """
        ids = np.asarray(ids, np.int64)
        recent, done = state[0, self._width :].astype(np.int64), 0
        chunks = self.network.read_chunks(ids, state[:, : self._width], recorded)
        for logits, own in chunks:
            read = np.concatenate([recent, ids[done : done + len(logits)]])
            done += len(logits)
            windows = np.lib.stride_tricks.sliding_window_view(read, len(recent))[1:]
            recent = windows[-1]
            after = np.concatenate([own, recent[np.newaxis].astype(np.float32)], axis=1)
            yield logits, windows, after

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
