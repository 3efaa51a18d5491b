"""To learn on from the weights of a checkpoint, on other text: `--init-from`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textgen.checkpoint.format import Checkpoint, load_checkpoint
from textgen.checkpoint.runs import find_checkpoint
from textgen.config.fields import to_dict
from textgen.config.model import ModelConfig
from textgen.errors import ConfigError
from textgen.text.encoded.vocabulary_rule import corresponding_ids
from textgen.text.tokenizers.serialization import Tokenizer

# What the weights do not depend on.
MAY_CHANGE = {"dropout", "embedding_dropout", "recurrent_dropout", "weight_decay", "l1"}


@dataclass(frozen=True)
class Start:
    """A checkpoint that a new run begins from.

    Args:
        path: its directory.
    """

    path: Path
    checkpoint: Checkpoint

    @property
    def model(self) -> ModelConfig:
        """The architecture, which the new run keeps."""
        return self.checkpoint.model

    @property
    def tokenizer(self) -> Tokenizer:
        """The vocabulary, which the new run adds to."""
        return self.checkpoint.tokenizer

    def text_options(self) -> dict[str, str]:
        """Options of `TextConfig` that the vocabulary settles."""
        return {"tokenizer": self.tokenizer.kind, "normalize": self.tokenizer.normalize}

    def note(self, tokenizer: Tokenizer) -> str:
        """A sentence about what the new run begins with.

        Args:
            tokenizer: of the new run.
        """
        num_new = tokenizer.vocab_size - self.tokenizer.vocab_size
        grown = f", {num_new:,} new in this text" if num_new else ""
        return (
            f"Learning on from {self.path}: {self.tokenizer.vocab_size:,} symbols{grown}."
        )

    def weights(self, tokenizer: Tokenizer, model: ModelConfig) -> dict[str, np.ndarray]:
        """The first weights of the new run.

        What the old vocabulary had keeps its rows; a new character begins as the average
        of the old ones.

        Args:
            tokenizer, model: of the new run.

        Returns:
            float32 arrays, named and shaped as `model.weight_shapes()` says.
        """
        old_ids = corresponding_ids(tokenizer, self.tokenizer)
        weights = dict(self.checkpoint.weights)
        for name, axis in (("embedding", 0), ("output.kernel", 1), ("output.bias", 0)):
            if name in weights:
                weights[name] = _grown(weights[name], old_ids, axis)
        assert {n: w.shape for n, w in weights.items()} == model.weight_shapes()
        return weights


def load_start(path: str | Path, size: str, options: Mapping[str, Any]) -> Start:
    """Read the checkpoint to begin from, and refuse options that it settles otherwise.

    Args:
        path: as for `find_checkpoint`.
        size: must be left to the checkpoint.
        options: of the new run.

    Raises:
        CheckpointError: it cannot be read.
        ConfigError: options differ from the checkpoint's; it names all of them.
    """
    start = Start(directory := find_checkpoint(path), load_checkpoint(directory))
    if size != "auto":
        raise ConfigError("the size is that of --init-from. Leave out --size.")
    settled = {**to_dict(start.model), **start.text_options()}
    differ = [
        f"{name}={value!r} (there {settled[name]!r})"
        for name, value in options.items()
        if name in settled and name not in MAY_CHANGE and value != settled[name]
    ]
    if differ:
        raise ConfigError(
            f"a run that begins from {path} keeps what its weights are made for, but these "
            f"differ: {', '.join(differ)}. Leave them out, or train without --init-from."
        )
    return start


def _grown(weight: np.ndarray, old_ids: np.ndarray, axis: int) -> np.ndarray:
    """Rows (or columns) for new ids: the old ones, and their average for what is new.

    >>> _grown(np.array([2.0, 4.0]), np.array([1, -1, 0]), axis=0).tolist()
    [4.0, 3.0, 2.0]
    """
    mean = weight.mean(axis=axis, keepdims=True)
    # -1, which means new, is the last one.
    return np.concatenate([weight, mean], axis=axis).take(old_ids, axis=axis)
