"""A text in the place of a checkpoint, and the other way round, is recognised."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from textgen.__main__ import run

Output = pytest.CaptureFixture[str]


@pytest.fixture
def chat(model: Path, story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The run `chat`, and the text `chat.txt` that it was trained on."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(model, Path("checkpoints") / "chat" / "best")
    story.rename("chat.txt")
    return "chat"


def last_line(capsys: Output) -> str:
    shown = capsys.readouterr()
    assert shown.out == ""
    return shown.err.splitlines()[-1]


@pytest.mark.parametrize("command", ["score", "novelty"])
def test_a_text_before_its_checkpoint_is_explained(
    command: str, chat: str, capsys: Output
) -> None:
    assert run([command, "chat.txt", chat]) == 2
    assert last_line(capsys) == (
        "Error: chat.txt is a text and chat a checkpoint; the checkpoint comes first: "
        f"textgen {command} chat chat.txt"
    )
    assert run([command, "-", chat]) == 2
    assert last_line(capsys).endswith(f"textgen {command} chat -")


@pytest.mark.parametrize("command", ["score", "novelty"])
@pytest.mark.parametrize("before", [[], ["chat"]])
def test_a_checkpoint_in_the_place_of_the_text_is_explained(
    command: str, before: list[str], chat: str, capsys: Output
) -> None:
    assert run([command, *before, chat]) == 2
    assert last_line(capsys) == (
        "Error: chat is a checkpoint, not a text. Name a text file after it: "
        f"textgen {command} chat TEXT.txt"
    )


def test_a_text_with_the_name_of_a_run_is_a_text(chat: str, capsys: Output) -> None:
    Path("chat.txt").rename("chat")
    assert run(["score", "chat"]) == 0
    assert "bits per character" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "flag"),
    [("chat.txt", "--prompt-file chat.txt"), ("Kit went", "--prompt 'Kit went'")],
)
def test_a_text_that_is_to_be_continued_is_no_checkpoint(
    name: str, flag: str, chat: str, capsys: Output
) -> None:
    assert run(["sample", name]) == 2
    assert last_line(capsys) == (
        f"Error: {name} is not a checkpoint. To continue it as a text: textgen sample "
        f"{flag}"
    )


def test_a_text_alone_suggests_the_run_that_has_its_name(chat: str, capsys: Output) -> None:
    assert run(["info", "chat.txt"]) == 1
    assert last_line(capsys).endswith("Did you mean 'chat'?")
    Path("chat.txt").rename("other.md")
    assert run(["info", "other.md"]) == 1
    assert last_line(capsys).endswith("Train on it first: textgen train other.md")
