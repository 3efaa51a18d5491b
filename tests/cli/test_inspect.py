"""`textgen inspect` as a person meets it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.helpers import STORY, figures_of, textgen, untrained, untrained_on
from textgen.__main__ import run
from textgen.checkpoint.format import Checkpoint, load_checkpoint, save_checkpoint
from textgen.config.text import TextConfig
from textgen.inspecting.texts import default_text
from textgen.text.encoded.scan import scan
from textgen.text.encoded.splitting import split
from textgen.text.reading.corpus import read_corpus
from textgen.text.reading.reader import CorpusReader, corpus_sources
from textgen.text.tokenizers.char import CharTokenizer

Output = pytest.CaptureFixture[str]


def inspected(output: Output, *arguments: object) -> dict[str, dict[str, object]]:
    assert run(["inspect", *map(str, arguments), "--json"]) == 0
    found = json.loads(output.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_the_numbers_are_those_of_score(model: Path, story: Path, capsys: Output) -> None:
    story.write_text(STORY * 10)
    found = inspected(capsys, model, story)
    assert found["text"]["origin"] == "story.txt"
    expected = figures_of(capsys, model, story)["bits_per_char"]
    assert found["score"]["bits_per_char"] == pytest.approx(expected, abs=1e-6)
    curve = found["context"]["bits_per_char"]
    assert isinstance(curve, dict)
    assert curve["16"] == figures_of(capsys, model, story, "--window", 16)["bits_per_char"]


def test_the_page_names_every_part(model: Path, story: Path, capsys: Output) -> None:
    story.write_text(STORY * 10)
    assert run(["inspect", str(model), str(story), "--chars", "200"]) == 0
    shown = capsys.readouterr().out
    assert "200 characters: story.txt" in shown
    for part in (
        "letter inside a word",
        "position in line",
        "forget",
        "half-life",
        "reset",
    ):
        assert part in shown


def test_arrays_are_written_for_numpy(
    model: Path, story: Path, tmp_path: Path, capsys: Output
) -> None:
    place = tmp_path / "inside.npz"
    line = ["inspect", str(model), str(story), "--chars", "300", "-o", str(place)]
    assert run([*line, "--feature", "sea"]) == 0
    assert capsys.readouterr().out == ""
    with np.load(place) as arrays:
        assert "matches sea" in arrays["features"].tolist()
        assert arrays["passage.layers.1.forget"].shape == (300, 8)
        assert len(arrays["bits"]) == 300
    assert run(line) == 2
    assert "exists" in capsys.readouterr().err


def trained_on(place: Path, text: str, name: str = "book.txt") -> Path:
    """An untrained checkpoint that names a text as its own."""
    book = place / name
    book.write_text(text)
    path = place / "run" / "best"
    saved = load_checkpoint(untrained(path, CharTokenizer("".join(sorted(set(text))))))
    config = TextConfig(val_fraction=0.25)
    sources, _ = corpus_sources([str(book)], config)
    sha256 = scan(CorpusReader(sources, config))[0].sha256
    facts = {"documents": "whole", "val_fraction": 0.25, "sha256": sha256}
    facts |= {"sources": [name], "num_files": 1}
    named = Checkpoint(saved.model, saved.tokenizer, saved.weights, {"text": facts})
    save_checkpoint(path, named)
    return path


def test_without_a_text_it_reads_what_was_held_out(tmp_path: Path, capsys: Output) -> None:
    path = trained_on(tmp_path, STORY * 20)
    text = default_text(path, load_checkpoint(path))
    assert text.held_out
    corpus = read_corpus([str(tmp_path / "book.txt")])
    assert [each.text for each in text.pieces] == list(
        split(corpus, TextConfig(val_fraction=0.25), seed=0).val
    )
    assert inspected(capsys, path)["text"]["origin"] == "held-out text of book.txt"


def test_a_changed_or_missing_corpus_is_not_taken_for_held_out_text(
    tmp_path: Path, capsys: Output
) -> None:
    path = trained_on(tmp_path, STORY * 20)
    for change, why in ((STORY * 19, "has changed"), (None, "cannot be found")):
        book = tmp_path / "book.txt"
        book.unlink() if change is None else book.write_text(change)
        origin = str(inspected(capsys, path)["text"]["origin"])
        assert origin.startswith("written by the model")
        assert why in origin


def test_mistakes_are_one_line(model: Path, story: Path, capsys: Output) -> None:
    for arguments, why in (
        ([model, story, story], "too many arguments"),
        ([model, story, "--feature", "("], "not a regular expression"),
        ([model, story, "--label", "sad"], "label"),
        ([model, story, "--overwrite"], "--overwrite needs --output"),
        ([model, story, "-o", "-"], "needs a file"),
        ([model, story, "--encoding", "no such"], "encoding"),
        ([model, story, "--seed", "-1"], "--seed"),
    ):
        assert run(["inspect", *map(str, arguments)]) in (1, 2)
        shown = capsys.readouterr()
        assert shown.out == ""
        # Click tells the usage before what it refuses itself.
        is_usage = shown.err.startswith("Usage: ")
        error = shown.err.partition("\n\n")[2] if is_usage else shown.err
        assert error.startswith("Error: ")
        assert why in error
        assert error.count("\n") == 1


def test_a_report_is_one_page(
    model: Path, story: Path, tmp_path: Path, capsys: Output
) -> None:
    place = tmp_path / "page.html"
    line = ["report", str(model), str(story), "--chars", "300", "-o", str(place)]
    assert run(line) == 0
    assert capsys.readouterr().out == ""
    assert "model: a look inside" in place.read_text(encoding="utf-8")
    assert run(line) == 2
    assert "exists" in capsys.readouterr().err
    assert run([*line, "--overwrite"]) == 0


def test_a_report_without_its_packages_says_how_to_get_them(
    model: Path, story: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert run(["report", str(model), str(story), "-o", "-"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "a page needs jinja2 and matplotlib" in shown.err
    assert "report]" in shown.err


LETTERS = "".join(sorted(set(STORY)))


def test_written_texts_keep_their_label_and_end_only_where_the_model_ended_them(
    tmp_path: Path,
) -> None:
    tokenizer = CharTokenizer(LETTERS, end_of_document=True, labels=("glad", "sad"))
    path = untrained(tmp_path / "model", tokenizer)
    pieces = default_text(path, load_checkpoint(path)).pieces
    assert {piece.label for piece in pieces} == {"sad", "glad"}
    assert [piece.ends for piece in pieces[:-1]] == [True] * (len(pieces) - 1)
    path = untrained(tmp_path / "whole", CharTokenizer(LETTERS))
    (piece,) = default_text(path, load_checkpoint(path)).pieces
    assert not piece.ends


def test_a_model_of_completions_asks_for_records_and_completes_their_prompts(
    tmp_path: Path, capsys: Output
) -> None:
    tokenizer = CharTokenizer(LETTERS, end_of_document=True, separator=True)
    model = untrained_on("records", tmp_path / "model", tokenizer)
    assert run(["inspect", str(model)]) == 1
    shown = capsys.readouterr().err
    assert "Name records with 'prompt' and 'completion' as TEXT" in shown
    assert shown.count("\n") == 1
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("prompt,completion\nKit went,to sea\nKit,went\n")
    assert run(["report", str(model), str(pairs), "-o", "-"]) == 0
    assert "Give it a prompt" not in capsys.readouterr().out


def test_a_feature_that_matches_nothing_is_named(
    model: Path, story: Path, capsys: Output
) -> None:
    line = ["inspect", str(model), str(story), "--chars", "300", "--feature", "zzz"]
    assert run([*line, "--feature", "sea"]) == 0
    shown = capsys.readouterr()
    note = "--feature 'zzz' matches nothing in this text, or all of it.\n"
    assert shown.err.endswith(note)
    assert "'sea'" not in shown.err
    assert "zzz" not in shown.out


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of Linux")
def test_a_text_that_does_not_fit_into_memory_is_refused_in_one_line(
    model: Path, story: Path
) -> None:
    import resource

    story.write_text(STORY * 1_500_000)
    limit = 300_000_000
    found = textgen(
        *("inspect", model, story),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)),
    )
    assert found.returncode == 1
    assert found.stderr.splitlines()[-1].endswith("Use --chars N, or a shorter TEXT.")
    assert "Traceback" not in found.stderr
