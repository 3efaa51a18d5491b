"""Previews are kept in the order of training, and a damaged file does no harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from textgen.checkpoint.previews import MAX_BYTES, Preview, add_preview, read_previews


def test_a_resumed_run_replaces_the_previews_after_its_step(tmp_path: Path) -> None:
    path = tmp_path / "previews.jsonl"
    for step, text in ((10, "a\u2028b\x00"), (20, "b"), (30, "c"), (20, "d\n")):
        add_preview(path, Preview(step, text))
    assert read_previews(path) == [Preview(10, "a\u2028b\x00"), Preview(20, "d\n")]


@pytest.mark.parametrize(
    "damage",
    [b"\xff\xfe", b"{", b"[]", b'{"step": "x", "text": ""}', b'{"step": 1, "text": 2}'],
)
def test_damaged_lines_are_left_out(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "previews.jsonl"
    path.write_bytes(damage + b'\n{"step": 1, "text": "ok"}\n')
    assert read_previews(path) == [Preview(1, "ok")]


def test_missing_and_huge_files(tmp_path: Path) -> None:
    assert read_previews(tmp_path / "none") == []
    assert read_previews(tmp_path) == []
    path = tmp_path / "previews.jsonl"
    path.write_bytes(b'{"step": 1, "text": "ok"}\n' + b"[" * (MAX_BYTES + 10))
    assert read_previews(path) == [Preview(1, "ok")]
