"""`textgen watch` as a person meets it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.cli.helpers import untrained
from tests.patience import PATIENCE
from textgen.__main__ import run
from textgen.text.tokenizers.char import CharTokenizer

Output = pytest.CaptureFixture[str]


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run in the folder where runs are, and an older one."""
    monkeypatch.chdir(tmp_path)
    for name in ("older", "my_book"):
        untrained(tmp_path / "checkpoints" / name / "best", CharTokenizer("ab"))
    return Path("checkpoints", "my_book")


@pytest.mark.parametrize("arguments", [[], ["my_book"], ["checkpoints/my_book/best"]])
def test_it_serves_a_page_until_ctrl_c(trained: Path, arguments: list[str]) -> None:
    command = [sys.executable, "-m", "textgen", "watch", *arguments]
    process = subprocess.Popen(
        [*command, "--no-open", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        assert "my_book" in answer.read().decode()
    process.send_signal(signal.SIGINT)
    rest, notes = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert rest == ""
    assert notes.splitlines() == [
        f"Watching {trained}. Ctrl-C ends the page, not the training.",
        "The page has ended.",
    ]


def test_mistakes_are_one_line(trained: Path, capsys: Output) -> None:
    Path("my_text.txt").write_text("a")
    Path("empty").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, why in (
            (["my_bok"], "no such run. Did you mean 'my_book'?"),
            (["my_text.txt"], "no such run. Train on it first: textgen train my_text.txt"),
            (["empty"], "nothing is trained there"),
            (["my_book", "--port", port], f"Error: --port {port} cannot be used"),
            (["my_book", "--port", "70000"], "70000"),
        ):
            assert run(["watch", *arguments, "--no-open"]) in (1, 2)
            shown = capsys.readouterr()
            assert why in shown.err
            assert shown.out == ""


def test_a_run_that_only_reads_its_text_can_be_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from textgen.checkpoint.runs import find_run

    monkeypatch.chdir(tmp_path)
    place = tmp_path / "checkpoints" / "new"
    place.mkdir(parents=True)
    (place / ".lock").touch()
    assert find_run("new").path == Path("checkpoints", "new")
    assert find_run().path == Path("checkpoints", "new")


def test_without_any_run_it_says_how_to_train_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["watch", "--no-open"]) == 1
    assert "no run under checkpoints/. Train one first" in capsys.readouterr().err


def test_without_its_packages_it_says_how_to_get_them(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert run(["watch", "my_book", "--no-open"]) == 2
    shown = capsys.readouterr().err
    assert "a page needs jinja2 and matplotlib" in shown
    assert "report]" in shown
