"""A trained model as plain data: a directory of JSON and safetensors files.

    config.json          format version, `ModelConfig`, facts about text and score
    tokenizer.json       the vocabulary
    model.safetensors    the weights, named as `ModelConfig.weight_shapes` names them
    ngrams.safetensors   only of a model with an n-gram memory: its tables and weights
    training.json        \\  only in `last`: what resuming needs
    training.safetensors /

The same without a training state fits in one file, see `textgen.checkpoint.single_file`.

Reading never runs code from a checkpoint, and checks names, shapes, types and sizes
against the configuration before it allocates any array. Writing is atomic; see
`textgen.disk.atomic`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from textgen.checkpoint.ngram_file import NGRAMS, read_ngrams
from textgen.checkpoint.parts import (
    CONFIG,
    PART_BYTES,
    TOKENIZER,
    as_json,
    check_vocabulary,
    config_data,
    config_from,
    section,
    tokenizer_from,
    weights_from,
)
from textgen.checkpoint.single_file import (
    Parts,
    is_single_file,
    read_single,
    read_single_config,
    single_file_bytes,
)
from textgen.config.arguments import one_path
from textgen.config.model import ModelConfig
from textgen.disk.atomic import (
    ADVICE,
    locate,
    new_directory,
    read_consistent,
    survivor,
    write_flushed,
    writing_errors,
)
from textgen.disk.names import real_path
from textgen.disk.strict_files import opened
from textgen.disk.strict_json import read_json
from textgen.disk.strict_safetensors import fill, read_layout
from textgen.errors import CheckpointError
from textgen.ngrams.model import NgramModel
from textgen.ngrams.storing import to_arrays
from textgen.text.tokenizers.serialization import Tokenizer

WEIGHTS = "model.safetensors"
TRAINING, TRAINING_WEIGHTS = "training.json", "training.safetensors"
FILES = (CONFIG, TOKENIZER, WEIGHTS, NGRAMS, TRAINING, TRAINING_WEIGHTS)
TRAIN_FIRST = "Train one first: textgen train YOUR_TEXT.txt"

# Many times the size of what is ever written. The size of the weights follows from the
# configuration; a training state is limited to eight times that, plus the carried state.
MAX_BYTES = {**PART_BYTES, TRAINING: 32 * 2**20, TRAINING_WEIGHTS: 2**30}
TRAINING_TYPES = {
    **{"F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8"},
    **{"U8": "|u1", "U32": "<u4", "U64": "<u8"},
}
"""The types that optimizers, carried states, metrics and random generators have."""


@dataclass(frozen=True)
class Checkpoint:
    """A trained model.

    Args:
        weights: float32 arrays, named and shaped as `model.weight_shapes()` says.
        facts: JSON data about the origin of the model: `text`, `train`, `score`.
        ngrams: the n-gram memory of the training text, if there is one.
    """

    model: ModelConfig
    tokenizer: Tokenizer
    weights: Mapping[str, np.ndarray]
    facts: Mapping[str, Any] = field(default_factory=dict)
    ngrams: NgramModel | None = None


@dataclass(frozen=True)
class TrainingState:
    """What resuming needs besides the weights: JSON data and arrays."""

    values: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]


def save_checkpoint(
    path: str | Path,
    checkpoint: Checkpoint,
    training: TrainingState | None = None,
    advice: str = ADVICE,
) -> None:
    """Write a checkpoint directory, or replace one atomically.

    Unrelated files in a replaced directory are kept.

    Args:
        advice: the end of the message when it cannot be written.

    Raises:
        CheckpointError: the directory cannot be written.
    """
    # A link stays a link: what it points to is replaced.
    place = real_path(path)
    if os.path.exists(place) and not os.path.isdir(place):
        raise CheckpointError(f"{path} is a file. Choose another `out`.")
    with (
        writing_errors(path, "write the checkpoint", advice),
        new_directory(place, FILES) as fresh,
    ):
        config = config_data(checkpoint.model, checkpoint.facts)
        tokenizer = checkpoint.tokenizer.to_dict()
        _write_json(fresh / CONFIG, config)
        _write_json(fresh / TOKENIZER, tokenizer)
        _write_arrays(fresh / WEIGHTS, checkpoint.weights)
        if checkpoint.ngrams is not None:
            _write_arrays(fresh / NGRAMS, to_arrays(checkpoint.ngrams))
        if training is not None:
            _write_json(fresh / TRAINING, training.values)
            _write_arrays(fresh / TRAINING_WEIGHTS, training.arrays)


def as_single_file(
    checkpoint: Checkpoint, card: str = "", *, is_half: bool = False
) -> bytes:
    """The content of a file that holds a whole checkpoint.

    Args:
        card: a description for people, in Markdown.
        is_half: store the weights as float16, in half the space.

    Raises:
        CheckpointError: the facts or the vocabulary are larger than what is read.
    """
    saved = checkpoint
    parts = Parts(saved.model, saved.tokenizer, saved.weights, saved.facts, saved.ngrams)
    return single_file_bytes(parts, card, is_half=is_half)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint and check that its files match.

    Args:
        path: a checkpoint or a run; see `checkpoint_directory`.

    Raises:
        CheckpointError: a file is missing, damaged, does not match the configuration,
            or was written by a newer version; the message names it.

    >>> import tempfile
    >>> from textgen.text.tokenizers.char import CharTokenizer
    >>> config = ModelConfig(vocab_size=2, num_layers=1, units=2, embedding_dim=3)
    >>> shapes = config.weight_shapes().items()
    >>> weights = {name: np.ones(shape, np.float32) for name, shape in shapes}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     saved = Checkpoint(config, CharTokenizer("ab"), weights)
    ...     save_checkpoint(folder + "/model", saved)
    ...     loaded = load_checkpoint(folder + "/model")
    >>> loaded.tokenizer.encode("ba").tolist(), loaded.weights["output.bias"].tolist()
    ([1, 0], [1.0, 1.0])
    """
    return read_consistent(lambda: checkpoint_directory(path), _read_checkpoint)


def load_config(path: str | Path) -> tuple[ModelConfig, Mapping[str, Any]]:
    """The model and the facts of a checkpoint; neither vocabulary nor weights are read.

    Raises:
        CheckpointError: as for `load_checkpoint`.
    """
    return read_consistent(lambda: checkpoint_directory(path), _read_config)


def _read_config(place: Path) -> tuple[ModelConfig, dict[str, Any]]:
    if is_single_file(place):
        return read_single_config(place)
    data = read_json(place / CONFIG, MAX_BYTES[CONFIG])
    return config_from(place / CONFIG, data)


def _read_checkpoint(place: Path) -> Checkpoint:
    if is_single_file(place):
        return Checkpoint(*read_single(place))
    model, facts = _read_config(place)
    data = read_json(place / TOKENIZER, MAX_BYTES[TOKENIZER])
    tokenizer = tokenizer_from(place / TOKENIZER, data)
    check_vocabulary(place, tokenizer, model)
    with opened(place / WEIGHTS) as (file, size):
        weights = weights_from(place / WEIGHTS, file, read_layout(file, size), model)
    ngrams = read_ngrams(place / NGRAMS, tokenizer)
    return Checkpoint(model, tokenizer, weights, facts, ngrams)


def load_training_state(path: str | Path) -> TrainingState:
    """Read what `--resume` needs from a `last` directory.

    Raises:
        CheckpointError: missing or damaged.
    """
    return read_consistent(lambda: survivor(Path(path)), _read_training_state)


def _read_training_state(directory: Path) -> TrainingState:
    values = read_json(directory / TRAINING, MAX_BYTES[TRAINING])
    for name in ("text", "train", "state"):
        if name in values:
            section(directory / TRAINING, values, name)
    with opened(directory / WEIGHTS) as (_, weights_bytes):
        arrays = _read_training_arrays(directory / TRAINING_WEIGHTS, weights_bytes)
    return TrainingState(values, arrays)


def checkpoint_directory(path: str | Path) -> Path:
    """The place of the model in `path`: itself, its `best` or its `last`.

    A run has no `best` before its first evaluation. A single file is its own place.

    Raises:
        CheckpointError: none of them is a checkpoint.
    """
    path = Path(one_path("path", path))
    if is_single_file(path):
        # The user chose a link given as `path`.
        return real_path(path) if os.path.islink(path) else path
    for candidate in (path, path / "best", path / "last"):
        # Checked before it is followed.
        is_link = candidate != path and os.path.islink(candidate)
        # One of the two files is enough; the error then names the other.
        place = None if is_link else locate(candidate, (CONFIG, WEIGHTS))
        found = place or candidate
        if is_link or (found != path and os.path.islink(found)):
            # The user chose a link given as `path`, but one inside came with the run.
            raise CheckpointError(
                f"{found}: refused (a symbolic link, which may lead out of the run). Name "
                "the checkpoint that it points to."
            )
        if place is not None:
            return place
    raise CheckpointError(
        f"{path}: not a checkpoint ({_what_is_wrong(path)}). {TRAIN_FIRST}"
    )


def _what_is_wrong(path: Path) -> str:
    # `os.path.exists`, not `Path.exists`, which raises for a name that is too long.
    if not os.path.exists(path):
        return "no such directory"
    return f"no {CONFIG} in it" if os.path.isdir(path) else "a file, not a directory"


# --- writing -------------------------------------------------------------------


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    text = as_json(path.name, data, MAX_BYTES[path.name])
    write_flushed(path, text.encode("utf-8"))


def _write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    from safetensors.numpy import save

    whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    write_flushed(path, save(whole))


def _read_training_arrays(path: Path, weights_bytes: int) -> dict[str, np.ndarray]:
    with opened(path, 8 * weights_bytes + MAX_BYTES[TRAINING_WEIGHTS]) as (file, size):
        layout = read_layout(file, size)
        for name, stored in layout.items():
            if stored.dtype not in TRAINING_TYPES:
                raise ValueError(
                    f"{name} has the type {stored.dtype}, which Keras does not use"
                )
        arrays = {
            name: np.empty(stored.shape, TRAINING_TYPES[stored.dtype])
            for name, stored in layout.items()
        }
        for name, array in arrays.items():
            fill(file, layout[name], array.data)
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ValueError(f"{name} contains numbers that are not finite")
    return arrays
