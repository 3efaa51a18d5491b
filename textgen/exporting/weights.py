"""Weights in fewer bits, and what that costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textgen.checkpoint.format import Checkpoint
from textgen.errors import ConfigError
from textgen.generation.generator import Generator
from textgen.inspecting.texts import Text, default_text
from textgen.wording import count_of

NUMBERS = ("float32", "float16", "int8")
"""How weights can be stored."""

SCALE = ".scale"
"""Stands after the name of weights in int8 in that of their scales."""

MOST_HALF = float(np.finfo(np.float16).max)


def stored_weights(
    weights: Mapping[str, np.ndarray], numbers: str
) -> dict[str, np.ndarray]:
    """The arrays that are stored in place of the weights.

    In int8 a matrix is multiplied by a scale of each of its columns, and an embedding by
    one of each row; vectors are few, and stay as they are.

    Raises:
        ConfigError: a weight is too large for float16.
    """
    if numbers == "float32":
        return dict(weights)
    if numbers == "float16":
        return {name: _half(name, array) for name, array in weights.items()}
    stored: dict[str, np.ndarray] = {}
    for name, array in weights.items():
        if array.ndim < 2 or name.endswith("bias"):
            stored[name] = array
            continue
        axis = 1 if name == "embedding" else 0
        largest = np.abs(array).max(axis=axis, keepdims=True)
        scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
        stored[name] = np.rint(array / scale).astype(np.int8)
        stored[name + SCALE] = scale
    return stored


def restored_weights(stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights as a reader of `stored_weights` gets them, in float32.

    >>> weights = {"output.kernel": np.array([[0.5, 8], [-1, 0]], np.float32)}
    >>> restored_weights(stored_weights(weights, "int8"))["output.kernel"].round(2).tolist()
    [[0.5, 8.0], [-1.0, 0.0]]
    """
    return {
        name: (array * stored.get(name + SCALE, np.float32(1))).astype(np.float32)
        for name, array in stored.items()
        if not name.endswith(SCALE)
    }


def _half(name: str, array: np.ndarray) -> np.ndarray:
    if np.abs(array).max() > MOST_HALF:
        raise ConfigError(
            f"the weight {name} is too large for float16. Export it with `weights='int8'` "
            "or `weights='float32'`."
        )
    return array.astype(np.float16)


def scores(path: Path, versions: Sequence[Checkpoint]) -> tuple[list[float], str]:
    """The scores of versions of a model, in bits per character, on one text.

    Args:
        path: the checkpoint, beside which its held-out text is looked for.
        versions: the first is the checkpoint itself.

    Returns:
        The scores, and what they were measured on: held-out text where that can still be
        read, otherwise text that the model writes.

    Raises:
        CorpusError: there is neither, of a model of completions.
    """
    text = default_text(path, versions[0])
    chars = count_of(text.num_chars, "character")
    return [_bits(saved, text) for saved in versions], f"{chars}, {text.origin}"


def _bits(saved: Checkpoint, text: Text) -> float:
    options: dict[str, Any] = {"documents": "whole", "ngrams": saved.ngrams}
    generator = Generator(saved.model, saved.weights, saved.tokenizer, **options)
    return generator.score(text.pieces).bits_per_char
