"""Networks whose predictions the tests of scoring know."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from textgen.config.model import ModelConfig
from textgen.generation.network.network import Network
from textgen.generation.scoring.score import Score, score
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.serialization import Tokenizer

LABELLED = CharTokenizer("ab", end_of_document=True, labels=("glad", "sad"))


def network_for(tokenizer: Tokenizer, scale: float = 0.0, **options: Any) -> Network:
    config = ModelConfig(
        vocab_size=tokenizer.vocab_size, units=4, embedding_dim=3, **options
    )
    return Network(config, weights_for(config, scale))


def weights_for(config: ModelConfig, scale: float) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        name: (rng.standard_normal(shape) * scale).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }


def bits(tokenizer: Tokenizer, documents: Any, scale: float = 0.0) -> Score:
    return score(network_for(tokenizer, scale), tokenizer, documents)


def stepped_nats(network: Network, ids: list[int]) -> float:
    """The nats of all ids but the first, step by step, each softmax written out."""
    state, total = network.initial_state(), 0.0
    for before, after in pairwise(ids):
        logits, state = network.step([before], state)
        shares = np.exp(logits[0].astype(np.float64))
        total -= math.log(shares[after] / shares.sum())
    return total
