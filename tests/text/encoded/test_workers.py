"""A text encoded in several processes becomes, byte for byte, what one makes of it."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.patience import wait_until
from tests.text.encoded.helpers import KINDS, STORY, configs, end_by_a_kill, tree
from textgen.config.text import TextConfig
from textgen.errors import CorpusError, TextgenError
from textgen.text.encoded import passes as passes_module
from textgen.text.encoded import shares as shares_module
from textgen.text.encoded.cache import Cache
from textgen.text.encoded.cache_entry import write_entry
from textgen.text.encoded.passes import Passes, SharedPasses, passes_over
from textgen.text.encoded.prepare import LEARN, prepare_corpus
from textgen.text.encoded.shares import cut_into_shares
from textgen.text.encoded.splitting import router
from textgen.text.encoded.vocabulary_rule import VocabularyRule
from textgen.text.encoded.workers import Workers
from textgen.text.reading.sources import Source, find_sources
from textgen.text.tokenizers.char import CharTokenizer


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(2) as started:
        yield started


@pytest.fixture
def small_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares_module, "SHARE_BYTES", 200)


# Of every kind of line ending, marks that compose, and what may be a byte order mark.
texts = st.lists(
    st.text(
        st.sampled_from("ab \n\n\r\u0301é한\u1100\u1161\u11a8😀\ufeff\ufffd"), max_size=80
    ),
    min_size=1,
    max_size=4,
)
bases = st.sampled_from(
    [
        LEARN,
        VocabularyRule(CharTokenizer("ab\n", end_of_document=True), grows=True),
        VocabularyRule(CharTokenizer("ab\n", unknown=True)),
        VocabularyRule(CharTokenizer("ab \n\u0301é한")),
    ]
)


def entry(
    passes: Passes, folder: Path, rule: VocabularyRule
) -> dict[str, bytes] | tuple[type, str]:
    """The files of an entry, or the error with which it is refused."""
    folder.mkdir()
    try:
        stats, lengths = passes.scan()
        route = router(lengths, passes.text.documents, passes.text, 3)
        tokenizer = rule.tokenizer(stats, passes.text)
        parts = passes.encode(route, tokenizer, folder)
    except TextgenError as error:
        return type(error), str(error)
    write_entry(folder, tokenizer, stats, parts, "name")
    return tree(folder)


@settings(deadline=None)
@given(texts, configs, bases, st.sampled_from([1, 8, 30]))
def test_shares_become_what_the_whole_becomes(
    tmp_path_factory: pytest.TempPathFactory,
    workers: Workers,
    contents: list[str],
    config: TextConfig,
    rule: VocabularyRule,
    share_bytes: int,
) -> None:
    folder = tmp_path_factory.mktemp("texts")
    for number, text in enumerate(contents):
        (folder / f"{number}.txt").write_bytes(text.encode())
    sources = find_sources(folder, "*.txt")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(shares_module, "SHARE_BYTES", share_bytes)
        shares = cut_into_shares(sources, config)
    expected = entry(Passes(sources, config, progress=False), folder / "one", rule)
    shared = SharedPasses(sources, config, shares, workers, progress=False)
    assert entry(shared, folder / "several", rule) == expected


@pytest.mark.parametrize("kind", ["whole", "lines", "paragraphs"])
def test_a_long_file_is_cut(tmp_path: Path, small_shares: None, kind: str) -> None:
    path = tmp_path / "long.txt"
    path.write_bytes(STORY.encode())
    shares = cut_into_shares([Source(str(path))], TextConfig(documents=kind))
    spans = [share.sources[0].span for share in shares]
    assert len(spans) > 4
    pieces = [STORY.encode()[start:end] for start, end in spans]
    assert b"".join(pieces) == STORY.encode()
    end = b"\n\n" if kind == "paragraphs" else b"\n"
    assert all(piece.endswith(end) for piece in pieces[:-1])


@pytest.mark.parametrize(
    "options", [{"documents": "files"}, {"documents": "records"}, {"encoding": "utf-16"}]
)
def test_what_cannot_be_cut_is_left_whole(
    tmp_path: Path, small_shares: None, options: dict[str, Any]
) -> None:
    path = tmp_path / "long.csv"
    path.write_text("text\n" + "A line.\n" * 100)
    assert len(cut_into_shares([Source(str(path))], TextConfig(**options))) < 2


def compressed_files(folder: Path) -> list[Source]:
    folder.mkdir()
    for number in range(6):
        text = (f"Story {number}: " + STORY[: -number or None]).encode()
        (folder / f"{number}.txt.gz").write_bytes(gzip.compress(text, mtime=0))
        (folder / f"{number}.txt.bz2").write_bytes(bz2.compress(text))
    return find_sources(folder, "*.txt")


@pytest.mark.usefixtures("small_shares")
@pytest.mark.parametrize("kind", KINDS)
def test_compressed_files_are_shared_out(tmp_path: Path, kind: str) -> None:
    sources = compressed_files(tmp_path / "texts")
    config = TextConfig(documents=kind)
    with passes_over(sources, config, workers=2) as passes:
        assert isinstance(passes, SharedPasses)
    caches = [Cache(tmp_path / f"{number}") for number in (1, 2)]
    for number, cache in enumerate(caches, 1):
        prepare_corpus(sources, config, 3, cache=cache, workers=number)
    assert tree(caches[0].folder) == tree(caches[1].folder) != {}


@pytest.mark.usefixtures("small_shares")
def test_an_error_names_the_place_in_the_file(tmp_path: Path) -> None:
    path, cache = tmp_path / "long.txt", Cache(tmp_path / "cache")
    path.write_bytes(STORY.encode() + b"\xff\n" + STORY.encode())
    offset, line = len(STORY.encode()), STORY.count("\n") + 1
    with pytest.raises(CorpusError, match=rf"0xff at offset {offset} \(line {line}\)"):
        prepare_corpus([Source(str(path))], TextConfig(), 3, cache=cache, workers=2)
    assert tree(cache.folder) == {}


@pytest.mark.usefixtures("small_shares")
@pytest.mark.parametrize("work", ["scan_share", "encode_share"])
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_a_killed_worker_is_a_clear_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    path, cache = tmp_path / "long.txt", Cache(tmp_path / "cache")
    path.write_text(STORY, "utf-8")
    with monkeypatch.context() as patched:
        patched.setattr(passes_module, work, end_by_a_kill)
        with pytest.raises(CorpusError, match=r"2 workers .* by signal 9; .* `workers`"):
            prepare_corpus([Source(str(path))], TextConfig(), 3, cache=cache, workers=2)
    assert tree(cache.folder) == {}
    assert prepare_corpus([Source(str(path))], TextConfig(), 3, cache=cache, workers=2)


def test_workers_end_with_the_block() -> None:
    with Workers(2) as workers:
        pids = set(workers.map(os.getpid, [()] * 20))
        assert os.getpid() not in pids
    assert all(process.poll() is not None for process in workers._processes)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="not Linux")
def test_workers_end_with_the_process_that_started_them() -> None:
    script = (
        "import os, signal, time\n"
        "from textgen.text.encoded.workers import Workers\n"
        "with Workers(2) as workers:\n"
        "    print(*workers.map(os.getpid, [()] * 20), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pids = set(done.stdout.split())
    assert pids
    wait_until(lambda: not any(map(is_running, pids)))


def is_running(pid: str) -> bool:
    try:
        stat = Path("/proc", pid, "stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.usefixtures("small_shares")
def test_a_script_without_a_guard_is_not_run_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from textgen.text.encoded import shares\n"
        "from textgen.text.encoded.passes import SharedPasses, passes_over\n"
        "from textgen.config.text import TextConfig\n"
        "from textgen.text.reading.sources import Source\n"
        "shares.SHARE_BYTES = 1000\n"
        "print('begun')\n"
        "with passes_over([Source('book.txt')], TextConfig(), workers=2) as passes:\n"
        "    assert isinstance(passes, SharedPasses)\n"
        "    print(passes.scan()[0].num_chars)\n"
    )
    (tmp_path / "book.txt").write_text("A line.\n" * 1000)
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "begun\n8000\n"


def test_workers_import_nothing_heavy(workers: Workers, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(STORY, "utf-8")
    shares = cut_into_shares([Source(str(path))], TextConfig())
    list(workers.map(passes_module.scan_share, [(share, TextConfig()) for share in shares]))
    heavy = (
        "[name for name in ('keras', 'jax', 'torch') if name in __import__('sys').modules]"
    )
    assert list(workers.map(eval, [(heavy,)])) == [[]]


def test_standard_input_is_shared_out_as_well(
    tmp_path: Path, small_shares: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(STORY.encode())))
    with (
        Cache(tmp_path / "cache").spooled([Source("-")]) as sources,
        passes_over(sources, TextConfig(), workers=2) as passes,
    ):
        assert isinstance(passes, SharedPasses)
        assert (
            passes.scan()[0].num_chars
            == Passes(sources, TextConfig(), progress=False).scan()[0].num_chars
        )


def test_little_text_starts_no_process(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(STORY, "utf-8")
    for wanted in (None, 1, 8):
        with passes_over([Source(str(path))], TextConfig(), wanted) as passes:
            assert not isinstance(passes, SharedPasses)
