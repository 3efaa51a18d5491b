"""A corpus prepared with a cache, and what it consists of."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from textgen.config.text import TextConfig
from textgen.text.encoded.cache import ENTRY, Cache
from textgen.text.encoded.cache_entry import EncodedCorpus
from textgen.text.encoded.prepare import prepare_corpus
from textgen.text.encoded.splitting import PARTS
from textgen.text.reading.sources import Source

STORY = "Once upon a time, a né\u0301e of 12.\n\nShe said: né.\n" * 30


KINDS = ("whole", "lines", "paragraphs", "files")

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


def prepared(path: Path, cache: Cache, **options: Any) -> EncodedCorpus:
    return prepare_corpus([Source(str(path))], TextConfig(**options), seed=3, cache=cache)


def arrays(corpus: EncodedCorpus) -> list[list[int]]:
    return [getattr(corpus, name).ids.tolist() for name in PARTS]


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


def end_by_a_kill(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def tree(folder: Path) -> dict[str, bytes]:
    """The files of a cache and what is in them, without locks."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if path.suffix != ".lock"
    }
