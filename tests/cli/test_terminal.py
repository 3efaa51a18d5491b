"""Nothing that a stranger wrote controls the terminal; what is piped stays exact."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.helpers import textgen
from textgen.checkpoint.format import CONFIG, Checkpoint, save_checkpoint
from textgen.config.model import ModelConfig
from textgen.text.tokenizers.char import CharTokenizer
from textgen.wording import one_line, visible

# Clears the screen; a C1 control; turns the order of a line around; goes back in it.
HOSTILE = "\x1b[2J\x9b2J\u202e\r\x07\x7f"
SHOWN = "\\x1b[2J\\x9b2J\\u202e\\x0d\\x07\\x7f"
DANGEROUS = set(HOSTILE) - {"[", "2", "J"}


def hostile_model(path: Path) -> Path:
    """A model that writes nothing but controls, and says things about itself."""
    tokenizer = CharTokenizer("\x1b\x9b\n\t", end_of_document=True, labels=(HOSTILE,))
    config = ModelConfig(tokenizer.vocab_size, num_layers=1, units=2, embedding_dim=2)
    weights = {name: np.zeros(s, np.float32) for name, s in config.weight_shapes().items()}
    weights["output.bias"][tokenizer.eod_id] = -100  # so that it goes on and on
    text = {
        "num_chars": 3,
        "num_documents": 1,
        "sources": [HOSTILE, "a\nscore   0.1 bits"],
        "labels": {HOSTILE: 3},
    }
    save_checkpoint(path, Checkpoint(config, tokenizer, weights, {"text": text}))
    return path


def on_terminal(*arguments: object) -> tuple[str, int]:
    """What the real command writes to a terminal, on stdout and stderr, and its code."""
    pty = pytest.importorskip("pty")
    reader, writer = pty.openpty()
    command = [sys.executable, "-m", "textgen", *map(str, arguments)]
    with subprocess.Popen(command, stdout=writer, stderr=writer, stdin=writer) as process:
        os.close(writer)
        shown = b""
        while True:
            try:
                piece = os.read(reader, 1 << 16)
            except OSError:  # how Linux says that the other side is closed
                break
            if not piece:
                break
            shown += piece
    os.close(reader)
    # The terminal itself puts a carriage return before each line feed.
    return shown.decode().replace("\r\n", "\n"), process.returncode


def test_a_text_is_shown_on_a_terminal_and_exact_elsewhere(tmp_path: Path) -> None:
    path = hostile_model(tmp_path / "best")
    for more in ([], ["-n", "2"]):
        command = ["sample", path, "--length", 60, "--seed", 1, *more]
        piped = textgen(*command)
        assert {"\x1b", "\x9b", "\n", "\t"} <= set(piped.stdout)
        shown, code = on_terminal(*command)
        assert code == 0
        assert not DANGEROUS & set(shown)
        # A terminal may write tabs as blanks; ours does not.
        assert shown == visible(piped.stdout)


def test_json_on_a_terminal_says_the_same_as_elsewhere(tmp_path: Path) -> None:
    path = hostile_model(tmp_path / "best")
    command = ["sample", path, "--length", 60, "--seed", 1, "--jsonl", "--prompt", "\x7f"]
    piped, (shown, _) = textgen(*command), on_terminal(*command)
    assert "\x9b" in piped.stdout
    assert not DANGEROUS & set(shown)
    line = next(line for line in shown.split("\n") if line.startswith("{"))
    assert json.loads(line) == json.loads(piped.stdout)


def test_info_shows_what_a_checkpoint_says_of_itself_as_escapes(tmp_path: Path) -> None:
    path = hostile_model(tmp_path / f"best{HOSTILE}")
    page = textgen("info", path).stdout
    assert not DANGEROUS & set(page)
    assert page.startswith(f"{tmp_path}/best{SHOWN}\n")
    assert f"1 document: {SHOWN}, a\\nscore   0.1 bits\n" in page
    assert f"labels  1, with their documents: {HOSTILE!r} (3)\n" in page
    whole = textgen("info", path, "--json").stdout
    assert not DANGEROUS & set(whole) - {"\x7f"}
    assert json.loads(whole)["text"]["sources"][0] == HOSTILE


def test_errors_and_notes_show_a_hostile_path_as_escapes(tmp_path: Path) -> None:
    runs = tmp_path / "checkpoints"
    path = hostile_model(runs / f"run{HOSTILE}" / "best")
    for command in (["sample", "--length", 3], ["sample", "--label", HOSTILE + "x"]):
        note = textgen(*command, cwd=tmp_path).stderr
        assert note.startswith(f"Using checkpoints/run{SHOWN}/best\n")
        assert not DANGEROUS & set(note)
    (path / CONFIG).write_text("{")
    for command in (["info", path], ["info", f"{path}x"], ["sample", "a", f"--{HOSTILE}"]):
        error = textgen(*command).stderr
        assert "Error" in error
        assert SHOWN in error or one_line(repr(HOSTILE))[1:-1] in error
        assert not DANGEROUS & set(error)


def test_the_doctor_shows_hostile_names_as_escapes(tmp_path: Path) -> None:
    for number, data in enumerate((b"caf\xe9 noir\n", b"a\0b\n", b"a\r\n", b"%PDF-")):
        (tmp_path / f"{number}\n{HOSTILE}.txt").write_bytes(data * 9)
    command = ["corpus", "check", tmp_path, tmp_path / f"no{HOSTILE}"]
    page, (shown, code) = textgen(*command).stdout, on_terminal(*command)
    assert code == 1
    assert shown == page
    assert not DANGEROUS & set(page)
    for number in range(4):
        assert f"{number}\\n{SHOWN}.txt" in page
    assert "no file matches" in page
    whole, _ = on_terminal(*command, "--json")
    assert not DANGEROUS & set(whole)
    assert json.loads(whole)["files"][0].endswith(f"0\n{HOSTILE}.txt")


def test_what_may_be_seen_stays_as_it_is() -> None:
    text = "né 漢字 עברית e\u0301 😀 \u200d\u200c\xa0\xad\n\ttext"
    assert visible(text) == text
    assert one_line(text) == text.replace("\n", "\\n").replace("\t", "\\t")
