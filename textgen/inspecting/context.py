"""How much context a model uses, and how long one character matters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from textgen.errors import CorpusError
from textgen.generation.sampling.filters import log_softmax
from textgen.generation.scoring.protocols import Model
from textgen.generation.scoring.score import score
from textgen.text.reading.documents import Piece
from textgen.text.tokenizers.serialization import Tokenizer

CONTEXTS = tuple(2**power for power in range(13))
"""1, 2, 4 ... 4,096 characters."""

NUM_PLACES, NUM_BEFORE, NUM_AFTER = 32, 128, 256
"""Changed characters, characters read before each, and distances looked at."""

LEAST = -200.0
"""The smallest log-probability that divergences are computed with."""


def bits_by_context(
    network: Model, tokenizer: Tokenizer, pieces: Sequence[Piece]
) -> dict[int, float]:
    """Bits per character when the state is reset every so many characters.

    As `textgen score --window`: each window starts after the one character before it.
    Windows longer than the text are left out; all of them if no character is known.
    """
    num_chars = sum(len(piece.text) for piece in pieces)
    lengths = [length for length in CONTEXTS if length <= num_chars]
    try:
        return {
            length: score(network, tokenizer, pieces, window=length).bits_per_char
            for length in lengths
        }
    except CorpusError:
        return {}


def influence(network: Model, ids: NDArray[np.int64], seed: int = 0) -> NDArray[np.float64]:
    """How far a prediction changes when one character before it was another one.

    At several places a character is replaced by another one of the text, and the text after
    it is read in both versions.

    Args:
        ids: `(time,)` of a text.
        seed: of the characters that are put in.

    Returns:
        `(distances,)`: the mean Kullback-Leibler divergence in bits, of the prediction
        right after the changed character first; empty for a text of fewer than 16 ids or
        of one kind.
    """
    before, after = min(NUM_BEFORE, len(ids) // 4), min(NUM_AFTER, len(ids) // 4)
    kinds = np.unique(ids)
    if len(ids) < 16 or len(kinds) < 2:
        return np.zeros(0)
    places = np.unique(np.linspace(before, len(ids) - after, NUM_PLACES).astype(np.int64))
    others = _others(ids, ids[places], np.random.default_rng(seed))
    state = network.initial_state(len(places))
    for distance in range(before, 0, -1):
        _, state = network.step(ids[places - distance], state)
    # Both versions in one batch: the rows as they are, and those with another character.
    state, read = np.concatenate([state, state]), np.concatenate([ids[places], others])
    found = np.zeros(after)
    for distance in range(after):
        logits, state = network.step(read, state)
        found[distance] = _divergence(*np.split(log_softmax(logits.astype(np.float64)), 2))
        if distance + 1 < after:
            read = np.tile(ids[places + distance + 1], 2)
    return found


def _others(
    ids: NDArray[np.int64], present: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """For each id another one, as often as it is in the text."""
    found = present.copy()
    while (same := found == present).any():
        found[same] = rng.choice(ids, int(same.sum()))
    return found


def _divergence(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """In bits, of log-probabilities `(rows, vocab_size)`, as a mean over rows."""
    # What cannot be told from impossible counts as very unlikely.
    p, q = np.maximum(p, LEAST), np.maximum(q, LEAST)
    bits = (np.exp(p) * (p - q)).sum(axis=1) / np.log(2)
    return float(max(bits.mean(), 0.0))
