"""Known log lines are dropped in the commands; nothing else on stderr is ever lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from textgen.training.backend import noise

pytestmark = pytest.mark.one_backend

NOISE = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written to "
    b"STDERR\n"
    b"I0000 00:00:1795920256.635878    9817 port.cc:153] oneDNN custom operations are on.\n"
    b"2025-01-02 03:04:05.678901: I xla/tsl/cuda/cudart_stub.cc:32] Could\n"
    b"E0000 00:00:1795920256.6   17 cuda_dnn.cc:8454] Unable to register cuDNN factory\n"
)
REST = (
    b"F0000 00:00:1795920256.635878    9817 port.cc:133] compiled to use AVX\n"
    b"E0000 00:00:1795920256.635878    9817 gpu_device.cc:40] out of memory\n"
    b"Fatal Python error: Aborted\n"
    b"no line feed: port.cc:1]"
)
ENDS = {
    "normal": "pass",
    "exception": "raise ValueError",
    "exit": "os._exit(3)",
    "abort": "os.abort()",
    "signal": "os.kill(os.getpid(), 9)",
}
COMMAND = """
import os, sys, threading
from textgen.training.backend.noise import filtered_stderr, as_command

def other_thread():
    print("of another thread", file=sys.stderr)

with as_command(), filtered_stderr():
    os.write(2, {noise!r})
    thread = threading.Thread(target=other_thread)
    thread.start()
    thread.join()
    os.write(2, {rest!r})
    {end}
"""


@pytest.mark.parametrize("end", ENDS)
def test_only_known_lines_are_dropped_however_a_command_ends(end: str) -> None:
    code = COMMAND.format(noise=NOISE, rest=REST, end=ENDS[end])
    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE)
    assert done.stderr.startswith(b"of another thread\n" + REST)
    assert (done.stderr == b"of another thread\n" + REST) == (end != "exception")


CTRL_C = """
import os, signal, time
from textgen.training.backend.noise import as_command, filtered_stderr

signal.signal(signal.SIGINT, lambda *_: None)
with as_command(), filtered_stderr():
    time.sleep(0.3)
    os.killpg(0, signal.SIGINT)
    time.sleep(0.1)
    os.write(2, b"saved")
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no groups of processes")
def test_ctrl_c_reaches_the_command_and_not_its_filter() -> None:
    command = [sys.executable, "-c", CTRL_C]
    done = subprocess.run(command, stderr=subprocess.PIPE, start_new_session=True)
    assert (done.returncode, done.stderr) == (0, b"saved")


def test_lines_that_are_not_dropped_come_at_once(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, noise.__file__], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        os.write(process.stdin.fileno(), NOISE + b"50%")
        assert os.read(process.stderr.fileno(), 1000) == b"50%"


def test_a_script_keeps_its_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(noise.LEVEL, raising=False)
    before = os.fstat(2)
    with noise.filtered_stderr():
        assert os.path.samestat(os.fstat(2), before)
    assert noise.LEVEL not in os.environ


def test_a_level_that_asks_for_every_line_shows_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(noise.LEVEL, "0")
    before = os.fstat(2)
    with noise.as_command(), noise.filtered_stderr():
        assert os.path.samestat(os.fstat(2), before)
