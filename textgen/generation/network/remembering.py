"""A network with an n-gram memory of its training text beside it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from textgen.generation.network.layers.base import Floats, Ids, State
from textgen.generation.network.network import Network
from textgen.ngrams.model import NgramModel
from textgen.ngrams.tables import Integers, contexts_of


class RememberingNetwork:
    """A network whose predictions are interpolated with n-gram counts, as one network.

    The state is that of the network, each of its vectors longer by the ids of the context.
    There is one context; it lies beside the first vector.

    Args:
        network: the network itself.
        ngrams: counts of ids of the same vocabulary.

    Attributes:
        network, ngrams, config: the parts, and the configuration of the network.
    """

    def __init__(self, network: Network, ngrams: NgramModel) -> None:
        assert network.config.vocab_size == ngrams.tables.vocab_size
        self.network, self.ngrams = network, ngrams
        self.config = network.config
        self._units = network.config.units

    def initial_state(self, batch_size: int = 1) -> State:
        """The state before the first character: zeros, which are no context."""
        return self._joined(
            self.network.initial_state(batch_size),
            np.full((batch_size, self.ngrams.context_size), -1),
        )

    def step(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """Read one character in each row of a batch, as `Network.step` does.

        Returns:
            Log-probabilities `(batch, vocab_size)`, which also serve as logits, and the
            new state.
        """
        logits, after = self.network.step(ids, self._own_part(state))
        contexts = self._contexts(state)
        contexts[:, :-1] = contexts[:, 1:]
        if contexts.shape[1]:
            boundary = self.ngrams.tables.boundary
            contexts[:, -1] = ids
            if boundary is not None:
                contexts[contexts[:, -1] == boundary, :-1] = -1
        return self._mixed(logits, contexts), self._joined(after, contexts)

    def read_chunks(self, ids: Ids, state: State) -> Iterator[tuple[Floats, State]]:
        """Read one text of any length, as `Network.read_chunks` does."""
        ids = np.asarray(ids)
        before, done = self._contexts(state)[0], 0
        for logits, after in self.network.read_chunks(ids, self._own_part(state)):
            read = ids[done : done + len(logits)]
            contexts = contexts_of(read, before, self.ngrams.tables.boundary)
            before, done = contexts[-1], done + len(logits)
            yield self._mixed(logits, contexts), self._joined(after, contexts[-1:])

    def _mixed(self, logits: Floats, contexts: Integers) -> Floats:
        probs = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
        probs /= probs.sum(axis=1, keepdims=True)
        mixed: Floats = np.log(self.ngrams.mix(probs, contexts)).astype(np.float32)
        return mixed

    # --- the state ---

    def _own_part(self, state: State) -> State:
        return state[..., : self._units]

    def _contexts(self, state: State) -> Integers:
        """`(batch, context_size)`: a copy of the contexts in a state."""
        # Ids are stored plus one, so that zeros are no context.
        return state[0, 0, :, self._units :].astype(np.int64) - 1

    def _joined(self, state: State, contexts: Integers) -> State:
        width = self._units + contexts.shape[1]
        joined = np.zeros((*state.shape[:-1], width), np.float32)
        joined[..., : self._units] = state
        joined[0, 0, :, self._units :] = contexts + 1
        return joined
