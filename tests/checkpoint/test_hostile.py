"""Parts of a checkpoint that a stranger wrote must fit each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from tests.disk.helpers import checkpoint, refusal
from textgen.checkpoint.format import (
    CONFIG,
    TOKENIZER,
    TRAINING,
    TRAINING_WEIGHTS,
    Checkpoint,
    TrainingState,
    load_checkpoint,
    save_checkpoint,
)
from textgen.config.model import MAX_SIZES, ModelConfig
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.checks import MAX_CHARACTERS, MAX_LABELS


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    arrays = {"optimizer.0": np.array(3, np.int64), "model.0": np.ones(2, np.float32)}
    save_checkpoint(tmp_path / "last", checkpoint(), TrainingState({}, arrays))
    return tmp_path / "last"


# --- what belongs together ---


def test_each_weight_lies_in_memory_once_beside_its_twin(saved: Path) -> None:
    weights = load_checkpoint(saved).weights
    kernel, recurrent = weights["layers.0.kernel"], weights["layers.0.recurrent_kernel"]
    assert kernel.base is recurrent.base is not None
    assert kernel.base.nbytes == kernel.nbytes + recurrent.nbytes
    alone = [w for name, w in weights.items() if "layers.0" not in name or "bias" in name]
    assert all(weight.base is None for weight in alone)


def test_the_largest_vocabulary_fits_the_largest_model() -> None:
    assert MAX_CHARACTERS + MAX_LABELS + 2 <= MAX_SIZES["vocab_size"] < 1_000_000


@pytest.mark.slow
def test_every_character_there_is_can_be_in_one_vocabulary(tmp_path: Path) -> None:
    text = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))[:MAX_CHARACTERS]
    config = ModelConfig(len(text), units=1, embedding_dim=1, num_layers=1)
    weights = {name: np.ones(s, np.float32) for name, s in config.weight_shapes().items()}
    save_checkpoint(tmp_path, Checkpoint(config, CharTokenizer(text), weights))
    assert load_checkpoint(tmp_path).tokenizer == CharTokenizer(text)


def change_json(path: Path, change: Callable[[Any], Any]) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"characters": ["a"] * 1_000_000}, "more than 1,000,000 values"),
        (
            {"characters": ["a"] * 500_001},
            "a vocabulary of 500,001 characters is more than",
        ),
        (
            {"characters": ["a", "b", "a"]},
            "'a' (U+0061) is in the vocabulary more than once",
        ),
        ({"characters": ["a", "b", 1]}, "entry 2 of characters is 1, not one character"),
        ({"characters": ["a", "b", "\ud800"]}, "lone surrogate in a string"),
        (
            {"end_of_document": True, "labels": ["a"] * 10_001},
            "10,001 different labels are more than 10,000",
        ),
        ({"end_of_document": True, "labels": ["a" * 1001]}, "has 1,001 characters, more"),
        ({"unknown": 1}, "unknown=1 must be True or False"),
        ({"normalize": "\x1b[2J"}, "normalize='\\x1b[2J' must be one of"),
        ({"kind": "\x9b"}, "kind='\\x9b' must be 'char' or 'byte'"),
        ({"\x1b": 1}, "unexpected '\\x1b'"),
    ],
)
def test_a_hostile_tokenizer_is_refused(
    saved: Path, change: dict[str, Any], why: str
) -> None:
    change_json(saved / TOKENIZER, lambda data: data.update(change))
    assert why in refusal(saved, TOKENIZER)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"units": True}, "units=True must be int, not bool"),
        ({"units": "2"}, "units='2' must be int, not str"),
        ({"units": 2.0}, "units=2.0 must be int, not float"),
        ({"dropout": "0.5"}, "dropout='0.5' must be float, not str"),
        ({"dropout": float("nan")}, "NaN is not a JSON number"),
        ({"layer_norm": 1}, "layer_norm=1 must be bool, not int"),
        ({"cell": "\x1b[2J"}, "cell='\\x1b[2J' must be one of lstm, gru, rnn, coupled"),
        ({"\x1b[2J": 1}, "unknown option '\\x1b[2J'"),
        ({"x" * 10_000: 1}, "xxxxxx..."),
    ],
)
def test_a_hostile_model_is_refused(saved: Path, change: dict[str, Any], why: str) -> None:
    change_json(saved / CONFIG, lambda data: data["model"].update(change))
    message = refusal(saved)
    assert why in message
    assert len(message) < 500


@pytest.mark.parametrize(
    "text",
    [{"documents": ["whole"]}, {"documents": "x"}, {"sources": "abc"}, {"sources": [1]}],
)
def test_facts_that_others_rely_on_are_what_they_must_be(
    saved: Path, text: dict[str, Any]
) -> None:
    change_json(saved / CONFIG, lambda data: data["facts"].update(text=text))
    assert next(iter(text)) in refusal(saved)


@pytest.mark.parametrize("name", ["text", "train", "state"])
@pytest.mark.parametrize("value", [None, [], "a", 1, True])
def test_parts_of_the_training_state_are_objects(
    saved: Path, name: str, value: Any
) -> None:
    change_json(saved / TRAINING, lambda data: data.update({name: value}))
    assert f"no '{name}' section" in refusal(saved, TRAINING)


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (np.array([np.nan], np.float32), "contains numbers that are not finite"),
        (np.array([np.inf], np.float64), "contains numbers that are not finite"),
        (np.ones(1, np.float16), "has the type F16, which Keras does not use"),
        (np.ones(1, np.bool_), "has the type BOOL, which Keras does not use"),
    ],
)
def test_training_arrays_of_no_use_are_refused(
    saved: Path, array: np.ndarray, why: str
) -> None:
    (saved / TRAINING_WEIGHTS).write_bytes(save({"metrics.0": array}))
    assert f"metrics.0 {why}" in refusal(saved, TRAINING_WEIGHTS)
