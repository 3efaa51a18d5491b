"""Runs that are also logged elsewhere, by the real packages where they are installed.

Weights & Biases and MLflow are large, so that the extra `test` leaves them out.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import textgen
from tests.training.helpers import SMALL, rows_of
from textgen.config.train import TrainConfig
from textgen.errors import ConfigError
from textgen.training.loop.loggers import SERVICES

pytestmark = pytest.mark.one_backend

MISSING = "{} is not installed: pip install '.[{}]'"


def importable(name: str) -> None:
    pytest.importorskip(name, reason=MISSING.format(name, name.split(".")[0]))


def test_every_choice_has_its_service() -> None:
    (field,) = (f for f in TrainConfig.__dataclass_fields__.values() if f.name == "log_to")
    assert set(field.metadata["choices"]) == {"none", *SERVICES}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_without_its_extra_names_the_install_command(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("textgen.training.train.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=rf"{name} is not installed.*\[{name}\]"):
        textgen.train(book, tmp_path / "run", log_to=name)


@pytest.mark.slow
def test_mlflow_gets_scores_and_options(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    importable("mlflow.keras")
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    run = textgen.train(book, tmp_path / "run", epochs=2, log_to="mlflow", **SMALL)
    logged = mlflow.last_active_run()
    assert logged is not None
    assert logged.info.status == "FINISHED"
    assert logged.info.run_name == "run"
    assert logged.data.params["units"] == "16"
    best = float(rows_of(run)[-1]["val_bits_per_char"])
    assert logged.data.metrics["val_bits_per_char"] == pytest.approx(best)


@pytest.mark.slow
def test_weights_and_biases_gets_scores_and_options(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    importable("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    textgen.train(book, tmp_path / "run", epochs=2, log_to="wandb", **SMALL)
    (stored,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert b"epoch/val_bits_per_char" in stored.read_bytes()


def test_a_service_that_cannot_begin_leaves_no_run(book: Path, tmp_path: Path) -> None:
    importable("mlflow.keras")
    import mlflow

    mlflow.set_tracking_uri("no-such-store://here")
    with pytest.raises(ConfigError, match="log_to='mlflow' cannot begin"):
        textgen.train(book, tmp_path / "run", log_to="mlflow", **SMALL)
    assert not (tmp_path / "run").exists()
