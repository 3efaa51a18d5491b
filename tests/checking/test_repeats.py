"""Repeated texts are counted by their hashes, however they are cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from textgen.checking.repeats import (
    LONG_CHARS,
    MIN_LINE_CHARS,
    RepeatedLines,
    Repeats,
    TextHash,
)


@given(text=st.text(max_size=30), cuts=st.lists(st.integers(0, 30), max_size=5))
def test_a_hash_does_not_depend_on_the_pieces(text: str, cuts: list[int]) -> None:
    whole, pieces = TextHash(), TextHash()
    text *= 9000
    whole.feed(text)
    edges = sorted(cut * 8000 for cut in cuts)
    for start, end in zip([0, *edges], [*edges, len(text)], strict=True):
        pieces.feed(text[start:end])
    assert whole.close() == pieces.close()


@given(st.lists(st.sampled_from(["a", "bb", "ccc", "dddd"]), max_size=12))
def test_repeats_are_counted_as_by_hand(texts: list[str]) -> None:
    repeats = Repeats()
    for text in texts:
        repeats.add(hash(text), len(text))
    seen = [text for number, text in enumerate(texts) if text in texts[:number]]
    result = repeats.found()
    assert (result is None) is (not seen)
    if result is not None:
        assert (result.num_repeats, result.num_chars) == (len(seen), len("".join(seen)))
        assert texts[result.first] == texts[result.second]
        assert texts.index(texts[result.first]) == result.first < result.second


@given(
    lines=st.lists(
        st.sampled_from(["", "a", "b" * MIN_LINE_CHARS, "c" * (LONG_CHARS + 1)]), max_size=6
    ),
    cuts=st.lists(st.integers(0, 4 * LONG_CHARS), max_size=5),
)
def test_long_lines_are_the_same_however_they_are_cut(
    lines: list[str], cuts: list[int]
) -> None:
    text = "\n".join(lines)
    found = RepeatedLines()
    edges = sorted(min(cut, len(text)) for cut in cuts)
    for start, end in zip([0, *edges], [*edges, len(text)], strict=True):
        found.feed(text[start:end])
    found.close()
    long = [number for number, line in enumerate(lines) if len(line) >= MIN_LINE_CHARS]
    assert [found.number_of(index) for index in range(found.repeats.count)] == long
    repeated = found.repeats.found()
    num_repeats = len(long) - len({lines[number] for number in long})
    assert (repeated.num_repeats if repeated else 0) == num_repeats


def test_only_so_many_texts_are_compared() -> None:
    repeats = Repeats(max_texts=2)
    for text in "aba":
        repeats.add(hash(text), 1)
    assert repeats.count == 3
    assert repeats.found() is None
