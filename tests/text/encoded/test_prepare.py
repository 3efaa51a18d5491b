"""A corpus read in pieces becomes the same ids as at once."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.text.encoded.helpers import KINDS, STORY, arrays, configs, prepared
from textgen.config.text import TextConfig
from textgen.errors import CorpusError, TokenizerError
from textgen.text.encoded.cache import Cache
from textgen.text.encoded.prepare import prepare_corpus
from textgen.text.encoded.splitting import PARTS, split
from textgen.text.reading.corpus import read_corpus
from textgen.text.reading.documents import join_pieces
from textgen.text.reading.reader import CorpusReader
from textgen.text.reading.sources import Source, find_sources
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.checks import gathered_labels
from textgen.text.tokenizers.serialization import Tokenizer

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
