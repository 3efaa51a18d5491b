"""The command as a person meets it: results, messages, exit codes, no tracebacks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from textgen.__main__ import run
from textgen.checkpoint import Checkpoint, save_checkpoint
from textgen.config import ModelConfig
from textgen.text.public import PUBLIC_CORPORA
from textgen.text.tokenizer import ByteTokenizer, CharTokenizer

STORY = "Kit went to sea and said nothing.\n"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An untrained checkpoint that knows the letters of a short story."""
    return untrained(tmp_path / "model", CharTokenizer("".join(sorted(set(STORY)))))


def untrained(path: Path, tokenizer: CharTokenizer | ByteTokenizer) -> Path:
    config = ModelConfig(vocab_size=tokenizer.vocab_size, units=8, embedding_dim=4)
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(0, 0.3, shape).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    save_checkpoint(path, Checkpoint(config, tokenizer, weights))
    return path


@pytest.fixture
def story(tmp_path: Path) -> Path:
    path = tmp_path / "story.txt"
    path.write_text(STORY * 200, encoding="utf-8")
    return path


def textgen(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the real command in a process of its own."""
    command = [sys.executable, "-m", "textgen", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)  # type: ignore[call-overload]


# --- help ---


@pytest.mark.parametrize(
    "command", ["train", "sample", "score", "info", "corpus", "demo", "corpus fetch"]
)
def test_every_command_explains_itself(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command.split(), "--help"]) == 0
    assert "Usage: textgen" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["train", "sample", "score", "info", "corpus"])
def test_help_shows_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    run([command, "--help"])
    assert "Examples:" in capsys.readouterr().out


def test_every_field_of_a_configuration_is_a_flag(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(["train", "--help"])
    shown = capsys.readouterr().out
    for flag in (
        "--num-layers",
        "--seq-length",
        "--batch-size",
        "--learning-rate",
        "--out",
    ):
        assert flag in shown


# --- sample ---


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


def test_several_samples_are_those_of_the_seeds_that_follow(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["sample", str(model), "-n", "2", "--length", "20", "--seed", "5"])
    both = capsys.readouterr().out
    run(["sample", str(model), "--length", "20", "--seed", "6"])
    assert both.endswith(capsys.readouterr().out)


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


def test_a_closed_pipe_ends_quietly(model: Path) -> None:
    command = f'"{sys.executable}" -m textgen sample "{model}" --length 200000 | head -c 10'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
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


# --- score and info ---


def test_score_as_json_has_the_promised_figures(
    model: Path, story: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["score", str(model), str(story), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert set(figures) == {
        "bits_per_char",
        "bits_per_byte",
        "nats_per_char",
        "perplexity",
        "num_chars",
        "num_unknown",
        "protocol",
    }
    assert figures["num_chars"] == len(STORY) * 200
    assert figures["protocol"] == "continuous"
    assert run(["score", str(model), str(story)]) == 0
    assert "bits per character (continuous)" in capsys.readouterr().out


def test_info_names_every_gate_with_its_shapes(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["info", str(model)]) == 0
    shown = capsys.readouterr().out
    for line in ("forget.kernel", "forget.recurrent_kernel", "cell.bias", "8 x 8"):
        assert line in shown
    assert run(["info", str(model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"]["units"] == 8


def test_corpus_list_names_every_corpus_with_its_licence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["corpus", "list"]) == 0
    shown = capsys.readouterr().out
    for corpus in PUBLIC_CORPORA:
        assert corpus.name in shown
        assert corpus.licence in shown


# --- what a person can do wrong ---


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["sample", "MODEL", "--temperature", "-1"],
            2,
            "temperature=-1.0 must be at least 0",
        ),
        (["sample", "MODEL", "--top-p", "0"], 2, "top_p=0.0 must be above 0"),
        (["sample", "MODEL", "--top-k", "0"], 2, "top_k=0 must be at least 1"),
        (["sample", "MODEL", "--length", "-5"], 2, "length=-5 must be at least 0"),
        (["sample", "MODEL", "--stop", ""], 2, "stop='' is empty"),
        (["sample", "MODEL", "--seed", "-1"], 2, "seed=-1"),
        (["sample", "MODEL", "--prompt", "a", "--prompt-file", "b"], 2, "contradict"),
        (["sample", "nowhere"], 1, "nowhere: not a checkpoint"),
        (["score", "MODEL", "nothing.txt"], 1, "nothing.txt"),
        (["score", "a", "b", "c"], 2, "[CHECKPOINT] FILE"),
        (["train", "STORY", "--units", "0"], 2, "units=0 must be at least 1"),
        (["train", "STORY", "--val-fraction", "1"], 2, "val_fraction=1.0 must be"),
        (["train", "STORY", "--dropout", "1"], 2, "dropout=1.0 must be"),
        (
            ["train", "STORY", "--learning-rate", "0"],
            2,
            "learning_rate=0.0 must be above 0",
        ),
        (["train", "STORY", "--learning-rate", "nan"], 2, "finite"),
        (["train", "STORY", "--epochs", "0"], 2, "epochs=0 must be at least 1"),
        (["train", "STORY", "--encoding", "klingon"], 2, "encoding='klingon'"),
        (["train", "STORY", "--cell", "transformer"], 2, "'transformer' is not one of"),
        (["train", "STORY", "--unit", "3"], 2, "No such option"),
        (["train", "STORY", "--batch-size", "900"], 1, "--batch-size, --seq-length or"),
        (["train", "STORY", "--resume", "--overwrite"], 2, "contradict"),
        (["train", "STORY", "--resume"], 1, "no run to resume"),
        (["train", "STORY", "--out", "STORY"], 1, "is a file"),
        (["train", "STORY", "--out", "STORY/inside"], 1, "inside"),
        (["train", "missing.txt"], 1, "missing.txt"),
        (["train", "empty.txt"], 1, "empty"),
        (["train", "one.txt"], 1, "1"),
        (["train", "binary.txt"], 1, "binary"),
        (["train", "latin.txt"], 1, "0xe9"),
        (["train", "empty_dir"], 1, "empty_dir holds no files"),
        (["train"], 2, "Missing argument"),
        (["corpus", "fetch", "tinyshakespear"], 1, "tinyshakespeare"),
        (["nonsense"], 2, "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_mistakes_get_a_clear_line_and_an_exit_code(
    arguments: list[str],
    code: int,
    message: str,
    model: Path,
    story: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").touch()
    Path("one.txt").write_text("a")
    Path("binary.txt").write_bytes(b"ab\x00\x01" * 50)
    Path("latin.txt").write_bytes("caf\xe9 ".encode("latin-1") * 50)
    Path("empty_dir").mkdir()
    places = {"MODEL": str(model), "STORY": str(story), "STORY/inside": f"{story}/inside"}
    before = {path for path in tmp_path.rglob("*") if path.is_file()}

    assert run([places.get(argument, argument) for argument in arguments]) == code

    shown = capsys.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before


def test_an_unwritable_output_is_a_clear_error(story: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o500)
    if os.access(locked, os.W_OK):
        pytest.skip("the superuser may write anywhere")
    assert run(["train", str(story), "--out", str(locked / "run")]) == 1


def test_another_backend_is_refused_before_anything_is_read() -> None:
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    done = textgen("train", "missing.txt", env=environment)
    assert done.returncode == 1
    assert "'torch' is not supported" in done.stderr
    assert "Set KERAS_BACKEND=tensorflow" in done.stderr
    assert "missing.txt" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: (d / "tokenizer.json").unlink(), "tokenizer.json"),
        (lambda d: (d / "model.safetensors").unlink(), "model.safetensors"),
        (lambda d: os.truncate(d / "model.safetensors", 900), "damaged or cut short"),
        (lambda d: edit(d, "units", 16), "has shape"),
        (lambda d: edit_version(d, 99), "pip install --upgrade keras-textgen"),
    ],
    ids=["no tokenizer", "no weights", "truncated", "wrong shape", "newer"],
)
def test_damaged_checkpoints_get_a_clear_line(
    damage: object, message: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(model)  # type: ignore[operator]
    assert run(["sample", str(model)]) == 1
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown


def edit(directory: Path, option: str, value: int) -> None:
    data = json.loads((directory / "config.json").read_text())
    data["model"][option] = value
    (directory / "config.json").write_text(json.dumps(data))


def edit_version(directory: Path, version: int) -> None:
    data = json.loads((directory / "config.json").read_text())
    data["format_version"] = version
    (directory / "config.json").write_text(json.dumps(data))


# --- training, as a process ---

QUICK = ["--units", "8", "--num-layers", "1", "--batch-size", "4", "--seq-length", "16"]


def test_train_then_sample_through_pipes(story: Path, tmp_path: Path) -> None:
    done = textgen("train", story, "--epochs", 1, *QUICK, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{Path('checkpoints', 'story')}\n"
    assert "bits/char" in done.stderr
    assert "\r" not in done.stderr  # no bar on a pipe
    assert "Traceback" not in done.stderr
    for noise in ("WARNING", "cuda", "oneDNN", "UserWarning"):
        assert noise not in done.stderr

    done = textgen("sample", "--prompt", "Kit", "--length", 20, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("Kit")


def test_corpus_comes_in_through_stdin(tmp_path: Path) -> None:
    done = textgen("train", "-", "--epochs", 1, *QUICK, cwd=tmp_path, input=STORY * 100)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{Path('checkpoints', 'stdin')}\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_and_says_how_to_go_on(
    story: Path, tmp_path: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-m", "textgen", "train", str(story), "--epochs", "5000"]
    with subprocess.Popen(
        [*command, *QUICK], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as process:
        last = tmp_path / "checkpoints" / "story" / "history.csv"
        deadline = time.monotonic() + 120
        while not last.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "--resume" in errors
    done = textgen("train", story, "--resume", "--epochs", 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
