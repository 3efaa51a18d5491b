"""What a first reading finds, also of more documents than can be listed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgen.config.text import TextConfig
from textgen.errors import CorpusError, TokenizerError
from textgen.text.encoded.cache import Cache
from textgen.text.encoded.prepare import prepare_corpus
from textgen.text.encoded.scan import BlockLengths, scan
from textgen.text.reading.corpus import read_corpus
from textgen.text.reading.reader import CorpusReader
from textgen.text.reading.sources import Source


@given(st.lists(st.integers(0, 50), max_size=100), st.sampled_from([2, 4, 10]))
def test_blocks_are_sums_of_neighbours(lengths: list[int], max_blocks: int) -> None:
    blocks = BlockLengths(max_blocks)
    # In two goes, and each document in two pieces.
    for some in (lengths[:7], lengths[7:]):
        pieces = [part for length in some for part in (length // 2, length - length // 2)]
        blocks.add(pieces, [False, True] * len(some))
    size = blocks.block_size
    expected = [sum(lengths[n : n + size]) for n in range(0, len(lengths), size)]
    assert blocks.total().tolist() == expected
    assert blocks.num_documents == len(lengths)
    # As fine as it can be with so few.
    assert len(expected) <= max_blocks
    assert size == 1 or len(lengths) > max_blocks * size // 2
    assert blocks.num_chars == sum(lengths)


def test_counts_are_those_of_the_whole_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("ée\u0301\n\n한b\r\n" * 3000, encoding="utf-8")
    for kind in ("whole", "lines", "paragraphs", "files"):
        config = TextConfig(documents=kind)
        found, _ = scan(CorpusReader([Source(str(path))], config, piece_bytes=1000))
        corpus = read_corpus(path, config)
        text = "".join(corpus.documents)
        counts = {
            chr(code): int(found.counts[code]) for code in np.flatnonzero(found.counts)
        }
        assert counts == {character: text.count(character) for character in set(text)}
        assert found.sha256 == corpus.sha256


def test_held_back_documents_are_drawn_in_blocks_where_there_are_very_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BlockLengths.__init__, "__defaults__", (4,))
    path = tmp_path / "lines.txt"
    path.write_text("".join(f"{number:03}\n" for number in range(100)))
    text = TextConfig(documents="lines", val_fraction=0.3)
    found = prepare_corpus([Source(str(path))], text, 0, cache=Cache(tmp_path / "cache"))
    lines = found.tokenizer.decode(found.val.ids)
    held_back = [int(lines[n : n + 3]) for n in range(0, len(lines), 3)]
    # One block of 32 neighbours is the least that holds 30 of 100.
    assert held_back in ([*range(32)], [*range(32, 64)], [*range(64, 96)])
    assert found.train.num_documents == 68


def test_a_text_of_nothing_but_blanks_is_refused_as_at_once(tmp_path: Path) -> None:
    path = tmp_path / "blank.txt"
    for content in ("", " \n\t"):
        path.write_text(content)
        with pytest.raises(CorpusError) as at_once:
            read_corpus(path)
        with pytest.raises(CorpusError) as in_pieces:
            scan(CorpusReader([Source(str(path))], TextConfig()))
        assert str(in_pieces.value) == str(at_once.value)


def test_labels_without_end_are_refused_before_they_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text("".join(f'{{"text": "a", "label": {n}}}\n' for n in range(20_000)))
    with pytest.raises(TokenizerError, match="different labels are more than 10,000"):
        scan(CorpusReader([Source(str(path))], TextConfig(documents="records")))
