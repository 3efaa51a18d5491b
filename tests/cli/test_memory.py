"""The n-gram memory on the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.cli.helpers import STORY
from textgen.__main__ import run
from textgen.checkpoint.format import load_checkpoint, save_checkpoint
from textgen.ngrams.counting import count_ngrams
from textgen.ngrams.model import NgramModel

Output = pytest.CaptureFixture[str]


@pytest.fixture
def remembering(model: Path) -> Path:
    saved = load_checkpoint(model)
    ids = saved.tokenizer.encode(STORY * 3)
    tables = count_ngrams(np.asarray(ids), saved.tokenizer.vocab_size, 6)
    save_checkpoint(model, replace(saved, ngrams=NgramModel(tables, 0.9)))
    return model


def printed(output: Output, *arguments: object) -> str:
    output.readouterr()
    assert run([str(argument) for argument in arguments]) == 0
    return output.readouterr().out


def test_score_names_the_network_and_the_n_grams_alone(
    remembering: Path, story: Path, capsys: Output
) -> None:
    lines = printed(capsys, "score", remembering, story).splitlines()
    figures = json.loads(printed(capsys, "score", remembering, story, "--json"))
    network, ngrams = figures["network_bits_per_char"], figures["ngrams_bits_per_char"]
    assert figures["bits_per_char"] < network
    assert lines[-1] == (
        f"without the n-gram memory {network:.4f} bits per character, with it alone "
        f"{ngrams:.4f}"
    )
    plain = json.loads(
        printed(capsys, "score", remembering, story, "--json", "--no-memory")
    )
    assert plain["bits_per_char"] == pytest.approx(network)
    assert "ngrams_bits_per_char" not in plain


def test_the_bits_of_each_character_are_those_with_the_memory(
    remembering: Path, story: Path, capsys: Output
) -> None:
    both, alone = (
        printed(capsys, "score", remembering, story, "--per-char", flag).splitlines()
        for flag in ("--memory", "--no-memory")
    )
    assert _total(both) < _total(alone) / 2


def _total(lines: list[str]) -> float:
    return sum(json.loads(line)["bits"] for line in lines)


def test_sample_uses_the_memory_unless_told_otherwise(
    remembering: Path, capsys: Output
) -> None:
    options = ("sample", remembering, "--length", 60, "--seed", 1, "--jsonl")
    records = {
        flags: json.loads(printed(capsys, *options, "--prompt", STORY, *flags))
        for flags in ((), ("--memory",), ("--no-memory",), ("--memory-learns",))
    }
    assert records[()] == records["--memory",]
    assert records[()]["text"] in STORY * 3
    assert records["--no-memory",]["text"] not in STORY * 3
    logprobs = {
        flags: json.loads(printed(capsys, *options, "--logprobs", 0, *flags))["logprob"]
        for flags in records
    }
    assert len(set(logprobs.values())) == 3


def test_info_says_how_large_the_memory_is(remembering: Path, capsys: Output) -> None:
    lines = printed(capsys, "info", remembering).splitlines()
    (line,) = (line for line in lines if line.startswith("memory"))
    assert line.endswith("kB, weight 0.90")
    assert " n-grams of order 6, " in line
    assert (
        json.loads(printed(capsys, "info", remembering, "--json"))["memory"]["order"] == 6
    )


@pytest.mark.parametrize("command", ["score", "sample"])
def test_a_memory_that_is_not_there_is_refused(
    command: str, model: Path, story: Path, capsys: Output
) -> None:
    files = [str(story)] if command == "score" else []
    assert run([command, str(model), *files, "--memory"]) == 2
    assert capsys.readouterr().err == (
        "Error: this model has no n-gram memory. Train it with --memory 8; a run that has "
        "ended gets one when it is resumed with that.\n"
    )
