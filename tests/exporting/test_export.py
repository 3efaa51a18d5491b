"""A model goes into one file that every command takes, with a card that describes it."""

from __future__ import annotations

import os
import re
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.helpers import STORY, untrained
from textgen.__main__ import run
from textgen.checkpoint.format import load_checkpoint, save_checkpoint
from textgen.config.text import TextConfig
from textgen.errors import ConfigError
from textgen.exporting.card import model_card
from textgen.exporting.export import export
from textgen.text.encoded.scan import scan
from textgen.text.reading.reader import CorpusReader, corpus_sources
from textgen.text.tokenizers.char import CharTokenizer

Output = pytest.CaptureFixture[str]


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run beside its text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "story_of_*kit*.txt").write_text(STORY * 90, encoding="utf-8")
    tokenizer = CharTokenizer("".join(sorted(set(STORY))))
    path = untrained(tmp_path / "my_run" / "best", tokenizer)
    sources, _ = corpus_sources(["story_of_*kit*.txt"], TextConfig())
    found, _ = scan(CorpusReader(sources, TextConfig()))
    text = {
        "sources": ["story_of_*kit*.txt"],
        "num_files": 1,
        "num_chars": found.num_chars,
        "num_documents": 1,
        "sha256": found.sha256,
    }
    score = {"val_bits_per_char": 1.98766, "step": 12, "epoch": 2.5}
    facts = {"text": text, "score": score}
    save_checkpoint(path, replace(load_checkpoint(path), facts=facts))
    return path


def printed(output: Output, *line: object) -> str:
    assert run([*map(str, line)]) == 0
    return output.readouterr().out


def test_every_command_takes_the_file_in_place_of_the_directory(
    model: Path, capsys: Output
) -> None:
    assert run(["export", "my_run"]) == 0
    assert "Wrote my_run.safetensors" in capsys.readouterr().err
    Path("page.txt").write_text(STORY * 3)
    for line in (
        ["sample", "{}", "--prompt", "Kit", "--length", "40", "--seed", "1"],
        ["score", "{}", "page.txt", "--json"],
        ["novelty", "{}", "page.txt"],
        ["inspect", "{}", "page.txt", "--chars", "60"],
        ["info", "{}", "--card"],
    ):
        one, other = (
            printed(capsys, *(word.format(name) for word in line))
            for name in ("my_run", "my_run.safetensors")
        )
        assert one == other, line


def test_a_file_is_listed_among_the_runs(model: Path, capsys: Output) -> None:
    export(model, "one.safetensors")
    rows = [line.split() for line in printed(capsys, "runs", ".").splitlines()]
    assert [row[0] for row in rows] == ["run", "one.safetensors", "my_run"]
    assert rows[1][1:3] == rows[2][1:3]


def test_a_file_is_not_taken_for_the_text(model: Path, capsys: Output) -> None:
    export(model, "one.safetensors")
    assert run(["score", "one.safetensors"]) == 2
    assert "is a checkpoint, not a text" in capsys.readouterr().err
    Path("page.txt").write_text(STORY)
    assert run(["score", "page.txt", "one.safetensors"]) == 2
    assert "textgen score one.safetensors page.txt" in capsys.readouterr().err


def test_a_file_that_exists_is_refused_and_stays(model: Path, capsys: Output) -> None:
    Path("mine.safetensors").write_text("mine")
    assert run(["export", "my_run", "-o", "mine.safetensors"]) == 2
    assert "Add --overwrite" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="`overwrite=True`"):
        export(model, "mine.safetensors")
    assert Path("mine.safetensors").read_text() == "mine"
    assert run(["export", "my_run", "-o", "mine.safetensors", "--overwrite"]) == 0
    assert load_checkpoint("mine.safetensors").model == load_checkpoint(model).model


def test_where_nothing_can_be_written_is_said(model: Path, capsys: Output) -> None:
    assert run(["export", "my_run", "-o", "no/folder.safetensors"]) == 2
    assert "mkdir -p no" in capsys.readouterr().err
    Path("full").mkdir()
    assert run(["export", "my_run", "-o", "full", "--overwrite"]) == 2
    assert "not a regular file" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="format='gguf' must be one of textgen"):
        export(model, format="gguf")


# --- the card ---


def test_a_card_says_text_score_novelty_and_use(model: Path) -> None:
    card = model_card(load_checkpoint(model), model)
    assert card.startswith("# my\\_run\n")
    assert "| score | 1.9877 bits per character on held-out text, step 12, " in card
    assert "3,060 characters in 1 document: story\\_of\\_\\*kit\\*.txt |" in card
    assert "of all pieces of 10 characters occur in its training text." in card
    assert "The longest piece that does has" in card
    assert 'textgen sample my_run.safetensors --prompt "Its beginning"' in card


def test_the_card_of_a_fine_tuned_model_says_that_it_has_read_more(model: Path) -> None:
    saved = load_checkpoint(model)
    assert "fine-tuned" not in model_card(saved, model)
    saved.facts["text"]["init_from"] = "*novels*"
    card = model_card(saved, model)
    assert "It was fine-tuned from \\*novels\\*, which had read other text" in card
    assert "| fine-tuned from | \\*novels\\* |" in card


def test_a_card_is_in_the_file_and_says_what_could_not_be_measured(model: Path) -> None:
    os.remove("story_of_*kit*.txt")
    data = export(model).path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    assert b"That has not been measured: the text it was trained on" in data[: 8 + length]
    assert os.fsencode(Path.cwd()) not in data


def test_what_a_model_writes_cannot_end_its_fence(tmp_path: Path) -> None:
    path = untrained(tmp_path / "ticks", CharTokenizer("`\n|"))
    saved = load_checkpoint(path)
    saved.weights["output.bias"][saved.tokenizer.encode("`")] = 9
    lines = model_card(saved, path).splitlines()
    begin = next(n for n, line in enumerate(lines) if re.fullmatch("`{4,}text", line))
    end = lines.index(lines[begin].removesuffix("text"))
    assert "## How much of that is copied" in lines[end:]
    assert "".join(lines[begin + 1 : end]).strip("`|") == ""


def test_a_model_of_completions_has_a_card(tmp_path: Path) -> None:
    tokenizer = CharTokenizer("ab", end_of_document=True, separator=True)
    path = untrained(tmp_path / "answers", tokenizer)
    card = model_card(load_checkpoint(path), path)
    assert "That has not been measured" in card
    assert "| task | completes prompts |" in card
