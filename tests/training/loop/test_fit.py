"""Whole small trainings: what they learn, report and write, and when they end."""

from __future__ import annotations

import inspect
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import textgen
from tests.generation.models import read_whole
from tests.training.helpers import SMALL, rows_of
from textgen.checkpoint.format import (
    load_checkpoint,
)
from textgen.checkpoint.previews import read_previews
from textgen.errors import (
    TrainingError,
)
from textgen.generation.generator import Generator
from textgen.text.encoded.windows import evaluation_windows
from textgen.training.backend.keras import load_keras
from textgen.training.loop import fit as fit_module
from textgen.training.model.build import load_model, set_weights
from textgen.training.model.compiling import BitsPerId

keras = load_keras()


@pytest.mark.slow
@pytest.mark.usefixtures("charts")
def test_training_learns_and_leaves_best_last_and_history(
    book: Path, tmp_path: Path
) -> None:
    run = textgen.train(book, tmp_path / "run", epochs=3, eval_every=60, **SMALL)

    rows = rows_of(run)
    assert run == tmp_path / "run"
    scores = [float(row["val_bits_per_char"]) for row in rows]
    assert scores[-1] < scores[0] < math.log2(40)
    assert load_checkpoint(run).facts["score"]["val_bits_per_char"] == min(scores)
    assert load_checkpoint(run / "last").facts["score"]["step"] == int(rows[-1]["step"])
    assert {entry.name for entry in run.iterdir()} == {
        "best",
        "last",
        "history.csv",
        "history.png",
        "previews.jsonl",
        "status.json",
    }
    text = Generator.load(run).generate("Kit ", length=40, seed=1)
    assert len(text) == 40


@pytest.mark.slow
@pytest.mark.one_backend
def test_the_bits_reported_are_those_of_the_numpy_score(book: Path, tmp_path: Path) -> None:
    run = textgen.train(book, tmp_path / "run", epochs=6, **SMALL)
    text = book.read_text(encoding="utf-8")
    num_train = int(len(text) * 0.9)
    # Lanes warmed up on seq_length characters come close to one carried state.
    reported = load_checkpoint(run).facts["score"]["val_bits_per_char"]
    scored = Generator.load(run).score(text[num_train:]).bits_per_char
    assert reported == pytest.approx(scored, rel=0.05)


def test_validation_in_one_lane_is_exactly_the_carried_score(
    book: Path, tmp_path: Path, trained: Path
) -> None:
    run = trained
    saved = load_checkpoint(run)
    generator = Generator.load(run)
    ids = generator.tokenizer.encode(book.read_text(encoding="utf-8"))
    context, held_out = ids[:4000], ids[4000:4333]
    model = textgen.build_model(saved.model, batch_size=1)
    set_weights(model, saved.model, saved.weights)
    metric = BitsPerId()
    # A warm-up window as long as the context: the state has read all of it.
    for x, y, weight in evaluation_windows(held_out, 1, 4000, context):
        metric.update_state(y, model.predict_on_batch(x), weight)
    both = generator.score(generator.tokenizer.decode(ids[:4333])).nats
    first = generator.score(generator.tokenizer.decode(context)).nats
    expected = (both - first) / math.log(2) / 333
    # The scorer reads a newline first, evaluation has no such character to read.
    assert float(metric.result()) == pytest.approx(expected, rel=1e-3)


@pytest.mark.one_backend
@pytest.mark.slow
def test_training_stops_when_validation_no_longer_improves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    noise = tmp_path / "noise.txt"
    noise.write_text("".join(rng.choice(list("abcdefgh "), size=3000)))
    options = {**SMALL, "epochs": 100, "patience": 2, "eval_every": 20, "quiet": False}
    run = textgen.train(noise, tmp_path / "run", learning_rate=0.05, **options)
    said = capsys.readouterr().err
    assert "2 evaluations in a row brought no better score" in said
    rows = rows_of(run)
    previews = read_previews(run / "previews.jsonl")
    assert [each.step for each in previews] == [int(row["step"]) for row in rows]
    assert any(each.text for each in previews)
    scores = [float(row["val_bits_per_char"]) for row in rows]
    assert len(rows) < 100
    assert scores.index(min(scores)) == len(scores) - 3
    assert load_checkpoint(run).facts["score"]["val_bits_per_char"] == min(scores)


@pytest.mark.slow
def test_a_loss_that_is_no_number_stops_with_advice_and_keeps_good_weights(
    book: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"loss is (nan|inf).*`learning_rate`"):
        textgen.train(book, tmp_path / "run", learning_rate=1e38, epochs=3, **SMALL)
    weights = load_checkpoint(tmp_path / "run" / "last").weights
    assert all(np.isfinite(array).all() for array in weights.values())


# --- callbacks ---


@pytest.mark.one_backend
def test_callbacks_are_in_the_order_that_the_code_explains(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def fit(self: Any, *_: Any, callbacks: list[Any], **__: Any) -> None:
        seen.extend(type(callback).__name__ for callback in callbacks)
        raise InterruptedError

    monkeypatch.setattr(keras.Model, "fit", fit)
    options = {**SMALL, "quiet": False, "tensorboard": True}
    with pytest.raises(InterruptedError):
        textgen.train(book, tmp_path / "run", **options)
    assert seen == [
        # Prepare a step.
        *("ResetCarriedState", "RestoreMetrics", "LearningRate"),
        # Counts it; all below read the count.
        "Clock",
        # NaN is never saved.
        *("StopOnNan", "PeriodicSave", "RecordEvaluation"),
        # Show the row that was recorded.
        *("TensorBoard", "KeepStatus", "KeepPreview", "Report"),
        # Raises, so that what came after it would be skipped.
        "StopOnRequest",
    ]
    documented = inspect.getdoc(fit_module._Session._callbacks) or ""
    assert list(dict.fromkeys(re.findall(r"`(\w+)`", documented))) == seen


@pytest.mark.one_backend
@pytest.mark.slow
@pytest.mark.parametrize(
    ("tokenizer", "documents", "counts"),
    [
        ("char", "whole", (3240, 360)),
        ("byte", "whole", (3240, 360)),
        # Neither the ends of lines nor those of documents.
        ("byte", "lines", (3060, 340)),
    ],
)
def test_all_messages_and_facts_count_characters(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    tokenizer: str,
    documents: str,
    counts: tuple[int, int],
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("Привет мир. 你好世界。\n" * 200, encoding="utf-8")
    options = {**SMALL, "quiet": False, "preview": False, "epochs": 1}
    del options["units"], options["num_layers"]
    how = {"tokenizer": tokenizer, "documents": documents}
    run = textgen.train(text, tmp_path / "run", **how, **options)
    train, val = counts
    shown = capsys.readouterr().err
    assert f"for {train:,} characters of training text" in shown
    assert f"on {train:,} characters, validating on {val} (" in shown
    facts = load_checkpoint(run).facts["text"]
    assert (facts["num_train"], facts["num_val"]) == counts


# --- the test text ---


@pytest.mark.one_backend
@pytest.mark.slow
def test_the_test_part_is_scored_once_at_the_end(
    book: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {**SMALL, "quiet": False, "test_fraction": 0.1, "preview": False}
    run = textgen.train(book, tmp_path / "run", epochs=1, **options)
    score = load_checkpoint(run).facts["score"]
    assert 0 < score["test_bits_per_char"] < 6
    assert "Test text:" in capsys.readouterr().err


@pytest.mark.one_backend
@pytest.mark.slow
def test_documents_are_trained_and_written_one_by_one(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("".join(f"{a}{b}a\n" for a in "KLMN" for b in ("or", "in", "el")) * 30)
    # So few units would learn too little under the dropout that little text gets.
    options = {**SMALL, "epochs": 12, "learning_rate": 0.02, "dropout": 0.0}
    run = textgen.train(names, tmp_path / "run", documents="lines", **options)
    generator = Generator.load(run)
    texts = [generator.generate(seed=seed, temperature=0.5) for seed in range(5)]
    assert all(3 <= len(text) <= 8 and "\n" not in text for text in texts)


@pytest.mark.one_backend
@pytest.mark.slow
def test_byte_tokenizer_trains_on_any_script(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("Привет мир. 你好世界。\n" * 200, encoding="utf-8")
    run = textgen.train(text, tmp_path / "run", tokenizer="byte", epochs=6, **SMALL)
    generator = Generator.load(run)
    generator.generate("Привет", length=20, seed=0).encode("utf-8")
    # Bits per character, not per byte.
    reported = load_checkpoint(run).facts["score"]["val_bits_per_char"]
    held_out = text.read_text(encoding="utf-8")[-440:]
    assert reported == pytest.approx(generator.score(held_out).bits_per_char, rel=0.05)


@pytest.mark.slow
def test_load_model_gives_the_trained_keras_model(
    book: Path, tmp_path: Path, trained: Path
) -> None:
    run = trained
    model = load_model(run)
    generator = Generator.load(run)
    ids = generator.tokenizer.encode("Kit went to sea")
    logits = np.asarray(model.predict_on_batch(ids[None].astype("int32")))[0]
    shifted = logits - logits.max(axis=1, keepdims=True)
    nats = np.log(np.exp(shifted).sum(axis=1)) - shifted[:, 0]
    assert np.isfinite(nats).all()
    network = generator._network
    expected, _ = read_whole(network, ids, network.initial_state())
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(ids[None, :-1], ids[None, 1:].astype("int32"), verbose=0)
