"""The benchmark of training speed trains, whatever has changed in what it calls."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.one_backend
@pytest.mark.parametrize("row", ["textgen torch float32", "pytorch float32"])
def test_a_row_measures_its_steps(tmp_path: Path, row: str) -> None:
    pytest.importorskip("torch", reason="the row is one of PyTorch")
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(
        "the quick brown fox jumps over the lazy dog\n" * 200, encoding="utf-8"
    )
    script = ROOT / "benchmarks" / "train_rows.py"
    done = subprocess.run(
        [sys.executable, script, row, "--corpus", corpus],
        input="0\n",
        env={**os.environ, "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
        check=True,
    )
    first, block = map(json.loads, done.stdout.splitlines())
    assert first["num_steps"] == 1
    assert block["num_steps"] >= 1
    assert block["seconds"] > 0
