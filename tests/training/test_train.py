"""What `train` does before it hands over to Keras."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import textgen
from tests.training.helpers import SMALL
from textgen.checkpoint.format import (
    load_checkpoint,
)
from textgen.cli import cli
from textgen.errors import (
    CheckpointError,
    ConfigError,
    CorpusError,
    TextgenError,
)
from textgen.training import train as train_module
from textgen.training.loop import fit as fit_module


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
    monkeypatch.setattr(train_module, "keep_memory", lambda: True)
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

    trained = []
    monkeypatch.setattr(fit_module, "fit", lambda task, **_: trained.append(task))
    begin(tmp_path, "--no-tune")
    assert tuned == []
    assert len(trained) == 1


@pytest.mark.slow
@pytest.mark.one_backend
def test_another_run_is_never_written_over_unasked(
    book: Path, tmp_path: Path, trained: Path
) -> None:
    run = trained
    before = (run / "best" / "model.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match=r"`resume=True`.*`overwrite=True`.*`out`"):
        textgen.train(book, run, epochs=1, **SMALL)
    assert (run / "best" / "model.safetensors").read_bytes() == before
    textgen.train(book, run, overwrite=True, epochs=1, seed=5, **SMALL)
    assert (run / "best" / "model.safetensors").read_bytes() != before


@pytest.mark.one_backend
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_missing_text_is_reported_before_a_run_that_exists(
    tmp_path: Path, trained: Path, overwrite: bool
) -> None:
    # A mistyped name may share its run with another file.
    with pytest.raises(CorpusError, match="does not exist"):
        textgen.train(tmp_path / "missing.txt", trained, overwrite=overwrite)
    assert load_checkpoint(trained)


@pytest.mark.one_backend
def test_overwrite_on_a_full_disk_keeps_the_old_run(
    book: Path, trained: Path, tmp_path: Path, small_disk: Callable[[int], Path]
) -> None:
    run = small_disk(400) / "run"
    shutil.copytree(trained, run)
    before = (run / "best" / "model.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match="No space left on device"):
        textgen.train(book, run, overwrite=True, **{**SMALL, "units": 128})
    assert (run / "best" / "model.safetensors").read_bytes() == before
    assert load_checkpoint(run / "last").model.units == SMALL["units"]
    assert (run / "history.csv").exists()


# --- the test text ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": 3}, r"unknown option 'unit'.*'units'"),
        ({"units": 0}, r"units=0 must be at least 1"),
        ({"vocab_size": 9}, r"vocab_size is decided by the text"),
        ({"size": "small", "resume": True}, r"keeps its size"),
        ({"size": "huge"}, r"size='huge' must be one of auto, tiny"),
        ({"resume": True, "overwrite": True}, r"cannot be used together"),
        ({"batch_size": 500}, r"`batch_size`, `seq_length` or `val_fraction`"),
    ],
)
@pytest.mark.one_backend
def test_nonsense_is_refused_before_anything_is_written(
    book: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TextgenError, match=message):
        textgen.train(book, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.one_backend
@pytest.mark.slow
def test_tensorboard_logs_are_written_beside_the_checkpoint(
    book: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    options = {**SMALL, "quiet": False, "epochs": 1, "tensorboard": True}
    run = textgen.train(book, tmp_path / "run", **options)
    assert f"Watch:  tensorboard --logdir {run / 'logs'}" in capsys.readouterr().err
    assert list(run.glob("logs/*/events.out.tfevents.*"))


@pytest.mark.one_backend
def test_tensorboard_without_the_extra_names_the_install_command(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textgen.training.train.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install .*\[tensorboard\]"):
        textgen.train(book, tmp_path / "run", tensorboard=True)


@pytest.mark.slow
@pytest.mark.one_backend
@pytest.mark.usefixtures("charts")
def test_a_new_run_without_matplotlib_names_the_install_command_once(
    book: Path,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    options = {**SMALL, "quiet": False, "epochs": 1}
    textgen.train(book, tmp_path / "new", **options)
    (line,) = (
        each for each in capsys.readouterr().err.splitlines() if "matplotlib" in each
    )
    assert line == (
        "The run gets no history.png, since matplotlib is not installed. To install it: "
        'pip install "keras-textgen[plot]"'
    )
    assert not (tmp_path / "new" / "history.png").exists()
    textgen.train(book, trained, resume=True)
    assert "matplotlib" not in capsys.readouterr().err
