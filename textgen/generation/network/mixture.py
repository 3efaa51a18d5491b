"""Linear interpolation of several models."""

from __future__ import annotations

import numbers
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from textgen.config.model import ModelConfig
from textgen.errors import ConfigError
from textgen.generation.network.layers.base import Floats, Ids, State
from textgen.generation.network.network import Network
from textgen.generation.network.remembering import RememberingNetwork
from textgen.generation.sampling.filters import log_softmax
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.wording import few, shown

Mixable: TypeAlias = Network | RememberingNetwork


class Mixture:
    """A weighted mean of the probabilities of several networks, as one network.

    Linear interpolation (Jelinek & Mercer 1980): `p = sum(share * p_of_the_network)`.
    The states of all networks are concatenated to one, `(batch, width)`.

    Args:
        networks: all with the same vocabulary.
        shares: one per network, above 0; only their ratios matter.

    Raises:
        ConfigError: no networks, a mixture among them, vocabularies of different sizes,
            or invalid shares.
    """

    def __init__(
        self, networks: Sequence[Mixable | Mixture], shares: Sequence[float]
    ) -> None:
        _check(networks, shares)
        self.config: ModelConfig = networks[0].config
        self._networks = tuple(networks)
        total = sum(shares)
        self._log_shares = [np.log(share / total) for share in shares]
        # Width of each network's part of the state.
        widths = [network.initial_state().shape[1] for network in networks]
        self._ends = np.cumsum(widths)[:-1].tolist()

    def initial_state(self, batch_size: int = 1) -> State:
        """The state before the first character: zeros."""
        states = [network.initial_state(batch_size) for network in self._networks]
        return np.concatenate(states, axis=1)

    def step(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """Read one character in each row of a batch, as `Network.step` does.

        Returns:
            Log-probabilities `(batch, vocab_size)`, which also serve as logits, and the
            new state.
        """
        pairs = zip(self._networks, self._parts(state), strict=True)
        return self._mixed([network.step(ids, part) for network, part in pairs])

    def read_chunks(self, ids: Ids, state: State) -> Iterator[tuple[Floats, State]]:
        """Read one text of any length, as `Network.read_chunks` does."""
        pairs = zip(self._networks, self._parts(state), strict=True)
        readers = [network.read_chunks(ids, part) for network, part in pairs]
        yield from map(self._mixed, zip(*readers, strict=True))

    def _mixed(self, outputs: Sequence[tuple[Floats, State]]) -> tuple[Floats, State]:
        log_probs = [
            log_softmax(logits.astype(np.float64)) + log_share
            for (logits, _), log_share in zip(outputs, self._log_shares, strict=True)
        ]
        mixed: Floats = np.logaddexp.reduce(log_probs).astype(np.float32)
        return mixed, np.concatenate([state for _, state in outputs], axis=1)

    def _parts(self, state: State) -> list[State]:
        """Each network's part of a state."""
        return np.split(state, self._ends, axis=1)


def check_same_tokenizer(one: Tokenizer, other: Tokenizer) -> None:
    """Refuse to mix models whose ids mean different characters; say how they differ."""
    if one == other:
        return
    ours, theirs = one.to_dict(), other.to_dict()
    names = [name for name in ours if ours[name] != theirs.get(name)]
    what = f"they differ in {', '.join(names)}"
    if isinstance(one, CharTokenizer) and isinstance(other, CharTokenizer):
        only_one = sorted(set(one.characters) ^ set(other.characters))
        if only_one:
            what = f"only one knows {few(list(map(repr, only_one)), most=5)}"
    raise ConfigError(
        f"models with different tokenizers cannot be mixed: {what}. Train both on texts "
        "with the same characters and labels, and with the same `tokenizer`, `normalize` "
        "and `documents`."
    )


def _check(networks: Sequence[Mixable | Mixture], shares: Sequence[float]) -> None:
    if not networks:
        raise ConfigError("there is no model to mix. Pass at least one.")
    if any(isinstance(network, Mixture) for network in networks):
        raise ConfigError("a mixture cannot be mixed again. Mix all models in one call.")
    if len(shares) != len(networks):
        raise ConfigError(
            f"{len(shares)} shares for {len(networks)} models. Give each model one, for "
            f"example {','.join(['1'] * len(networks))}."
        )
    for share in shares:
        if not isinstance(share, numbers.Real) or not 0 < share < float("inf"):
            raise ConfigError(f"a share of {shown(share)} must be a finite number above 0.")
    sizes = {network.config.vocab_size for network in networks}
    if len(sizes) > 1:
        raise ConfigError(
            f"models with vocabularies of different sizes ({sorted(sizes)}) cannot be "
            "mixed. Train them with one vocabulary."
        )
