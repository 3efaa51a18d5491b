"""Texts as vectors: the state of a network after reading each."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textgen.config.arguments import several_texts
from textgen.errors import ConfigError
from textgen.generation.network.layers.base import Floats
from textgen.generation.network.mixture import Mixture
from textgen.generation.network.network import Network
from textgen.generation.network.remembering import RememberingNetwork
from textgen.model.architecture import recurrent_layers, state_places
from textgen.text.tokenizers.serialization import Tokenizer

NUM_ROWS = 64
"""Texts per batch."""


def encode(
    network: Network | RememberingNetwork | Mixture,
    tokenizer: Tokenizer,
    texts: Iterable[str],
) -> Floats:
    """The last layer's h, before norm and residual, after each text's last character.

    A text is read as in scoring: from zero states and after the start id, so that even an
    empty text has a vector. Unknown characters are read as the unknown token if there is
    one, and left out otherwise.

    Returns:
        `(num_texts, units)`, in the order of `texts`.

    Raises:
        ConfigError: as for `Generator.encode`.

    >>> from textgen.config.model import ModelConfig
    >>> from textgen.text.tokenizers.char import CharTokenizer
    >>> config = ModelConfig(vocab_size=2, num_layers=1, units=3, embedding_dim=3)
    >>> shapes = config.weight_shapes().items()
    >>> network = Network(config, {k: np.ones(s, np.float32) for k, s in shapes})
    >>> encode(network, CharTokenizer("ab"), ["ab", "", "baa"]).shape
    (3, 3)
    """
    if isinstance(texts, str):
        raise ConfigError(
            "texts must be a sequence of texts, but it is a single string, each character "
            "of which would be taken for a text. Put it in a list: [text]."
        )
    texts = several_texts("texts", texts)
    if isinstance(network, Mixture):
        raise ConfigError(
            "a mixture of models has no single vector for a text. Encode with one of them."
        )
    if isinstance(network, RememberingNetwork):
        network = network.network
    rows = [_ids_to_read(tokenizer, text) for text in texts]
    vectors = np.zeros((len(rows), network.config.units), np.float32)
    # Longest first: texts still being read are always the first rows of a batch.
    order = np.argsort([-len(ids) for ids in rows], kind="stable")
    for start in range(0, len(rows), NUM_ROWS):
        batch = order[start : start + NUM_ROWS]
        vectors[batch] = _last_outputs(network, [rows[number] for number in batch])
    return vectors


def similarity(a: ArrayLike, b: ArrayLike) -> float:
    """The cosine similarity of two vectors: 1 for the same direction, -1 for opposite ones.

    Args:
        a: `(units,)`.
        b: `(units,)`.

    Raises:
        ConfigError: their shapes differ, or one of them is zero or not finite.

    >>> similarity([3, 4], [30, 40]), similarity([1, 0], [0, 2])
    (1.0, 0.0)
    """
    one, other = _direction(a), _direction(b)
    if one.shape != other.shape:
        raise ConfigError(
            f"vectors of {one.size} and {other.size} numbers cannot be compared. Encode "
            "both texts with the same model."
        )
    # Rounding must not exceed the range of a cosine.
    return max(-1.0, min(1.0, float(one @ other)))


def _ids_to_read(tokenizer: Tokenizer, text: str) -> NDArray[Any]:
    action = "skip" if tokenizer.unknown_id is None else "token"
    ids = tokenizer.encode(text, unknown=action)
    return np.append(np.asarray(tokenizer.start_id, ids.dtype), ids)


def _last_outputs(network: Network, rows: list[NDArray[Any]]) -> Floats:
    """`(num_rows, units)` for rows of ids, sorted from longest to shortest."""
    lengths = np.array([len(ids) for ids in rows])
    ids = np.zeros((lengths[0], len(rows)), rows[0].dtype)
    for number, row in enumerate(rows):
        ids[: len(row), number] = row
    vectors = np.empty((len(rows), network.config.units), np.float32)
    state = network.initial_state(len(rows))
    output = state_places(network.config)[
        recurrent_layers(network.config)[-1].weight_name("h")
    ]
    for time, column in enumerate(ids):
        reading = int(np.count_nonzero(lengths > time))
        state = state[:reading]
        _, state = network.step(column[:reading], state)
        # The last step that writes a row is that of its last id.
        vectors[:reading] = state[:, output]
    return vectors


def _direction(vector: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(vector, np.float64)
    if array.ndim != 1:
        raise ConfigError(
            f"a vector must be one row of numbers, not an array of shape {array.shape}. "
            "Take one row of the result of encode."
        )
    # Scaled first, as squares must neither overflow nor underflow.
    largest = float(np.abs(array).max(initial=0))
    if not math.isfinite(largest) or largest == 0:
        raise ConfigError(
            f"cosine similarity is undefined for a vector whose largest number is "
            f"{largest}. The model may be damaged; use an earlier checkpoint."
        )
    scaled = array / largest
    direction: NDArray[np.float64] = scaled / np.linalg.norm(scaled)
    return direction
