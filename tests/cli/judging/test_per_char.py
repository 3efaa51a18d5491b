"""`textgen score --per-char`: JSON lines on a pipe, coloured text on a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.helpers import figures_of, score_on_terminal
from textgen.__main__ import run
from textgen.cli.judging.per_char import coloured, json_lines, legend
from textgen.generation.scoring.score import Surprise

Output = pytest.CaptureFixture[str]


def test_characters_are_json_lines_on_a_pipe(
    model: Path, tmp_path: Path, capsys: Output
) -> None:
    (tmp_path / "a.txt").write_text('Kit 漢\n"', encoding="utf-8")
    assert run(["score", str(model), str(tmp_path / "a.txt"), "--per-char"]) == 0
    shown = capsys.readouterr()
    rows = [json.loads(line) for line in shown.out.splitlines()]
    assert "".join(row["char"] for row in rows) == 'Kit 漢\n"'
    assert rows[4] == {"char": "漢", "bits": None, "unknown": True}
    assert set(rows[0]) == {"char", "bits"}
    figures = figures_of(capsys, model, tmp_path / "a.txt")
    known = [row["bits"] for row in rows if row["bits"] is not None]
    assert sum(known) / len(known) == pytest.approx(figures["bits_per_char"])
    assert "does not know 2 characters of this text" in shown.err
    assert "bits per character, lower is better (continuous: " in shown.err


def test_characters_can_be_scored_in_windows(
    model: Path, story: Path, capsys: Output
) -> None:
    run(["score", str(model), str(story), "--per-char", "--window", "10"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    figures = figures_of(capsys, model, story, "--window", 10)
    mean = sum(row["bits"] for row in rows) / len(rows)
    assert mean == pytest.approx(figures["bits_per_char"])


def test_the_end_of_a_document_is_marked_and_reads_as_a_line_feed() -> None:
    lines = list(json_lines([Surprise("a", 1.0), Surprise("\n", 2.0, ends_document=True)]))
    assert json.loads(lines[1]) == {"char": "\n", "bits": 2.0, "end_of_document": True}


def test_a_terminal_shows_the_text_in_colours_with_a_legend(
    model: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("Kit 漢", encoding="utf-8")
    shown = score_on_terminal(model, tmp_path / "a.txt", "--per-char")
    legend_line, text, *rest = shown.splitlines()
    assert legend_line.startswith("bits: below 1, \x1b[38;5;16m\x1b[48;5;230m1 to 2\x1b[0m")
    assert "\x1b[48;5;250m漢\x1b[0m" in text
    assert text.count("\x1b[0m") >= 2
    assert rest[-1].endswith("(continuous: the model reads on from beginning to end)")


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_without_colours_gets_json_lines(
    environment: dict[str, str], model: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("Kit")
    shown = score_on_terminal(model, tmp_path / "a.txt", "--per-char", **environment)
    assert shown.startswith('{"char": "K", "bits": ')
    assert "\x1b" not in shown


def test_json_is_json_on_a_terminal_too(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Kit")
    shown = score_on_terminal(model, tmp_path / "a.txt", "--per-char", "--json")
    assert shown.startswith('{"char": "K", "bits": ')


@pytest.mark.parametrize(
    ("bits", "colour"),
    [(0.99, None), (1, 230), (2, 222), (4, 215), (6, 209), (8, 196), (99, 196)],
)
def test_the_more_bits_the_redder(bits: float, colour: int | None) -> None:
    shown = "".join(coloured([Surprise("x", bits)]))
    assert shown == (f"\x1b[38;5;16m\x1b[48;5;{colour}mx\x1b[0m" if colour else "x")


def test_a_text_cannot_control_the_terminal() -> None:
    text = "a\x1b[2J\x07\x00\u202e\x85\r"
    shown = "".join(coloured(Surprise(character, 0.1) for character in text))
    assert shown == r"a\x1b[2J\x07\x00\u202e\x85\r"


def test_line_feeds_stay_line_feeds_and_bear_a_colour_only_where_they_surprise() -> None:
    text = [Surprise("a", 0.1), Surprise("\n", 0.1), Surprise("b", 3), Surprise("\n", 3)]
    *_, last = shown = "".join(coloured(text)).split("\n")
    assert shown[0] == "a"
    assert shown[1].endswith("b↵\x1b[0m")
    assert last == ""
    end = "".join(coloured([Surprise("\n", 0.1, ends_document=True)]))
    assert end == "¶\n"


def test_the_legend_has_no_colours_where_they_would_not_show() -> None:
    assert "\x1b" not in legend(coloured=False)
    assert legend(coloured=True).count("\x1b[48;5;") == 6
