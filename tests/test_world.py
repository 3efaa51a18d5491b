"""Text as the world has it: real texts in twenty scripts, from file to file.

A text on the way out is valid UTF-8 at every moment, and no write ends inside a
character. What a reader sees as one letter may be several characters (a vowel and its
accent, a syllable and its sign): these may come one after the other.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.helpers import untrained
from textgen.__main__ import run
from textgen.checkpoint.format import load_checkpoint
from textgen.generation.generator import Generator
from textgen.text.reading.corpus import read_text
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.streaming import StreamDecoder

Find = Callable[[str], Path]
# Many scripts, a book of thousands of different characters, and an old one.
TEXTS = {
    "udhr_multiscript.txt": ("char", "byte"),
    "hongloumeng_zh.txt": ("char",),
    "lunyu_zh.txt": ("byte",),
}
# A few steps: enough to have learned something, and too few to write whole characters.
BRIEF = (
    *("--units", "16", "--num-layers", "1", "--embedding-dim", "8"),
    *("--batch-size", "32", "--seq-length", "16", "--warmup-steps", "2"),
    *("--epochs", "1", "--eval-every", "20", "--max-minutes", "0.02"),
    # No script is anything special to an n-gram.
    *("--memory", "0", "--compute-dtype", "float32", "--no-tune", "--quiet"),
)


@pytest.fixture(
    scope="module",
    params=[(name, each) for name in TEXTS for each in TEXTS[name]],
    ids="-".join,
)
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The names of a text and of a tokenizer."""
    return request.param


@pytest.fixture(scope="module")
def tokenizer(case: tuple[str, str]) -> str:
    return case[1]


@pytest.fixture(scope="module")
def text(case: tuple[str, str], shared_corpus: Find) -> Path:
    return shared_corpus(case[0])


@pytest.fixture(scope="module")
def trained(text: Path, tokenizer: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A brief training on the whole of a text, by the command."""
    out = tmp_path_factory.mktemp("world") / "run"
    options = ["--tokenizer", tokenizer, "--out", str(out)]
    assert run(["train", str(text), *options, *BRIEF]) == 0
    return out


def writes_of(*arguments: object) -> Iterator[bytes]:
    """What the real command writes on stdout, one item for each of its writes."""
    # A socket that keeps messages apart gives them back as they were written.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "textgen", *map(str, arguments)]
    with ours, subprocess.Popen(command, stdout=theirs.fileno()) as process:
        theirs.close()
        while data := ours.recv(1 << 20):
            yield data
    assert process.returncode == 0


def small_reads_of(*arguments: object, size: int) -> Iterator[bytes]:
    """The same through a pipe that is read a few bytes at a time."""
    command = [sys.executable, "-m", "textgen", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while data := os.read(process.stdout.fileno(), size):
            yield data
    assert process.returncode == 0


@pytest.mark.slow
def test_every_text_trains_samples_and_scores(
    trained: Path,
    text: Path,
    tokenizer: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    checkpoint = load_checkpoint(trained)
    whole = read_text(text)
    assert checkpoint.facts["text"]["num_chars"] == len(whole)
    assert not checkpoint.tokenizer.unknown_characters(whole)
    assert (checkpoint.tokenizer.vocab_size == 256) is (tokenizer == "byte")
    capsys.readouterr()

    prompt = whole[5000:5040]
    assert run(["sample", str(trained), "--prompt", prompt, "--length", "60"]) == 0
    written = capsys.readouterr().out.removesuffix("\n")
    assert written.startswith(prompt)
    assert 0 < len(written) - len(prompt) <= 60

    (tmp_path / "page.txt").write_text(whole[-700:], encoding="utf-8")
    assert run(["score", str(trained), str(tmp_path / "page.txt"), "--json"]) == 0
    bits = json.loads(capsys.readouterr().out)["bits_per_char"]
    assert 0 < bits < 32


def test_a_stream_never_shows_half_a_character(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    feed = StreamDecoder.feed

    def noted(decoder: StreamDecoder, id: int) -> str:
        drawn.append(id)
        return feed(decoder, id)

    monkeypatch.setattr(StreamDecoder, "feed", noted)
    generator = Generator.load(trained)
    options = {"length": 300, "seed": 1, "temperature": 1.0}
    pieces = list(generator.stream("人", unknown="skip", **options))
    assert all(pieces)
    # All ids at once: a character cut in two would be two signs of damage here.
    text, whole = "".join(pieces), generator.tokenizer.decode(drawn)
    assert whole.startswith(text)
    # The last byte may show two: a sign of damage, and itself, which is one too many.
    assert len(whole) - len(text) <= 1
    assert set("".join(pieces)) - {*map(chr, range(128)), "\ufffd"}
    assert "".join(pieces) == generator.generate("人", unknown="skip", **options)


# --- a barely trained model, byte by byte ---


@pytest.fixture(scope="module")
def bytes_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(tmp_path_factory.mktemp("world") / "bytes", ByteTokenizer())


@pytest.fixture(scope="module")
def scripts_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Characters of one to four bytes, of both directions, and marks that combine."""
    characters = "aé€漢😀\u0301\u0323اب\u064bक\u094d각ᄀ\u1161\u200d\U0001f1e6\n"
    return untrained(
        tmp_path_factory.mktemp("world") / "scripts", CharTokenizer(characters)
    )


@pytest.mark.skipif(sys.platform != "linux", reason="sockets that keep messages apart")
@pytest.mark.parametrize("kind", ["bytes_model", "scripts_model"])
def test_every_write_ends_with_a_whole_character(
    kind: str, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(kind)
    options = ("--length", 400, "--temperature", 1, "--seed", 3)
    writes = list(writes_of("sample", model, *options))
    # Strict decoding of each alone: a character cut in two would not pass.
    texts = [data.decode("utf-8") for data in writes]
    assert len(writes) > 50
    written = "".join(texts).removesuffix("\n")
    assert written == Generator.load(model).generate(length=400, temperature=1.0, seed=3)
    if kind == "bytes_model":
        assert "\ufffd" in written  # most of what it writes is broken
    else:
        assert any(unicodedata.combining(text[0]) for text in texts)


@pytest.mark.parametrize("size", [1, 3])
def test_a_pipe_read_in_small_pieces_has_the_same_text(
    bytes_model: Path, size: int
) -> None:
    options = ("--length", 200, "--temperature", 1, "--seed", 4)
    read = b"".join(small_reads_of("sample", bytes_model, *options, size=size))
    expected = Generator.load(bytes_model).generate(length=200, temperature=1.0, seed=4)
    assert read.decode("utf-8").removesuffix("\n") == expected
