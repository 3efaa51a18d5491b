"""The n-gram memory of a checkpoint comes back as it was, or is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.checkpoint.helpers import make, message_of
from textgen.checkpoint.format import load_checkpoint, save_checkpoint
from textgen.checkpoint.ngram_file import NGRAMS, ngrams_to_use
from textgen.errors import ConfigError
from textgen.ngrams.counting import count_ngrams
from textgen.ngrams.model import NgramModel
from textgen.ngrams.storing import to_arrays

Arrays = dict[str, np.ndarray]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    ids = np.array([0, 1, 2, 0, 1, 2, 1, 0] * 9, np.uint8)
    ngrams = NgramModel(count_ngrams(ids, 3, 3), 0.25)
    save_checkpoint(tmp_path / "best", replace(make(), ngrams=ngrams))
    return tmp_path / "best"


def test_a_memory_comes_back_as_it_was(path: Path) -> None:
    ids = np.array([0, 1, 2, 0, 1, 2, 1, 0] * 9, np.uint8)
    expected = to_arrays(NgramModel(count_ngrams(ids, 3, 3), 0.25))
    found = load_checkpoint(path).ngrams
    assert found is not None
    arrays = to_arrays(found)
    assert arrays.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype


def test_a_model_that_replaces_one_with_a_memory_has_none(path: Path) -> None:
    save_checkpoint(path, make())
    assert not (path / NGRAMS).exists()
    assert load_checkpoint(path).ngrams is None


def put(name: str, value: Any, at: int = 0) -> Callable[[Arrays], object]:
    return lambda arrays: arrays[name].__setitem__(at, value)


def swap(name: str) -> Callable[[Arrays], object]:
    return lambda arrays: arrays.update({name: arrays[name][::-1].copy()})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda arrays: arrays.pop("weight"), "13 arrays"),
        (lambda arrays: arrays.update(weight=np.zeros(2, np.float32)), "another shape"),
        (put("weight", 1.0), "out of range"),
        (put("weight", np.nan), "out of range"),
        (put("discounts", 0.0), "out of range"),
        (put("discounts", np.inf), "out of range"),
        (put("level.1.ids", 3), "ids outside of the vocabulary"),
        (put("level.1.ids", 2), "followers that are not in order"),
        (put("level.1.counts", 0), "empty contexts or counts"),
        (put("level.1.num_followers", 0), "empty contexts or counts"),
        (put("level.1.num_followers", 2**32 - 1), "more or fewer n-grams"),
        (put("level.2.keys", 99, at=-1), "contexts that cannot be"),
        (put("level.2.keys", -1), "contexts that cannot be"),
        (swap("level.2.keys"), "contexts that cannot be|not in order"),
        (lambda a: a.update({"level.1.ids": a["level.1.ids"][:-1]}), "different lengths"),
        (lambda a: a.update({"level.1.ids": a["level.1.ids"][:, None]}), "not flat"),
        (lambda a: a.update({"level.1.ids": a["level.1.ids"].astype("u4")}), "type U32"),
        (lambda a: a.update({"level.9.ids": a.pop("level.2.ids")}), "level.9.ids"),
    ],
)
def test_damage_is_refused(
    path: Path, change: Callable[[Arrays], object], why: str
) -> None:
    arrays = dict(load_file(path / NGRAMS))
    change(arrays)
    save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, path / NGRAMS)
    message = message_of(path)
    assert message.startswith(f"{path / NGRAMS}: damaged or cut short (")
    assert re.search(why, message)


def test_a_link_in_its_place_is_refused(path: Path, tmp_path: Path) -> None:
    (path / NGRAMS).rename(tmp_path / "elsewhere")
    (path / NGRAMS).symlink_to(tmp_path / "elsewhere")
    assert "a symbolic link" in message_of(path)


def test_a_memory_that_is_asked_for_must_be_there() -> None:
    with pytest.raises(ConfigError, match="has no n-gram memory"):
        ngrams_to_use(None, memory=True)
    with pytest.raises(ConfigError, match="memory=3 must be True or False"):
        ngrams_to_use(None, memory=3)  # type: ignore[arg-type]
