"""`textgen sample --output` writes a file whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from textgen.__main__ import run
from textgen.generation.generator import Generator

Output = pytest.CaptureFixture[str]
FORMS = [[], ["-n", "3"], ["--jsonl", "-n", "3"], ["--no-echo", "--prompt", "Kit "]]


@pytest.fixture
def sample(model: Path) -> list[str]:
    return ["sample", str(model), "--length", "40", "--seed", "1"]


@pytest.mark.parametrize("form", FORMS, ids=" ".join)
def test_the_file_holds_what_stdout_would_show(
    form: list[str], sample: list[str], tmp_path: Path, capsys: Output
) -> None:
    assert run([*sample, *form]) == 0
    shown = capsys.readouterr().out
    path = tmp_path / "page.txt"
    assert run([*sample, *form, "--output", str(path)]) == 0
    assert path.read_bytes() == shown.encode()
    assert capsys.readouterr() == ("", f"Wrote {path}\n")
    if "--jsonl" in form:
        assert len([json.loads(line) for line in path.read_text().splitlines()]) == 3


def test_a_file_that_exists_is_replaced_only_on_request(
    sample: list[str], tmp_path: Path, capsys: Output
) -> None:
    path, link = tmp_path / "page.txt", tmp_path / "link.txt"
    path.write_text("mine")
    link.symlink_to(path)
    assert run([*sample, "-o", str(path)]) == 2
    assert f"{path}: this file exists. Add --overwrite" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert run([*sample, "-o", str(link), "--overwrite"]) == 0
    assert link.is_symlink()
    assert len(path.read_text()) > 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "no/page.txt"], "there is no directory no. Create it: mkdir -p no"),
        (["-o", "."], "--output .: this is not a regular file."),
        (["-o", os.devnull], f"Redirect stdout to it instead: > {os.devnull}"),
        (["--overwrite"], "--overwrite needs --output."),
        (["-o", "a.txt", "--interactive"], "--output and --interactive cannot be used"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_generated(
    arguments: list[str],
    message: str,
    sample: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Output,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(os.listdir())
    assert run([*sample, *arguments]) == 2
    assert message in capsys.readouterr().err
    assert sorted(os.listdir()) == before


def test_ctrl_c_leaves_the_old_file(
    sample: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stream(*_: object, **__: object) -> object:
        yield "half"
        raise KeyboardInterrupt

    monkeypatch.setattr(Generator, "stream", stream)
    path = tmp_path / "page.txt"
    path.write_text("mine")
    before = sorted(os.listdir(tmp_path))
    assert run([*sample, "-o", str(path), "--overwrite"]) == 130
    assert path.read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == before


def test_a_dash_is_stdout(sample: list[str], capsys: Output) -> None:
    assert run([*sample, "-o", "-"]) == 0
    shown = capsys.readouterr()
    assert len(shown.out) > 40
    assert shown.err == ""
