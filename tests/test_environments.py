"""Every command works, or says in one line why not, wherever a process may find itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import textgen
from tests.cli.helpers import untrained
from tests.conftest import ABSENT
from textgen.errors import TextgenError
from textgen.text.tokenizers.char import CharTokenizer

ROOT = Path(__file__).parents[1]
PYTHONPATH = os.pathsep.join(map(str, (ROOT, ABSENT)))
pytestmark = pytest.mark.one_backend

STORY = "Füchse sagten 漢字 und é\u0301: “nichts”.\n"
BRIEF = "--units 4 --num-layers 1 --epochs 1 --batch-size 4 --seq-length 16 --overwrite"

# One process runs all commands, each as the real command would.
DRIVER = """
import json, os, pathlib, sys
from textgen.__main__ import main

task = json.loads(pathlib.Path(os.environ["TASK"]).read_text(encoding="utf-8"))
if task["is_deleted"]:
    os.mkdir("gone")
    os.chdir("gone")
    os.rmdir("../gone")
codes = {}
for name, words in task["commands"].items():
    # As from a shell, whose words are bytes.
    sys.argv = ["textgen", *(os.fsdecode(word.encode()) for word in words)]
    try:
        main()
    except SystemExit as end:
        codes[name] = end.code
    except BaseException as error:
        codes[name] = repr(error)
pathlib.Path(os.environ["TASK"] + ".codes").write_text(json.dumps(codes))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text and a model; all names have characters outside of ASCII."""
    folder = tmp_path_factory.mktemp("Märchen 漢")
    (folder / "Füchse 漢.txt").write_text(STORY * 60, encoding="utf-8")
    untrained(folder / "Füchse", CharTokenizer("".join(sorted(set(STORY)))))
    return folder


def light(place: Path) -> dict[str, list[str]]:
    """Every command that needs no Keras."""
    text, model, out = (str(place / name) for name in ("Füchse 漢.txt", "Füchse", "löss"))
    return {
        "help": ["--help"],
        "sample": ["sample", model, "--prompts", text, "--length", "3"],
        "jsonl": ["sample", model, "-n", "2", "--length", "5", "--jsonl"],
        "pattern": ["sample", model, "--pattern", "[ehs]+", "--length", "5"],
        "output": ["sample", model, "--length", "5", "--overwrite", "-o", out],
        "interactive": ["sample", model, "--interactive", "--length", "5"],
        "score": ["score", model, text],
        "per char": ["score", model, text, "--per-char"],
        "info": ["info", model],
        "check": ["corpus", "check", text],
        "corpora": ["corpus", "list"],
        "novelty": ["novelty", model, text, "--corpus", text],
        "runs": ["runs", str(place)],
        "list": ["cache", "list"],
        "clear": ["cache", "clear"],
    }


def heavy(place: Path) -> dict[str, list[str]]:
    """Every command that loads Keras."""
    text, run = str(place / "Füchse 漢.txt"), str(place / "Läufe" / "漢")
    return {
        "train": ["train", text, "--out", run, *BRIEF.split()],
        "resume": ["train", text, "--out", run, "--resume", "--epochs", "2"],
        "dynamic": ["score", run, text, "--dynamic"],
    }


ASCII = {
    **{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "PYTHONIOENCODING": "ascii",
}
ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "ASCII": {"env": ASCII},
    "Latin-1": {"env": {"PYTHONIOENCODING": "latin-1", "LC_ALL": "de_DE.ISO-8859-1"}},
    "warnings are errors": {"flags": ["-W", "error"]},
    "deleted directory": {"is_deleted": True},
    "no stdin": {"closed": [0]},
    "no stdout": {"closed": [1]},
    "no stderr": {"closed": [2]},
    "no streams": {"closed": [0, 1, 2]},
}
POSIX_ONLY = pytest.mark.skipif(
    os.name == "nt", reason="Windows has other locales and keeps directories in use"
)


def codes(
    commands: dict[str, list[str]],
    tmp_path: Path,
    *,
    env: dict[str, str] | None = None,
    flags: tuple[str, ...] = (),
    closed: tuple[int, ...] = (),
    is_deleted: bool = False,
    **streams: Any,
) -> tuple[dict[str, Any], str]:
    """The exit code of each command, and what they wrote on stderr."""
    task = tmp_path / "task.json"
    task.write_text(json.dumps({"commands": commands, "is_deleted": is_deleted}))

    def close() -> None:
        for number in closed:
            os.close(number)

    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **streams}
    own = {"TASK": str(task), "TEXTGEN_CACHE_DIR": str(tmp_path / "Zwischenlager é")}
    done = subprocess.run(
        [sys.executable, *flags, "-c", DRIVER],
        env={**os.environ, "PYTHONPATH": PYTHONPATH, **own, **(env or {})},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        preexec_fn=close if closed else None,
        **streams,
    )
    said = done.stderr.decode("utf-8")
    assert done.returncode == 0, said
    return json.loads(Path(f"{task}.codes").read_text(encoding="utf-8")), said


@POSIX_ONLY
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_command_works(environment: str, place: Path, tmp_path: Path) -> None:
    found, said = codes(light(place), tmp_path, **ENVIRONMENTS[environment])
    assert found == dict.fromkeys(light(place), 0)
    assert "Traceback" not in said
    assert "Warning" not in said


@POSIX_ONLY
@pytest.mark.slow
def test_training_works_where_all_of_these_meet(place: Path, tmp_path: Path) -> None:
    # PyTorch cannot run in a deleted directory, so `auto` has to take another backend.
    env = {
        **ASCII,
        "KERAS_BACKEND": "",
        "HOME": "/dev/null",
        "KERAS_HOME": "/dev/null/.keras",
    }
    worst = {"env": env, "flags": ["-W", "error"], "closed": [0, 1], "is_deleted": True}
    found, said = codes(heavy(place), tmp_path, **worst)
    assert found == dict.fromkeys(heavy(place), 0), said
    assert "Traceback" not in said


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is full")
def test_a_full_disk_under_stdout_is_one_line(place: Path, tmp_path: Path) -> None:
    commands = light(place)
    # These write nothing on stdout here.
    silent = {"output": 0, "interactive": 0, "list": 0, "clear": 0}
    with open("/dev/full", "w") as full:
        # What a buffer still holds would be left to the next command.
        found, said = codes(commands, tmp_path, env={"PYTHONUNBUFFERED": "1"}, stdout=full)
    assert found == {**dict.fromkeys(commands, 1), **silent}
    line = "Error: the output cannot be written: No space left on device."
    assert said.count(line) == len(commands) - len(silent)
    assert "Traceback" not in said


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is full")
def test_a_full_disk_under_stdout_with_a_buffer_is_one_line(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "textgen", "--help"],
            env={**os.environ, "PYTHONPATH": PYTHONPATH, "PYTHONUNBUFFERED": ""},
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    line = "Error: the output cannot be written: No space left on device.\n"
    assert (done.returncode, done.stderr) == (1, line)


@pytest.fixture
def _deleted_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    yield
    monkeypatch.undo()


PUBLIC: dict[str, Callable[[str], Any]] = {
    "train": lambda name: textgen.train(name, quiet=True),
    "read_corpus": textgen.read_corpus,
    "load": textgen.Generator.load,
    "load_checkpoint": textgen.load_checkpoint,
    "load_model": textgen.load_model,
}


@POSIX_ONLY
@pytest.mark.usefixtures("_deleted_directory")
@pytest.mark.parametrize("function", PUBLIC)
def test_a_relative_path_from_a_deleted_directory_is_an_error_of_ours(
    function: str,
) -> None:
    for name in ("a.txt", "../a.txt", ".", "a/*.txt"):
        with pytest.raises(TextgenError):
            PUBLIC[function](name)


@pytest.mark.slow
def test_several_trainings_and_samplings_in_threads_do_not_disturb_each_other(
    place: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"units": 4, "num_layers": 1, "epochs": 1, "batch_size": 4}

    def train(name: str) -> Path:
        out = tmp_path / name
        return textgen.train(
            place / "Füchse 漢.txt", out, seq_length=16, quiet=True, **options
        )

    generator = textgen.Generator.load(place / "Füchse")
    alone = generator.generate("F", length=50, seed=1)
    runs = [train("alone")]
    with ThreadPoolExecutor() as pool:
        trainings = [pool.submit(train, name) for name in "ab"]
        assert generator.generate("F", length=50, seed=1) == alone
        while not all(training.done() for training in trainings):
            assert generator.generate("F", length=50, seed=1) == alone
    runs += [training.result() for training in trainings]
    weights = [textgen.load_checkpoint(run).weights for run in runs]
    for other in weights[1:]:
        assert all(np.array_equal(other[k], weights[0][k]) for k in weights[0])
