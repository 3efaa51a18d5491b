"""A stop is acknowledged at once, and what is asked of a stuck process happens."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from textgen.training.backend.noise import as_command
from textgen.training.loop.signals import keras_loading, stop_requests

pytestmark = [
    pytest.mark.one_backend,
    pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals"),
]


@pytest.fixture
def _ignored_sigint() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ignored_sigint")
def test_a_signal_that_was_ignored_at_the_start_stays_ignored() -> None:
    with stop_requests() as wants_stop:
        signal.raise_signal(signal.SIGINT)
        assert not wants_stop()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        signal.raise_signal(signal.SIGTERM)
        assert wants_stop()


def test_the_first_signal_is_a_request_and_the_second_an_interrupt() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), stop_requests(note=None) as wants_stop:  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        assert wants_stop()
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert signal.set_wakeup_fd(-1) == -1


def test_an_interrupt_waits_until_keras_is_loaded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    is_loaded = False
    with pytest.raises(KeyboardInterrupt), keras_loading():  # noqa: PT012
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
        is_loaded = True
    assert is_loaded
    shown = capsys.readouterr().err
    assert (
        shown
        == "\nStopping as soon as possible: Keras is being loaded. Nothing was saved.\n"
    )


def test_in_a_command_an_interrupt_waits_only_for_the_next_module() -> None:
    before, on_ctrl_c = list(sys.meta_path), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), as_command(), keras_loading(quiet=True):  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        importlib.import_module("this")
    assert "this" not in sys.modules
    # The command ends: another Ctrl-C does not disturb that.
    assert signal.signal(signal.SIGINT, on_ctrl_c) == signal.SIG_IGN
    assert sys.meta_path == before


def test_an_error_that_comes_of_the_interrupt_is_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), keras_loading(quiet=True):  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        raise ImportError("while initializing the extension")
    with pytest.raises(ImportError, match="really"), keras_loading(quiet=True):
        raise ImportError("really")


def test_quiet_loading_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), keras_loading(quiet=True):
        signal.raise_signal(signal.SIGINT)
    assert capsys.readouterr().err == ""


def test_in_another_thread_nothing_is_changed() -> None:
    found: list[object] = []

    def look() -> None:
        with stop_requests():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]


def test_signals_of_others_still_wake_who_waited_for_them() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.signal(signal.SIGUSR1, lambda *_: None), signal.set_wakeup_fd(writer)
    try:
        with stop_requests():
            signal.raise_signal(signal.SIGUSR1)
            assert os.read(reader, 1) == bytes([signal.SIGUSR1])
        assert signal.set_wakeup_fd(before[1]) == writer
    finally:
        signal.set_wakeup_fd(before[1])
        signal.signal(signal.SIGUSR1, before[0])
        os.close(reader)
        os.close(writer)


CHILD = """
import os, signal
from textgen.training.loop.signals import stop_requests

with stop_requests() as wants_stop:
    if child := os.fork():
        os.waitpid(child, 0)
    else:
        signal.raise_signal(signal.SIGTERM)
        os._exit(0)
print(wants_stop())
"""


def test_a_signal_of_a_child_process_is_no_request() -> None:
    command = [sys.executable, "-c", CHILD]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("False\n", "")


# The main thread waits in C for a lock that it holds: no handler of Python is called.
STUCK = """
import ctypes
from textgen.training.loop import signals

signals.GRACE_SECONDS = 0.1
mutex = ctypes.create_string_buffer(64)
with signals.stop_requests():
    print("ready", flush=True)
    for _ in range(2):
        ctypes.CDLL(None).pthread_mutex_lock(mutex)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the layout of a mutex is Linux's")
def test_a_stuck_step_acknowledges_a_signal_and_ends_at_a_second_sigterm() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUCK],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stderr.readline() == "\n"
        assert process.stderr.readline().startswith("Finishing this step or evaluation")
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM
