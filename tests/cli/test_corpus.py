"""`textgen corpus check`: what a person reads, and what a script gets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.helpers import STORY, textgen
from textgen.__main__ import run

Output = pytest.CaptureFixture[str]


def test_a_sound_text_gets_a_short_clean_bill(tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / "book.txt"
    path.write_text(STORY * 1500, encoding="utf-8")
    assert run(["corpus", "check", str(path)]) == 0
    assert capsys.readouterr() == (
        "51,000 characters, 15 different, 1 file.\n\nNothing to fix: ready for training.\n",
        "",
    )


def test_a_finding_is_a_paragraph_with_what_to_do(tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / "menu.txt"
    path.write_bytes("Un café noir.\n".encode("cp1252") * 2000)
    assert run(["corpus", "check", str(path)]) == 1
    out, err = capsys.readouterr()
    assert out == (
        "No text could be read.\n\n"
        f"error: encoding: {path} is not utf-8: byte 0xe9 at offset 6, line 1. It looks "
        "like cp1252. Add --encoding cp1252.\n\n"
        "textgen train would refuse this text.\n"
    )
    assert err == ""
    assert run(["corpus", "check", str(path), "--encoding", "cp1252"]) == 0


def test_json_has_everything_as_data(tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / "list.txt"
    path.write_text("one of a list\ntwo of a list\n" * 900 + "a\x0c", encoding="utf-8")
    arguments = ["corpus", "check", str(path), "--documents", "lines", "--json"]
    assert run(arguments) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["can_train"] is True
    assert data["num_documents"] == 1801
    assert data["files"] == [str(path)]
    by_topic = {finding["topic"]: finding for finding in data["findings"]}
    assert by_topic["repeated documents"]["count"] == 1798
    (character,) = by_topic["control characters"]["characters"]
    assert character == {
        "code_point": "U+000C",
        "name": "FORM FEED",
        "count": 1,
        "first": {"name": "", "line": 1801},
    }


def test_the_flags_of_train_decide_what_is_enough(story: Path, capsys: Output) -> None:
    check = ["corpus", "check", str(story)]
    assert run([*check, "--batch-size", "200"]) == 1
    assert "Lower --batch-size" in capsys.readouterr().out
    assert run([*check, "--seq-length", "1000"]) == 1
    assert run([*check, "--size", "large"]) == 0
    assert "model too large" in capsys.readouterr().out
    assert run([*check, "--units", "1024"]) == 0
    assert "model too large" in capsys.readouterr().out


def test_wrong_usage_is_refused(story: Path, capsys: Output) -> None:
    assert run(["corpus", "check"]) == 2
    assert run(["corpus", "check", str(story), "--encoding", "hex"]) == 2
    assert run(["corpus", "check", str(story), "--min-count", "0"]) == 2
    assert "--min-count 0 must be at least 1" in capsys.readouterr().err


def test_a_missing_file_is_one_error_among_others(
    story: Path, tmp_path: Path, capsys: Output
) -> None:
    assert run(["corpus", "check", str(story), str(tmp_path / "stories.txt")]) == 1
    out = capsys.readouterr().out
    assert out.startswith("6,800 characters")
    assert f"does not exist. Did you mean {story}?" in out


def test_results_go_to_stdout_and_no_bar_to_a_pipe() -> None:
    done = textgen("corpus", "check", "-", input=STORY * 1500)
    assert done.returncode == 0
    assert "Nothing to fix" in done.stdout
    assert done.stderr == ""


def test_a_terminal_shows_a_bar_when_reading_takes_long(
    story: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setattr("textgen.text.reading.progress.BAR_SECONDS", 0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert run(["corpus", "check", str(story)]) == 0
    assert "/6.80k [" in capsys.readouterr().err


def test_help_shows_examples_and_the_exit_code(capsys: Output) -> None:
    assert run(["corpus", "check", "--help"]) == 0
    out = capsys.readouterr().out
    assert "Examples:" in out
    assert "exit code" in out
    for flag in ("--encoding", "--min-count", "--batch-size", "--size", "--json"):
        assert flag in out
