"""The parts of a checkpoint, whether they are files of a directory or lie in one file.

What is read is checked strictly; the functions are told the `path` with which their
messages begin.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from textgen.config.fields import from_dict, option_choices
from textgen.config.model import ModelConfig
from textgen.config.text import TextConfig
from textgen.disk.strict_files import damaged
from textgen.disk.strict_json import check_json
from textgen.disk.strict_safetensors import Stored, fill
from textgen.errors import CheckpointError, ConfigError, TokenizerError
from textgen.model.architecture import layers
from textgen.model.layers import Layer
from textgen.text.tokenizers.serialization import Tokenizer, tokenizer_from_dict
from textgen.wording import few, is_whole_number, newer_format, shown

FORMAT_VERSION = 1
CONFIG, TOKENIZER = "config.json", "tokenizer.json"

PART_BYTES = {CONFIG: 4 * 2**20, TOKENIZER: 16 * 2**20}
"""Many times the size of what is ever written."""

WEIGHT_TYPES = {"F32": "<f4", "F16": "<f2"}
"""How weights may be stored; in memory they are float32."""


def config_data(model: ModelConfig, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The content of `config.json`."""
    return {
        "format_version": FORMAT_VERSION,
        "model": asdict(model),
        "facts": dict(facts),
    }


def as_json(name: str, data: Mapping[str, Any], max_bytes: int) -> str:
    """The text of a JSON file that can be read again.

    Raises:
        CheckpointError: it would be larger than what is read.
    """
    text = json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False)
    try:
        # A checkpoint that cannot be read must not replace one that can.
        check_json(text.encode("utf-8"), max_bytes)
    except ValueError as error:
        raise CheckpointError(
            f"{name} is too large for a checkpoint ({error}). Use fewer or "
            "shorter labels, or a larger `eval_every`."
        ) from error
    return text


def config_from(path: Path, data: Mapping[str, Any]) -> tuple[ModelConfig, dict[str, Any]]:
    """The model and the facts in the content of `config.json`.

    Raises:
        CheckpointError: a part is missing or invalid, or the version is newer.
    """
    _check_version(path, data)
    try:
        model = from_dict(ModelConfig, section(path, data, "model"))
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return model, _facts_from(path, data)


def tokenizer_from(path: Path, data: Mapping[str, Any]) -> Tokenizer:
    """The vocabulary in the content of `tokenizer.json`.

    Raises:
        CheckpointError: it is damaged, or the version is newer.
    """
    try:
        return tokenizer_from_dict(data)
    except TokenizerError as error:
        raise CheckpointError(f"{path}: {error}") from error


def check_vocabulary(path: Path, tokenizer: Tokenizer, model: ModelConfig) -> None:
    """Refuse a vocabulary that is not that of the model.

    Raises:
        CheckpointError: the numbers of symbols differ.
    """
    if tokenizer.vocab_size != model.vocab_size:
        raise CheckpointError(
            f"{path}: {TOKENIZER} has {tokenizer.vocab_size} symbols, but {CONFIG} "
            f"expects {model.vocab_size}. The files belong to different models."
        )


def weights_from(
    path: Path, file: BinaryIO, layout: Mapping[str, Stored], model: ModelConfig
) -> dict[str, np.ndarray]:
    """The weights of a model; no memory is allocated before all of them fit.

    Args:
        layout: of the weights alone.

    Raises:
        CheckpointError: they do not match the model, or are not finite.
        ValueError: the file has become shorter.
    """
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
        _fill_weight(file, layout[name], array)
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise CheckpointError(
                f"{path}: weight {name} contains numbers that are not finite. "
                "Train again with a lower `learning_rate`."
            )
    return weights


def section(path: Path, data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A part of JSON data that is an object.

    Raises:
        CheckpointError: it is missing, or something else.
    """
    found = data.get(name)
    if not isinstance(found, dict):
        raise CheckpointError(damaged(path, f"no {name!r} section"))
    return found


def _check_version(path: Path, data: Mapping[str, Any]) -> None:
    version = data.get("format_version")
    if not is_whole_number(version, least=1):
        raise CheckpointError(damaged(path, f"format_version {shown(version)}"))
    if version > FORMAT_VERSION:
        raise CheckpointError(newer_format(str(path), version, FORMAT_VERSION))


def _facts_from(path: Path, data: Mapping[str, Any]) -> dict[str, Any]:
    facts = section(path, data, "facts")
    for name in ("text", "train", "score"):
        if name in facts:
            section(path, facts, name)
    text = facts.get("text", {})
    kinds = option_choices(TextConfig, "documents")
    if "documents" in text and text["documents"] not in kinds:
        why = f"documents {shown(text['documents'])} must be one of {', '.join(kinds)}"
        raise CheckpointError(damaged(path, why))
    sources = text.get("sources", [])
    if not isinstance(sources, list) or not all(isinstance(s, str) for s in sources):
        raise CheckpointError(damaged(path, "sources must be a list of file names"))
    return facts


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


def _fill_weight(file: BinaryIO, stored: Stored, array: np.ndarray) -> None:
    dtype = np.dtype(WEIGHT_TYPES[stored.dtype])
    if dtype == array.dtype:
        fill(file, stored, array.data)
    else:
        as_stored = np.empty(array.shape, dtype)
        fill(file, stored, as_stored.data)
        array[...] = as_stored


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
    if found.shape != expected or found.dtype not in WEIGHT_TYPES:
        raise CheckpointError(
            f"{path}: weight {name} has shape {found.shape} and type {found.dtype}, but "
            f"{CONFIG} expects {expected} and {' or '.join(WEIGHT_TYPES)}."
        )
