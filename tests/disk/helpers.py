"""A small checkpoint, and what is wrong with one of its files."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textgen.checkpoint.format import (
    CONFIG,
    TRAINING,
    TRAINING_WEIGHTS,
    Checkpoint,
    load_checkpoint,
    load_training_state,
)
from textgen.config.model import ModelConfig
from textgen.errors import CheckpointError
from textgen.text.tokenizers.char import CharTokenizer


def checkpoint() -> Checkpoint:
    config = ModelConfig(vocab_size=3, num_layers=1, units=2, embedding_dim=3)
    weights = {name: np.ones(s, np.float32) for name, s in config.weight_shapes().items()}
    return Checkpoint(config, CharTokenizer("abc"), weights)


def refusal(path: Path, name: str = CONFIG) -> str:
    """What is wrong with one file of a checkpoint, without its name."""
    load = load_training_state if name in (TRAINING, TRAINING_WEIGHTS) else load_checkpoint
    with pytest.raises(CheckpointError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path / name}: ")
    assert message.isprintable()
    return message.removeprefix(f"{path / name}: ")


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def file_of(header: Any, body: bytes = b"\0" * 8, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body
