"""Notes and bars reach a person, results reach stdout, whatever the streams are."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable

import pytest

from textgen.streams import progress_bar, results, whole
from textgen.wording import say


class Logger:
    """What programs put in the place of a stream: it can only write."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("missing", [lambda: None, closed], ids=["none", "closed"])
def test_a_note_without_stderr_is_not_written_to_stdout(
    missing: Callable[[], object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stderr", missing())
    say("a note")
    with progress_bar(total=1) as bar:
        bar.update()
    assert capsys.readouterr().out == ""


def test_an_object_that_can_only_write_gets_notes_and_results_without_bars(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", notes := Logger())
    monkeypatch.setattr(sys, "stdout", text := Logger())
    say("a note")
    with progress_bar(total=1) as bar:
        bar.update()
    print("a result", file=results(), flush=True)
    assert notes.text == "a note\n"
    assert text.text == "a result\n"


def test_a_whole_stream_stays_as_it_is() -> None:
    stream = io.StringIO()
    assert whole(stream) is stream


class Full(io.StringIO):
    """A log on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_note_that_cannot_be_written_raises_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", Full())
    say("a note")


def test_a_terminal_that_reports_no_columns_gets_a_bar_of_80(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pty = pytest.importorskip("pty", reason="no pseudo-terminals on this system")
    reader, writer = pty.openpty()  # of 0 rows and 0 columns
    with open(writer, "w", encoding="utf-8") as terminal:
        assert os.get_terminal_size(writer).columns == 0
        monkeypatch.setattr(sys, "stderr", terminal)
        with progress_bar(total=4, desc="Reading"):
            shown = os.read(reader, 1000).decode()
        monkeypatch.undo()
    os.close(reader)
    assert shown.startswith("\rReading:   0%|")
    assert len(shown.strip()) == 80
