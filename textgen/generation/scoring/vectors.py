"""Texts as vectors: what a network remembers of each when it has read it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textgen.errors import ConfigError
from textgen.generation.network.layers.base import Floats
from textgen.generation.network.mixture import Mixture
from textgen.generation.network.network import Network
from textgen.text.tokenizers.serialization import Tokenizer

NUM_ROWS = 64
"""Texts that are read side by side."""


def encode(
    network: Network | Mixture, tokenizer: Tokenizer, texts: Iterable[str]
) -> Floats:
    """The last layer's h, before norm and residual, after each text's last character.

    A text is read as for scoring: from zero states, the start id first, so that the
    vector of an empty text is that of a beginning. Unknown characters are left out, or
    read as the unknown token where there is one.

    Args:
        texts: several, of any lengths; those of like length are read side by side.

    Returns:
        `(num_texts, units)`, in the order of `texts`.

    Raises:
        ConfigError: `texts` is one text, not several; or there are several models.

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
            "texts must be several texts, but it is one string, whose characters would be "
            "read as texts. Put it in a list: [text]."
        )
    if isinstance(network, Mixture):
        raise ConfigError(
            "several models have several vectors for a text. Encode with one of them."
        )
    rows = [_ids_to_read(tokenizer, text) for text in texts]
    vectors = np.zeros((len(rows), network.config.units), np.float32)
    # Longest first: those still being read are always the first rows of a batch.
    order = np.argsort([-len(ids) for ids in rows], kind="stable")
    for start in range(0, len(rows), NUM_ROWS):
        batch = order[start : start + NUM_ROWS]
        vectors[batch] = _last_outputs(network, [rows[number] for number in batch])
    return vectors


def similarity(a: ArrayLike, b: ArrayLike) -> float:
    """The cosine of the angle between two vectors: 1 the same way, -1 the opposite.

    Args:
        a: `(units,)`.
        b: `(units,)`.

    Raises:
        ConfigError: their shapes differ, one has no length, or holds NaN or infinity.

    >>> similarity([3, 4], [30, 40]), similarity([1, 0], [0, 2])
    (1.0, 0.0)
    """
    one, other = _direction(a), _direction(b)
    if one.shape != other.shape:
        raise ConfigError(
            f"vectors of {one.size} and {other.size} numbers cannot be compared. Encode "
            "both texts with the same model."
        )
    # Rounding must not lead out of the range of a cosine.
    return max(-1.0, min(1.0, float(one @ other)))


def _ids_to_read(tokenizer: Tokenizer, text: str) -> NDArray[Any]:
    action = "skip" if tokenizer.unknown_id is None else "token"
    ids = tokenizer.encode(text, unknown=action)
    return np.append(np.asarray(tokenizer.start_id, ids.dtype), ids)


def _last_outputs(network: Network, rows: list[NDArray[Any]]) -> Floats:
    """`(num_rows, units)` for rows of ids, none longer than the one before it."""
    lengths = np.array([len(ids) for ids in rows])
    ids = np.zeros((lengths[0], len(rows)), rows[0].dtype)
    for number, row in enumerate(rows):
        ids[: len(row), number] = row
    vectors = np.empty((len(rows), network.config.units), np.float32)
    state = network.initial_state(len(rows))
    for time, column in enumerate(ids):
        reading = int(np.count_nonzero(lengths > time))
        if reading < state.shape[2]:
            state = state[:, :, :reading]
        _, state = network.step(column[:reading], state)
        # The row's own last step is the last that writes here.
        vectors[:reading] = state[-1, 0]
    return vectors


def _direction(vector: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(vector, np.float64)
    if array.ndim != 1:
        raise ConfigError(
            f"a vector must be one row of numbers, not an array of shape {array.shape}. "
            "Take one row of what encode gives."
        )
    # Numbers of any size: their squares must neither overflow nor vanish.
    largest = float(np.abs(array).max(initial=0))
    if not math.isfinite(largest) or largest == 0:
        raise ConfigError(
            f"a vector whose largest number is {largest} points nowhere, so it has no "
            "angle to another. Its model may be damaged; use an earlier checkpoint."
        )
    scaled = array / largest
    direction: NDArray[np.float64] = scaled / np.linalg.norm(scaled)
    return direction
