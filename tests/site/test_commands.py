"""Every command and every Python example of the documentation runs.

The commands run in one process, on small texts; `quick` adds options that end a training
in a moment. The pages in other languages have the same code (`test_languages.py`).
"""

from __future__ import annotations

import io
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.site.pages import DOCS, ROOT, blocks, name_of, text_of
from tests.site.workplace import quick, train_runs, write_texts
from textgen.__main__ import run
from textgen.checkpoint.runs import find_run
from textgen.corpora.public import PUBLIC_CORPORA

# `slow` as a whole: the first training of a process loads Keras.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.one_backend,
    # The small texts lack some letters that commands name.
    pytest.mark.filterwarnings("ignore::textgen.errors.UnknownCharacterWarning"),
]

PAGES = [
    page
    for page in [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")),
        *sorted(DOCS.rglob("*.md")),
    ]
    if "." not in page.stem
]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("library")
    write_texts(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        train_runs()
    return place


@pytest.fixture
def workplace(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy for each page, with a command `textgen` for the lines of a shell."""
    place = tmp_path / "place"
    shutil.copytree(library, place)
    (place / ".venv" / "bin").mkdir(parents=True)
    (place / ".venv" / "bin" / "activate").touch()
    monkeypatch.chdir(place)
    # A chart takes longer than such a training, and the runs of the library have theirs.
    monkeypatch.setattr("textgen.training.loop.saving.can_draw", lambda: False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return place


def commands_of(page: Path) -> list[str]:
    lines = [line.strip() for code in blocks(page, "sh") for line in code.splitlines()]
    return [re.sub(r"\s+# .*", "", line) for line in lines if line and line[0] != "#"]


TYPED = b"It was \n\n/quit\n"


def run_textgen(
    line: str, output: pytest.CaptureFixture[str], stdin: bytes = TYPED
) -> None:
    words = shlex.split(line)[1:]
    target = words[words.index(">") + 1] if ">" in words else None
    arguments = words[: words.index(">")] if target else words
    output.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = run(quick(arguments))
    said = output.readouterr()
    assert code == 0, f"{line}: {said.err}"
    if target:
        Path(target).write_text(said.out, encoding="utf-8")


def run_pipe_into_textgen(line: str, output: pytest.CaptureFixture[str]) -> None:
    """A pipe whose last command is ours."""
    shell, _, command = line.partition(" | textgen ")
    run_textgen(f"textgen {command}", output, stdin=run_shell(shell))


def run_shell(line: str) -> bytes:
    """A line in which `textgen` is a function; what it prints."""
    first = line.split()[0]
    if shutil.which(first) is None and first != "textgen":
        pytest.skip(f"{first} is not installed")
    function = f'textgen() {{ {shlex.quote(sys.executable)} -m textgen "$@"; }}; '
    words = ["bash", "-c", function + line]
    return subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout


def check_make(line: str) -> None:
    target = re.compile(rf"^{line.split()[1]}:.*  ## ", re.MULTILINE)
    assert target.search(text_of(ROOT / "Makefile"))


def check_pip(line: str) -> None:
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]
    extras = re.findall(r"\.\[([\w,]+)\]", line)
    named = {name for group in extras for name in group.split(",")}
    assert named <= set(project["optional-dependencies"])


def check_fetch(line: str) -> None:
    assert line.split()[3] in {corpus.name for corpus in PUBLIC_CORPORA}


def check_example(line: str) -> None:
    # tests/test_examples.py runs them in their short form.
    assert (ROOT / line.split()[1]).exists()


def check_benchmark(line: str) -> None:
    # They take from minutes to hours.
    words = shlex.split(line.partition("python ")[2])
    script = text_of(ROOT / words[0])
    assert [word for word in words if word[:2] == "--" and f'"{word}"' not in script] == []


def check_activation(line: str) -> None:
    # What the Makefile creates; this process has its environment already.
    assert line == "source .venv/bin/activate"
    assert "-m venv .venv\n" in text_of(ROOT / "Makefile")


def check_watch(line: str) -> None:
    # It serves the page until Ctrl-C; tests/cli/test_watch.py runs it.
    assert find_run(line.split()[2]).holds_run()


def check_serve(line: str) -> None:
    # It answers until Ctrl-C; tests/serving runs it.
    words = shlex.split(line)[2:]
    for word in words[: next((i for i, w in enumerate(words) if w[0] == "-"), None)]:
        assert find_run(word).holds_run()


def check_launch(line: str) -> None:
    # It needs JAX; tests/distributed runs it.
    words = shlex.split(line)
    command = words[words.index("--") + 1 :]
    assert command[0] == "train"
    assert all(Path(word).exists() for word in command[1:2])


NOT_RUN: dict[str, Callable[[str], None]] = {
    "make ": check_make,
    "pip install": check_pip,
    ".venv/bin/pip install": check_pip,
    "python benchmarks/": check_benchmark,
    ".venv/bin/python benchmarks/": check_benchmark,
    "python examples/": check_example,
    "source ": check_activation,
    # Needs the network.
    "textgen corpus fetch": check_fetch,
    "textgen watch": check_watch,
    "textgen serve": check_serve,
    "textgen launch": check_launch,
}


def run_line(line: str, output: pytest.CaptureFixture[str]) -> None:
    check = next((NOT_RUN[start] for start in NOT_RUN if line.startswith(start)), None)
    if check is not None:
        check(line)
    elif line.startswith("textgen ") and " | " not in line:
        run_textgen(line, output)
    elif " | textgen " in line:
        run_pipe_into_textgen(line, output)
    else:
        run_shell(line)


@pytest.mark.parametrize("page", [p for p in PAGES if commands_of(p)], ids=name_of)
def test_the_commands_of_a_page_run(
    page: Path, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for line in commands_of(page):
        run_line(line, capsys)


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=name_of)
def test_the_python_of_a_page_runs(
    page: Path, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree("checkpoints/my_book", "checkpoints/chat")
    for code in blocks(page, "python"):
        exec(code, {})
    assert capsys.readouterr().out != ""
