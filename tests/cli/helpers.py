"""The real command, and an untrained checkpoint to run it with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from textgen.checkpoint.format import Checkpoint, save_checkpoint
from textgen.config.model import ModelConfig
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer

STORY = "Kit went to sea and said nothing.\n"


def untrained(path: Path, tokenizer: CharTokenizer | ByteTokenizer) -> Path:
    config = ModelConfig(vocab_size=tokenizer.vocab_size, units=8, embedding_dim=4)
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(0, 0.3, shape).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    save_checkpoint(path, Checkpoint(config, tokenizer, weights))
    return path


def textgen(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the real command in a process of its own."""
    command = [sys.executable, "-m", "textgen", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)  # type: ignore[call-overload]
