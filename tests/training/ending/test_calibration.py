"""The temperature of the logits: fitted at the end, and part of the output layer."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import textgen
from tests.training.helpers import INTERRUPTED, SMALL, rows_of
from textgen.checkpoint.describe import as_text, describe
from textgen.checkpoint.format import Checkpoint, load_checkpoint
from textgen.generation.generator import Generator
from textgen.training.ending.calibration import (
    HIGHEST,
    LEAST_IDS,
    LOWEST,
    best_temperature,
    mean_nats,
)
from textgen.training.ending.stretches import Stretches

# It is fitted in NumPy; the backend evaluates the scaled weights, as it does others.
pytestmark = pytest.mark.one_backend

VOCAB = 12


def stretches(temperature: float, then: float | None = None, time: int = 600) -> Stretches:
    """Stretches whose ids have the probabilities of the logits at a temperature.

    Args:
        then: the temperature of the second halves, if it is another one.
    """
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (8, time, VOCAB)).astype(np.float32)
    is_first = np.broadcast_to(np.arange(time) < time // 2, (8, time))
    each = np.where(is_first, temperature, then or temperature)[..., np.newaxis]
    # The highest logit with Gumbel noise is a draw from the softmax.
    targets = (logits / each + rng.gumbel(size=logits.shape)).argmax(axis=2)
    return Stretches(targets, targets, logits, is_first, ~is_first)


@pytest.mark.parametrize("temperature", [0.7, 1.5, 2.5])
def test_the_temperature_is_the_one_with_which_the_text_is_most_probable(
    temperature: float,
) -> None:
    read = stretches(temperature)
    found = best_temperature(read)
    assert found == pytest.approx(temperature, rel=0.1)
    swapped = Stretches(read.ids, read.targets, read.logits, read.scored, read.fitted)
    nats = [mean_nats(swapped.divided_by(found + more)) for more in (-0.02, 0, 0.02)]
    assert nats[1] == min(nats)


@pytest.mark.parametrize(("temperature", "bound"), [(0.1, LOWEST), (50.0, HIGHEST)])
def test_the_temperature_has_bounds(temperature: float, bound: float) -> None:
    assert best_temperature(stretches(temperature)) == bound


def test_logits_stay_as_they_are_where_a_temperature_does_not_help() -> None:
    assert best_temperature(stretches(temperature=1.5, then=0.7)) == 1


def test_too_little_text_has_no_temperature() -> None:
    few = stretches(1.5, time=LEAST_IDS // 8)
    assert few.fitted.sum() < LEAST_IDS
    assert best_temperature(few) == 1


# --- runs ---


@pytest.fixture(scope="module")
def novel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Words in random order, of which a network learns more than is true of others."""
    rng = np.random.default_rng(1)
    words = ["".join(rng.choice(list("abcdeio"), 5)) for _ in range(60)]
    path = tmp_path_factory.mktemp("novel") / "novel.txt"
    path.write_text(" ".join(rng.choice(words, 600)), encoding="utf-8")
    return path


OVERFITTED: dict[str, Any] = {
    **SMALL,
    "units": 64,
    "epochs": 30,
    "eval_every": 10**6,
    "val_fraction": 0.3,
    "test_fraction": 0.1,
    "memory": 4,
    "calibrate": True,
}


@pytest.fixture(scope="module")
def calibrated(novel: Path) -> Path:
    return textgen.train(novel, novel.parent / "run", **OVERFITTED)


@pytest.fixture(scope="module")
def plain(novel: Path) -> Checkpoint:
    """The same without a temperature."""
    options = {**OVERFITTED, "calibrate": False}
    return load_checkpoint(textgen.train(novel, novel.parent / "plain", **options))


def test_a_calibrated_model_has_a_better_score_on_all_of_the_held_out_text(
    calibrated: Path, novel: Path
) -> None:
    saved = load_checkpoint(calibrated)
    score = saved.facts["score"]
    assert score["temperature"] > 1.1
    before = min(float(row["val_bits_per_char"]) for row in rows_of(calibrated))
    assert score["val_bits_per_char"] < before - 0.005
    text = novel.read_text(encoding="utf-8")
    held_out = text[int(len(text) * 0.6) + 1 : int(len(text) * 0.9)]
    measured = Generator.load(calibrated, memory=False).score(held_out).bits_per_char
    assert score["val_bits_per_char"] == pytest.approx(measured, rel=0.02)
    assert "divided by " in as_text(describe(saved, calibrated))


def test_it_says_what_the_temperature_brings(
    novel: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = {
        **OVERFITTED,
        "quiet": False,
        "preview": False,
        "test_fraction": 0.0,
        "memory": 0,
    }
    run = textgen.train(novel, tmp_path / "run", **options)
    found = re.fullmatch(
        r"The network was too sure: dividing its logits by (\S+) \(temperature scaling\) "
        r"lowers the score on held-out text from (\S+) to (\S+) bits per character\.",
        capfd.readouterr().err.splitlines()[-1],
    )
    assert found is not None
    score = load_checkpoint(run).facts["score"]
    assert float(found[1]) == score["temperature"]
    assert float(found[3]) == pytest.approx(score["val_bits_per_char"], abs=1e-3)
    assert float(found[2]) > float(found[3])


def test_all_other_scores_are_of_calibrated_logits(
    calibrated: Path, plain: Checkpoint
) -> None:
    score, before = load_checkpoint(calibrated).facts["score"], plain.facts["score"]
    for name in ("test", "val_network", "val_both"):
        assert score[f"{name}_bits_per_char"] < before[f"{name}_bits_per_char"]
    assert score["val_ngrams_bits_per_char"] == before["val_ngrams_bits_per_char"]


def test_without_it_weights_and_score_are_those_of_the_last_evaluation(
    calibrated: Path, plain: Checkpoint, novel: Path
) -> None:
    best = min(float(row["val_bits_per_char"]) for row in rows_of(novel.parent / "plain"))
    assert plain.facts["score"]["val_bits_per_char"] == best
    assert "temperature" not in plain.facts["score"]
    saved = load_checkpoint(calibrated)
    temperature = np.float32(saved.facts["score"]["temperature"])
    for name, array in plain.weights.items():
        divisor = temperature if name.startswith("output.") else np.float32(1)
        np.testing.assert_array_equal(saved.weights[name], array / divisor)


def test_a_run_that_is_resumed_is_calibrated_once(calibrated: Path, novel: Path) -> None:
    expected = load_checkpoint(calibrated)
    run = shutil.copytree(calibrated, novel.parent / "again")
    textgen.train(novel, run, resume=True, quiet=True)
    found = load_checkpoint(run)
    assert found.facts["score"] == expected.facts["score"]
    for name, array in expected.weights.items():
        np.testing.assert_array_equal(found.weights[name], array)


def test_a_run_of_an_earlier_version_is_calibrated_when_it_is_resumed(
    calibrated: Path, plain: Checkpoint, novel: Path, tmp_path: Path
) -> None:
    expected, run = load_checkpoint(calibrated), tmp_path / "run"
    shutil.copytree(novel.parent / "plain", run)
    stored = run / "last" / "training.json"
    values = json.loads(stored.read_text(encoding="utf-8"))
    del values["train"]["calibrate"]
    stored.write_text(json.dumps(values), encoding="utf-8")
    textgen.train(novel, run, resume=True, quiet=True)
    found = load_checkpoint(run)
    untimed, score = {"seconds"}, found.facts["score"]
    assert score.keys() == expected.facts["score"].keys()
    for name in score.keys() - untimed:
        assert score[name] == expected.facts["score"][name], name
    assert found.ngrams is not None
    assert expected.ngrams is not None
    assert found.ngrams.weight == expected.ngrams.weight


def test_a_temperature_that_makes_the_whole_worse_is_not_used(
    novel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textgen.training.loop.finishing.best_temperature", lambda _: 4.0)
    run = textgen.train(novel, tmp_path / "run", **{**OVERFITTED, "epochs": 1})
    score = load_checkpoint(run).facts["score"]
    assert score["temperature"] == 1
    assert score["val_bits_per_char"] == float(rows_of(run)[-1]["val_bits_per_char"])


def test_a_run_goes_on_from_weights_without_a_temperature(
    whole: Path, tmp_path: Path
) -> None:
    book = whole.parent / "book.txt"
    options = {**INTERRUPTED, "calibrate": True}
    run = textgen.train(book, tmp_path / "run", **options)
    assert load_checkpoint(run).facts["score"]["temperature"] != 1
    for folder in (run, shutil.copytree(whole, tmp_path / "plain")):
        textgen.train(book, folder, resume=True, epochs=2, quiet=True)
    expected = load_checkpoint(tmp_path / "plain" / "last")
    for name, array in load_checkpoint(run / "last").weights.items():
        np.testing.assert_array_equal(array, expected.weights[name])


def test_an_output_layer_that_shares_its_matrix_has_none(
    book: Path, tmp_path: Path
) -> None:
    options = {**SMALL, "calibrate": True, "epochs": 1, "tie_embeddings": True}
    run = textgen.train(book, tmp_path / "run", **options)
    assert "temperature" not in load_checkpoint(run).facts["score"]
