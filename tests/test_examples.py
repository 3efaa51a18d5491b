"""The examples run in their short form, and say what is wrong with other data."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="the extra `examples` is not installed")
pytest.importorskip("matplotlib", reason="the extra `examples` is not installed")

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
Run = Callable[..., Path]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the short form of an example; returns the folder of its files."""
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def example(name: str, *arguments: object) -> Path:
        options = ["--quick", "--out", str(tmp_path), *map(str, arguments)]
        importlib.import_module(name).main(options)
        return tmp_path / f"{name}-other"

    return example


def shown_in(folder: Path, name: str) -> dict[str, list[str]]:
    """The rows of the table with the figures, by their first cell."""
    lines = (folder / f"{name}.md").read_text(encoding="utf-8").splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]
    return {first: rest for first, *rest in rows}


def is_picture(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5000


def assert_refused(run: Run, name: str, path: Path, data: str, message: str) -> None:
    """Data of one's own that an example cannot use ends it with one line."""
    path.write_text(data, encoding="utf-8")
    example = importlib.import_module("example")
    with pytest.raises(SystemExit, match=f"Error: .*{path.name}.*{message}"):
        example.run(lambda: run(name, path))


@pytest.mark.slow
def test_digits_are_classified_and_drawn(run: Run) -> None:
    folder = run("digits")
    shown = shown_in(folder, "digits")
    assert shown["method"] == ["accuracy on 20 held-out images"]
    assert shown["logistic regression on pixels"] == ["95.0 %"]
    assert is_picture(folder / "digits.png")


@pytest.mark.slow
def test_texts_are_classified_in_four_ways_beside_the_majority(run: Run) -> None:
    folder = run("classify")
    shown = shown_in(folder, "classify")
    assert next(iter(shown)) == "accuracy"
    assert len(shown) == 7
    assert all(row[0].endswith(" %") for name, row in list(shown.items())[2:])
    assert is_picture(folder / "classify.png")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("text\nRain.\nSun.\n", "has no column `label`"),
        ("text,label\nRain.,sad\nFog.,sad\n", "has one label only"),
        ("words,label\nRain.,sad\n", "has no 'text'"),
    ],
)
def test_a_table_that_cannot_be_learned_from_is_one_clear_line(
    run: Run, tmp_path: Path, table: str, message: str
) -> None:
    assert_refused(run, "classify", tmp_path / "own.csv", table, message)


@pytest.mark.slow
def test_a_series_is_forecast_in_three_ways(run: Run) -> None:
    folder = run("series")
    shown = shown_in(folder, "series")
    assert shown["seasonal naive"] == ["6.06", "77.9 %"]
    assert {"numbers as characters", "LSTM with a regression head"} < set(shown)
    assert is_picture(folder / "series.png")


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ("1\n2\n\n4\n", "line 3 is empty.*fill the gaps"),
        ("1\n2\nthree\n", "line 3 is 'three', not a number"),
        ("1\nnan\n", "line 2 is 'nan', not a number"),
        ("1\n2\n3\n", "3 numbers.*Give 60 years of months, 720 lines"),
        ("7\n" * 720, "1 of them different"),
    ],
)
def test_a_series_with_gaps_or_text_is_one_clear_line(
    run: Run, tmp_path: Path, series: str, message: str
) -> None:
    assert_refused(run, "series", tmp_path / "own.txt", series, message)


@pytest.mark.slow
def test_pairs_are_translated_and_answered(run: Run) -> None:
    folder = run("dialogue")
    shown = shown_in(folder, "dialogue")
    assert len(shown) == 5
    assert shown["exactly right"][0] == "of 5 held out"
    assert "4711=" in (folder / "dialogue.md").read_text(encoding="utf-8")
    assert is_picture(folder / "dialogue.png")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "null"),
        (1, "eins"),
        (16, "sechzehn"),
        (21, "einundzwanzig"),
        (30, "dreißig"),
        (101, "einhunderteins"),
        (1000, "eintausend"),
        (4711, "viertausendsiebenhundertelf"),
        (7777, "siebentausendsiebenhundertsiebenundsiebzig"),
    ],
)
def test_numbers_are_german_words(run: Run, number: int, words: str) -> None:
    assert importlib.import_module("dialogue").in_german(number) == words


def test_every_example_has_a_page_and_is_run_by_make(run: Run) -> None:
    listed = re.search(r"^EXAMPLES := (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert listed is not None
    pages = {page.stem for page in (ROOT / "docs" / "examples").glob("*.md")}
    names = {stem for stem in pages if "." not in stem and stem != "index"}
    assert set(listed[1].split()) == names
    for name in names:
        page = (ROOT / "docs" / "examples" / f"{name}.md").read_text(encoding="utf-8")
        assert "<!-- figures -->\n\n|" in page
        assert f"python examples/{name}.py" in page
        assert f"]({name}.png)" in page
