"""No public function shows anything but its own errors when it is called wrongly."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import textgen
from tests.generation.models import random_model
from tests.hostile import faults
from textgen.checkpoint.format import Checkpoint

LABELLED = textgen.CharTokenizer("\nabc", end_of_document=True, labels=("x", "y"))
BYTES = textgen.ByteTokenizer(end_of_document=True, labels=("x",))
GENERATOR = random_model(LABELLED)
WEIGHTS = {k: np.zeros(s, np.float32) for k, s in GENERATOR.config.weight_shapes().items()}
BRIEF = textgen.SamplingConfig(length=2)
WRITING: dict[str, Any] = {"seed": 0, "unknown": "skip", "label": "x", "sampling": BRIEF}
DOCUMENTS: dict[str, Any] = {"normalize": "nfc", "end_of_document": True, "labels": ("x",)}


@pytest.mark.parametrize(
    ("config", "needed"),
    [
        (textgen.SamplingConfig, {}),
        (textgen.TextConfig, {}),
        (textgen.TrainConfig, {}),
        (textgen.ModelConfig, {"vocab_size": 4}),
    ],
)
def test_configurations(config: Any, needed: dict[str, int]) -> None:
    for field in dataclasses.fields(config):
        value = needed.get(field.name, field.default)
        assert not faults(lambda **k: config(**{**needed, **k}), **{field.name: value})


@pytest.mark.parametrize(
    "field", dataclasses.fields(textgen.SamplingConfig), ids=lambda each: each.name
)
def test_settings_of_a_text(field: dataclasses.Field) -> None:
    def write(**setting: Any) -> Any:
        return GENERATOR.stream("a", **{"length": 2, "seed": 0, **setting})

    assert not faults(write, **{field.name: field.default})


@pytest.mark.filterwarnings("ignore:left out of the prompt")
@pytest.mark.parametrize(
    ("call", "good"),
    [
        (GENERATOR.generate, {"prompt": "a", "echo": False, **WRITING}),
        (GENERATOR.stream, {"prompt": "a", "echo": False, **WRITING}),
        (
            GENERATOR.samples,
            {"prompts": "a", "num_samples": 1, "logprobs": 1, "batch_size": 2, **WRITING},
        ),
        (
            GENERATOR.score,
            {"text": "abc", "documents": "whole", "window": None, "label": "x"},
        ),
        (GENERATOR.encode, {"texts": ["a"]}),
        (GENERATOR.similarity, {"a": "a", "b": "b"}),
        (textgen.Generator.mix, {"generators": [GENERATOR, GENERATOR], "shares": [1, 2]}),
        (
            textgen.Generator,
            {
                "config": GENERATOR.config,
                "weights": WEIGHTS,
                "tokenizer": LABELLED,
                "documents": "whole",
                "copy": True,
            },
        ),
        (
            textgen.Generator.from_checkpoint,
            {"saved": lambda: Checkpoint(GENERATOR.config, LABELLED, WEIGHTS)},
        ),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_generators(call: Callable[..., Any], good: dict[str, Any]) -> None:
    assert not faults(call, **good)


@pytest.mark.parametrize("tokenizer", [LABELLED, BYTES], ids=lambda each: each.kind)
def test_tokenizers(tokenizer: Any) -> None:
    assert not faults(tokenizer.encode, text="abc", unknown="error")
    assert not faults(
        tokenizer.encode_documents, documents=["a"], labels=["x"], unknown="error"
    )
    assert not faults(tokenizer.decode, ids=[1, 2])
    assert not faults(tokenizer.symbol, id=1)
    assert not faults(tokenizer.label_id, label="x")
    assert not faults(tokenizer.unknown_characters, text="x")
    assert not faults(tokenizer.encoder, unknown="error")
    assert not faults(tokenizer.stream_decoder().feed, id=1)


def test_making_a_tokenizer() -> None:
    assert not faults(textgen.CharTokenizer, characters="abc", unknown=False, **DOCUMENTS)
    assert not faults(textgen.ByteTokenizer, **DOCUMENTS)
    read = textgen.CharTokenizer.from_documents
    assert not faults(read, documents=["abc"], min_count=1, **DOCUMENTS)
    counts = np.bincount([97, 98], minlength=0x110000)
    read = textgen.CharTokenizer.from_counts
    assert not faults(read, counts=counts, min_count=1, **DOCUMENTS)


def test_reading_and_cutting(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("abc\n" * 20)
    assert not faults(textgen.read_corpus, paths=path, config=textgen.TextConfig())
    for kind in ("whole", "lines"):
        config = textgen.TextConfig(documents=kind)
        corpus = textgen.read_corpus(path, config)
        assert not faults(textgen.split, corpus=corpus, config=config, seed=0)

    def cut(**arguments: Any) -> Any:
        return textgen.windows(**arguments)[0]

    assert not faults(cut, ids=np.arange(9), batch_size=2, seq_length=2)


def test_scores_and_steps() -> None:
    def shown(**arguments: Any) -> str:
        score = textgen.Score(**arguments)
        return f"{score!r} {score.to_dict()}"

    assert not faults(shown, nats=1.0, num_chars=1, num_bytes=1, num_unknown=0)
    assert not faults(textgen.TrainConfig().resolved, steps_per_pass=3)


@pytest.mark.parametrize("load", [textgen.load_checkpoint, textgen.Generator.load])
def test_loading(load: Callable[..., Any], tmp_path: Path) -> None:
    from textgen.checkpoint.format import save_checkpoint

    save_checkpoint(tmp_path / "model", Checkpoint(GENERATOR.config, LABELLED, WEIGHTS))
    assert not faults(load, path=str(tmp_path / "model"))
