"""Small models of random weights whose dynamic score is compared with their static one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from textgen.checkpoint.format import Checkpoint
from textgen.config.model import ModelConfig
from textgen.generation.network.network import Network
from textgen.generation.scoring.score import Score, score
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer

Tokenizer = CharTokenizer | ByteTokenizer
AB = CharTokenizer("ab")
ABC = CharTokenizer("\nabc")
TEXT = "abc\ncab\n" * 6 + "b"


def checkpoint_for(tokenizer: Tokenizer, scale: float = 0.5, **options: Any) -> Checkpoint:
    """A model of random weights; a scale of 0 makes everything equally likely."""
    sizes = {"units": 6, "embedding_dim": 5, "num_layers": 1, **options}
    config = ModelConfig(vocab_size=tokenizer.vocab_size, **sizes)
    rng = np.random.default_rng(0)
    weights = {
        name: (rng.standard_normal(shape) * scale).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    return Checkpoint(config, tokenizer, weights)


def static_score(checkpoint: Checkpoint, documents: Any, **options: Any) -> Score:
    network = Network(checkpoint.model, checkpoint.weights)
    return score(network, checkpoint.tokenizer, documents, **options)


def assert_same(found: Score, expected: Score) -> None:
    """The same counts, and the same sum but for rounding; only the protocol differs."""
    assert found.protocol == "dynamic"
    assert found.nats == pytest.approx(expected.nats, rel=1e-5)
    counts = ("num_chars", "num_bytes", "num_unknown", "window")
    assert [getattr(found, n) for n in counts] == [getattr(expected, n) for n in counts]
