"""What `train` does before it hands over to Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from textgen.cli import cli
from textgen.training import train as train_module


@pytest.fixture
def tuned(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether lanes were to be shared, for every time the process was tuned.

    Training itself is left out: it begins with an error of its own.
    """
    calls: list[bool] = []

    def tune_process(*, share_lanes: bool) -> None:
        calls.append(share_lanes)
        raise InterruptedError

    monkeypatch.setattr(train_module, "tune_process", tune_process)
    monkeypatch.setattr(train_module, "num_cores", lambda: 2)
    return calls


def begin(tmp_path: Path, *options: Any) -> None:
    text = tmp_path / "text.txt"
    text.write_text("so it goes, and goes, and goes.\n" * 200, encoding="utf-8")
    words = ["train", text, "--out", tmp_path / "run", "--seq-length", 8, "-q", *options]
    CliRunner().invoke(cli, list(map(str, words)))


@pytest.mark.parametrize(
    ("options", "shared"),
    [
        (("--batch-size", 32), True),
        (("--batch-size", 32, "--cell", "gru"), True),
        (("--batch-size", 32, "--cell", "rnn"), False),
        (("--batch-size", 32, "--recurrent-dropout", 0.1), False),
        (("--batch-size", 31), False),  # does not divide
        (("--batch-size", 8), False),  # too few for two
    ],
)
def test_the_command_tunes_the_process_for_the_model_that_it_trains(
    options: tuple[Any, ...], shared: bool, tmp_path: Path, tuned: list[bool]
) -> None:
    begin(tmp_path, *options)
    assert tuned == [shared]


def test_no_tune_leaves_the_process_alone(
    tmp_path: Path, tuned: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    from textgen.training.loop import fit as fit_module

    trained = []
    monkeypatch.setattr(fit_module, "fit", lambda task, **_: trained.append(task))
    begin(tmp_path, "--no-tune")
    assert tuned == []
    assert len(trained) == 1
