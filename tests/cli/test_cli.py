"""The command as a person meets it: results, messages, exit codes, no tracebacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.helpers import STORY, textgen
from textgen.__main__ import run
from textgen.corpora.public import PUBLIC_CORPORA

# --- help ---


@pytest.mark.parametrize(
    "command",
    ["train", "sample", "score", "info", "export", "runs", "corpus", "corpus fetch"],
)
def test_every_command_explains_itself(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command.split(), "--help"]) == 0
    assert "Usage: textgen" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["train", "sample", "score", "export", "corpus"])
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


@pytest.mark.parametrize("command", ["train", "sample", "corpus check"])
def test_arguments_are_not_listed_among_the_options(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run([*command.split(), "--help"])
    _, options = capsys.readouterr().out.split("\nOptions:\n")
    assert options.startswith("  -")


# --- info ---


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
            "--temperature -1.0 must be a finite number of at least 0",
        ),
        (["sample", "MODEL", "--top-p", "0"], 2, "--top-p 0.0 must be above 0"),
        (
            ["sample", "MODEL", "--top-k", "0"],
            2,
            "--top-k 0 must be a whole number of at least 1",
        ),
        (
            ["sample", "MODEL", "--length", "-5"],
            2,
            "--length -5 must be a whole number of at least 0",
        ),
        (["sample", "MODEL", "--stop", ""], 2, "an empty one would end every text"),
        (["sample", "MODEL", "--seed", "-1"], 2, "--seed -1"),
        (
            ["sample", "MODEL", "--prompt", "a", "--prompt-file", "b"],
            2,
            "cannot be used together",
        ),
        (["sample", "nowhere"], 1, "nowhere: not a checkpoint"),
        (["train", "STORY", "--units", "0"], 2, "--units 0 must be at least 1"),
        (["train", "STORY", "--val-fraction", "1"], 2, "--val-fraction 1.0 must be"),
        (["train", "STORY", "--dropout", "1"], 2, "--dropout 1.0 must be"),
        (
            ["train", "STORY", "--learning-rate", "0"],
            2,
            "--learning-rate 0.0 must be above 0",
        ),
        (["train", "STORY", "--learning-rate", "nan"], 2, "finite"),
        (["train", "STORY", "--epochs", "0"], 2, "--epochs 0 must be at least 1"),
        (["train", "STORY", "--encoding", "klingon"], 2, "--encoding klingon"),
        (["train", "STORY", "--cell", "transformer"], 2, "'transformer' is not one of"),
        (["train", "STORY", "--unit", "3"], 2, "No such option"),
        (["train", "STORY", "--lr", "1"], 2, "'--lr'. Did you mean '--learning-rate'?"),
        (["train", "STORY", "--num_layers", "1"], 2, "Did you mean '--num-layers'?"),
        (["train", "STORY", "--bidirectional"], 2, "train with --attention."),
        (["sample", "MODEL", "--bidirectional"], 2, "cannot read from right to left"),
        (["sample", "MODEL", "--max-new-tokens", "1"], 2, "Did you mean '--length'?"),
        (["train", "STORY", "--batch-size", "900"], 1, "--batch-size, --seq-length or"),
        (["train", "STORY", "--resume", "--overwrite"], 2, "cannot be used together"),
        (["train", "STORY", "--resume"], 1, "no run to resume"),
        (["train", "STORY", "--out", "STORY"], 1, "is a file"),
        (["train", "STORY", "--out", "STORY/inside"], 1, "inside"),
        (["train", "missing.txt"], 1, "missing.txt"),
        (["train", "empty.txt"], 1, "empty"),
        (["train", "one.txt"], 1, "1"),
        (["train", "binary.txt"], 1, "Delete its NUL bytes"),
        (
            ["train", "latin.txt"],
            1,
            "0xe9 at offset 3 (line 1) is not utf-8. It looks like cp1252.",
        ),
        (["train", "empty_dir"], 1, "empty_dir contains no files"),
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
    environment = {**os.environ, "KERAS_BACKEND": "openvino"}
    done = textgen("train", "missing.txt", env=environment)
    assert done.returncode == 1
    assert "KERAS_BACKEND=openvino: textgen does not support this backend." in done.stderr
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


@pytest.mark.slow
def test_train_then_sample_through_pipes(tmp_path: Path) -> None:
    done = textgen("train", "-", "--epochs", 1, *QUICK, cwd=tmp_path, input=STORY * 100)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{Path('checkpoints', 'stdin')}\n"
    assert "bits/char" in done.stderr
    assert "\r" not in done.stderr  # no bar on a pipe
    assert "Traceback" not in done.stderr
    for noise in ("WARNING", "cuda", "oneDNN", "UserWarning"):
        assert noise not in done.stderr

    done = textgen("sample", "--prompt", "Kit", "--length", 20, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("Kit")


@pytest.mark.slow
def test_the_next_command_for_a_labelled_model_names_a_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"So it goes {n}.,{('sad', 'glad')[n % 2]}\n" for n in range(200)]
    (tmp_path / "notes.csv").write_text(f"text,label\n{''.join(rows)}", encoding="utf-8")
    options = ["--documents", "records", "--epochs", 1, *QUICK]
    assert run(["train", "notes.csv", *map(str, options)]) == 0
    expected = f"textgen sample {Path('checkpoints', 'notes')} --label glad"
    assert expected in capsys.readouterr().err


INTERRUPTED = """
import textgen.__main__ as command

command._run = lambda arguments: exec("raise KeyboardInterrupt")
command.main()
"""


def test_an_interrupt_inside_exec_exits_with_130_too(tmp_path: Path) -> None:
    (tmp_path / "interrupted.py").write_text(INTERRUPTED)
    path = os.pathsep.join([str(Path(__file__).parents[2]), str(tmp_path)])
    done = subprocess.run(
        [sys.executable, "-m", "interrupted"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, b"")
