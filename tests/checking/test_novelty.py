"""How much of a text is copied: checked against a search that cannot be wrong."""

from __future__ import annotations

import bz2
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgen.checking import longest_match
from textgen.checking.novelty import Novelty, Overlap, novelty, read_texts
from textgen.config.text import TextConfig
from textgen.errors import ConfigError, CorpusError
from textgen.text.reading.corpus import read_corpus

LENGTHS = (1, 2, 3, 5, 8)


def longest(text: str, *corpus: str) -> Overlap:
    files = [(f"file{number}", content) for number, content in enumerate(corpus)]
    found = novelty(text, files).longest
    assert found is not None
    return found


def share(text: str, length: int, *corpus: str) -> float | None:
    return novelty(text, [("file", each) for each in corpus], [length]).shares[length]


def slow_longest(text: str, corpus: list[str]) -> tuple[str, int, int, int] | None:
    """Piece, offset in the text, number of the file and offset there, by trying all."""
    for length in range(len(text), 0, -1):
        for start in range(len(text) - length + 1):
            piece = text[start : start + length]
            for number, content in enumerate(corpus):
                if piece in content:
                    return piece, start, number, content.index(piece)
    return None


def slow_share(text: str, length: int, corpus: list[str]) -> float | None:
    pieces = [text[i : i + length] for i in range(len(text) - length + 1)]
    if not pieces:
        return None
    return sum(any(p in content for content in corpus) for p in pieces) / len(pieces)


def check(text: str, corpus: list[str], lengths: tuple[int, ...] = LENGTHS) -> None:
    """Everything that is reported equals what trying all finds."""
    files = [(str(number), content) for number, content in enumerate(corpus)]
    found = novelty(text, files, lengths)
    assert found.shares == {n: slow_share(text, n, corpus) for n in lengths}
    expected = slow_longest(text, corpus)
    if expected is None:
        assert found.longest is None
        return
    piece, start, number, offset = expected
    assert found.longest == Overlap(
        piece=piece,
        text_offset=start,
        text_line=text[:start].count("\n") + 1,
        corpus_file=str(number),
        corpus_offset=offset,
        corpus_line=corpus[number][:offset].count("\n") + 1,
    )


# Characters of one, two, three and four bytes, a line feed and half a surrogate pair.
alphabets = st.sampled_from(["ab", "a\n", "aé", "漢字a", "😀é", "ab\ud800", "abcdefg"])
problems = alphabets.flatmap(
    lambda letters: st.tuples(
        st.text(letters, min_size=1, max_size=40),
        st.lists(st.text(letters, min_size=1, max_size=60), min_size=1, max_size=4),
    )
)


# --- equal to trying all ---


@given(problems)
def test_all_that_is_found_is_what_trying_all_finds(
    problem: tuple[str, list[str]],
) -> None:
    check(*problem)


@given(problems, st.sampled_from([(1,), (4,), (30,), (2, 30)]))
def test_the_longest_does_not_depend_on_the_lengths_that_are_counted(
    problem: tuple[str, list[str]], lengths: tuple[int, ...]
) -> None:
    check(*problem, lengths)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_blocks_of_the_corpus_leave_no_gap_between_them(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(longest_match, "_BLOCK_CHARS", size)
    rng = random.Random(size)
    for _ in range(40):
        text = "".join(rng.choices("ab", k=30))
        corpus = ["".join(rng.choices("ab", k=rng.randint(1, 60))) for _ in range(3)]
        check(text, corpus)


def test_what_is_found_is_right_even_if_all_hashes_are_equal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(longest_match, "_MULTIPLIER", 0)
    rng = random.Random(0)
    for _ in range(60):
        text = "".join(rng.choices("abcd", k=12))
        check(text, ["".join(rng.choices("abcd", k=20)) for _ in range(2)])


def test_a_page_within_a_book_is_found_at_its_place() -> None:
    rng = random.Random(0)
    book = "".join(rng.choices("abcdefgh \n", k=300_000))
    page = "#" * 50 + book[200_000:201_000] + "#"
    found = longest(page, book)
    assert (found.text_offset, found.corpus_offset) == (50, 200_000)
    assert found.piece == book[200_000:201_000]


# --- the longest ---


def test_both_places_are_counted_in_characters_and_lines() -> None:
    assert longest("é\nThe 漢字 sea", "ä😀\n\nA 漢字 sea!") == Overlap(
        piece=" 漢字 sea",
        text_offset=5,
        text_line=2,
        corpus_file="file0",
        corpus_offset=5,
        corpus_line=3,
    )


def test_characters_that_share_bytes_have_nothing_in_common() -> None:
    # é and è begin with the same byte, é and ĩ end with the same.
    assert novelty("é", [("a", "èĩ")]).longest is None


def test_the_first_of_equally_long_ones_is_shown_in_text_and_corpus() -> None:
    found = longest("..one..two", "two", "one", "one")
    assert (found.piece, found.corpus_file) == ("one", "file1")
    found = longest("one", "-one-one")
    assert found.corpus_offset == 1


def test_nothing_runs_across_the_border_of_two_files() -> None:
    assert longest("abcd", "ab", "cd").piece == "ab"
    assert share("abcd", 2, "ab", "cd") == 2 / 3


def test_an_identical_text_is_copied_whole() -> None:
    text = "Kit went to sea\nand said nothing.\n" * 5
    found = novelty(text, [("book", text)])
    assert found.longest == Overlap(text, 0, 1, "book", 0, 1)
    assert found.shares == {10: 1.0, 20: 1.0, 40: 1.0}


def test_a_repetitive_text_is_measured_to_its_end() -> None:
    assert longest("a" * 5000, "b" + "a" * 3000 + "b").piece == "a" * 3000
    assert len(longest("ab" * 2500, "aab" * 2000 + "ab" * 100).piece) == 202


def test_nothing_in_common_is_none_and_zero() -> None:
    assert novelty("xyz" * 9, [("a", "abc" * 9)]) == Novelty(
        num_chars=27,
        num_files=1,
        num_corpus_chars=27,
        longest=None,
        shares={10: 0.0, 20: 0.0, 40: None},
    )


# --- shares ---


def test_each_position_counts_also_for_equal_pieces() -> None:
    # ab, ba, ab, bc: three of the four positions.
    assert share("ababc", 2, "aba") == 3 / 4


def test_a_text_of_just_the_length_has_one_piece_and_a_shorter_one_none() -> None:
    assert share("abc", 3, "xabcx") == 1.0
    assert share("abc", 4, "xabcx") is None


def test_lengths_are_reported_ascending_and_once() -> None:
    found = novelty("abcd", [("a", "bc")], pieces=[3, 1, 3])
    assert list(found.shares) == [1, 3]


def test_empty_files_do_not_count() -> None:
    found = novelty("a", [("a", ""), ("b", "a")])
    assert found.num_files == 1
    assert found.longest == Overlap("a", 0, 1, "b", 0, 1)


def test_lone_surrogates_are_characters_like_any_other() -> None:
    assert longest("a\ud800b", "\ud800b").piece == "\ud800b"


def test_the_dictionary_is_ready_for_json() -> None:
    found = novelty("a\nbcd", [("book", "..\nbcx")], pieces=[2, 9])
    assert json.loads(json.dumps(found.to_dict())) == {
        "num_chars": 5,
        "num_files": 1,
        "num_corpus_chars": 6,
        "longest": {
            "piece": "\nbc",
            "length": 3,
            "text_offset": 1,
            "text_line": 1,
            "corpus_file": "book",
            "corpus_offset": 2,
            "corpus_line": 1,
        },
        "shares": {"2": 0.5, "9": None},
    }
    assert novelty("a", [("b", "b")]).to_dict()["longest"] is None


# --- errors ---


@pytest.mark.parametrize("pieces", [[0], [10, -1], [True], [2.5], ["3"]])
def test_lengths_that_make_no_sense_are_refused(pieces: list[int]) -> None:
    with pytest.raises(ConfigError, match=r"pieces=.* must be a whole number of at least"):
        novelty("a", [("a", "a")], pieces)


def test_no_length_at_all_is_refused() -> None:
    with pytest.raises(ConfigError, match="pieces must name at least one length"):
        novelty("a", [("a", "a")], [])


def test_nothing_to_look_for_or_in_is_refused() -> None:
    with pytest.raises(CorpusError, match="the text is empty"):
        novelty("", [("a", "a")])
    with pytest.raises(CorpusError, match="the corpus is empty"):
        novelty("a", [("a", "")])


# --- reading ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo")
    (tmp_path / "b.txt").write_text(" \n", encoding="utf-8")
    (tmp_path / "c.txt.bz2").write_bytes(bz2.compress("e\u0301".encode()))
    (tmp_path / "d.md").write_text("no", encoding="utf-8")
    return tmp_path


def test_sources_are_read_as_in_training_but_file_by_file(folder: Path) -> None:
    files, _ = read_texts([str(folder), str(folder / "a.txt")], TextConfig())
    assert [(Path(name).name, text) for name, text in files] == [
        ("a.txt", "one\ntwo"),
        ("b.txt", " \n"),
        ("c.txt.bz2", "é"),
    ]


@pytest.mark.parametrize("kind", ["whole", "lines", "paragraphs", "files"])
def test_sources_have_the_fingerprint_that_training_notes(folder: Path, kind: str) -> None:
    config = TextConfig(documents=kind)
    expected = read_corpus(folder, config).sha256
    assert read_texts(str(folder), config)[1] == expected
    (folder / "a.txt").write_text("other", encoding="utf-8")
    assert read_texts(str(folder), config)[1] != expected


def test_records_are_sources_of_their_own_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "poems.csv"
    path.write_text('text,label\n"Sun,\nsea.",glad\nRain.,sad\n', encoding="utf-8")
    config = TextConfig(documents="records")
    texts, sha256 = read_texts(str(tmp_path), config)
    assert texts == [(f"{path}:2", "Sun,\nsea."), (f"{path}:4", "Rain.")]
    assert sha256 == read_corpus(tmp_path, config).sha256


def test_other_files_are_read_as_text_although_training_read_records(
    folder: Path,
) -> None:
    config = TextConfig(documents="records")
    path = str(folder / "a.txt")
    assert read_texts(path, config)[0] == [(path, "one\ntwo")]
