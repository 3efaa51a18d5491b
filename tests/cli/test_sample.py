"""`textgen sample` as a person meets it."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.helpers import textgen, untrained
from tests.patience import PATIENCE
from textgen.__main__ import run
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer


def test_sample_shows_prompt_and_new_text_on_stdout_alone(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run(["sample", str(model), "--prompt", "Kit ", "--length", "30", "--seed", "1"])
        == 0
    )
    shown = capsys.readouterr()
    assert shown.out.startswith("Kit ")
    assert len(shown.out.rstrip("\n")) <= 34
    assert shown.err == ""


def test_no_echo_leaves_the_prompt_out(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["sample", str(model), "--prompt", "Kit ", "--length", "30", "--seed", "1"])
    whole = capsys.readouterr().out
    arguments = ["--prompt", "Kit ", "--length", "30", "--seed", "1", "--no-echo"]
    run(["sample", str(model), *arguments])
    assert "Kit " + capsys.readouterr().out == whole


def test_prompt_file_is_read_like_a_corpus(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = tmp_path / "prompt.txt"
    prompt.write_bytes(b"\xef\xbb\xbfKit\r\nwent ")
    run(
        ["sample", str(model), "--prompt-file", str(prompt), "--length", "5", "--seed", "1"]
    )
    assert capsys.readouterr().out.startswith("Kit\nwent ")


def test_without_a_checkpoint_the_newest_is_taken_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, time_ in (("old", 1_000), ("new", 2_000)):
        best = untrained(tmp_path / "checkpoints" / name / "best", CharTokenizer("ab"))
        os.utime(best / "config.json", (time_, time_))
    assert run(["sample", "--length", "5", "--seed", "1"]) == 0
    assert capsys.readouterr().err == f"Using {Path('checkpoints', 'new', 'best')}\n"
    assert run(["sample", "old", "--length", "5", "--seed", "1"]) == 0


def test_unknown_characters_of_a_prompt_are_named_and_skipped(model: Path) -> None:
    arguments = ["sample", model, "--prompt", "Kit 漢é", "--length", 5]
    done = textgen(*arguments)
    assert done.returncode == 0
    assert done.stdout.startswith("Kit 漢é")
    assert "'漢' (U+6F22)" in done.stderr
    assert "'é' (U+00E9)" in done.stderr
    assert done.stderr.count("\n") == 1
    done = textgen(*arguments, "--unknown", "error")
    assert done.returncode == 1
    assert "U+6F22" in done.stderr


def test_a_prompt_of_broken_bytes_is_no_crash(model: Path) -> None:
    command = [sys.executable, "-m", "textgen", "sample", str(model), "--length", "5"]
    done = subprocess.run([*command, "--prompt", b"Kit \xff"], capture_output=True)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    assert b"Warning" in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_ends_quietly(model: Path, unbuffered: str) -> None:
    command = f'"{sys.executable}" -m textgen sample "{model}" --length 200000 | head -c 10'
    done = subprocess.run(
        command,
        shell=True,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.stderr == ""
    assert len(done.stdout) == 10


def test_output_is_utf8_in_an_ascii_locale(tmp_path: Path) -> None:
    path = untrained(tmp_path / "greek", CharTokenizer("αβγ"))
    done = subprocess.run(
        [sys.executable, "-m", "textgen", "sample", str(path), "--length", "20"],
        capture_output=True,
        env={**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )
    assert done.returncode == 0
    assert set(done.stdout.decode("utf-8").strip()) <= set("αβγ")


def test_byte_models_stream_valid_utf8(tmp_path: Path) -> None:
    path = untrained(tmp_path / "bytes", ByteTokenizer())
    done = subprocess.run(
        [sys.executable, "-m", "textgen", "sample", str(path), "--length", "300"],
        capture_output=True,
    )
    assert done.stdout.decode("utf-8")


# --- many texts ---


def test_several_texts_are_kept_apart_by_a_blank_line(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["sample", str(model), "-n", "3", "--allow", "Kit", "--length", "9", "--seed", "1"])
    blocks = capsys.readouterr().out.removesuffix("\n").split("\n\n")
    assert [len(block) for block in blocks] == [9, 9, 9]
    assert len(set(blocks)) == 3


def test_every_line_of_a_file_is_a_prompt(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "prompts.txt").write_text("Kit \n\nsea\n")
    options = ["--length", "5", "--seed", "1", "--jsonl", "-n", "2"]
    assert (
        run(["sample", str(model), "--prompts", str(tmp_path / "prompts.txt"), *options])
        == 0
    )
    samples = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [s["prompt"] for s in samples] == ["Kit ", "Kit ", "", "", "sea", "sea"]
    assert [s["number"] for s in samples] == list(range(6))
    assert {s["finish_reason"] for s in samples} == {"length"}
    assert {s["seed"] for s in samples} == {1}
    assert all(s["logprob"] < 0 for s in samples)


def test_jsonl_shows_the_likeliest_characters_when_asked(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["sample", str(model), "--length", "4", "--jsonl", "--logprobs", "3"])
    (line,) = capsys.readouterr().out.splitlines()
    entries = json.loads(line)["logprobs"]
    assert len(entries) == 4
    assert all(len(entry["top"]) == 3 for entry in entries)


def test_the_first_of_many_is_the_one_written_alone(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["sample", str(model), "--prompt", "Kit ", "--seed", "4", "--length", "30"]
    run(options)
    alone = capsys.readouterr().out.removesuffix("\n")
    run([*options, "--jsonl", "-n", "5"])
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["prompt"] + first["text"] == alone


# --- controls ---


def test_the_text_matches_the_pattern(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pattern = "(sea|said) [a-i]{3,5}[.]"
    assert run(["sample", str(model), "--pattern", pattern, "-n", "4", "--seed", "0"]) == 0
    texts = capsys.readouterr().out.removesuffix("\n").split("\n\n")
    assert len(texts) == 4
    assert all(re.fullmatch(pattern, text) for text in texts)


def test_temperatures_take_turns(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["sample", str(model), "--length", "40", "--seed", "2"]
    run([*options, "--temperature", "0.0,0.0"])
    greedy = capsys.readouterr().out
    run([*options, "--temperature", "0"])
    assert capsys.readouterr().out == greedy
    run([*options, "--temperature", "0.0,5.0"])
    assert capsys.readouterr().out != greedy


def test_two_models_write_together(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--length", "20", "--seed", "1"]
    assert run(["sample", str(model), str(model), "--mix", "0.7,0.3", *options]) == 0
    mixed = capsys.readouterr().out
    run(["sample", str(model), *options])
    assert capsys.readouterr().out == mixed
    other = untrained(tmp_path / "other", CharTokenizer("xyz"))
    assert run(["sample", str(model), str(other), "--mix", "1,1"]) == 2
    assert "different tokenizers cannot be mixed" in capsys.readouterr().err


def test_a_label_is_chosen_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer = CharTokenizer("ab", end_of_document=True, labels=("glad", "sad"))
    model = untrained(tmp_path / "labelled", tokenizer)
    assert run(["sample", str(model), "--label", "sad", "--length", "5"]) == 0
    assert set(capsys.readouterr().out) <= set("ab\n")
    assert run(["sample", str(model), "--label", "sat"]) == 1
    shown = capsys.readouterr().err
    assert "'sat'" in shown
    assert "sad" in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--prompt", "a", "--prompts", "f"],
            "--prompt and --prompts cannot be used together",
        ),
        (
            ["--prompt-file", "a", "--prompts", "f"],
            "--prompt-file and --prompts cannot be used together",
        ),
        (["--logprobs", "2"], "--logprobs needs --jsonl"),
        (["--interactive", "--jsonl"], "--jsonl and --interactive cannot"),
        (["--interactive", "-n", "2"], "-n and --interactive cannot"),
        (["--interactive", "--prompt", "a"], "--prompt and --interactive cannot"),
        (["--mix", "1,2"], "--mix needs at least two checkpoints"),
        (["other"], "several checkpoints need --mix, for example --mix 1,1"),
        (
            ["--memory", "0"],
            "--memory takes no number here. Leave 0 out, and write --memory or "
            "--no-memory.",
        ),
        (
            ["--memory=0"],
            "'--memory' does not take a value. Write --memory or --no-memory.",
        ),
        (
            ["0.3"],
            "there is no checkpoint 0.3. If it is the value of an option, write the option",
        ),
        (["--temperature", "0,8"], "'0,8' may be a decimal comma. Write 0.8"),
        (["--top-p", "0,9"], "'0,9' has a decimal comma. Write 0.9."),
        (["--temperature", "hot"], "'hot' is neither a number nor a list"),
        (["--stop", ""], "an empty one would end every text at once"),
        (["--allow", "é"], "allow"),
        (["--pattern", "[é]+"], "pattern"),
        (["--pattern", "("], "pattern"),
        (["--min-length", "9", "--length", "3"], "--min-length 9 is more than --length 3"),
        (["--until", "document"], "this model has no end of document"),
        (["--beam-width", "2", "--top-k", "3"], "of sampling, so --top-k has no effect"),
        (["--beam-width", "2", "-n", "3"], "keeps no more than 2 texts"),
    ],
)
def test_contradictions_are_wrong_usage(
    model: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sample", str(model), *options]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device here")
@pytest.mark.parametrize("options", [[], ["--jsonl"]])
def test_a_full_disk_is_one_line(model: Path, options: list[str]) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "textgen", "sample", str(model), *options]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert result.stderr == (
        "Error: the output cannot be written: No space left on device.\n"
    )


def test_the_last_line_feed_of_a_prompt_file_is_left_out(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["sample", str(model), "--length", "9", "--seed", "1"]
    run([*options, "--prompt", "Kit "])
    expected = capsys.readouterr().out
    (tmp_path / "prompt.txt").write_text("Kit \n")
    run([*options, "--prompt-file", str(tmp_path / "prompt.txt")])
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize("command", ["sample", "info"])
def test_a_run_without_an_evaluation_says_that_its_last_state_is_used(
    command: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    last = model.rename(tmp_path / "run" / "last")
    arguments = [command, str(tmp_path / "run")]
    assert run([*arguments, *(["--length", "3"] if command == "sample" else [])]) == 0
    assert capsys.readouterr().err == (
        f"Using {last}: this run has no best checkpoint, which its first evaluation "
        "writes\n"
    )
    # It was asked for by name.
    assert run(["info", str(last)]) == 0
    assert capsys.readouterr().err == ""


def test_a_prompt_in_the_place_of_a_checkpoint_gets_the_right_command(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "checkpoints" / "poems").mkdir(parents=True)
    model.rename(tmp_path / "checkpoints" / "poems" / "best")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert run(["sample", "hello"]) == 1
    assert capsys.readouterr().err == (
        "Error: hello: not a checkpoint (no such directory). The newest runs under "
        "checkpoints/: poems. 'hello' is taken as the name of a run; to continue it as a "
        "text: textgen sample --prompt hello\n"
    )
    monkeypatch.chdir(tmp_path / "empty")
    assert run(["sample", "hello"]) == 1
    assert "textgen train YOUR_TEXT.txt. 'hello' is taken as" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "note"),
    [
        (
            ["--allow", "a-z "],
            "--allow has no ranges: these are the characters 'a', '-', 'z', ' '. For a "
            "range: --pattern '[a-z ]*'",
        ),
        (
            ["--forbid", "a-c"],
            "--forbid has no ranges: these are the characters 'a', '-', 'c'. For a range: "
            "--pattern '[^a-c]*'",
        ),
        (["--allow", "a-"], None),
    ],
)
@pytest.mark.filterwarnings("ignore::textgen.errors.UnknownCharacterWarning")
def test_a_set_that_looks_like_a_range_is_noted(
    model: Path, options: list[str], note: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sample", str(model), "--length", "3", *options]) == 0
    noted = [line for line in capsys.readouterr().err.splitlines() if "Note:" in line]
    assert noted == ([f"Note: {note}"] if note else [])


# --- prompts with completions ---


def completing(folder: Path) -> Path:
    return untrained(folder, CharTokenizer("12ab", end_of_document=True, separator=True))


def test_a_model_of_completions_completes_each_prompt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(completing(tmp_path / "model"))
    run(["sample", model, "--prompt", "12", "--length", "9", "--seed", "1"])
    whole = capsys.readouterr().out
    assert whole.startswith("12\n")
    arguments = ["--prompt", "12", "--length", "9", "--seed", "1", "-n", "2"]
    run(["sample", model, *arguments])
    assert capsys.readouterr().out.startswith(whole + "\n12\n")
    run(["sample", model, *arguments[:-2], "--no-echo"])
    assert "12\n" + capsys.readouterr().out == whole


def test_a_model_of_completions_needs_a_prompt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sample", str(completing(tmp_path / "model"))]) == 2
    error = capsys.readouterr().err
    assert error.endswith("'prompt' and 'completion'. Give it a prompt.\n")


def test_a_conversation_completes_prompts_and_goes_on_with_a_completion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("12\n\n"))
    model = completing(tmp_path / "model")
    arguments = ["--interactive", "--length", "3", "--min-length", "3", "--allow", "ab"]
    assert run(["sample", str(model), *arguments]) == 0
    assert re.match(r"12\n[ab]{3}\n[ab]{3}\n", capsys.readouterr().out)
