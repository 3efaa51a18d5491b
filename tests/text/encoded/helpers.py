"""A corpus prepared with a cache, and what it consists of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from textgen.config.text import TextConfig
from textgen.text.encoded.cache import ENTRY, Cache
from textgen.text.encoded.cache_entry import EncodedCorpus
from textgen.text.encoded.prepare import prepare_corpus
from textgen.text.encoded.splitting import PARTS
from textgen.text.reading.sources import Source

STORY = "Once upon a time, a né\u0301e of 12.\n\nShe said: né.\n" * 30


KINDS = ("whole", "lines", "paragraphs", "files")


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
