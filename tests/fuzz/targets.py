"""What both kinds of fuzzing feed, and what must hold whatever they feed it."""

from __future__ import annotations

import contextlib
import json
import warnings
from pathlib import Path

import numpy as np

from textgen.checkpoint.describe import as_text, describe
from textgen.checkpoint.format import (
    FILES,
    TRAINING,
    TRAINING_WEIGHTS,
    Checkpoint,
    TrainingState,
    load_checkpoint,
    load_training_state,
    save_checkpoint,
)
from textgen.config.model import ModelConfig
from textgen.errors import CheckpointError, TextgenError
from textgen.generation.generator import Generator
from textgen.ngrams.counting import count_ngrams
from textgen.ngrams.model import NgramModel
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.wording import one_line

TOKENIZERS: tuple[Tokenizer, ...] = (
    CharTokenizer("ab é\n😀"),
    CharTokenizer("ab\n", normalize="nfkc", unknown=True, end_of_document=True),
    CharTokenizer("ab ", normalize="none", end_of_document=True, labels=("glad", "sad")),
    ByteTokenizer(),
    ByteTokenizer(normalize="nfkc", end_of_document=True, labels=("glad", "sad")),
)


def small_model(tokenizer: Tokenizer) -> Checkpoint:
    """An untrained model of a few weights, with facts as training writes them."""
    config = ModelConfig(tokenizer.vocab_size, num_layers=1, units=2, embedding_dim=3)
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(0, 0.3, shape).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    text = {"documents": "whole", "sources": ["a.txt"], "num_chars": 9, "num_documents": 1}
    score = {"step": 3, "epoch": 0.5, "val_bits_per_char": 2.5}
    facts = {"textgen_version": "1", "text": text, "train": {"seed": 0}, "score": score}
    ids = np.arange(60) % tokenizer.vocab_size
    ngrams = NgramModel(
        count_ngrams(ids, tokenizer.vocab_size, 3, boundary=tokenizer.eod_id), 0.5
    )
    return Checkpoint(config, tokenizer, weights, facts, ngrams)


def small_state() -> TrainingState:
    """What training keeps, in small."""
    rows = [{"step": 3, "epoch": 0.5, "learning_rate": 0.01}]
    values = {"text": {}, "train": {"seed": 1}, "state": {"step": 3, "rows": rows}}
    arrays = {
        "optimizer.0": np.array(3, np.int64),
        "optimizer.1": np.ones((2, 8), np.float32),
        "model.0": np.array([1, 2], np.uint32),
    }
    return TrainingState(values, arrays)


class Target:
    """A checkpoint of which one file at a time is replaced by what a stranger wrote."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "best"
        save_checkpoint(self.path, small_model(TOKENIZERS[2]), small_state())
        self.sound = {name: (self.path / name).read_bytes() for name in FILES}
        self.generators = [
            Generator(m.model, m.weights, m.tokenizer) for m in map(small_model, TOKENIZERS)
        ]

    def read(self, name: str, data: bytes) -> str:
        """Read the checkpoint with this file in it: "loaded", or the error's message.

        Anything but a `CheckpointError`, and what it may not say, is a failure.
        """
        (self.path / name).write_bytes(data)
        try:
            load = load_training if name in (TRAINING, TRAINING_WEIGHTS) else load_and_write
            load(self.path)
        except CheckpointError as error:
            message = str(error)
            assert message.startswith(str(self.path)), message
            assert message == one_line(message), message
            assert len(message) < 1000, message
            return message
        finally:
            (self.path / name).write_bytes(self.sound[name])
        return "loaded"

    def prompt(self, text: str, unknown: str, which: int) -> None:
        """Go on from a prompt, and judge it; only errors of ours may come."""
        generator = self.generators[which % len(self.generators)]
        label = "glad" if generator.tokenizer.labels else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                written = generator.generate(text, length=3, seed=0, unknown=unknown)
                assert len(written) <= 3
            except TextgenError:
                # What is unknown is left out where that is wished for.
                if unknown == "skip":
                    raise
            with contextlib.suppress(TextgenError):
                assert generator.score(text, label=label).bits_per_char >= 0


def load_and_write(path: Path) -> None:
    """Load a checkpoint, see that it holds together, describe it, write with it."""
    loaded = load_checkpoint(path)
    shapes = {name: weight.shape for name, weight in loaded.weights.items()}
    assert shapes == loaded.model.weight_shapes()
    assert all(np.isfinite(weight).all() for weight in loaded.weights.values())
    assert loaded.tokenizer.vocab_size == loaded.model.vocab_size
    page = as_text(describe(loaded, path))
    assert all(line == one_line(line) for line in page.split("\n")), page
    json.dumps(describe(loaded, path), allow_nan=False).encode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Generator.load(path).generate("a", length=2, seed=0)


def load_training(path: Path) -> None:
    """Load the state of a training, and see that it is made of numbers."""
    loaded = load_training_state(path)
    json.dumps(loaded.values, allow_nan=False, ensure_ascii=False).encode()
    for array in loaded.arrays.values():
        assert array.dtype.kind in "fiu"
        assert np.isfinite(array).all()
