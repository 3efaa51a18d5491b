"""`textgen cache`: what is kept, and how to be rid of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from textgen.__main__ import run
from textgen.config.text import TextConfig
from textgen.text.encoded.cache import ENTRY, Cache
from textgen.text.encoded.prepare import prepare_corpus
from textgen.text.reading.sources import Source


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    path = tmp_path / "book.txt"
    path.write_text("a b c " * 100)
    found = Cache(tmp_path / "cache")
    for kind in ("char", "byte"):
        prepare_corpus([Source(str(path))], TextConfig(tokenizer=kind), 0, cache=found)
    return found


def test_list_shows_what_is_kept(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    (cache.entries()[0].path / ENTRY).write_text("{}")
    assert run(["cache", "list", "--cache-dir", str(cache.folder)]) == 0
    shown = capsys.readouterr()
    whole, damaged = sorted(line.split("  ")[-1] for line in shown.out.splitlines())
    assert whole.endswith("book.txt: 600 characters (char)")
    assert damaged == "unfinished or damaged"
    assert shown.err.startswith("2 encoded texts, ")


def test_a_name_does_not_control_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a\x1b[31mX\n.txt"
    path.write_text("a b c " * 100)
    cache = Cache(tmp_path / "cache")
    prepare_corpus([Source(str(path))], TextConfig(), 0, cache=cache)
    assert run(["cache", "list", "--cache-dir", str(cache.folder)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert r"a\x1b[31mX\n.txt" in line


def test_clear_frees_it(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    num_bytes = sum(entry.num_bytes for entry in cache.entries())
    assert run(["cache", "clear", "--cache-dir", str(cache.folder)]) == 0
    assert capsys.readouterr().err == f"{num_bytes:,} bytes freed in {cache.folder}\n"
    assert cache.entries() == []


def test_an_empty_cache_is_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("list", "clear"):
        assert run(["cache", command, "--cache-dir", str(tmp_path / "none")]) == 0
    assert "0 encoded texts, 0 bytes" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_the_place_can_be_named_by_the_environment(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEXTGEN_CACHE_DIR", str(cache.folder))
    assert run(["cache", "list"]) == 0
    assert "2 encoded texts" in capsys.readouterr().err
