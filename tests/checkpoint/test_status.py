"""The status of a run: a damaged file says nothing, and does no harm."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from textgen.checkpoint.previews import read_previews
from textgen.checkpoint.status import ENDINGS, Status, read_status, write_status

STATUS = Status(30, 1.5, 0.5, seconds=83.0, bits_per_char=2.5, ended="patience")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    for status in (STATUS, Status(0, 0.0, 0.0, 0.0)):
        write_status(path, status)
        assert read_status(path) == status
    assert [each.name for each in tmp_path.iterdir()] == ["status.json"]


def test_a_run_that_has_not_ended_may_have_been_killed() -> None:
    shown = Status(30, 1.5, 0.5, seconds=83.0).ended_shown
    assert shown == "it is still going on, or was killed, after 1:23 and 1.5 epochs"


def test_every_ending_has_words() -> None:
    for why, words in ENDINGS.items():
        status = Status(1, 1.0, 1.0, seconds=60, ended=why)
        assert status.ended_shown == f"{words}, after 1:00 and 1.0 epochs"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[" * 20_000,
        b"[]",
        b"{}",
        json.dumps({**asdict(STATUS), "ended": "magic"}).encode(),
        json.dumps({**asdict(STATUS), "ended": []}).encode(),
        json.dumps({**asdict(STATUS), "seconds": -1}).encode(),
        json.dumps({**asdict(STATUS), "seconds": "9"}).encode(),
        json.dumps({**asdict(STATUS), "seconds": None}).encode(),
        json.dumps({**asdict(STATUS), "seconds": float("nan")}).encode(),
        json.dumps({**asdict(STATUS), "step": True}).encode(),
        json.dumps({**asdict(STATUS), "step": 10**400}).encode(),
        json.dumps({**asdict(STATUS), "more": 1}).encode(),
    ],
)
def test_a_damaged_status_is_none(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "status.json"
    path.write_bytes(data)
    assert read_status(path) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_no_pipe_and_no_link_of_a_stranger_is_read(tmp_path: Path) -> None:
    """A pipe would block for ever, and a link may lead out of the run."""
    write_status(tmp_path / "other.json", STATUS)
    (tmp_path / "link").symlink_to(tmp_path / "other.json")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        assert read_status(tmp_path / name) is None
        assert read_previews(tmp_path / name) == []


def test_a_status_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    write_status(tmp_path / "none" / "status.json", STATUS)
    assert read_status(tmp_path / "none" / "status.json") is None
