"""`textgen runs` lists what was trained, and is not stopped by what else is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.helpers import untrained
from textgen.__main__ import run
from textgen.checkpoint.format import CONFIG, WEIGHTS
from textgen.text.tokenizers.char import CharTokenizer

Output = pytest.CaptureFixture[str]


def add(folder: Path, name: str, *, days: float, part: str = "best", **facts: Any) -> Path:
    """A run that was saved so many days ago."""
    path = untrained(folder / name / part, CharTokenizer("ab"))
    data = json.loads((path / CONFIG).read_text())
    data["facts"] = facts
    (path / CONFIG).write_text(json.dumps(data))
    then = time.time() - days * 86_400
    os.utime(path / CONFIG, (then, then))
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs of every kind, and what is none."""
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "checkpoints"
    text = {"sources": ["/home/ada/poems.txt", "b.txt"], "num_files": 5, "num_chars": 900}
    add(runs, "poems", days=400, text=text, score={"val_bits_per_char": 1.98765})
    add(runs, "new", days=2, part="last", text={"sources": ["a.txt"], "num_files": 1})
    add(runs, "odd", days=3, text={"num_files": "x"}, score={"val_bits_per_char": "x"})
    (add(runs, "broken", days=50) / CONFIG).write_text("{")
    then = time.time() - 50 * 86_400
    os.utime(runs / "broken" / "best" / CONFIG, (then, then))
    (runs / "photos").mkdir()
    (runs / "notes.txt").write_text("mine")
    (runs / "gone").symlink_to(tmp_path / "nowhere")
    add(runs, ".hidden", days=1)
    return runs


def test_runs_are_listed_with_score_size_text_and_age_newest_first(
    folder: Path, capsys: Output
) -> None:
    assert run(["runs"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    lines = [line.split(maxsplit=5) for line in shown.out.splitlines()]
    size = lines[1][2]
    assert int(size.replace(",", "")) > 500
    assert lines == [
        ["run", "bits/char", "parameters", "age", "text"],
        ["new", "-", size, "2", "d", "a.txt"],
        ["odd", "-", size, "3", "d", "-"],
        ["broken", "-", "-", "50", "d", lines[3][5]],
        ["poems", "1.988", size, "400", "d", "poems.txt and 4 other files"],
    ]
    assert "config.json: damaged" in lines[3][5]
    assert "/home/ada" not in shown.out


def test_the_list_as_json_has_everything(folder: Path, capsys: Output) -> None:
    assert run(["runs", str(folder), "--json"]) == 0
    new, odd, broken, poems = json.loads(capsys.readouterr().out)
    assert poems["bits_per_char"] == 1.98765
    assert poems["sources"] == ["poems.txt", "b.txt"]
    assert (poems["num_files"], poems["num_chars"]) == (5, 900)
    assert poems["path"] == str(folder / "poems")
    assert new["bits_per_char"] is None
    assert new["written_at"].endswith("+00:00")
    assert (odd["num_files"], odd["sources"], odd["fault"]) == (None, [], "")
    assert (broken["name"], broken["num_parameters"]) == ("broken", None)
    assert "damaged" in broken["fault"]


def test_neither_weights_nor_keras_are_needed(folder: Path) -> None:
    for weights in folder.rglob(WEIGHTS):
        weights.unlink()
    code = (
        "import sys; from textgen.__main__ import run; code = run(['runs']);"
        "sys.exit(code or 9 * ('keras' in sys.modules or 'safetensors' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder.parent, check=False)
    assert done.returncode == 0


def test_a_single_run_is_a_list_of_one(folder: Path, capsys: Output) -> None:
    for place in ("poems", "poems/best"):
        assert run(["runs", str(folder / place), "--json"]) == 0
        (only,) = json.loads(capsys.readouterr().out)
        assert only["num_chars"] == 900


def test_without_any_run_the_first_step_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["runs"]) == 0
    assert capsys.readouterr() == (
        "",
        "No runs in checkpoints. Train one: textgen train YOUR_TEXT.txt\n",
    )
    assert run(["runs", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"
    assert run(["runs", "nowhere"]) == 1
    assert "nowhere: cannot be listed (No such file" in capsys.readouterr().err
