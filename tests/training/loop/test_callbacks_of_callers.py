"""Callbacks that a caller passes to `textgen.train`."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

import textgen
from tests.training.helpers import SMALL, rows_of
from textgen.errors import ConfigError
from textgen.training.backend.keras import load_keras

keras = load_keras()

pytestmark = pytest.mark.one_backend


class StopAfterOneRound(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.scores: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.scores.append(float(logs["val_bits_per_id"]))
        self.model.stop_training = True


def test_a_callback_sees_the_scores_and_may_end_the_run(
    book: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    callback = StopAfterOneRound()
    options = {**SMALL, "epochs": 9, "quiet": False, "preview": False}
    run = textgen.train(book, tmp_path / "run", callbacks=[callback], **options)
    (row,) = rows_of(run)
    assert callback.scores == [pytest.approx(float(row["val_bits_per_char"]))]
    assert "Stopped by a callback at epoch 2.0" in capsys.readouterr().err


def test_the_callbacks_of_keras_know_bits_per_character(tmp_path: Path) -> None:
    book = tmp_path / "book.txt"
    book.write_text("Привет мир. 你好世界。\n" * 60, encoding="utf-8")
    table = tmp_path / "log.csv"
    callbacks = [
        keras.callbacks.CSVLogger(str(table)),
        keras.callbacks.EarlyStopping("val_bits_per_char", 100, patience=1, mode="min"),
    ]
    # Several bytes make a character.
    options = {**SMALL, "epochs": 9, "eval_every": 5, "tokenizer": "byte"}
    run = textgen.train(book, tmp_path / "run", callbacks=callbacks, **options)
    with table.open(newline="") as file:
        logged = list(csv.DictReader(file))
    rows = rows_of(run)
    assert len(logged) == len(rows) == 2
    for ours, theirs in zip(rows, logged, strict=True):
        for name, key in (("train", "bits_per_char"), ("val", "val_bits_per_char")):
            expected = float(ours[f"{name}_bits_per_char"])
            assert float(theirs[key]) == pytest.approx(expected)
            assert float(theirs[key]) > float(theirs[key.replace("char", "id")])


def test_callbacks_are_several(book: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="callbacks must be several callbacks"):
        textgen.train(book, tmp_path / "run", callbacks=StopAfterOneRound(), **SMALL)
    for wrong in (print, StopAfterOneRound):
        with pytest.raises(ConfigError, match=r"callbacks\[0\] must be a keras\.callbacks"):
            textgen.train(book, tmp_path / "run", callbacks=[wrong], **SMALL)
