"""Fine-tuning: a new run begins with the weights of a checkpoint (`--init-from`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from textgen.checkpoint.bases import base_name
from textgen.checkpoint.format import Checkpoint, load_checkpoint
from textgen.checkpoint.runs import find_checkpoint
from textgen.config.model import ModelConfig
from textgen.disk.names import shareable_run
from textgen.errors import ConfigError
from textgen.text.encoded.vocabulary_rule import corresponding_ids
from textgen.text.reading.sources import storable_name
from textgen.text.tokenizers.serialization import Tokenizer

INIT_FROM = "init_from"
"""The key, among the facts about the text, that names the fine-tuned checkpoint."""

MAY_CHANGE = {
    *("dropout", "embedding_dropout", "recurrent_dropout", "weight_drop"),
    *("weight_decay", "l1"),
}
"""Model options that do not affect the shapes of weights."""

NETWORK_OPTIONS = frozenset({field.name for field in fields(ModelConfig)} - MAY_CHANGE)
"""Model options that a new run takes over from the checkpoint."""


@dataclass(frozen=True)
class BaseModel:
    """The checkpoint that a new run is fine-tuned from, and its directory."""

    path: Path
    checkpoint: Checkpoint

    @property
    def name(self) -> str:
        """The name of the run or base, as the new run stores it."""
        return base_name(self.path) or storable_name(shareable_run(str(self.path)))

    def text_options(self) -> dict[str, Any]:
        """The fields of `TextConfig` that the checkpoint's tokenizer determines."""
        tokenizer = self.checkpoint.tokenizer
        return {"tokenizer": tokenizer.kind, "normalize": tokenizer.normalize}

    def model(self, tokenizer: Tokenizer, given: Mapping[str, Any]) -> ModelConfig:
        """The network of a new run, which drops no weights unless it is told to.

        Args:
            tokenizer: of that run.
            given: options of it that may change.
        """
        options = {"weight_drop": 0.0, **given, "vocab_size": tokenizer.vocab_size}
        return replace(self.checkpoint.model, **options)

    def note(self, tokenizer: Tokenizer) -> str:
        """A sentence about the vocabulary; `tokenizer` is that of the new run."""
        num_old = self.checkpoint.tokenizer.vocab_size
        num_new = tokenizer.vocab_size - num_old
        grown = f", {num_new:,} new in this text" if num_new else ""
        return (
            f"Fine-tuning {base_name(self.path) or self.path}, which knows "
            f"{num_old:,} characters{grown}."
        )

    def weights(self, tokenizer: Tokenizer, model: ModelConfig) -> dict[str, np.ndarray]:
        """The initial weights of the new run.

        Symbols of the old vocabulary keep their rows; a new one starts as the mean of the
        old ones.

        Args:
            tokenizer, model: of the new run.

        Returns:
            float32 arrays, named and shaped as `model.weight_shapes()` says.
        """
        old_ids = corresponding_ids(tokenizer, self.checkpoint.tokenizer)
        weights = dict(self.checkpoint.weights)
        for name, axis in (("embedding", 0), ("output.kernel", 1), ("output.bias", 0)):
            if name in weights:
                weights[name] = _grown(weights[name], old_ids, axis)
        assert {n: w.shape for n, w in weights.items()} == model.weight_shapes()
        return weights


def load_base(path: str | Path, size: str, values: Mapping[str, Any]) -> BaseModel:
    """Load the checkpoint to fine-tune, and refuse options that contradict it.

    Args:
        path: as for `find_checkpoint`.
        size: must be `auto`.
        values: options of the new run, by name.

    Raises:
        CheckpointError: the checkpoint cannot be read.
        ConfigError: options differ from those of the checkpoint; the message names all.
    """
    directory = find_checkpoint(path)
    base = BaseModel(directory, load_checkpoint(directory))
    if size != "auto":
        raise ConfigError("init_from determines the size. Leave out `size`.")
    fixed = {**asdict(base.checkpoint.model), **base.text_options()}
    differ = [
        f"{name}={value!r} (there {fixed[name]!r})"
        for name, value in values.items()
        if name in fixed and name not in MAY_CHANGE and value != fixed[name]
    ]
    if differ:
        raise ConfigError(
            f"a run fine-tuned from {path} keeps its architecture and its way of reading "
            f"text, but these options differ: {', '.join(differ)}. Leave them out, or "
            "train without init_from."
        )
    return base


def _grown(weight: np.ndarray, old_ids: np.ndarray, axis: int) -> np.ndarray:
    """Rows (or columns) for a larger vocabulary; those of new symbols are the mean.

    Args:
        old_ids: for each new id the old one, or -1.

    >>> _grown(np.array([2.0, 4.0]), np.array([1, -1, 0]), axis=0).tolist()
    [4.0, 3.0, 2.0]
    """
    mean = weight.mean(axis=axis, keepdims=True)
    # An index of -1 takes the last row, which is the mean.
    return np.concatenate([weight, mean], axis=axis).take(old_ids, axis=axis)
