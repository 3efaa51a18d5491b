"""A conversation as a person has it, on a real terminal, and through a pipe."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.helpers import untrained
from tests.cli.interactive.helpers import LETTERS, Terminal
from tests.patience import PATIENCE, wait_until
from textgen.generation.generator import Generator
from textgen.text.tokenizers.char import CharTokenizer

# --- pipes, as processes ---


def test_a_pipe_gets_text_on_stdout_alone_and_needs_no_line_editor(
    model: Path, generator: Generator
) -> None:
    code = (
        "import sys\nfrom textgen.__main__ import run\n"
        "code = run(sys.argv[1:])\n"
        "assert 'prompt_toolkit' not in sys.modules\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "sample", str(model), "--interactive"],
        input="/seed 7\n/length 9\nKit\n",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"Kit{generator.generate('Kit', seed=7, length=9)}\n"
    assert done.stderr == "/seed 7\n/length 9\n"


def test_lines_of_a_pipe_are_utf8_whatever_the_locale_says(tmp_path: Path) -> None:
    path = untrained(tmp_path / "greek", CharTokenizer("αβγ"))
    done = subprocess.run(
        [sys.executable, "-m", "textgen", "sample", str(path), "--interactive"],
        input="/length 0\nαβ\n".encode(),
        capture_output=True,
        env={**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )
    assert done.stdout.decode("utf-8") == f"αβ{os.linesep}"
    assert b"Warning" not in done.stderr


def test_answers_come_before_the_pipe_is_closed(model: Path) -> None:
    command = [sys.executable, "-m", "textgen", "sample", str(model), "--interactive"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write('/length 3\n/forbid "\\n"\nKit\n')
        process.stdin.flush()
        assert process.stdout.readline().startswith("Kit")
        process.stdin.close()
        assert process.wait(timeout=PATIENCE) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_a_closed_stdin_is_an_empty_conversation(model: Path) -> None:
    command = f'"{sys.executable}" -m textgen sample "{model}" --interactive <&-'
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c_ends_a_script(model: Path) -> None:
    command = [sys.executable, "-m", "textgen", "sample", str(model), "--interactive"]
    with subprocess.Popen(
        [*command, "--length", "50000000"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"Kit\nsea\n")
        process.stdin.flush()
        process.stdout.read(200)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert errors.strip() == b""


# --- a person at a terminal ---


@pytest.fixture
def on_terminal(model: Path, tmp_path: Path) -> Iterator[Any]:
    pytest.importorskip("pty", reason="needs POSIX terminals")
    opened: list[Terminal] = []

    def open_one(*flags: str, **streams: Any) -> Terminal:
        opened.append(Terminal(model, tmp_path / "home", *flags, **streams))
        return opened[-1]

    yield open_one
    for terminal in opened:
        terminal._process.kill()
        terminal._process.wait()


def test_a_conversation_on_a_terminal_from_first_to_last_line(
    on_terminal: Any, generator: Generator
) -> None:
    terminal = on_terminal("--length", "30", "--seed", "7", "--forbid", "\n")
    terminal.expect("Type a prompt.*Ctrl-D: quit")
    terminal.type("exit")
    terminal.expect(r"To leave: /quit or Ctrl-D\. 'exit' is taken as a prompt\.")
    terminal.type("/allow a-z")
    terminal.expect(r"Note: /allow has no ranges: .*/pattern '\[a-z\]\*'")
    terminal.type("/allow off")
    terminal.type("/temperature 0.5")
    terminal.expect(r"\n/temperature 0\.5\r\n")
    terminal.type("/temperature warm")
    terminal.expect("Error: /temperature: 'warm' is neither")
    terminal.type("Kit ")
    chosen: dict[str, Any] = {"length": 30, "temperature": 0.5, "forbid": "\n"}
    first = "Kit " + generator.generate("Kit ", seed=7, **chosen)
    terminal.expect(f"\r\n{re.escape(first)}\r\n")
    terminal.type("")
    second = generator.generate(first, seed=8, **chosen)
    terminal.expect(f"\r\n{re.escape(second)}\r\n")
    terminal.expect(">")
    terminal.send("\x04")
    # A person has seen the mistake; only scripts get an exit code for it.
    assert terminal.close() == 0


def test_ctrl_c_stops_the_text_and_nothing_else(on_terminal: Any) -> None:
    terminal = on_terminal("--length", "50000000")
    terminal.type("Kit")
    terminal.expect(r"Kit.{200}")
    terminal.send("\x03")
    terminal.type("/length 5")
    terminal.expect(r"/length 5\r\n")
    terminal.type("sea")
    terminal.expect(r"\r\nsea.*\r\n")
    terminal.type("/quit")
    assert terminal.close() == 0


def test_an_empty_line_goes_on_with_a_text_that_was_stopped(
    on_terminal: Any, generator: Generator, tmp_path: Path
) -> None:
    written = tmp_path / "out.txt"
    flags = ["--length", "50000000", "--seed", "7", "--forbid", "\n"]
    with written.open("wb") as out:
        terminal = on_terminal(*flags, stdout=out)
        terminal.type("Kit")
        wait_until(lambda: written.stat().st_size >= 200)
        terminal.send("\x03")
        terminal.type("/length 20")
        terminal.type("")
        terminal.type("/quit")
        assert terminal.close() == 0
    stopped, rest = written.read_text(encoding="utf-8").splitlines()
    assert 200 <= len(stopped) < 50_000_000
    # Ctrl-C may come between a character and its being shown.
    assert rest in {
        generator.generate(stopped + unseen, seed=8, length=20, forbid="\n")
        for unseen in ("", *LETTERS)
    }


def test_ctrl_c_clears_the_line_and_on_an_empty_one_says_how_to_end(
    on_terminal: Any,
) -> None:
    terminal = on_terminal("--length", "5")
    terminal.expect(">")
    terminal.send("nonsense")
    terminal.expect("nonsense")
    terminal.send("\x03")
    terminal.type("/top-k 3")
    shown = terminal.expect(r"/top-k 3\r\n")
    assert "Ctrl-D" not in shown
    assert "Error" not in shown
    terminal.expect(">")
    terminal.send("\x03")
    terminal.expect("Quit with Ctrl-D or /quit.")
    terminal.type("/quit")
    assert terminal.close() == 0


def test_tab_completes_a_command_and_its_value(on_terminal: Any) -> None:
    terminal = on_terminal()
    terminal.expect(">")
    terminal.send("/unt\t")
    terminal.expect("/until")
    terminal.send("sen\t")
    terminal.expect("tence")
    terminal.send("\r")
    terminal.expect(r"\n/until sentence\r\n")
    terminal.type("/quit")
    assert terminal.close() == 0


def test_the_history_outlives_the_conversation_and_is_private(
    on_terminal: Any, tmp_path: Path
) -> None:
    terminal = on_terminal("--length", "5")
    terminal.type("Kit went")
    terminal.type("/quit")
    assert terminal.close() == 0
    [history] = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert history.name == "history"
    assert history.stat().st_mode & 0o077 == 0
    assert "+Kit went\n" in history.read_text(encoding="utf-8")

    terminal = on_terminal("--length", "5")
    terminal.expect(">")
    terminal.send("\x1b[A\x1b[A")
    terminal.expect("Kit went")
    terminal.send("\r")
    terminal.expect(r"\r\nKit went")
    terminal.type("/quit")
    assert terminal.close() == 0


def test_a_history_that_cannot_be_kept_is_a_warning(
    on_terminal: Any, tmp_path: Path
) -> None:
    (tmp_path / "home").write_text("a file where a folder should be")
    terminal = on_terminal("--length", "5")
    terminal.expect("Warning: the history is not saved; cannot write .*history: Not a")
    terminal.type("Kit")
    terminal.expect(r"\r\nKit")
    terminal.type("/quit")
    assert terminal.close() == 0


def test_stdout_into_a_file_gets_the_text_and_no_more(
    on_terminal: Any, generator: Generator, tmp_path: Path
) -> None:
    with open(tmp_path / "out.txt", "wb") as out:
        terminal = on_terminal("--length", "30", "--seed", "7", stdout=out)
        terminal.type("Kit")
        terminal.type("/quit")
        assert terminal.close() == 0
    expected = f"Kit{generator.generate('Kit', seed=7, length=30)}\n"
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == expected


def test_a_terminal_whose_notes_go_elsewhere_still_shows_its_sign(
    on_terminal: Any, tmp_path: Path
) -> None:
    with open(tmp_path / "notes.txt", "wb") as notes:
        terminal = on_terminal("--length", "5", stderr=notes)
        terminal.type("/top-k 3")
        terminal.type("Kit")
        terminal.expect(r"\r\nKit")
        terminal.type("/quit")
        assert terminal.close() == 0
    assert b"/top-k 3\n" in (tmp_path / "notes.txt").read_bytes()
