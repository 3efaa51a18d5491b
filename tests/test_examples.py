"""The examples run in their short form, and say what is wrong with other data."""

from __future__ import annotations

import importlib
import re
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
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
def test_texts_are_classified_in_five_ways_beside_the_majority(run: Run) -> None:
    folder = run("classify")
    shown = shown_in(folder, "classify")
    assert next(iter(shown)) == "accuracy"
    assert len(shown) == 8
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
    for name in ("classify", "names"):
        assert_refused(run, name, tmp_path / "own.csv", table, message)


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
@pytest.mark.one_backend
def test_a_symbol_is_recalled_and_the_gradient_vanishes_first_in_a_plain_network(
    run: Run,
) -> None:
    folder = run("recall")
    shown = shown_in(folder, "recall")
    assert list(shown)[2:] == ["rnn", "gru", "lstm", "lstm, forget bias 0"]
    recalled = {name: float(shown[name][0].rstrip(" %")) for name in ("rnn", "lstm")}
    assert recalled["lstm"] > 90 > recalled["rnn"]
    before = {name: float(row[1]) for name, row in list(shown.items())[2:]}
    after = {name: float(row[2]) for name, row in list(shown.items())[2:]}
    assert before["lstm"] > 2 * before["rnn"]
    assert before["lstm"] > 3 * before["lstm, forget bias 0"]
    assert after["gru"] > 3 * before["gru"]
    assert is_picture(folder / "recall.png")


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("name", "recurrent", "kept"),
    [
        ("rnn", 0.5, 0.5),
        ("rnn", 1.0, 1.0),
        ("lstm", 0.0, 1 / (1 + np.exp(-1))),
        ("lstm, forget bias 0", 0.0, 0.5),
    ],
)
def test_a_cell_that_hears_nothing_keeps_a_fixed_share_of_the_gradient(
    run: Run, name: str, recurrent: float, kept: float
) -> None:
    recall = importlib.import_module("recall")
    network = recall.built(*recall.ROWS[name])
    cell = network.get_layer("layer_0").cell
    cell.kernel.assign(np.zeros(cell.kernel.shape))
    cell.recurrent_kernel.assign(recurrent * np.eye(*cell.recurrent_kernel.shape))
    for distance in (1, 10, 30):
        found = recall.gradient(network, distance)
        assert found == pytest.approx(kept**distance, rel=1e-4)


@pytest.mark.slow
def test_pairs_are_translated_and_answered(run: Run) -> None:
    folder = run("dialogue")
    shown = shown_in(folder, "dialogue")
    assert shown["exactly right"][0] == "loss on the completion"
    assert shown["a number in German words"][2:] == ["0.0 %", "0.0 %"]
    assert shown["where a boat is"][3] == "25.0 %"
    assert shown["where a boat is, of two (a new name)"][3] == "50.0 %"
    assert "4711\n" in (folder / "dialogue.md").read_text(encoding="utf-8")
    assert is_picture(folder / "dialogue.png")


def test_every_conversation_holds_its_own_answer(run: Run) -> None:
    dialogue = importlib.import_module("dialogue")
    boats = ["Ada", "Kit", "Wenna"]
    pairs = dialogue.conversations(np.random.default_rng(0), 200, boats)
    known = pairs[:100]
    left = dialogue.unseen(pairs, known)
    assert 0 < len(left) <= 100
    assert not {pair.prompt for pair in left} & {pair.prompt for pair in known}
    kinds = {dialogue.WHERE, dialogue.WHICH, dialogue.WHETHER}
    assert {pair.kind for pair in pairs} == kinds
    for pair in pairs:
        *told, question = pair.prompt.replace("\nB: I see.", "").split("\n")
        boat = next(name for name in boats if name in question)
        (place,) = [line.partition(" is ")[2] for line in told if boat in line]
        if pair.kind == dialogue.WHETHER:
            supposed = question.partition(f"Is {boat} ")[2].rstrip("?") + "."
            assert pair.completion == ("Yes." if supposed == place else "No.")
        else:
            assert pair.completion == f"It is {place}"
            assert len(told) == 1 + (pair.kind == dialogue.WHICH)


def test_the_nearest_pair_answers_what_it_knows(run: Run) -> None:
    dialogue = importlib.import_module("dialogue")
    known = [dialogue.Pair("", word, word.upper()) for word in ("anchor", "boat", "crab")]
    assert dialogue.nearest(known, ["boats", "crabs"]) == ["BOAT", "CRAB"]


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


@pytest.mark.slow
def test_tunes_are_written_checked_and_played(run: Run) -> None:
    pytest.importorskip("music21", reason="the extra `examples` is not installed")
    folder = run("music")
    shown = shown_in(folder, "music")
    assert shown["LSTM, only right bars"][:2] == ["100.0 %", "100.0 %"]
    assert shown["the tunes to learn from"][:2] == ["100.0 %", "100.0 %"]
    assert {"n-grams alone", "LSTM"} < set(shown)
    assert is_picture(folder / "music.png")
    assert (folder / "music.mid").read_bytes().startswith(b"MThd")
    with wave.open(str(folder / "music.wav")) as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
        assert 10 < len(samples) / sound.getframerate() < 60
    assert np.abs(samples).max() > 20_000


@pytest.mark.parametrize(
    ("notes", "right"),
    [
        ("GAB d2B|dBG E2D|GAB def|gdB A3|", [True, True, True, True]),
        ("B|GAB d2B|dBG E2D|GAB d2:|", [True, True, True, True]),
        ("GAB d2B|dBG E2|GAB def|gdB A3|", [True, False, True, True]),
        ("GAB d2B|dBG E2D|GAB def|gdB A4|", [True, True, True, False]),
        ("GAB d2B|dBG E2D|GAB jdef|gdB A3|", []),
        ("GAB d2B|dBG E2D|^_^_A6|gdB A3|", []),
    ],
)
def test_a_bar_is_right_if_it_is_full_and_a_tune_if_it_can_be_read(
    run: Run, notes: str, right: list[bool]
) -> None:
    pytest.importorskip("music21", reason="the extra `examples` is not installed")
    tune = importlib.import_module("abc_tunes").played(f"M:6/8\nL:1/8\nK:G\n{notes}")
    assert tune.bars[:, 1].tolist() == right
    assert tune.is_right == (right == [True] * 4)


@pytest.mark.parametrize(
    ("tunes", "message"),
    [
        ("Once upon a time.\n", r"tune 1 \('Once upon a time.'\) is no ABC: .*such as X:1"),
        ("X:1\nL:1/8\nK:G\nGAB d2B|\n", r"tune 1 \('X:1'\) is no ABC: .*such as M:6/8"),
        (
            "X:1\nM:C\nL:1/8\nK:G\nGABc d4|\n\nX:2\nM:C\nL:1/8\nK:G\nOnce upon a time.\n",
            r"tune 2 \('X:2'\) is no ABC: it has no bar line",
        ),
        ("X:1\nM:4/0\nL:1/8\nK:G\nGAB d2B|\n", "no line such as M:6/8"),
        ("X:1\nM:6/8\nL:1/0\nK:G\nGAB d2B|\n", "no line such as L:1/8"),
        ("", "is empty"),
    ],
)
def test_a_tune_that_is_no_abc_is_one_clear_line(
    run: Run, tmp_path: Path, tunes: str, message: str
) -> None:
    pytest.importorskip("music21", reason="the extra `examples` is not installed")
    assert_refused(run, "music", tmp_path / "own.abc", tunes, message)


@pytest.mark.parametrize(
    ("example", "package"), [("music", "music21"), ("molecules", "rdkit")]
)
def test_a_missing_package_is_one_line_that_says_how_to_get_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, example: str, package: str
) -> None:
    for name in (example, "abc_tunes"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit, match=f"Error: this needs .*: pip install {package}"):
        run(example)


@pytest.mark.slow
def test_names_of_each_kind_are_written_and_recognised(run: Run) -> None:
    folder = run("names")
    shown = shown_in(folder, "names")
    assert float(shown["names of the list, held out"][-1].rstrip(" %")) > 75
    assert all(len(shown[way]) == 3 for way in ("n-grams alone", "LSTM"))
    assert {"Finnish", "Italian", "Japanese", "Welsh", "boat"} < set(shown)
    assert is_picture(folder / "names.png")


def test_the_given_names_are_different_and_of_the_kinds_that_the_page_says(
    run: Run,
) -> None:
    names, labels = importlib.import_module("names").made_names()
    assert len(set(zip(names, labels, strict=True))) == len(names) == 1063 + 250
    assert all(name == name.strip() and name for name in names)


def test_a_label_with_too_few_names_to_judge_by_is_one_clear_line(
    run: Run, tmp_path: Path
) -> None:
    table = "text,label\nAda,a\nAnn,a\nAmy,a\nBo,b\nBen,b\n"
    message = "the label 'b' has 2 of the 3 texts that each needs"
    assert_refused(run, "names", tmp_path / "own.csv", table, message)


def test_a_table_of_what_names_were_taken_for_is_by_kind(run: Run) -> None:
    shares = importlib.import_module("names").confusion(
        ["a", "b", "c"], ["a", "a", "b", "b"], ["a", "b", "b", "b"]
    )
    assert shares[:2].tolist() == [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]]
    assert np.isnan(shares[2]).all()


@pytest.mark.slow
def test_molecules_are_written_and_checked(run: Run) -> None:
    pytest.importorskip("rdkit", reason="RDKit is not installed")
    folder = run("molecules")
    shown = shown_in(folder, "molecules")
    assert shown["the molecules to learn from"][:2] == ["100.0 %", "100.0 %"]
    assert {"n-grams alone", "LSTM"} < set(shown)
    assert is_picture(folder / "molecules.png")


@pytest.mark.parametrize(
    ("smiles", "message"),
    [
        ("c1ccccc1\nCCO\nC1CC\n", "line 3 is 'C1CC', no valid SMILES"),
        ("CCO\n\nCC\n", "line 2 is empty"),
        ("CCO\nwater\n", "line 2 is 'water', no valid SMILES"),
    ],
)
def test_a_line_that_is_no_molecule_is_one_clear_line(
    run: Run, tmp_path: Path, smiles: str, message: str
) -> None:
    pytest.importorskip("rdkit", reason="RDKit is not installed")
    assert_refused(run, "molecules", tmp_path / "own.smi", smiles, message)


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
