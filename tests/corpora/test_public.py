"""Fetching public corpora, from a real HTTP server on this machine."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.corpora.server import DIGEST, TEXT, Server, zipped
from textgen.corpora import download, public
from textgen.corpora.download import fetch, file_sha256
from textgen.corpora.public import PUBLIC_CORPORA, PublicCorpus, public_corpus
from textgen.errors import FetchError


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    running.files["/gull.txt"] = TEXT
    yield running
    running.close()


Offer = Callable[..., PublicCorpus]


@pytest.fixture
def offer(server: Server, monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Make a corpus of the local server the only public one."""

    def make(path: str = "/gull.txt", **facts: object) -> PublicCorpus:
        known = {"sha256": DIGEST, "num_bytes": len(TEXT), "member": None} | facts
        corpus = PublicCorpus(
            name="gull",
            url=server.url(path),
            licence="none",
            description="gulls",
            **known,  # type: ignore[arg-type]
        )
        monkeypatch.setattr(public, "PUBLIC_CORPORA", (corpus,))
        return corpus

    return make


def test_a_fetched_corpus_is_byte_for_byte_what_the_server_has(
    offer: Offer, tmp_path: Path
) -> None:
    offer()
    path = fetch("gull", tmp_path / "made" / "on the way")
    assert path == tmp_path / "made" / "on the way" / "gull.txt"
    assert path.read_bytes() == TEXT
    assert os.listdir(path.parent) == ["gull.txt"]


def test_the_right_file_is_kept_and_not_fetched_again(
    offer: Offer, server: Server, tmp_path: Path
) -> None:
    offer()
    first = fetch("gull", tmp_path)
    written = first.stat().st_mtime_ns
    assert fetch("gull", str(tmp_path)) == first
    assert first.stat().st_mtime_ns == written
    assert server.requests == ["/gull.txt"]


def test_a_file_of_somebody_else_is_refused_and_untouched(
    offer: Offer, server: Server, tmp_path: Path
) -> None:
    offer()
    (tmp_path / "gull.txt").write_bytes(b"my own notes")
    with pytest.raises(FetchError) as caught:
        fetch("gull", tmp_path)
    message = str(caught.value)
    assert str(tmp_path / "gull.txt") in message
    assert hashlib.sha256(b"my own notes").hexdigest() in message
    assert DIGEST in message
    assert "choose another folder with --to" in message
    assert (tmp_path / "gull.txt").read_bytes() == b"my own notes"
    assert server.requests == []


def test_a_folder_in_the_place_of_the_file_is_refused(offer: Offer, tmp_path: Path) -> None:
    offer()
    (tmp_path / "gull.txt").mkdir()
    with pytest.raises(FetchError, match=r"gull\.txt already exists and is not a file"):
        fetch("gull", tmp_path)


def test_a_dangling_link_is_not_overwritten(offer: Offer, tmp_path: Path) -> None:
    offer()
    (tmp_path / "gull.txt").symlink_to(tmp_path / "gone")
    with pytest.raises(FetchError, match="is not a file"):
        fetch("gull", tmp_path)
    assert (tmp_path / "gull.txt").is_symlink()


def test_a_file_that_appears_during_the_download_is_not_overwritten(
    offer: Offer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer()
    check = download._check

    def check_slowly(*args: object) -> None:
        check(*args)  # type: ignore[arg-type]
        (tmp_path / "gull.txt").write_bytes(b"quicker")

    monkeypatch.setattr(download, "_check", check_slowly)
    with pytest.raises(FetchError, match="left untouched"):
        fetch("gull", tmp_path)
    assert (tmp_path / "gull.txt").read_bytes() == b"quicker"
    assert os.listdir(tmp_path) == ["gull.txt"]


def test_a_wrong_digest_names_both_and_leaves_nothing(offer: Offer, tmp_path: Path) -> None:
    offer(sha256="0" * 64)
    with pytest.raises(FetchError) as caught:
        fetch("gull", tmp_path)
    message = str(caught.value)
    assert f"its SHA-256 is {DIGEST}, expected {'0' * 64}" in message
    assert "Nothing was kept" in message
    assert os.listdir(tmp_path) == []


def test_an_empty_answer_is_no_corpus(offer: Offer, server: Server, tmp_path: Path) -> None:
    server.files["/gull.txt"] = b""
    offer()
    with pytest.raises(FetchError, match="the download is not gull: its SHA-256"):
        fetch("gull", tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_connection_that_breaks_in_the_middle_leaves_nothing(
    offer: Offer, server: Server, tmp_path: Path
) -> None:
    offer()
    server.cut.add("/gull.txt")
    with pytest.raises(FetchError) as caught:
        fetch("gull", tmp_path)
    found = re.search(r"broke after ([\d,]+) of ([\d,]+) bytes", str(caught.value))
    assert found is not None
    assert int(found[1].replace(",", "")) < len(TEXT)
    assert int(found[2].replace(",", "")) == len(TEXT)
    assert "Try again" in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_a_short_file_is_noticed_even_if_the_http_library_does_not(
    offer: Offer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pooch

    def silent(self: pooch.HTTPDownloader, url: str, target: str, owner: object) -> None:
        self.progressbar.total = 1000
        Path(target).write_bytes(TEXT[:600])

    offer()
    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", silent)
    with pytest.raises(FetchError, match="broke after 600 of 1,000 bytes"):
        fetch("gull", tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_break_is_noticed_where_no_size_was_announced(
    offer: Offer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pooch
    import requests

    def chunked(self: pooch.HTTPDownloader, url: str, target: str, owner: object) -> None:
        Path(target).write_bytes(TEXT[:600])
        raise requests.exceptions.ChunkedEncodingError("Connection broken")

    offer()
    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", chunked)
    with pytest.raises(FetchError, match="broke after 600 bytes"):
        fetch("gull", tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_missing_page_is_named_with_its_status(offer: Offer, tmp_path: Path) -> None:
    corpus = offer("/moved.txt")
    with pytest.raises(
        FetchError, match=r"the server answered 404 \(Not Found\)"
    ) as caught:
        fetch("gull", tmp_path)
    assert corpus.url in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("folder", [".", "made", "made/on the way"])
def test_without_a_network_the_error_says_what_to_check(
    offer: Offer, tmp_path: Path, folder: str
) -> None:
    offer()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/gull.txt"
        pattern = r"cannot be reached.*Check the network"
        with pytest.raises(FetchError, match=pattern) as caught:
            fetch("gull", tmp_path / folder, url=url)
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("url", ["ftp://nowhere/x", "not an address", "http://"])
def test_a_nonsense_address_is_a_fetch_error(
    offer: Offer, tmp_path: Path, url: str
) -> None:
    offer()
    with pytest.raises(FetchError, match="cannot be reached"):
        fetch("gull", tmp_path, url=url)


def test_a_mirror_is_used_and_checked_all_the_same(
    offer: Offer, server: Server, tmp_path: Path
) -> None:
    offer("/gone.txt")
    server.files["/other.txt"] = b"not gulls"
    assert fetch("gull", tmp_path / "a", url=server.url("/gull.txt")).read_bytes() == TEXT
    with pytest.raises(FetchError, match="the download is not gull"):
        fetch("gull", tmp_path / "b", url=server.url("/other.txt"))


def test_a_zip_archive_is_unpacked_and_not_kept(
    offer: Offer, server: Server, tmp_path: Path
) -> None:
    server.files["/gull.zip"] = zipped(gull=TEXT)
    offer("/gull.zip", member="gull")
    assert fetch("gull", tmp_path).read_bytes() == TEXT
    assert os.listdir(tmp_path) == ["gull.txt"]
    fetch("gull", tmp_path)
    assert server.requests == ["/gull.zip"]


def damaged_zip() -> bytes:
    content = bytearray(zipped(gull=os.urandom(4000)))
    content[2000] ^= 0xFF
    return bytes(content)


@pytest.mark.parametrize(
    "archive", [TEXT, zipped(crow=TEXT), damaged_zip()], ids=["text", "other", "damaged"]
)
def test_a_wrong_zip_archive_leaves_nothing(
    offer: Offer, server: Server, tmp_path: Path, archive: bytes
) -> None:
    server.files["/gull.zip"] = archive
    offer("/gull.zip", member="gull")
    with pytest.raises(FetchError, match=r"cannot be unzipped.*archive with 'gull' inside"):
        fetch("gull", tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_a_file_is_named(
    offer: Offer, server: Server, tmp_path: Path
) -> None:
    offer()
    (tmp_path / "corpora").write_text("a file")
    for folder in (tmp_path / "corpora", tmp_path / "corpora" / "deeper"):
        with pytest.raises(FetchError, match=r"it is not a folder.*--to") as caught:
            fetch("gull", folder)
        assert str(folder) in str(caught.value)
    assert (tmp_path / "corpora").read_text() == "a file"
    assert server.requests == []


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="root, and Windows, may write into a folder without write permission",
)
def test_a_folder_without_write_permission_is_named(offer: Offer, tmp_path: Path) -> None:
    offer()
    tmp_path.chmod(0o500)
    with pytest.raises(FetchError, match=r"Permission denied.*--to"):
        fetch("gull", tmp_path)
    tmp_path.chmod(0o700)


def test_nothing_is_printed_or_logged_unless_asked(
    offer: Offer,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    offer()
    with caplog.at_level(logging.INFO):
        fetch("gull", tmp_path)
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.levelno >= logging.INFO] == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_goes_to_a_terminal_and_ends_at_the_whole(
    offer: Offer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    offer()
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    fetch("gull", tmp_path, progress=True)
    assert "gull" in terminal.getvalue()
    assert "234k/234k" in terminal.getvalue()
    assert capfd.readouterr() == ("", "")


def test_an_unknown_name_offers_near_ones() -> None:
    with pytest.raises(FetchError, match=r"'irish-abd'\. Did you mean irish_abc\?"):
        fetch("irish-abd", "never made")
    with pytest.raises(FetchError, match=r"'zzz'\. Known: tinyshakespeare, names,"):
        public_corpus("zzz")
    assert not Path("never made").exists()


def test_the_known_corpora_are_well_formed() -> None:
    names = [corpus.name for corpus in PUBLIC_CORPORA]
    assert len(set(names)) == len(names)
    for corpus in PUBLIC_CORPORA:
        assert re.fullmatch(r"[a-z0-9_]+", corpus.name)
        assert re.fullmatch(r"[0-9a-f]{64}", corpus.sha256)
        assert corpus.url.endswith(".zip") == (corpus.member is not None)


@pytest.mark.parametrize("name", ["tinyshakespeare", "names", "irish_abc"])
def test_the_known_digests_are_those_of_the_real_texts(
    shared_corpus: Callable[[str], Path], name: str
) -> None:
    path, corpus = shared_corpus(f"{name}.txt"), public_corpus(name)
    assert file_sha256(path) == corpus.sha256
    assert path.stat().st_size == corpus.num_bytes


def test_reading_the_list_needs_no_download_library() -> None:
    code = (
        "import sys, textgen.corpora.public as p; p.public_corpus('text8');"
        "print([m for m in ('pooch', 'requests', 'tqdm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
