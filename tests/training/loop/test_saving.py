"""Everything is saved inside the rounds, but never weights that are no numbers."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import textgen
from tests.training.helpers import INTERRUPTED, SMALL
from textgen.checkpoint.format import (
    load_checkpoint,
)
from textgen.errors import (
    TrainingError,
)
from textgen.training.backend.keras import load_keras
from textgen.training.loop.callbacks import StopOnNan
from textgen.training.loop.saving import Saver

keras = load_keras()


@pytest.fixture
def saved_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps at which everything was saved, as it is saved."""
    steps: list[int] = []
    save = Saver.save_last

    def save_last(saver: Saver) -> None:
        save(saver)
        steps.append(saver.progress.step)

    monkeypatch.setattr(Saver, "save_last", save_last)
    return steps


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"save_every": 7}, [0, 7, 14, 21, 24, 31, 38, 45, 48, 55, 62, 69, 72]),
        # Less than a step takes.
        pytest.param(
            {"save_minutes": 1e-9}, list(range(73)), marks=pytest.mark.one_backend
        ),
        pytest.param({"save_minutes": 0}, [0, 24, 48, 72], marks=pytest.mark.one_backend),
    ],
)
@pytest.mark.slow
def test_a_run_is_saved_inside_its_rounds_without_changing(
    book: Path,
    whole: Path,
    tmp_path: Path,
    saved_steps: list[int],
    options: dict[str, Any],
    expected: list[int],
) -> None:
    run = textgen.train(book, tmp_path / "run", **INTERRUPTED, **options)
    assert saved_steps == expected
    for part in ("best", "last"):
        name = f"{part}/model.safetensors"
        assert (run / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.slow
@pytest.mark.one_backend
def test_weights_that_are_no_numbers_are_never_saved(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StopOnNan, "_check", lambda self, loss: None)
    options = {**SMALL, "optimizer": "adam", "clip_norm": 0.0, "cell": "rnn"}
    run = tmp_path / "run"
    with pytest.raises(
        TrainingError, match=r"weight .* is NaN or infinite at step \d.*_rate`"
    ):
        textgen.train(book, run, learning_rate=1e38, save_every=1, epochs=3, **options)
    for weights in load_checkpoint(run / "last").weights.values():
        assert np.isfinite(weights).all()


def at_evaluations(do: Callable[[], object]) -> Any:
    """A callback that calls `do` after each evaluation."""
    return keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: do())


@pytest.mark.one_backend
@pytest.mark.usefixtures("charts")
@pytest.mark.parametrize(("seconds", "while_it_trains"), [(0.0, True), (math.inf, False)])
def test_the_history_is_plotted_at_times_and_at_the_end(
    book: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    while_it_trains: bool,
) -> None:
    monkeypatch.setattr("textgen.training.loop.saving.PLOT_SECONDS", seconds)
    run, plotted = tmp_path / "run", []
    chart = run / "history.png"
    seen = at_evaluations(lambda: plotted.append(chart.exists()))
    textgen.train(book, run, callbacks=[seen], **SMALL)
    assert set(plotted) == {while_it_trains}
    assert chart.exists()


@pytest.mark.one_backend
@pytest.mark.usefixtures("charts")
def test_a_run_that_is_stopped_has_its_plot(book: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    stop = at_evaluations(lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        textgen.train(book, run, callbacks=[stop], **SMALL)
    assert (run / "history.png").exists()


@pytest.mark.one_backend
@pytest.mark.usefixtures("charts")
def test_a_run_that_diverges_has_its_plot(book: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"

    def diverge() -> None:
        raise TrainingError("the loss is NaN")

    with pytest.raises(TrainingError):
        textgen.train(book, run, callbacks=[at_evaluations(diverge)], **SMALL)
    assert (run / "history.png").exists()
