"""N-gram models as named arrays, and back, whoever wrote them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from textgen.ngrams.model import NgramModel
from textgen.ngrams.tables import Level, NgramTables, id_dtype

Array: TypeAlias = NDArray[Any]

LEVEL_ARRAYS = ("keys", "num_followers", "ids", "counts")


def to_arrays(model: NgramModel) -> dict[str, Array]:
    """The arrays of a model, by name."""
    tables = model.tables
    arrays: dict[str, Array] = {
        "weight": np.array([model.weight], np.float32),
        "discounts": tables.discounts,
    }
    for number, level in enumerate(tables.levels):
        arrays |= {f"level.{number}.{name}": getattr(level, name) for name in LEVEL_ARRAYS}
    return arrays


def dtypes(order: int, vocab_size: int) -> dict[str, DTypeLike]:
    """The name and the type of each array of a model."""
    kinds = (np.int64, np.uint32, id_dtype(vocab_size), np.uint32)
    return {"weight": np.float32, "discounts": np.float32} | {
        f"level.{number}.{name}": kind
        for number in range(order)
        for name, kind in zip(LEVEL_ARRAYS, kinds, strict=True)
    }


def from_arrays(
    arrays: Mapping[str, Array], vocab_size: int, boundary: int | None
) -> NgramModel:
    """The model of arrays that have the names and types of `dtypes`.

    Raises:
        ValueError: they contradict each other; no index of theirs leads out of an array.
    """
    order = (len(arrays) - 2) // len(LEVEL_ARRAYS)
    levels: list[Level] = []
    for number in range(order):
        level = Level(*(arrays[f"level.{number}.{name}"] for name in LEVEL_ARRAYS))
        num_above = len(levels[-1].keys) if levels else 1
        for problem in _problems(
            level, 1 if number == 0 else num_above * vocab_size, vocab_size
        ):
            raise ValueError(f"level {number} has {problem}")
        levels.append(level)
    if len(levels[0].keys) != 1:
        raise ValueError("level 0 must have one context")
    weight, discounts = arrays["weight"], arrays["discounts"]
    if weight.shape != (1,) or discounts.shape != (order, 3):
        raise ValueError("a weight or discounts of another shape")
    # NaN fails these comparisons as well.
    if not (0 <= weight[0] < 1 and ((discounts > 0) & (discounts < (1, 2, 3))).all()):
        raise ValueError("a weight or discounts out of range")
    tables = NgramTables(vocab_size, boundary, tuple(levels), discounts)
    return NgramModel(tables, float(weight[0]))


def _problems(level: Level, num_keys: int, vocab_size: int) -> Iterator[str]:
    """What is wrong with a level; the checks rely on those before them."""
    arrays = (level.keys, level.num_followers, level.ids, level.counts)
    if any(array.ndim != 1 for array in arrays):
        yield "an array that is not flat"
    if len(level.num_followers) != len(level.keys) or len(level.counts) != len(level.ids):
        yield "arrays of different lengths"
    if len(level.keys) and not (level.keys[0] >= 0 and level.keys[-1] < num_keys):
        yield "contexts that cannot be"
    if not (np.diff(level.keys) > 0).all():
        yield "contexts that are not in order"
    if not (level.num_followers >= 1).all() or not (level.counts >= 1).all():
        yield "empty contexts or counts"
    if int(level.num_followers.sum(dtype=np.uint64)) != len(level.ids):
        yield "more or fewer n-grams than its contexts say"
    if len(level.ids) and int(level.ids.max()) >= vocab_size:
        yield "ids outside of the vocabulary"
    rises = np.diff(level.ids.astype(np.int64)) > 0
    rises[level.starts[1:-1] - 1] = True
    if not rises.all():
        yield "followers that are not in order"
