"""The cache is never trusted: damaged, unwritable or cleared, it costs only time."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.patience import PATIENCE
from tests.text.encoded.helpers import (
    STORY,
    arrays,
    cut_short,
    edit,
    flip_a_bit,
    prepared,
    swap_two_characters,
)
from textgen.config.text import TextConfig
from textgen.errors import CorpusError
from textgen.text.encoded import passes as passes_module
from textgen.text.encoded.cache import ENTRY, Cache
from textgen.text.encoded.cache_entry import EncodedCorpus, corpus_key, describe_entry
from textgen.text.encoded.splitting import PARTS
from textgen.text.encoded.vocabulary_rule import VocabularyRule
from textgen.text.reading.reader import CorpusReader
from textgen.text.tokenizers.char import CharTokenizer


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text(STORY, encoding="utf-8")
    return path


def entry_of(cache: Cache) -> Path:
    (entry,) = cache.entries()
    return entry.path


# --- the cache ---


@pytest.fixture
def no_scan(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and from then on no text may be read a second time."""

    def refuse(reader: CorpusReader) -> Any:
        raise AssertionError("the text was read although it is in the cache")

    return lambda: monkeypatch.setattr(passes_module, "scan", refuse)


def test_the_same_text_is_taken_from_the_cache(
    book: Path, cache: Cache, tmp_path: Path, no_scan: Callable[[], None]
) -> None:
    first = prepared(book, cache)
    no_scan()
    elsewhere = tmp_path / "elsewhere.txt"
    shutil.copy(book, elsewhere)
    again = prepared(elsewhere, cache)
    assert arrays(again) == arrays(first)
    assert again.tokenizer == first.tokenizer
    np.testing.assert_array_equal(again.stats.counts, first.stats.counts)
    assert again.stats.files == first.stats.files


def test_another_text_of_equal_name_size_and_time_is_another_corpus(
    book: Path, cache: Cache
) -> None:
    before = book.stat()
    first = prepared(book, cache)
    book.write_text(STORY.replace("Once", "Ones"), encoding="utf-8")
    os.utime(book, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert book.stat().st_size == before.st_size
    second = prepared(book, cache)
    assert second.stats.sha256 != first.stats.sha256
    assert len(cache.entries()) == 2


@pytest.mark.parametrize(
    "options",
    [
        {"documents": "lines"},
        {"tokenizer": "byte"},
        {"normalize": "none"},
        {"min_count": 2},
        {"val_fraction": 0.2},
        {"encoding": "latin-1"},
    ],
)
def test_whatever_changes_the_ids_changes_the_key(options: dict[str, Any]) -> None:
    plain = corpus_key("0", TextConfig(), 0, VocabularyRule())
    assert corpus_key("0", TextConfig(**options), 0, VocabularyRule()) != plain
    assert corpus_key("1", TextConfig(), 0, VocabularyRule()) != plain
    assert corpus_key("0", TextConfig(), 0, VocabularyRule(CharTokenizer("a"))) != plain


def test_the_seed_counts_only_where_documents_are_drawn() -> None:
    def keys(kind: str) -> set[str]:
        text = TextConfig(documents=kind)
        return {corpus_key("0", text, seed, VocabularyRule()) for seed in (0, 1)}

    assert len(keys("whole")) == 1
    assert len(keys("lines")) == 2


def damages() -> Iterator[Any]:
    """Ways in which an entry can be broken, by name."""
    for name in (*(f"{part}.ids" for part in PARTS[:2]), ENTRY):
        yield pytest.param(lambda p, n=name: (p / n).unlink(), id=f"{name} missing")
        yield pytest.param(lambda p, n=name: cut_short(p / n), id=f"{name} cut short")
        yield pytest.param(lambda p, n=name: flip_a_bit(p / n), id=f"{name} flipped")
    for text in ("", "null", "[]", "{}", '{"format_version": 1}', "[" * 100_000):
        yield pytest.param(
            lambda p, t=text: (p / ENTRY).write_text(t), id=f"{ENTRY} is {text[:20]}"
        )
    yield pytest.param(lambda p: edit(p, format_version=2), id="newer version")
    yield pytest.param(lambda p: edit(p, tokenizer={"kind": "char"}), id="half a tokenizer")
    yield pytest.param(lambda p: edit(p, counts=[[-1, 2**40], [1, 1]]), id="wild counts")
    yield pytest.param(lambda p: edit(p, tally={"quirks": {}, "x": 1}), id="wild tally")
    yield pytest.param(lambda p: edit(p, num_chars="x"), id="text for a number")
    yield pytest.param(swap_two_characters, id="another vocabulary")


@pytest.mark.parametrize("damage", list(damages()))
def test_a_damaged_entry_is_made_anew(
    book: Path, cache: Cache, damage: Callable[[Path], None]
) -> None:
    expected = arrays(prepared(book, cache))
    damage(entry_of(cache))
    assert arrays(prepared(book, cache)) == expected
    assert json.loads((entry_of(cache) / ENTRY).read_text())["entry"]["format_version"] == 1


def test_what_a_crash_left_half_written_is_thrown_away(book: Path, cache: Cache) -> None:
    expected = arrays(prepared(book, cache))
    place = entry_of(cache)
    os.rename(place, place.with_name(f"{place.name}.new"))
    (place.with_name(f"{place.name}.new") / ENTRY).unlink()
    assert arrays(prepared(book, cache)) == expected
    assert [path.name for path in cache.folder.iterdir() if path.is_dir()] == [place.name]


def test_text_that_changes_while_it_is_read_is_refused(
    book: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = passes_module.scan

    def scan_and_write(reader: CorpusReader) -> Any:
        found = scan(reader)
        with open(book, "a", encoding="utf-8") as file:
            file.write("Ω")
        return found

    monkeypatch.setattr(passes_module, "scan", scan_and_write)
    with pytest.raises(CorpusError, match=r"book\.txt: changed while the text was read"):
        prepared(book, cache)
    assert cache.entries() == []


def test_two_at_once_encode_a_text_once(
    book: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = []
    begun, waits, may_go_on = threading.Event(), threading.Event(), threading.Event()
    said: list[str] = []
    scan = passes_module.scan

    def slow_scan(reader: CorpusReader) -> Any:
        scans.append(reader)
        begun.set()
        assert may_go_on.wait(PATIENCE)
        return scan(reader)

    def say(line: str) -> None:
        said.append(line)
        waits.set()

    monkeypatch.setattr(passes_module, "scan", slow_scan)
    monkeypatch.setattr("textgen.text.encoded.cache.say", say)
    found: list[EncodedCorpus] = []
    both = [
        threading.Thread(target=lambda: found.append(prepared(book, Cache(cache.folder))))
        for _ in range(2)
    ]
    both[0].start()
    assert begun.wait(PATIENCE)
    both[1].start()
    assert waits.wait(PATIENCE)
    may_go_on.set()
    for thread in both:
        thread.join(PATIENCE)
    assert len(scans) == 1
    assert said == ["Another process is encoding this text; waiting for it."]
    assert arrays(found[0]) == arrays(found[1])


def test_clearing_leaves_everything_else_alone(book: Path, cache: Cache) -> None:
    prepared(book, cache)
    (cache.folder / "holiday photos").mkdir()
    (cache.folder / "notes.txt").write_text("mine")
    assert cache.clear() > 0
    left = sorted(path.name for path in cache.folder.iterdir())
    assert left == ["holiday photos", "notes.txt"]


def test_clearing_leaves_what_is_being_written(book: Path, cache: Cache) -> None:
    prepared(book, cache)
    entry = entry_of(cache)
    with cache.locked(entry.name):
        assert Cache(cache.folder).clear() == 0
    assert entry.is_dir()
    assert cache.clear() > 0


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may look into."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has no user ids")
def test_an_entry_of_another_user_is_named_and_listed(open_folder: Path) -> None:
    cache, book = Cache(open_folder / "cache"), open_folder / "book.txt"
    book.write_text(STORY, encoding="utf-8")
    prepared(book, cache)
    entry = entry_of(cache)
    os.chmod(cache.folder, 0o777)
    is_root = os.geteuid() == 0
    # Root may read everything; so it is somebody else for a moment.
    os.seteuid(65534) if is_root else os.chmod(entry, 0)
    try:
        with pytest.raises(CorpusError, match="was encoded by another user"):
            prepared(book, cache)
        assert describe_entry(entry) == "of another user"
        assert [found.num_bytes for found in cache.entries()] == [0]
    finally:
        os.seteuid(0) if is_root else os.chmod(entry, 0o700)


def test_a_cache_that_cannot_be_written_says_how_to_choose_another(
    book: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(CorpusError, match=r"cannot be written .* with `cache_dir`"):
        prepared(book, Cache(tmp_path / "file"))


def test_where_the_usual_place_cannot_be_written_a_temporary_one_serves(
    book: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("not a directory")
    monkeypatch.delenv("TEXTGEN_CACHE_DIR")
    monkeypatch.setattr(
        "platformdirs.user_cache_path", lambda *_, **__: tmp_path / "file" / "textgen"
    )
    for quiet in (False, True):
        corpus = prepared(book, Cache(quiet=quiet))
        assert len(corpus.train.ids) > 1000
        shown = capsys.readouterr().err
        assert shown.count("encoded text is kept for this run only") == (not quiet)


def test_a_full_disk_is_a_clear_error_and_leaves_no_rest(
    book: Path, small_disk: Callable[[int], Path]
) -> None:
    cache = Cache(small_disk(64) / "cache")
    book.write_text(STORY * 100, encoding="utf-8")
    with pytest.raises(CorpusError, match=r"No space left on device.*textgen cache clear"):
        prepared(book, cache)
    assert cache.entries() == []
