"""Public objects can be copied, pickled, and sent to other processes."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import textgen
from tests.generation.models import random_model
from textgen.generation.generator import Generator

LABELLED = textgen.CharTokenizer("\nabc", end_of_document=True, labels=("x", "y"))
OPTIONS: dict[str, Any] = {"length": 40, "seed": 3, "temperature": 1.0}
SHAPES: list[dict[str, Any]] = [
    {"cell": "lstm"},
    {"cell": "gru", "layer_norm": True, "residual": True},
    {"cell": "rnn", "tie_embeddings": True},
]


def _copies(original: Any) -> list[Any]:
    return [
        copy.deepcopy(original),
        copy.copy(original),
        pickle.loads(pickle.dumps(original)),
    ]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda each: each["cell"])
def test_a_copied_generator_writes_the_same_text(shape: dict[str, Any]) -> None:
    original = random_model(LABELLED, **shape)
    # Used before, so that it has buffers of this thread.
    text, bits = original.generate("a", **OPTIONS), original.score("abba", label="x")
    for twin in _copies(original):
        assert twin.generate("a", **OPTIONS) == text
        assert twin.score("abba", label="x") == bits
    assert original.generate("a", **OPTIONS) == text


def test_a_copied_mixture_writes_the_same_text() -> None:
    mixed = Generator.mix(
        [random_model(LABELLED), random_model(LABELLED, cell="gru")], [1, 2]
    )
    for twin in _copies(mixed):
        assert twin.generate("a", **OPTIONS) == mixed.generate("a", **OPTIONS)


def test_another_process_writes_the_same_text() -> None:
    generator = random_model(LABELLED)
    # Nothing is inherited from this process, as on macOS and Windows.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        text = pool.submit(generator.generate, "a", **OPTIONS).result()
        failed = pool.submit(generator.generate, "a", length=-1)
        with pytest.raises(textgen.TextgenError, match="length=-1 must be"):
            failed.result()
    assert text == generator.generate("a", **OPTIONS)


def test_a_pickle_holds_the_weights_once() -> None:
    config = textgen.ModelConfig(vocab_size=8, units=64, num_layers=3, embedding_dim=64)
    rng = np.random.default_rng(0)
    weights = {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    generator = Generator(config, weights, textgen.CharTokenizer("abcdefgh"))
    num_bytes = 4 * config.num_parameters
    assert len(pickle.dumps(generator)) < 1.1 * num_bytes


def test_public_values_are_equal_after_pickling(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("abc\n" * 20)
    generator = random_model(LABELLED)
    generator.tokenizer.encode("abc")  # makes its tables
    corpus = textgen.read_corpus(path)
    values: list[Any] = [
        corpus,
        textgen.split(corpus, textgen.TextConfig(), 0),
        textgen.SamplingConfig(temperature=(1.0, 0.5), stop=("a",)),
        textgen.TrainConfig(),
        generator.config,
        generator.tokenizer,
        textgen.ByteTokenizer(),
        generator.score("abc", label="x"),
        *generator.samples("a", 2, length=3, logprobs=2, seed=0),
    ]
    for value in values:
        assert all(twin == value for twin in _copies(value))
    assert len(pickle.dumps(generator.tokenizer)) < 1000
    windows = pickle.loads(pickle.dumps(textgen.windows(np.arange(9), 2, 2)))
    assert windows[1].y.tolist() == [[3, 4], [7, 8]]
