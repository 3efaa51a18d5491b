"""A trained model as plain data: a directory of JSON and safetensors files.

    config.json          format version, `ModelConfig`, facts about text and score
    tokenizer.json       the vocabulary
    model.safetensors    the weights, named as `ModelConfig.weight_shapes` names them
    ngrams.safetensors   only of a model with an n-gram memory: its tables and weights
    training.json        \\  only in `last`: what resuming needs
    training.safetensors /

Reading never runs code from a checkpoint, and checks names, shapes, types and sizes
against the configuration before it allocates any array. Writing is atomic; see
`textgen.disk.atomic`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from textgen.checkpoint.ngram_file import NGRAMS, read_ngrams
from textgen.config.arguments import one_path
from textgen.config.fields import from_dict, option_choices
from textgen.config.model import ModelConfig
from textgen.config.text import TextConfig
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
from textgen.disk.strict_files import damaged, opened
from textgen.disk.strict_json import check_json, read_json
from textgen.disk.strict_safetensors import Stored, fill, read_layout
from textgen.errors import CheckpointError, ConfigError, TokenizerError
from textgen.model.architecture import layers
from textgen.model.layers import Layer
from textgen.ngrams.model import NgramModel
from textgen.ngrams.storing import to_arrays
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.serialization import tokenizer_from_dict
from textgen.wording import few, is_whole_number, newer_format, shown

FORMAT_VERSION = 1
CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "model.safetensors"
TRAINING, TRAINING_WEIGHTS = "training.json", "training.safetensors"
FILES = (CONFIG, TOKENIZER, WEIGHTS, NGRAMS, TRAINING, TRAINING_WEIGHTS)
TRAIN_FIRST = "Train one first: textgen train YOUR_TEXT.txt"

# Many times the size of what is ever written. The size of the weights follows from the
# configuration; a training state is limited to eight times that, plus the carried state.
MAX_BYTES = {
    CONFIG: 4 * 2**20,
    TOKENIZER: 16 * 2**20,
    TRAINING: 32 * 2**20,
    TRAINING_WEIGHTS: 2**30,
}
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
    tokenizer: CharTokenizer | ByteTokenizer
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
        config = {
            "format_version": FORMAT_VERSION,
            "model": asdict(checkpoint.model),
            "facts": dict(checkpoint.facts),
        }
        _write_json(fresh / CONFIG, config)
        _write_json(fresh / TOKENIZER, checkpoint.tokenizer.to_dict())
        _write_arrays(fresh / WEIGHTS, checkpoint.weights)
        if checkpoint.ngrams is not None:
            _write_arrays(fresh / NGRAMS, to_arrays(checkpoint.ngrams))
        if training is not None:
            _write_json(fresh / TRAINING, training.values)
            _write_arrays(fresh / TRAINING_WEIGHTS, training.arrays)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint and check that its files match.

    Args:
        path: a checkpoint directory, or a run directory; see `checkpoint_directory`.

    Raises:
        CheckpointError: a file is missing, damaged, does not match the configuration,
            or was written by a newer version; the message names it.

    >>> import tempfile
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


def _read_config(directory: Path) -> tuple[ModelConfig, dict[str, Any]]:
    data = read_json(directory / CONFIG, MAX_BYTES[CONFIG])
    _check_version(directory / CONFIG, data)
    model = _read_model(directory / CONFIG, data)
    return model, _read_facts(directory / CONFIG, data)


def _read_checkpoint(directory: Path) -> Checkpoint:
    model, facts = _read_config(directory)
    tokenizer = _read_tokenizer(directory / TOKENIZER)
    if tokenizer.vocab_size != model.vocab_size:
        raise CheckpointError(
            f"{directory}: {TOKENIZER} has {tokenizer.vocab_size} symbols, but {CONFIG} "
            f"expects {model.vocab_size}. The files belong to different models."
        )
    weights = _read_weights(directory / WEIGHTS, model)
    ngrams = read_ngrams(directory / NGRAMS, tokenizer)
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
            _section(directory / TRAINING, values, name)
    with opened(directory / WEIGHTS) as (_, weights_bytes):
        arrays = _read_training_arrays(directory / TRAINING_WEIGHTS, weights_bytes)
    return TrainingState(values, arrays)


def checkpoint_directory(path: str | Path) -> Path:
    """The directory of the model in `path`: itself, its `best` or its `last`.

    A run has no `best` before its first evaluation.

    Raises:
        CheckpointError: none of them is a checkpoint.
    """
    path = Path(one_path("path", path))
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
    text = json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False)
    encoded = text.encode("utf-8")
    try:
        # A checkpoint that cannot be read must not replace one that can.
        check_json(encoded, MAX_BYTES[path.name])
    except ValueError as error:
        raise CheckpointError(
            f"{path.name} is too large for a checkpoint ({error}). Use fewer or "
            "shorter labels, or a larger `eval_every`."
        ) from error
    write_flushed(path, encoded)


def _write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    from safetensors.numpy import save

    whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    write_flushed(path, save(whole))


# --- reading -------------------------------------------------------------------


def _section(path: Path, data: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = data.get(name)
    if not isinstance(section, dict):
        raise CheckpointError(damaged(path, f"no {name!r} section"))
    return section


def _check_version(path: Path, data: Mapping[str, Any]) -> None:
    version = data.get("format_version")
    if not is_whole_number(version, least=1):
        raise CheckpointError(damaged(path, f"format_version {shown(version)}"))
    if version > FORMAT_VERSION:
        raise CheckpointError(newer_format(str(path), version, FORMAT_VERSION))


def _read_model(path: Path, data: Mapping[str, Any]) -> ModelConfig:
    try:
        return from_dict(ModelConfig, _section(path, data, "model"))
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _read_facts(path: Path, data: Mapping[str, Any]) -> dict[str, Any]:
    facts = _section(path, data, "facts")
    for name in ("text", "train", "score"):
        if name in facts:
            _section(path, facts, name)
    text = facts.get("text", {})
    kinds = option_choices(TextConfig, "documents")
    if "documents" in text and text["documents"] not in kinds:
        why = f"documents {shown(text['documents'])} must be one of {', '.join(kinds)}"
        raise CheckpointError(damaged(path, why))
    sources = text.get("sources", [])
    if not isinstance(sources, list) or not all(isinstance(s, str) for s in sources):
        raise CheckpointError(damaged(path, "sources must be a list of file names"))
    return facts


def _read_tokenizer(path: Path) -> CharTokenizer | ByteTokenizer:
    data = read_json(path, MAX_BYTES[TOKENIZER])
    try:
        return tokenizer_from_dict(data)
    except TokenizerError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _read_weights(path: Path, model: ModelConfig) -> dict[str, np.ndarray]:
    with opened(path) as (file, size):
        layout = read_layout(file, size)
        _check_num_layers(path, len(layout), model)
        shapes = model.weight_shapes()
        _check_names(path, set(layout), set(shapes))
        for name, shape in shapes.items():
            _check_layout(path, name, shape, layout[name])
        # The file has the size that the configuration implies, so allocate memory for it.
        weights: dict[str, np.ndarray] = {}
        for layer in layers(model):
            weights |= _empty_arrays(layer)
        for name, array in weights.items():
            fill(file, layout[name], array.data)
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise CheckpointError(
                f"{path}: weight {name} contains numbers that are not finite. "
                "Train again with a lower `learning_rate`."
            )
    return weights


def _empty_arrays(layer: Layer) -> dict[str, np.ndarray]:
    """Arrays for a layer's weights; those that it stacks are views of one array."""
    stacked = [layer.shapes[name] for name in layer.stacked]
    views: list[np.ndarray] = []
    if stacked:
        heights = [height for height, *_ in stacked]
        whole = np.empty((sum(heights), *stacked[0][1:]), "<f4")
        views = np.split(whole, np.cumsum(heights)[:-1])
    arrays = {name: np.empty(shape, "<f4") for name, shape in layer.shapes.items()}
    arrays |= dict(zip(layer.stacked, views, strict=True))
    return {layer.weight_name(name): array for name, array in arrays.items()}


def _check_num_layers(path: Path, num_weights: int, model: ModelConfig) -> None:
    if model.num_layers > num_weights:
        raise CheckpointError(
            f"{path}: {num_weights} weights are too few for the {model.num_layers} layers "
            f"in {CONFIG}. The files belong to different models."
        )


def _check_names(path: Path, found: set[str], expected: set[str]) -> None:
    if found != expected:
        raise CheckpointError(
            f"{path}: the weights do not match {CONFIG}; missing: "
            f"{_listed(expected - found)}; unexpected: {_listed(found - expected)}."
        )


def _listed(names: set[str]) -> str:
    return few(sorted(names), most=6) or "none"


def _check_layout(path: Path, name: str, expected: tuple[int, ...], found: Stored) -> None:
    if found.shape != expected or found.dtype != "F32":
        raise CheckpointError(
            f"{path}: weight {name} has shape {found.shape} and type {found.dtype}, but "
            f"{CONFIG} expects {expected} and F32."
        )


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
