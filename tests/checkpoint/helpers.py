"""Small checkpoints whose weights name their version."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textgen.checkpoint import format as checkpoint_module
from textgen.checkpoint.format import (
    CONFIG,
    TOKENIZER,
    WEIGHTS,
    Checkpoint,
    TrainingState,
    load_checkpoint,
    save_checkpoint,
)
from textgen.config.model import ModelConfig
from textgen.errors import CheckpointError
from textgen.text.tokenizers.char import CharTokenizer

MODEL_FILES = (CONFIG, TOKENIZER, WEIGHTS)


def make(version: int = 1, text: str = "abc", **options: Any) -> Checkpoint:
    """A small checkpoint; every weight of it is `version`."""
    tokenizer = CharTokenizer(text)
    sizes = {"units": 2, "embedding_dim": 3, "num_layers": 1}
    config = ModelConfig(vocab_size=tokenizer.vocab_size, **{**sizes, **options})
    weights = {
        name: np.full(shape, version, np.float32)
        for name, shape in config.weight_shapes().items()
    }
    return Checkpoint(config, tokenizer, weights, {"score": {"step": version}})


def version_of(path: Path) -> int:
    """Which checkpoint lies at `path`; its files must belong together."""
    loaded = load_checkpoint(path)
    version = loaded.facts["score"]["step"]
    assert all((weight == version).all() for weight in loaded.weights.values())
    return int(version)


def message_of(path: str | Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def error_of(load: Callable[[Path], Any], path: Path) -> str:
    """What is wrong with a checkpoint; "" where it loads."""
    try:
        load(path)
    except CheckpointError as error:
        return str(error)
    return ""


class Crash(BaseException):
    """The process ends here: nothing catches it, nothing cleans up."""


def arm(patch: pytest.MonkeyPatch, crash_at: int) -> None:
    """Crash in place of operation number `crash_at` that changes the disk."""
    numbers = itertools.count()
    write = checkpoint_module.write_flushed

    def crashing(name: str) -> Callable[..., Any]:
        operation = getattr(os, name)

        def run(*args: Any, **kwargs: Any) -> Any:
            if next(numbers) == crash_at:
                raise Crash
            return operation(*args, **kwargs)

        return run

    def half_written(path: Path, data: bytes) -> None:
        if next(numbers) == crash_at:
            path.write_bytes(data[: len(data) // 2])
            raise Crash
        write(path, data)

    for name in ("rename", "replace", "unlink", "rmdir", "mkdir"):
        patch.setattr(os, name, crashing(name))
    patch.setattr(checkpoint_module, "write_flushed", half_written)


def save_and_crash(path: Path, version: int, crash_at: int) -> bool:
    """Save; whether it came to a crash."""
    with pytest.MonkeyPatch.context() as patch:
        arm(patch, crash_at)
        try:
            save_checkpoint(path, make(version), TrainingState({}, {}))
        except Crash:
            return True
    return False
