"""Wrong values of options: one line that names flags, exit code 1 or 2, no traceback."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest

from textgen.__main__ import run
from textgen.cli import cli
from textgen.config.flags import as_flags

Output = pytest.CaptureFixture[str]
VALUES = (
    "",
    "x",
    "-1",
    "nan",
    "inf",
    "1e400",
    "9" * 400,
    "0,7",
    "a\udcff",
    "[",
    "\\n",
    "é",
)
ARGUMENTS: dict[str, list[str]] = {
    "train": ["few.txt", "--out", "run", "--quiet"],
    "tune": ["few.txt", "--out", "run", "--quiet"],
    "sample": ["model", "--length", "3"],
    "score": ["model", "few.txt"],
    "novelty": ["model", "few.txt", "--corpus", "few.txt"],
    "info": ["model"],
    "export": ["model", "--overwrite"],
    "check": ["few.txt"],
}


def _commands() -> list[tuple[str, list[str], click.Command]]:
    corpus: Any = cli.commands["corpus"]
    found = [(name, [name], cli.commands[name]) for name in ARGUMENTS if name != "check"]
    return [*found, ("check", ["corpus", "check"], corpus.commands["check"])]


OPTIONS = [
    pytest.param(name, words, option.opts[0], id=f"{name} {option.opts[0]}")
    for name, words, command in _commands()
    for option in command.params
    if isinstance(option, click.Option) and not option.is_flag
]


@pytest.mark.filterwarnings("ignore::textgen.errors.UnknownCharacterWarning")
@pytest.mark.parametrize(("name", "words", "flag"), OPTIONS)
def test_no_value_of_an_option_is_a_traceback(
    name: str,
    words: list[str],
    flag: str,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Output,
) -> None:
    monkeypatch.chdir(model.parent)
    Path("few.txt").write_text("Kit went", encoding="utf-8")
    for value in VALUES:
        code = run([*words, *ARGUMENTS[name], flag, value])
        shown = capsys.readouterr().err
        assert code in (0, 1, 2), (value, shown)
        assert "Traceback" not in shown
        # A report on a text that cannot be trained on is a result, on stdout.
        if code and not (name == "check" and not shown):
            errors = [line for line in shown.splitlines() if line.startswith("Error: ")]
            assert len(errors) == 1, (value, shown)
            # Options are named as they are typed.
            assert not re.search(r"\b[a-z]+_[a-z]+=", errors[0]), (value, errors)


@pytest.mark.parametrize(
    ("value", "instead"), [("0,7", "0.7"), ("1,5", "1.5"), ("0,07", "0.07")]
)
def test_a_decimal_comma_is_no_pair_of_temperatures(
    model: Path, capsys: Output, value: str, instead: str
) -> None:
    assert run(["sample", str(model), "--temperature", value]) == 2
    shown = capsys.readouterr().err
    assert f"'{value}' may be a decimal comma. Write {instead} for one number" in shown


def test_whole_weights_of_a_mixture_are_no_decimal_comma(
    model: Path, capsys: Output
) -> None:
    options = ["--mix", "1,2", "--length", "3"]
    assert run(["sample", str(model), str(model), *options]) == 0


@pytest.mark.parametrize(
    ("message", "as_typed"),
    [
        ("units=0 must be at least 1.", "--units 0 must be at least 1."),
        ('skip them with unknown="skip", or', "skip them with --unknown skip, or"),
        ("top_k has no effect.", "--top-k has no effect."),
        ("pattern='units=3' is", "--pattern 'units=3' is"),
        (r"stop='\\n' never ends", r"--stop '\n' never ends"),
        (r"stop='\n' never ends", r"--stop $'\n' never ends"),
        ('stop="it\'s" never ends', "--stop 'it'\"'\"'s' never ends"),
        ("Lower `length`.", "Lower --length."),
        ("Use `resume=True`, or another `out`.", "Use --resume, or another --out."),
        ("Add `encoding='latin-1'`.", "Add --encoding latin-1."),
        ("Try `glob='*.md'`.", "Try --glob '*.md'."),
        ("Invalid `floatx`.", "Invalid `floatx`."),
        ("'units=3' and my_units=3.txt stay", "'units=3' and my_units=3.txt stay"),
        ("batch_size.txt and a/batch_size stay", "batch_size.txt and a/batch_size stay"),
    ],
)
def test_options_in_messages_are_spelled_as_flags(message: str, as_typed: str) -> None:
    assert as_flags(message) == as_typed
