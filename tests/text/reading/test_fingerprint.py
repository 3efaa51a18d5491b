"""Equal documents have equal fingerprints, wherever they lie."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.text.reading.helpers import corpus_of, write
from textgen.text.reading.corpus import Corpus, read_corpus


def test_equal_documents_have_equal_fingerprints_wherever_they_lie(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "é\n", "b.md": "e\u0301\r\n"})
    one, other = read_corpus(tmp_path / "a.txt"), read_corpus(tmp_path / "b.md")
    assert one.sha256 == other.sha256
    assert len(one.sha256) == 64


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_different_documents_have_different_fingerprints(
    one: list[str], other: list[str]
) -> None:
    same = corpus_of(*one).sha256 == corpus_of(*other).sha256
    assert same == (one == other)


def test_the_fingerprint_knows_where_documents_end() -> None:
    cuts = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("", "abc")]
    assert len({corpus_of(*documents).sha256 for documents in cuts}) == len(cuts)


def test_without_labels_the_fingerprint_is_that_of_the_documents_alone() -> None:
    # What runs from before there were labels have stored.
    ended = b"ab\xffc\xff"
    assert corpus_of("ab", "c").sha256 == hashlib.sha256(ended).hexdigest()


def test_labels_are_part_of_the_fingerprint() -> None:
    labels = [None, ("x", "y"), ("y", "x"), ("xy", ""), ("", "xy"), ("x", "z")]
    corpora = [Corpus(("a", "b"), "records", (), (), each) for each in labels]
    assert len({corpus.sha256 for corpus in corpora}) == len(labels)
    assert corpora[1].sha256 == Corpus(("a", "b"), "records", (), (), ("x", "y")).sha256
