"""Models to export."""

from __future__ import annotations

from typing import Any

import numpy as np

from textgen.checkpoint.format import Checkpoint
from textgen.config.model import ModelConfig
from textgen.text.tokenizers.char import CharTokenizer

TOKENIZER = CharTokenizer("abcdefg hijklmno")


def model_of(**options: Any) -> Checkpoint:
    """A model of random weights, which differ from zero."""
    sizes = {"units": 9, "embedding_dim": 6, "num_layers": 2}
    config = ModelConfig(TOKENIZER.vocab_size, **{**sizes, **options})
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(0, 0.5, shape).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    return Checkpoint(config, TOKENIZER, weights)
