"""Models of every kind are served: bytes, labels, completions, memories, damaged ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.helpers import untrained, untrained_on
from tests.patience import wait_until
from tests.serving.helpers import LETTERS, ask, figure, serving
from textgen.checkpoint.format import load_checkpoint, save_checkpoint
from textgen.generation.generator import Generator
from textgen.ngrams.counting import count_ngrams
from textgen.ngrams.model import NgramModel
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer

SETTINGS: dict[str, dict[str, Any]] = {
    "bytes": {"prompt": "aé", "stop": "€"},
    "labels": {"prompt": "a", "label": "good"},
    "drawn": {"prompt": ["a", "b"], "n": 3},
    "completes": {"prompt": "a?", "echo": True},
    "remembers": {"prompt": "abab"},
}


def with_memory(path: Path) -> Path:
    saved = load_checkpoint(untrained(path, LETTERS))
    ids = LETTERS.encode_documents(["the sea and the boat.\n" * 9])
    tables = count_ngrams(ids, LETTERS.vocab_size, 5, boundary=None)
    save_checkpoint(path, replace(saved, ngrams=NgramModel(tables, 0.5)))
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("models")
    labelled = CharTokenizer("ab \n", end_of_document=True, labels=("bad", "good"))
    separating = CharTokenizer("ab? \n", end_of_document=True, separator=True)
    made = {"bytes": untrained(place / "bytes", ByteTokenizer())}
    for name in ("labels", "drawn"):
        made[name] = untrained_on("records", place / name, labelled)
    made["completes"] = untrained_on("records", place / "completes", separating)
    made["remembers"] = with_memory(place / "remembers")
    damaged = load_checkpoint(untrained(place / "damaged", LETTERS))
    for weight in damaged.weights.values():
        weight[...] = np.float32(3e38)
    save_checkpoint(place / "damaged", damaged)
    return {**made, "damaged": place / "damaged"}


@pytest.fixture(scope="module")
def all_served(models: dict[str, Path]) -> Iterator[str]:
    with serving(*models.values()) as server:
        yield server.url


@pytest.mark.parametrize("name", SETTINGS)
def test_the_texts_are_those_of_the_library(
    name: str, models: dict[str, Path], all_served: str
) -> None:
    asked = {"max_tokens": 40, "seed": 3, **SETTINGS[name]}
    answer = ask(all_served, data={"model": name, **asked}).body
    fields = ("prompt", "n", "echo", "max_tokens")
    settings = {key: value for key, value in asked.items() if key not in fields}
    generator = Generator.load(models[name])
    samples = list(
        generator.samples(asked["prompt"], asked.get("n", 1), length=40, **settings)
    )
    echoed = "a?\n" if "echo" in asked else ""
    assert [choice["text"] for choice in answer["choices"]] == [
        echoed + sample.text for sample in samples
    ]
    assert [choice["ended_by"] for choice in answer["choices"]] == [
        sample.finish_reason for sample in samples
    ]


def test_the_pieces_of_a_byte_model_are_whole_characters(
    models: dict[str, Path], all_served: str
) -> None:
    asked = {"model": "bytes", "prompt": "a", "max_tokens": 300, "seed": 1}
    stream = ask(all_served, data={**asked, "stream": True, "logprobs": 0}).body
    whole = ask(all_served, data={**asked, "logprobs": 0}).body["choices"][0]
    events = [json.loads(line[6:]) for line in stream.split("\n\n")[:-2]]
    choices = [event["choices"][0] for event in events]
    assert "".join(choice["text"] for choice in choices) == whole["text"]
    logprobs = [x for choice in choices for x in choice["logprobs"]["token_logprobs"]]
    assert logprobs == pytest.approx(whole["logprobs"]["token_logprobs"], abs=1e-5)


def test_what_a_model_cannot_do_is_refused(all_served: str) -> None:
    for fields, why in (
        ({"model": "completes"}, "Give it a prompt"),
        ({"model": "labels", "prompt": "a", "label": "odd"}, "odd"),
        ({"model": "bytes", "prompt": "a", "until": "document"}, "no end of document"),
        ({"model": "bytes", "pattern": "a{9}", "max_tokens": 3}, "Raise `max_tokens`"),
    ):
        refused = ask(all_served, data=fields)
        assert refused.status == 400
        assert why in refused.body["error"]["message"]


def test_a_damaged_model_fails_and_the_others_do_not(all_served: str) -> None:
    for fields in ({}, {"n": 3, "logprobs": 1}, {"pattern": "a+"}, {"temperature": 0}):
        failed = ask(all_served, data={"model": "damaged", "prompt": "a", **fields})
        assert failed.status == 500
        assert failed.body["error"]["type"] == "server_error"
    answer = ask(all_served, data={"model": "bytes", "prompt": "a", "max_tokens": 5})
    assert answer.status == 200
    wait_until(lambda: figure(all_served, "textgen_texts_running") == 0)
