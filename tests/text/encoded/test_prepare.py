"""A corpus in pieces becomes the same ids as at once, and a cache that is never trusted."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textgen.config.text import TextConfig
from textgen.errors import CorpusError, TokenizerError
from textgen.text.encoded import prepare as preparing_module
from textgen.text.encoded.cache import ENTRY, Cache
from textgen.text.encoded.cache_entry import EncodedCorpus, corpus_key, describe_entry
from textgen.text.encoded.prepare import prepare_corpus
from textgen.text.encoded.splitting import PARTS, split
from textgen.text.encoded.vocabulary_rule import VocabularyRule
from textgen.text.reading.corpus import read_corpus
from textgen.text.reading.documents import join_pieces
from textgen.text.reading.reader import CorpusReader
from textgen.text.reading.sources import Source, find_sources
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.checks import gathered_labels
from textgen.text.tokenizers.serialization import Tokenizer

STORY = "Once upon a time, a né\u0301e of 12.\n\nShe said: né.\n" * 30
KINDS = ("whole", "lines", "paragraphs", "files")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text(STORY, encoding="utf-8")
    return path


def prepared(path: Path, cache: Cache, **options: Any) -> EncodedCorpus:
    return prepare_corpus([Source(str(path))], TextConfig(**options), seed=3, cache=cache)


def arrays(corpus: EncodedCorpus) -> list[list[int]]:
    return [getattr(corpus, name).ids.tolist() for name in PARTS]


def entry_of(cache: Cache) -> Path:
    (entry,) = cache.entries()
    return entry.path


# --- the same as at once ---


def at_once(paths: Any, config: TextConfig) -> tuple[Tokenizer, list[list[int]]]:
    """The short way, with everything in memory."""
    corpus = read_corpus(paths, config)
    parts = split(corpus, config, seed=3)
    end_of_document = config.documents != "whole"
    labels = corpus.labels or ()
    tokenizer: Tokenizer
    if config.tokenizer == "byte":
        tokenizer = ByteTokenizer(
            normalize=config.normalize,
            end_of_document=end_of_document,
            labels=gathered_labels(labels, config.normalize),
        )
    else:
        tokenizer = CharTokenizer.from_documents(
            corpus.documents,
            min_count=config.min_count,
            normalize=config.normalize,
            end_of_document=end_of_document,
            labels=labels,
        )
    unknown = "error" if tokenizer.unknown_id is None else "token"
    return tokenizer, [
        tokenizer.encode_documents(part, unknown, labels).tolist() if part else []
        for part, labels in zip(parts, parts.labels, strict=True)
    ]


texts = st.lists(
    st.text(
        st.sampled_from("ab \n\r\u0301é한\u1100\u1161\u11a8😀\u200d\ufeff"), max_size=60
    ),
    min_size=1,
    max_size=4,
)
configs = st.builds(
    TextConfig,
    documents=st.sampled_from(KINDS),
    tokenizer=st.just("char"),
    normalize=st.sampled_from(["none", "nfc", "nfkc"]),
    min_count=st.integers(1, 3),
    val_fraction=st.sampled_from([0.1, 0.5]),
    test_fraction=st.sampled_from([0.0, 0.2]),
) | st.builds(
    TextConfig,
    documents=st.sampled_from(KINDS),
    tokenizer=st.just("byte"),
    normalize=st.sampled_from(["none", "nfc", "nfkc"]),
)


@settings(deadline=None)
@given(texts, configs)
def test_in_passes_it_becomes_what_it_is_at_once(
    tmp_path_factory: pytest.TempPathFactory, contents: list[str], config: TextConfig
) -> None:
    folder = tmp_path_factory.mktemp("texts")
    for number, text in enumerate(contents):
        (folder / f"{number}.txt").write_bytes(text.encode())
    sources = find_sources(folder, "*.txt")
    cache = Cache(folder / "cache")
    try:
        tokenizer, expected = at_once(folder, config)
    except (CorpusError, TokenizerError) as error:
        refused = error
    else:
        refused = None
    if refused is not None:
        with pytest.raises(type(refused), match=re.escape(str(refused))):
            prepare_corpus(sources, config, seed=3, cache=cache)
        assert cache.entries() == []
        return
    found = prepare_corpus(sources, config, seed=3, cache=cache)
    corpus = read_corpus(folder, config)
    assert found.tokenizer == tokenizer
    assert arrays(found) == expected
    assert found.stats.sha256 == corpus.sha256
    assert (found.stats.num_chars, found.stats.num_documents) == (
        corpus.num_chars,
        corpus.num_documents,
    )
    assert sum(getattr(found, name).num_chars for name in PARTS) == corpus.num_chars
    shown = [sources[number].shown for number in found.stats.files.sources]
    assert shown == [name for name, _ in corpus.sources]
    assert tuple(found.stats.files.notes(of_records=False)) == corpus.notes


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
@pytest.mark.parametrize("tokenizer", ["char", "byte"])
def test_labelled_records_become_what_they_are_at_once(
    tmp_path: Path, cache: Cache, name: str, tokenizer: str
) -> None:
    rows = [("Rain.", "sad"), ("", "sad"), ("Sun,\nsea!", "glad"), ("Wind", "sad")] * 5
    lines = {
        "a.csv": ["text,label\n", *(f'"{text}",{label}\n' for text, label in rows)],
        "a.jsonl": [json.dumps({"text": t, "label": x, "id": 1}) + "\n" for t, x in rows],
    }
    path = tmp_path / name
    path.write_text("".join(lines[name]), encoding="utf-8")
    config = TextConfig(documents="records", tokenizer=tokenizer)
    found = prepare_corpus([Source(str(path))], config, seed=3, cache=cache)
    made, expected = at_once([str(path)], config)
    assert (found.tokenizer, arrays(found)) == (made, expected)
    assert found.stats.labels == {"sad": 10, "glad": 5}
    corpus = read_corpus(path, config)
    assert found.stats.sha256 == corpus.sha256
    assert tuple(found.stats.files.notes(of_records=True)) == corpus.notes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 7, 1000])
def test_documents_do_not_depend_on_how_files_are_cut_into_pieces(
    tmp_path: Path, kind: str, piece_bytes: int
) -> None:
    contents = ["one\r\n\r\ntwo é\u0301\r", "  \n\t", "한국\n\n\nthree", ""]
    for number, text in enumerate(contents):
        (tmp_path / f"{number}.txt").write_bytes(text.encode())
    config = TextConfig(documents=kind)
    sources = find_sources(tmp_path, "*.txt")
    reader = CorpusReader(sources, config, piece_bytes=piece_bytes)
    assert (
        tuple(piece.text for piece in join_pieces(reader))
        == read_corpus(tmp_path, config).documents
    )


def test_ids_are_as_wide_as_the_vocabulary_needs(tmp_path: Path, cache: Cache) -> None:
    widths = {}
    for count in (10, 300, 70_000):
        path = tmp_path / f"{count}.txt"
        # Beyond the surrogates, where there are no holes.
        path.write_text("".join(chr(0x10000 + n) for n in range(count)) * 2, "utf-8")
        widths[count] = prepared(path, cache).train.ids.dtype
    assert widths == {10: np.uint8, 300: np.uint16, 70_000: np.uint32}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="not Linux")
def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    # Measured in a fresh process each, whose peak is its own.
    script = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from textgen.config.text import TextConfig\n"
        "from textgen.text.encoded.cache import Cache\n"
        "from textgen.text.encoded.prepare import prepare_corpus\n"
        "from textgen.text.reading.sources import Source\n"
        "sources = [Source(sys.argv[1])]\n"
        "prepare_corpus(sources, TextConfig(), 0, cache=Cache(sys.argv[2]))\n"
        "print(*re.findall('VmHWM:(.*)kB', Path('/proc/self/status').read_text()))"
    )
    peaks = []
    for size in (8, 64):
        path = tmp_path / f"{size}.txt"
        path.write_bytes(b"The wind blew over the harbour.\n" * (size << 15))
        command = [sys.executable, "-c", script, str(path), str(tmp_path / "cache")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] - peaks[0] < 24


# --- the cache ---


@pytest.fixture
def no_scan(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and from then on no text may be read a second time."""

    def refuse(reader: CorpusReader) -> Any:
        raise AssertionError("the text was read although it is in the cache")

    return lambda: monkeypatch.setattr(preparing_module, "scan", refuse)


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


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def edit(entry: Path, **values: Any) -> None:
    whole = json.loads((entry / ENTRY).read_text())
    whole["entry"] |= values
    (entry / ENTRY).write_text(json.dumps(whole))


def swap_two_characters(entry: Path) -> None:
    text = (entry / ENTRY).read_text()
    (entry / ENTRY).write_text(text.replace('"a", "c"', '"c", "a"'))
    assert (entry / ENTRY).read_text() != text


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
    scan = preparing_module.scan

    def scan_and_write(reader: CorpusReader) -> Any:
        found = scan(reader)
        with open(book, "a", encoding="utf-8") as file:
            file.write("Ω")
        return found

    monkeypatch.setattr(preparing_module, "scan", scan_and_write)
    with pytest.raises(CorpusError, match=r"book\.txt: changed while the text was read"):
        prepared(book, cache)
    assert cache.entries() == []


def test_two_at_once_encode_a_text_once(
    book: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = []
    begun, waits, may_go_on = threading.Event(), threading.Event(), threading.Event()
    said: list[str] = []
    scan = preparing_module.scan

    def slow_scan(reader: CorpusReader) -> Any:
        scans.append(reader)
        begun.set()
        assert may_go_on.wait(60)
        return scan(reader)

    def say(line: str) -> None:
        said.append(line)
        waits.set()

    monkeypatch.setattr(preparing_module, "scan", slow_scan)
    monkeypatch.setattr("textgen.text.encoded.cache.say", say)
    found: list[EncodedCorpus] = []
    both = [
        threading.Thread(target=lambda: found.append(prepared(book, Cache(cache.folder))))
        for _ in range(2)
    ]
    both[0].start()
    assert begun.wait(60)
    both[1].start()
    assert waits.wait(60)
    may_go_on.set()
    for thread in both:
        thread.join(60)
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
    with pytest.raises(CorpusError, match=r"cannot be written .* with --cache-dir"):
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
    corpus = prepared(book, Cache())
    assert len(corpus.train.ids) > 1000
    assert "encoded text is kept for this run only" in capsys.readouterr().err


def test_a_full_disk_is_a_clear_error_and_leaves_no_rest(
    book: Path, small_disk: Callable[[int], Path]
) -> None:
    cache = Cache(small_disk(64) / "cache")
    book.write_text(STORY * 100, encoding="utf-8")
    with pytest.raises(CorpusError, match=r"No space left on device.*textgen cache clear"):
        prepared(book, cache)
    assert cache.entries() == []


# --- what can be read only once ---


def test_standard_input_is_spooled_once(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(STORY.encode())))
    with cache.spooled([Source("-")]) as sources:
        assert sources[0].shown == "standard input"
        found = prepare_corpus(sources, TextConfig(), 3, cache=cache)
        again = prepare_corpus(sources, TextConfig(tokenizer="byte"), 3, cache=cache)
    assert found.stats.sha256 == again.stats.sha256
    assert [path for path in cache.folder.iterdir() if path.name.startswith("stdin")] == []


def test_what_is_spooled_is_not_cleared_away_but_what_a_kill_left_is(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = cache.ready() / "stdin-0123456789abcdef"
    left.mkdir()
    (left / "0").write_text("half of a text")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(STORY.encode())))
    with cache.spooled([Source("-")]) as sources:
        assert not left.exists()
        assert Cache(cache.folder).clear() == 0
        assert Path(sources[0].path).read_bytes() == STORY.encode()
    assert list(cache.folder.iterdir()) == []


def test_a_full_disk_while_standard_input_is_spooled_is_the_caches_fault(
    small_disk: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(small_disk(64) / "cache")
    data = io.BytesIO(STORY.encode() * 100)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(data))
    with (
        pytest.raises(CorpusError, match=r"cache of encoded text cannot be written \(No"),
        cache.spooled([Source("-")]),
    ):
        pass
    assert list(cache.folder.iterdir()) == []


def test_records_through_a_pipe_are_known_by_its_name(tmp_path: Path, cache: Cache) -> None:
    pipe = tmp_path / "weather.csv"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text("text\nSun.\nRain.\n"))
    writer.start()
    with cache.spooled([Source(str(pipe))]) as sources:
        writer.join()
        config = TextConfig(documents="records")
        assert prepare_corpus(sources, config, 3, cache=cache).stats.num_documents == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_read_once_and_keeps_its_name(tmp_path: Path, cache: Cache) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(STORY.encode()))
    writer.start()
    with cache.spooled([Source(str(pipe))]) as sources:
        writer.join()
        assert sources[0].shown == str(pipe)
        found = prepare_corpus(sources, TextConfig(), 3, cache=cache)
    assert found.stats.num_documents == 1


def test_many_small_files_are_one_corpus(tmp_path: Path, cache: Cache) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(3000):
        (folder / f"{number:04}.txt").write_text(f"Letter {number}.\n")
    sources = find_sources(folder, "*.txt")
    found = prepare_corpus(sources, TextConfig(documents="files"), 3, cache=cache)
    assert found.stats.num_documents == found.stats.files.num_files == 3000
    assert len(found.stats.files.sources) == 10
