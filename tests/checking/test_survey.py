"""Reading in pieces changes no finding and needs no more memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.checking.helpers import Write
from textgen.checking.survey import survey
from textgen.config.text import TextConfig


@given(
    documents=st.sampled_from(["whole", "lines", "paragraphs", "files"]),
    text=st.text(st.sampled_from("ab \n\r\x0cé\u0301\ufeff漢😀Ã©"), max_size=40),
    size=st.integers(1, 9),
)
def test_however_a_file_is_read_the_findings_are_the_same(
    documents: str, text: str, size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "pieces.txt"
    path.write_bytes(text.encode())
    config = TextConfig(documents=documents)
    # One mojibake may be cut in two; all else must be equal.
    one, other = survey(path, config), survey(path, config, piece_bytes=size)
    assert one.repeats.lengths == other.repeats.lengths
    assert one.repeats.found() == other.repeats.found()
    assert one.files == other.files
    assert one.text.places == other.text.places
    assert one.text.longest_line == other.text.longest_line
    assert one.text.longest_line_place == other.text.longest_line_place
    for name in ("raw", "nfc"):
        np.testing.assert_array_equal(getattr(one.text, name), getattr(other.text, name))
    np.testing.assert_array_equal(one.stats.counts, other.stats.counts)


def test_memory_does_not_grow_with_the_file(write: Write) -> None:
    def peak(num_lines: int) -> int:
        path = write("a line of some text é\n" * num_lines)
        tracemalloc.start()
        survey(path, TextConfig())
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(1000)  # tables are made once
    assert peak(400_000) < peak(50_000) + 1_000_000
