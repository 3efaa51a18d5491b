"""The functions that need Keras show only their own errors when called wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import textgen
from tests.hostile import VALUES
from tests.hostile import faults as found

TINY = textgen.ModelConfig(vocab_size=3, num_layers=1, units=2, embedding_dim=2)


@pytest.mark.slow
@pytest.mark.one_backend
def test_training_refuses_hostile_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    good: dict[str, Any] = {
        "paths": "few.txt",
        "out": "run",
        "size": "auto",
        "resume": False,
        "overwrite": False,
        "init_from": None,
        "cache_dir": None,
        "quiet": True,
        "tune": False,
        "units": 2,
    }
    (tmp_path / "few.txt").write_text("too few characters")

    def train(**arguments: Any) -> None:
        # The text is read, and nothing is trained.
        with pytest.raises(textgen.TextgenError):
            textgen.train(**arguments)

    assert not found(train, **good)


@pytest.mark.slow
@pytest.mark.one_backend
def test_tuning_refuses_hostile_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "few.txt").write_text("too few characters")
    good: dict[str, Any] = {
        "paths": "few.txt",
        "minutes": 1.0,
        "out": "study",
        "storage": "study.db",
        "trial_minutes": 0.1,
        "cache_dir": None,
        "quiet": True,
        "tune": False,
        "units": 2,
    }

    def tune(**arguments: Any) -> None:
        with pytest.raises(textgen.TextgenError):
            textgen.tune(**arguments)

    assert not found(tune, **good)


@pytest.mark.slow
@pytest.mark.one_backend
def test_models_refuse_hostile_arguments() -> None:
    assert not found(
        textgen.build_model, config=TINY, batch_size=None, seed=0, compute_dtype="float32"
    )
    model = textgen.build_model(TINY)
    compiled = {"model": model, "config": TINY, "train": textgen.TrainConfig()}
    assert not found(textgen.compile_model, **compiled)


@pytest.mark.one_backend
@pytest.mark.parametrize("kind", [kind for kind in VALUES if kind != "None"])
def test_loading_a_model_refuses_hostile_paths(kind: str) -> None:
    with pytest.raises(textgen.TextgenError):
        textgen.load_model(VALUES[kind]())


@pytest.mark.one_backend
def test_paths_from_a_generator_are_all_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text("0123456789" * 5)
    # Without `out`, the run is named after the first of them; both are 101 characters.
    with pytest.raises(textgen.TextgenError, match="the training text has 90 ids"):
        textgen.train((path for path in sorted(tmp_path.glob("*.txt"))), quiet=True)
