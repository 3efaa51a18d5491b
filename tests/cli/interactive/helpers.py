"""A conversation with written lines and its output."""

from __future__ import annotations

import dataclasses
import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.cli.helpers import STORY
from tests.patience import PATIENCE
from textgen.__main__ import run

LETTERS = "".join(sorted(set(STORY)))


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
