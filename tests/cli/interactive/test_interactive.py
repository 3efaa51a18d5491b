"""A conversation as a person has it, on a real terminal, and as a script has it."""

from __future__ import annotations

import dataclasses
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.helpers import STORY, untrained
from textgen.__main__ import run
from textgen.cli.interactive.commands import (
    ACTIONS,
    SETTINGS,
    as_commands,
    completions,
    read_value,
    split_command,
)
from textgen.config.sampling import SamplingConfig
from textgen.generation.generator import Generator
from textgen.text.tokenizers.char import CharTokenizer

LETTERS = "".join(sorted(set(STORY)))
PATIENCE = 60.0  # seconds
FIELDS = [spec.name for spec in dataclasses.fields(SamplingConfig)]


@pytest.fixture
def generator(model: Path) -> Generator:
    return Generator.load(model)


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a conversation through a pipe has written."""

    code: int
    out: str
    err: str


class Script:
    """Lines through stdin, as `printf ... | textgen sample MODEL --interactive`."""

    def __init__(self, model: Path, monkeypatch: Any, capsys: Any) -> None:
        self._model, self._monkeypatch, self._capsys = model, monkeypatch, capsys

    def __call__(self, lines: str, *flags: str, model: Path | None = None) -> Answer:
        stdin = io.TextIOWrapper(io.BytesIO(lines.encode("utf-8", "surrogateescape")))
        self._monkeypatch.setattr(sys, "stdin", stdin)
        code = run(["sample", str(model or self._model), "--interactive", *flags])
        return Answer(code, *self._capsys.readouterr())


@pytest.fixture
def script(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Script:
    return Script(model, monkeypatch, capsys)


# --- prompts ---


def test_a_line_is_a_prompt_and_gets_the_text_that_sample_writes(
    script: Script, generator: Generator
) -> None:
    answer = script("Kit \n", "--seed", "7", "--length", "30", "--temperature", "0.5")
    expected = generator.generate("Kit ", seed=7, length=30, temperature=0.5)
    assert answer == Answer(0, f"Kit {expected}\n", "")


def test_the_prompt_is_left_out_where_no_echo_is_wanted(
    script: Script, generator: Generator
) -> None:
    answer = script("Kit \n", "--seed", "7", "--length", "9", "--no-echo")
    assert answer.out == generator.generate("Kit ", seed=7, length=9) + "\n"


@pytest.mark.parametrize("flags", [(), ("--no-echo",)])
def test_an_empty_line_goes_on_with_all_that_was_written(
    script: Script, generator: Generator, flags: tuple[str, ...]
) -> None:
    limits = ["--length", "9", "--forbid", "\n"]
    answer = script("Kit \n\n\n", "--seed", "7", *limits, *flags)
    chosen: dict[str, Any] = {"length": 9, "forbid": "\n"}
    first = generator.generate("Kit ", seed=7, **chosen)
    second = generator.generate(f"Kit {first}", seed=8, **chosen)
    third = generator.generate(f"Kit {first}{second}", seed=9, **chosen)
    prompt = "" if flags else "Kit "
    assert answer == Answer(0, f"{prompt}{first}\n{second}\n{third}\n", "")


def test_an_empty_line_at_the_very_start_lets_the_model_begin(
    script: Script, generator: Generator
) -> None:
    answer = script("\n", "--seed", "7", "--length", "9")
    assert answer == Answer(0, generator.generate(seed=7, length=9) + "\n", "")


def test_two_slashes_begin_a_prompt_with_one(tmp_path: Path, script: Script) -> None:
    path = untrained(tmp_path / "slashes", CharTokenizer("/ab"))
    answer = script("//a\n//\n", "--length", "0", model=path)
    assert answer.out == "/a\n/\n"
    assert "Warning" not in answer.err


def test_spaces_around_a_prompt_and_a_missing_last_line_feed_are_kept(
    script: Script,
) -> None:
    assert script(" Kit \r\n  ", "--length", "0").out == " Kit \n  \n"


def test_again_takes_the_last_prompt_and_not_the_text(
    script: Script, generator: Generator
) -> None:
    answer = script("sea\nKit\n\n/again\n", "--seed", "7", "--length", "9")
    first = "Kit" + generator.generate("Kit", seed=7, length=9)
    lines = answer.out.removesuffix("\n").split("sea", 1)[1]
    assert lines.count(first) == 2
    assert lines.endswith(first)


def test_again_writes_another_text_unless_there_is_a_seed(script: Script) -> None:
    one, two = script("Kit\n/again\n", "--length", "99", "--stop", "\n").out.splitlines()
    assert one[:3] == two[:3] == "Kit"
    assert one != two


def test_again_before_the_first_prompt_is_a_mistake(script: Script) -> None:
    answer = script("/again\n")
    assert answer == Answer(1, "", "Error: there is no earlier prompt. Type one.\n")


def test_the_seed_of_a_text_that_was_written_without_one_can_be_had(
    script: Script, generator: Generator
) -> None:
    answer = script("Kit\n\n/seed\n", "--length", "9")
    off, last = answer.err.splitlines()
    assert off == "/seed off"
    found = re.fullmatch(r"The last text began with /seed (\d+)", last)
    assert found is not None
    assert answer.out == script(f"/seed {found[1]}\nKit\n\n", "--length", "9").out


def test_a_text_that_has_come_to_its_end_is_told_of(script: Script) -> None:
    answer = script("Kit\n", "--length", "0")
    assert answer == Answer(
        0, "Kit\n", "Nothing was added: with these settings, the text ends here.\n"
    )


def test_unknown_characters_are_named_for_every_prompt_but_not_for_what_follows(
    script: Script,
) -> None:
    answer = script("Kit é\n\nKit é\n", "--length", "5")
    warning = "left out of the prompt, unknown to the model: 'é' (U+00E9)"
    assert answer.err.splitlines() == [f"Warning: {warning}"] * 2


def test_broken_bytes_in_a_pipe_are_unknown_characters_and_no_crash(
    script: Script,
) -> None:
    answer = script("Kit \udcff\n", "--length", "5")
    assert answer.code == 0
    assert "U+DCFF" in answer.err


def test_a_byte_order_mark_is_no_part_of_the_first_prompt(script: Script) -> None:
    assert script("\ufeffKit\n", "--length", "0").out == "Kit\n"


# --- settings ---


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_of_sample_has_a_command_that_shows_it(
    script: Script, name: str
) -> None:
    command = f"/{name.replace('_', '-')}"
    answer = script(f"{command}\n")
    assert answer.code == 0
    assert answer.err.startswith(f"{command} ")


def test_a_setting_holds_for_the_texts_that_follow_until_it_is_off(
    script: Script, generator: Generator
) -> None:
    answer = script("/temperature 0\nKit\n/temperature off\nKit\n", "--seed", "7")
    likeliest, usual = (
        generator.generate("Kit", seed=7, temperature=0),
        generator.generate("Kit", seed=7, temperature=0.8),
    )
    assert answer.out == f"Kit{likeliest}\nKit{usual}\n"
    assert answer.err == "/temperature 0.0\n/temperature 0.8\n"


def test_off_is_the_default_and_not_what_the_flags_had_set(script: Script) -> None:
    assert script("/top-k off\n/length off\n", "--top-k", "3", "--length", "9").err == (
        "/top-k off\n/length 500\n"
    )


def test_seed_and_label_are_settings_too(tmp_path: Path, script: Script) -> None:
    tokenizer = CharTokenizer(LETTERS, end_of_document=True, labels=("glad", "sad"))
    path = untrained(tmp_path / "labelled", tokenizer)
    generator = Generator.load(path)
    # An untrained model makes little of a label; here it shows.
    lines = "/seed 6\n/temperature 0.2\n/label sad\n\n/label glad\n/again\n"
    answer = script(lines, model=path)
    sad, glad = (
        generator.generate(seed=6, temperature=0.2, label=name) for name in ("sad", "glad")
    )
    assert sad != glad
    assert answer.out == f"{sad}\n{glad}\n"


def test_every_stop_text_is_one_more_until_off(script: Script) -> None:
    answer = script('/stop END\n/stop "\\n"\n/stop END\n/stop off\n')
    assert answer.err.splitlines() == [
        "/stop END",
        *("/stop END", '/stop "\\n"'),
        *("/stop END", '/stop "\\n"'),
        "/stop off",
    ]


def test_a_tab_in_quotes_is_a_tab_however_it_is_written(script: Script) -> None:
    assert script('/stop "a\t"\n/stop "a\\t"\n').err == '/stop "a\\t"\n' * 2


def test_quotes_and_backslashes_mean_in_a_pattern_what_they_mean_in_patterns(
    tmp_path: Path, script: Script
) -> None:
    path = untrained(tmp_path / "quotes", CharTokenizer('"ab'))
    answer = script('/pattern "\\w+"\n\n', model=path)
    assert answer.err == '/pattern "\\w+"\n'
    assert re.fullmatch(r'"[ab]+"\n', answer.out)


def test_settings_shows_what_differs_as_lines_that_set_it_again(script: Script) -> None:
    lines = [
        "/length 9",
        "/temperature 1.0,0.5",
        "/top-k 5",
        '/stop "a "',
        "/stop b",
        "/until line",
        "/seed 7",
    ]
    flags = ["--length", "9", "--temperature", "1,0.5", "--top-k", "5", "--stop", "a "]
    flags += ["--stop", "b", "--until", "line", "--seed", "7"]
    assert script("/settings\n", *flags).err.splitlines() == lines
    again = script("".join(f"{line}\n" for line in (*lines, "/settings")))
    assert again.err.splitlines()[-len(lines) :] == lines


def test_settings_says_so_where_nothing_differs(script: Script) -> None:
    assert script("/settings\n").err == "All settings have their defaults.\n"


def test_help_names_every_command_with_the_help_of_its_flag(script: Script) -> None:
    shown = script("/help\n").err
    for spec in dataclasses.fields(SamplingConfig):
        assert f"/{spec.name.replace('_', '-')} VALUE" in shown
        assert spec.metadata["help"] in " ".join(shown.split())
    for name in ("seed", "label", "again", "settings", "help", "quit"):
        assert f"\n/{name} " in shown
    assert "//TEXT" in shown


def test_quit_leaves_the_rest_unread(script: Script) -> None:
    assert script("/quit\nKit\n") == Answer(0, "", "")


# --- mistakes ---


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/temprature 1", "unknown command /temprature. Did you mean /temperature?"),
        ("/top_k 3", "unknown command /top_k. Did you mean /top-k?"),
        ("/xyzzy", "unknown command /xyzzy. /help lists all of them."),
        ("/", "A prompt that begins with a slash is typed with two."),
        ("/ length 3", "unknown command /."),
        ("/again please", "/again takes no value. Leave out 'please'."),
        ("/quit now", "/quit takes no value."),
        ("/top-k many", "/top-k: 'many' is not a valid integer."),
        ("/top-k 0", "top_k=0 must be a whole number of at least 1"),
        ("/temperature hot", "/temperature: 'hot' is neither a number nor"),
        ("/temperature -1", "temperature=-1.0 must be a finite number of at least 0"),
        ("/length 3 4", "/length: '3 4' is not a valid integer."),
        ("/until dawn", "/until: 'dawn' is not one of 'sentence', 'line'"),
        ("/until document", "this model has no end of document"),
        ('/stop ""', "an empty one would end every text at once"),
        ('/stop "a', '"a begins with a double quote, but is not a valid JSON string'),
        ("/min-length 900", "min_length=900 is more than length=30"),
        ("/beam-width 2", "so temperature has no effect"),
        ("/pattern (", "pattern"),
        ("/pattern é+", "pattern"),
        ("/seed -1", "seed=-1 must be a whole number of at least 0"),
        ("/seed 1.5", "/seed: '1.5' is not a valid integer."),
        ("/label glad", "there is no label 'glad'"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(
    script: Script, generator: Generator, line: str, message: str
) -> None:
    flags = ["--length", "30", "--temperature", "0.5", "--seed", "7"]
    answer = script(f"Kit\n{line}\n/settings\n\n", *flags)
    error, *settings = answer.err.splitlines()
    assert error.startswith("Error: ")
    assert message in error
    assert settings == ["/length 30", "/temperature 0.5", "/seed 7"]
    assert answer.code == 1
    chosen: dict[str, Any] = {"length": 30, "temperature": 0.5}
    first = "Kit" + generator.generate("Kit", seed=7, **chosen)
    assert answer.out == f"{first}\n{generator.generate(first, seed=8, **chosen)}\n"


def test_a_prompt_that_is_refused_leaves_the_text_so_far(
    script: Script, generator: Generator
) -> None:
    answer = script("Kit\né\n\n", "--unknown", "error", "--seed", "7", "--length", "9")
    first = "Kit" + generator.generate("Kit", seed=7, length=9)
    assert answer.out == f"{first}\n{generator.generate(first, seed=8, length=9)}\n"
    assert answer.err.count("\n") == 1
    assert "U+00E9" in answer.err
    assert answer.code == 1


def test_flags_that_make_no_sense_end_the_conversation_before_it_begins(
    script: Script,
) -> None:
    answer = script("Kit\n", "--label", "glad")
    assert answer.code == 1
    assert answer.out == ""
    assert "there is no label 'glad'" in answer.err
    assert script("Kit\n", "--until", "document").code == 2


# --- what is typed and what is shown ---


@given(text=st.text(min_size=1))
def test_a_text_that_is_shown_sets_itself_when_typed(text: str) -> None:
    for name in ("stop", "forbid", "label"):
        value = (text,) if name == "stop" else text
        [line] = as_commands(name, value)
        assert read_value(*split_command(line), current=()) == value


@given(numbers=st.lists(st.floats(0, 9), min_size=1, max_size=3))
def test_temperatures_that_are_shown_set_themselves_when_typed(
    numbers: list[float],
) -> None:
    value = tuple(numbers) if len(numbers) > 1 else numbers[0]
    [line] = as_commands("temperature", value)
    assert read_value(*split_command(line), current=0.8) == value


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", []),
        ("Kit", []),
        ("//", []),
        ("//un", []),
        ("a /un", []),
        ("/un", ["/until "]),
        ("/q", ["/quit"]),
        ("/top", ["/top-k ", "/top-p "]),
        ("/zzz", []),
        ("/until ", ["sentence", "line", "paragraph", "document", "off"]),
        ("/until  d", ["document"]),
        ("/temperature ", ["off"]),
        ("/temperature 0", []),
        ("/label ", ["glad", "very sad", '"off"', "off"]),
        ("/label very", ["very sad"]),
        ("/label very s", ["very sad"]),
        ("/settings ", []),
        ("/zzz ", []),
    ],
)
def test_tab_offers_commands_and_the_values_that_are_known(
    line: str, expected: list[str]
) -> None:
    found = completions(line, labels=("glad", "very sad", "off"))
    assert [new for _, new, _ in found] == expected
    assert all(line.endswith(replaced) for replaced, _, _ in found)


def test_tab_after_a_slash_offers_everything_with_its_help() -> None:
    found = completions("/")
    assert [new.strip(" /") for _, new, _ in found] == [*SETTINGS, *ACTIONS]
    assert all(text for _, _, text in found)


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

# The new process makes the terminal its own, so that Ctrl-C reaches it.
LAUNCH = """
import fcntl, sys, termios
fcntl.ioctl(int(sys.argv[1]), termios.TIOCSCTTY, 0)
from textgen.__main__ import run
sys.exit(run(sys.argv[2:]))
"""


class Terminal:
    """`textgen sample MODEL --interactive` in a terminal of its own."""

    def __init__(self, model: Path, home: Path, *flags: str, **streams: Any) -> None:
        import fcntl
        import pty
        import struct
        import termios

        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
        self._seen = ""
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-c", LAUNCH, "0"),
                *("sample", str(model), "--interactive", *flags),
            ],
            **{"stdin": slave, "stdout": slave, "stderr": slave, **streams},
            start_new_session=True,
            env={
                **os.environ,
                "TERM": "xterm",
                # This terminal does not say where its cursor is.
                "PROMPT_TOOLKIT_NO_CPR": "1",
                "XDG_DATA_HOME": str(home),
                "HOME": str(home),
            },
        )
        os.close(slave)

    def expect(self, pattern: str) -> str:
        """Wait until it is shown; returns what was shown up to its end."""
        import select

        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, plain(self._seen), re.DOTALL)):
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._master], [], [], max(0.0, left))
            assert ready, f"waited for {pattern!r}, saw {self._seen!r}"
            self._seen += self._read()
        self._seen = plain(self._seen)[found.end() :]
        return found.string[: found.end()]

    def send(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def type(self, line: str) -> None:
        """Wait for the sign and answer it."""
        self.expect(">")
        self.send(f"{line}\r")

    def close(self) -> int:
        """Wait for the end; returns the exit code."""
        try:
            while self._read():
                pass
            return self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            os.close(self._master)

    def _read(self) -> str:
        try:
            return os.read(self._master, 65536).decode("utf-8", "replace")
        except OSError:  # how Linux says that nobody writes any more
            return ""


def plain(shown: str) -> str:
    """Without what moves the cursor and colours the text."""
    return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|[=>]|\][^\x07]*\x07)", "", shown)


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
        deadline = time.monotonic() + PATIENCE
        while written.stat().st_size < 200 and time.monotonic() < deadline:
            time.sleep(0.01)
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
