"""A trained model as one safetensors file.

Its arrays are the weights and, of a model with an n-gram memory, the arrays of that with
`ngrams.` before their names. Its metadata hold the other files of a checkpoint directory
under the same names, `config.json` and `tokenizer.json`, and `README.md`, which describes
the model for people.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from textgen.checkpoint.ngram_file import MAX_BYTES as MAX_NGRAMS_BYTES
from textgen.checkpoint.ngram_file import ngrams_from
from textgen.checkpoint.parts import (
    CONFIG,
    PART_BYTES,
    TOKENIZER,
    WEIGHT_TYPES,
    as_json,
    check_vocabulary,
    config_data,
    config_from,
    tokenizer_from,
    weights_from,
)
from textgen.config.model import ModelConfig
from textgen.disk.strict_files import opened
from textgen.disk.strict_json import parse_json
from textgen.disk.strict_safetensors import MAX_HEADER_BYTES, Stored, read_header
from textgen.errors import CheckpointError
from textgen.ngrams.model import NgramModel
from textgen.ngrams.storing import to_arrays
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.wording import few, shown

SUFFIX = ".safetensors"
CARD = "README.md"
NGRAMS_PREFIX = "ngrams."

MOST_HEADER_BYTES = MAX_HEADER_BYTES + 2 * sum(PART_BYTES.values())
"""JSON within JSON has a backslash before every quote."""


class Parts(NamedTuple):
    """What a checkpoint consists of; see `textgen.checkpoint.format.Checkpoint`."""

    model: ModelConfig
    tokenizer: Tokenizer
    weights: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]
    ngrams: NgramModel | None


def is_single_file(path: str | Path) -> bool:
    """Whether a path leads to a file that holds, or should hold, a whole checkpoint."""
    return str(path).endswith(SUFFIX) and os.path.isfile(path)


def single_file_bytes(parts: Parts, card: str = "", *, is_half: bool = False) -> bytes:
    """The content of such a file.

    Args:
        card: a description for people, in Markdown.
        is_half: store the weights as float16, in half the space.

    Raises:
        CheckpointError: the facts or the vocabulary are larger than what is read.
    """
    from safetensors.numpy import save

    metadata = metadata_of(parts.model, parts.tokenizer, parts.facts, card)
    dtype = WEIGHT_TYPES["F16" if is_half else "F32"]
    arrays = {name: weight.astype(dtype) for name, weight in parts.weights.items()}
    if parts.ngrams is not None:
        own = to_arrays(parts.ngrams)
        arrays |= {f"{NGRAMS_PREFIX}{name}": array for name, array in own.items()}
    whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    content: bytes = save(whole, metadata)
    return content


def metadata_of(
    model: ModelConfig, tokenizer: Tokenizer, facts: Mapping[str, Any], card: str
) -> dict[str, str]:
    """Configuration, vocabulary and card, by the names of their files.

    Raises:
        CheckpointError: as `single_file_bytes`.
    """
    config = config_data(model, facts)
    return {
        CONFIG: as_json(CONFIG, config, PART_BYTES[CONFIG]),
        TOKENIZER: as_json(TOKENIZER, tokenizer.to_dict(), PART_BYTES[TOKENIZER]),
        CARD: card,
    }


def read_single(path: Path) -> Parts:
    """Read such a file, as strictly as a directory.

    Raises:
        CheckpointError: it is damaged, its parts do not match, or it holds weights alone.
    """
    with opened(path) as (file, size):
        metadata, layout = read_header(file, size, MOST_HEADER_BYTES)
        model, facts = _config(path, metadata)
        tokenizer = tokenizer_from(path, _json_in(metadata, TOKENIZER))
        check_vocabulary(path, tokenizer, model)
        own, ngrams_layout = _separated(layout)
        weights = weights_from(path, file, own, model)
        ngrams = None
        if ngrams_layout:
            num_bytes = sum(each.end - each.begin for each in ngrams_layout.values())
            if num_bytes > MAX_NGRAMS_BYTES:
                raise ValueError(f"{num_bytes:,} bytes of n-grams")
            ngrams = ngrams_from(file, ngrams_layout, tokenizer)
    return Parts(model, tokenizer, weights, facts, ngrams)


def stored_card(path: Path) -> str:
    """The description in such a file; empty without one.

    Raises:
        CheckpointError: the file is damaged.
    """
    with opened(path) as (file, size):
        return read_header(file, size, MOST_HEADER_BYTES)[0].get(CARD, "")


def read_single_config(path: Path) -> tuple[ModelConfig, dict[str, Any]]:
    """The model and the facts in such a file.

    Raises:
        CheckpointError: as `read_single`.
    """
    with opened(path) as (file, size):
        return _config(path, read_header(file, size, MOST_HEADER_BYTES)[0])


def _config(path: Path, metadata: Mapping[str, str]) -> tuple[ModelConfig, dict[str, Any]]:
    if CONFIG not in metadata:
        raise CheckpointError(
            f"{path}: weights without a configuration. Name the directory of the "
            "checkpoint, or make one file of it: textgen export CHECKPOINT --format textgen"
        )
    if foreign := metadata.keys() - {CONFIG, TOKENIZER, CARD}:
        raise ValueError(f"unexpected metadata: {few(sorted(map(shown, foreign)))}")
    return config_from(path, _json_in(metadata, CONFIG))


def _json_in(metadata: Mapping[str, str], name: str) -> dict[str, Any]:
    if name not in metadata:
        raise ValueError(f"no {name} in its metadata")
    content = metadata[name].encode("utf-8")
    if len(content) > PART_BYTES[name]:
        raise ValueError(f"{name} of {len(content):,} bytes")
    data = parse_json(content)
    if not isinstance(data, dict):
        raise ValueError(f"{name} is not a JSON object")
    return data


def _separated(
    layout: Mapping[str, Stored],
) -> tuple[dict[str, Stored], dict[str, Stored]]:
    """The arrays of the network, and those of the n-gram memory by their own names."""
    own: dict[str, Stored] = {}
    ngrams: dict[str, Stored] = {}
    for name, stored in layout.items():
        if name.startswith(NGRAMS_PREFIX):
            ngrams[name.removeprefix(NGRAMS_PREFIX)] = stored
        else:
            own[name] = stored
    return own, ngrams
