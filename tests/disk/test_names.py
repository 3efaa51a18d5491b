"""A run stores names without the folders, and so the person, that they belong to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from textgen.disk.names import shareable_name, shareable_run


def test_a_file_below_the_working_directory_keeps_its_path_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("texts/a.txt", "./texts/a.txt", str(tmp_path / "texts" / "a.txt")):
        assert shareable_name(name) == "texts/a.txt"
    assert shareable_run("checkpoints/poems/best") == "checkpoints/poems"
    assert shareable_run(str(tmp_path / "checkpoints" / "poems")) == "checkpoints/poems"


@pytest.mark.parametrize("name", ["/home/ada/a.txt", "../ada/a.txt", "x/../../ada/a.txt"])
def test_any_other_file_keeps_only_its_own_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shareable_name(name) == "a.txt"


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a working directory")
def test_without_a_working_directory_a_whole_path_is_shortened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert shareable_name("/home/ada/a.txt") == "a.txt"
    assert shareable_name("texts/a.txt") == "texts/a.txt"
