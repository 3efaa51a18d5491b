"""The n-gram memory of a checkpoint on disk: `ngrams.safetensors`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from textgen.config.arguments import flag
from textgen.config.train import MOST_MEMORY
from textgen.disk.strict_files import opened
from textgen.disk.strict_safetensors import Stored, fill, read_layout
from textgen.errors import ConfigError
from textgen.ngrams.model import NgramModel
from textgen.ngrams.storing import LEVEL_ARRAYS, dtypes, from_arrays
from textgen.text.tokenizers.serialization import Tokenizer

NGRAMS = "ngrams.safetensors"

MAX_BYTES = 2**28
"""More than `textgen.ngrams.counting.MOST_NGRAMS` n-grams take."""

TYPES = {"F32": "<f4", "I64": "<i8", "U8": "|u1", "U16": "<u2", "U32": "<u4"}


def read_ngrams(path: Path, tokenizer: Tokenizer) -> NgramModel | None:
    """Read the file, as strictly as the weights; None if there is none.

    Raises:
        CheckpointError: it is damaged, or does not fit the vocabulary.
    """
    if not os.path.lexists(path):
        return None
    with opened(path, MAX_BYTES) as (file, size):
        return ngrams_from(file, read_layout(file, size), tokenizer)


def ngrams_from(
    file: BinaryIO, layout: Mapping[str, Stored], tokenizer: Tokenizer
) -> NgramModel:
    """The n-gram memory in a file of arrays.

    Args:
        layout: of the arrays of the memory alone.

    Raises:
        ValueError: they are not those of a memory for this vocabulary.
    """
    order, rest = divmod(len(layout) - 2, len(LEVEL_ARRAYS))
    if rest or not 2 <= order <= MOST_MEMORY:
        raise ValueError(f"{len(layout)} arrays")
    expected = dtypes(order, tokenizer.vocab_size)
    for name, stored in layout.items():
        kind = TYPES.get(stored.dtype)
        if name not in expected or kind is None or np.dtype(kind) != expected[name]:
            raise ValueError(f"{name} of the type {stored.dtype} is not expected")
    # The file holds every byte, so this is as much memory as it has.
    arrays = {
        name: np.empty(stored.shape, TYPES[stored.dtype]) for name, stored in layout.items()
    }
    for name, array in arrays.items():
        fill(file, layout[name], array.data)
    return from_arrays(arrays, tokenizer.vocab_size, tokenizer.eod_id)


def ngrams_to_use(ngrams: NgramModel | None, memory: bool | None) -> NgramModel | None:
    """The n-gram memory of a checkpoint, if it is wanted.

    Args:
        memory: whether it is; None: if there is one.

    Raises:
        ConfigError: it is wanted, but there is none.

    >>> ngrams_to_use(None, True)
    Traceback (most recent call last):
    textgen.errors.ConfigError: this model has no n-gram memory. Train it with memory=8; ...
    """
    if memory is not None and not flag("memory", memory):
        return None
    if memory and ngrams is None:
        raise ConfigError(
            "this model has no n-gram memory. Train it with memory=8; a run that has ended "
            "gets one when it is resumed with that."
        )
    return ngrams
