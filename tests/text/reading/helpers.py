"""What the tests of reading and of splitting share."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from textgen.config.text import TextConfig
from textgen.errors import CorpusError
from textgen.text.reading.corpus import Corpus, read_corpus
from textgen.text.reading.documents import cut_pieces, join_pieces

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


def write(folder: Path, texts: dict[str, str | bytes]) -> None:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)


def message_of(paths: Any, **options: Any) -> str:
    with pytest.raises(CorpusError) as caught:
        read_corpus(paths, TextConfig(**options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def corpus_of(*documents: str, kind: str = "lines") -> Corpus:
    return Corpus(documents, kind, (), ())


def cut(texts: list[str], kind: str) -> list[str]:
    documents = join_pieces(cut_pieces([[text] for text in texts], kind))
    return [document.text for document in documents]
