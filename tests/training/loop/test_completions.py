"""Training on prompts with completions: only the completions count."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import textgen
from tests.training.helpers import INTERRUPTED, SMALL, rows_of
from textgen.checkpoint.describe import as_text, describe
from textgen.checkpoint.format import load_checkpoint
from textgen.config.text import TextConfig
from textgen.errors import ConfigError, CorpusError
from textgen.text.encoded.completions import completions_of
from textgen.text.encoded.windows import windows
from textgen.training.backend.keras import load_keras
from textgen.training.dynamic import dynamic_score
from textgen.training.loop.datasets import endless

RECORDS = TextConfig(documents="records")
ANSWERS = {"0": "null", "1": "eins", "2": "zwei", "3": "drei"}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prompts of random digits, of which the first decides the completion."""
    rng = random.Random(0)
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    rows = []
    for _ in range(400):
        noise = "".join(rng.choices("0123456789", k=8))
        digit = rng.choice("0123")
        rows.append({"prompt": noise + digit, "completion": ANSWERS[digit]})
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def learned(pairs: Path) -> Path:
    options = {**SMALL, "epochs": 6, "learning_rate": 0.03, "memory": 4}
    return textgen.train(pairs, pairs.parent / "run", documents="records", **options)


def test_what_cannot_be_predicted_in_prompts_costs_nothing(learned: Path) -> None:
    score = load_checkpoint(learned).facts["score"]
    # A digit of the prompt would cost 3.3 bits, and there are two for each character.
    assert score["train_bits_per_char"] < 0.5
    assert score["val_bits_per_char"] < 0.1
    assert score["val_ngrams_bits_per_char"] < 0.5
    assert score["val_both_bits_per_char"] < 0.1


def test_a_prompt_is_answered(learned: Path) -> None:
    generator = textgen.Generator.load(learned)
    prompts = [f"98765432{digit}" for digit in ANSWERS]
    found = generator.samples(prompts, temperature=0)
    assert [sample.text for sample in found] == list(ANSWERS.values())


@pytest.mark.one_backend
def test_the_held_out_score_is_that_of_the_scorer(learned: Path, pairs: Path) -> None:
    text = textgen.read_corpus(pairs, RECORDS)
    held_out = textgen.split(text, RECORDS, seed=0).val
    found = textgen.Generator.load(learned, memory=False).score(held_out).bits_per_char
    reported = load_checkpoint(learned).facts["score"]["val_bits_per_char"]
    assert reported == pytest.approx(found, rel=0.1, abs=2e-3)


def test_the_batches_have_weights(pairs: Path) -> None:
    documents = textgen.read_corpus(pairs, RECORDS).documents
    tokenizer = textgen.CharTokenizer.from_documents(
        documents, end_of_document=True, separator=True
    )
    ids = tokenizer.encode_documents(documents)
    lanes = windows(ids, 3, 5, completions_of(tokenizer))
    batch = next(iter(endless(lanes, 7)))
    for found, expected in zip(batch, lanes[7], strict=True):
        np.testing.assert_array_equal(np.asarray(found), expected)


# What a backend could do wrong shows in `test_resume.py`.
@pytest.mark.slow
@pytest.mark.one_backend
def test_a_resumed_run_is_that_of_an_uninterrupted_one(pairs: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {**INTERRUPTED, "documents": "records"}
    whole = textgen.train(pairs, tmp_path / "whole", **options)

    class Stop(load_keras().callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 13:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        textgen.train(
            pairs, tmp_path / "run", callbacks=[Stop()], **{**options, "save_every": 5}
        )
    run = textgen.train(pairs, tmp_path / "run", resume=True, quiet=True)
    assert [row["val_bits_per_char"] for row in rows_of(run)] == [
        row["val_bits_per_char"] for row in rows_of(whole)
    ]
    for name, array in load_checkpoint(whole).weights.items():
        np.testing.assert_array_equal(load_checkpoint(run).weights[name], array)


@pytest.mark.one_backend
@pytest.mark.slow
def test_bytes_are_scored_per_character_of_the_completions(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    rows = [f"{n % 7}?,ö{'üä'[n % 2]}" for n in range(300)]
    path.write_text("prompt,completion\n" + "\n".join(rows), encoding="utf-8")
    run = textgen.train(
        path, tmp_path / "run", documents="records", tokenizer="byte", epochs=1, **SMALL
    )
    text = textgen.read_corpus(path, RECORDS)
    held_out = textgen.split(text, RECORDS, seed=0).val
    found = textgen.Generator.load(run).score(held_out).bits_per_char
    reported = load_checkpoint(run).facts["score"]["val_bits_per_char"]
    assert reported == pytest.approx(found, rel=0.05)


@pytest.mark.one_backend
@pytest.mark.slow
def test_a_model_that_does_not_learn_scores_dynamically_as_it_does_statically(
    learned: Path, pairs: Path
) -> None:
    documents = textgen.read_corpus(pairs, RECORDS).documents[:20]
    checkpoint = replace(load_checkpoint(learned), ngrams=None)
    found = dynamic_score(checkpoint, documents, learning_rate=0)
    expected = textgen.Generator.load(learned, memory=False).score(documents)
    assert found.num_chars == expected.num_chars == sum(5 for _ in documents)
    assert found.bits_per_char == pytest.approx(expected.bits_per_char, rel=1e-3)


@pytest.mark.one_backend
def test_training_and_info_say_what_counts(
    learned: Path, pairs: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = {**SMALL, "quiet": False, "epochs": 1, "documents": "records"}
    textgen.train(pairs, tmp_path / "run", **options)
    said = capsys.readouterr().err
    assert "Prompts are read; the loss and all scores are those of the completions" in said
    # The preview is a held-out prompt on a line of its own, and what the model makes of it.
    assert [line for line in said.splitlines() if line[6:].isdigit()]
    assert "completes prompts" in as_text(describe(load_checkpoint(learned), learned))


@pytest.mark.one_backend
@pytest.mark.slow
def test_fine_tuning_needs_completions_again(learned: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"batch_size": 4, "quiet": True}
    pairs = tmp_path / "more.jsonl"
    rows = [{"prompt": f"{n} x", "completion": "neun"} for n in range(100)]
    pairs.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    options |= {"init_from": learned, "documents": "records", "seq_length": 16, "memory": 0}
    run = textgen.train(pairs, tmp_path / "run", epochs=10, learning_rate=0.03, **options)
    assert textgen.Generator.load(run).generate("12 x", temperature=0) == "neun"
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"text": "zwei"}\n' * 100, encoding="utf-8")
    with pytest.raises(CorpusError, match="learned to complete prompts, but this text"):
        textgen.train(texts, tmp_path / "other", **options)


@pytest.mark.one_backend
def test_the_model_needs_a_prompt(learned: Path) -> None:
    with pytest.raises(ConfigError, match="Give it a prompt"):
        textgen.Generator.load(learned).generate()
