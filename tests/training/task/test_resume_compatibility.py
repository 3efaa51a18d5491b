"""Runs begun by earlier code are resumed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import textgen
from tests.checkpoint.test_compatibility import DATA, RUNS
from textgen.checkpoint.format import load_checkpoint
from textgen.training.backend.keras import load_keras

BACKEND = load_keras().backend.backend()
OPTIONS = {"rnn": {"tokenizer": "byte", "documents": "records"}}


@pytest.mark.slow
@pytest.mark.skipif(
    BACKEND == "jax", reason="begun on TensorFlow; PyTorch stands for another backend"
)
@pytest.mark.parametrize("run", RUNS)
def test_an_earlier_run_resumes_where_it_stopped(
    run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(DATA / run, tmp_path / run)
    monkeypatch.chdir(tmp_path / run)
    (text,) = (str(path.name) for path in Path().glob("text.*"))
    before = load_checkpoint("run/last").weights
    options = OPTIONS.get(run, {})
    textgen.train(text, out="run", resume=True, epochs=3, quiet=True, **options)

    first, second = json.loads(Path("run/last/training.json").read_text())["state"]["rows"]
    assert (first["epoch"], second["epoch"]) == (2, 3)
    expected = json.loads(Path("expected.json").read_text(encoding="utf-8"))
    # The runs were trained on TensorFlow; another backend draws other dropout masks.
    tolerance = 1e-4 if BACKEND == "tensorflow" else 0.05
    assert second["val_bits_per_char"] == pytest.approx(
        expected["resumed_val_bits_per_char"], abs=tolerance
    )
    after = load_checkpoint("run/last").weights
    assert all(np.any(after[name] != before[name]) for name in before)
