"""The parts of a corpus: cut at the end, or documents shared out by the seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text.reading.helpers import corpus_of
from textgen.config.text import TextConfig
from textgen.errors import CorpusError
from textgen.text.encoded.splitting import split
from textgen.text.reading.corpus import Corpus, read_corpus

Find = Callable[[str], Path]


# Splitting


@given(
    st.text(min_size=40, max_size=200),
    st.floats(0.05, 0.4),
    st.one_of(st.just(0.0), st.floats(0.05, 0.4)),
)
def test_one_text_is_cut_into_parts_that_follow_each_other(
    text: str, val: float, test: float
) -> None:
    config = TextConfig(val_fraction=val, test_fraction=test)
    parts = split(corpus_of(text, kind="whole"), config, seed=0)
    assert "".join(parts.train + parts.val + parts.test) == text
    assert len(parts.train[0]) == int(len(text) * (1 - val - test))
    assert parts.val
    assert bool(parts.test) == (test > 0)
    if test:
        assert len(parts.test[0]) == len(text) - int(len(text) * (1 - test))


def test_the_test_part_is_the_very_end() -> None:
    config = TextConfig(val_fraction=0.2, test_fraction=0.1)
    parts = split(corpus_of("abcdefghij", kind="whole"), config, seed=0)
    assert tuple(parts) == (("abcdefg",), ("hi",), ("j",))


def test_a_text_too_short_to_cut_is_an_error() -> None:
    with pytest.raises(CorpusError, match=r"1 characters are too few .* 2 parts"):
        split(corpus_of("a", kind="whole"), TextConfig(), seed=0)
    config = TextConfig(test_fraction=0.1)
    with pytest.raises(CorpusError, match="raise `val_fraction` and `test_fraction`"):
        split(corpus_of("abc", kind="whole"), config, seed=0)


unique_documents = st.lists(
    st.text("ab", min_size=1, max_size=20), min_size=3, max_size=30
).map(lambda texts: tuple(f"{i}:{text}" for i, text in enumerate(texts)))


@given(
    unique_documents,
    st.floats(0.01, 0.6),
    st.one_of(st.just(0.0), st.floats(0.01, 0.35)),
    st.integers(0, 5),
)
def test_documents_are_shared_out_whole_and_in_order(
    documents: tuple[str, ...], val: float, test: float, seed: int
) -> None:
    config = TextConfig(val_fraction=val, test_fraction=test)
    parts = split(corpus_of(*documents), config, seed)
    assert sorted(parts.train + parts.val + parts.test) == sorted(documents)
    for part in parts:
        assert list(part) == sorted(part, key=documents.index)
    assert parts.train
    assert parts.val
    assert bool(parts.test) == (test > 0)


def test_validation_takes_documents_until_it_holds_its_share() -> None:
    documents = [f"{number:04}" for number in range(100)]
    config = TextConfig(val_fraction=0.105, test_fraction=0.05)
    parts = split(corpus_of(*documents), config, seed=3)
    assert [len(part) for part in parts] == [84, 11, 5]


def test_the_seed_decides_which_documents_are_held_back() -> None:
    corpus = corpus_of(*(f"{number:04}" for number in range(100)))
    config = TextConfig()
    assert split(corpus, config, seed=1) == split(corpus, config, seed=1)
    assert split(corpus, config, seed=1).val != split(corpus, config, seed=2).val


def test_a_long_document_does_not_take_the_last_one_from_training() -> None:
    for seed in range(8):
        parts = split(corpus_of("a", "b" * 1000), TextConfig(val_fraction=0.5), seed)
        assert (len(parts.train), len(parts.val)) == (1, 1)


def test_too_few_documents_name_the_ways_out() -> None:
    with pytest.raises(CorpusError) as caught:
        split(corpus_of("one", kind="files"), TextConfig(), seed=0)
    message = str(caught.value)
    assert "`documents='files'` found 1 document, but" in message
    assert "at least 2" in message
    assert "use `documents='whole'`" in message
    assert "--test-fraction" not in message


def test_a_test_part_needs_a_third_document() -> None:
    with pytest.raises(CorpusError, match=r"at least 3\. .* leave out `test_fraction`"):
        split(corpus_of("one", "two"), TextConfig(test_fraction=0.1), seed=0)
    assert split(corpus_of("1", "2", "3"), TextConfig(test_fraction=0.1), seed=0).test


@given(unique_documents, st.integers(0, 5))
def test_each_document_keeps_its_label(documents: tuple[str, ...], seed: int) -> None:
    labels = tuple(f"label of {document}" for document in documents)
    config = TextConfig(val_fraction=0.3, test_fraction=0.3)
    labelled = split(Corpus(documents, "records", (), (), labels), config, seed)
    for part, its_labels in zip(labelled, labelled.labels, strict=True):
        assert its_labels == tuple(f"label of {document}" for document in part)
    # The same documents are drawn as without labels.
    plain = split(corpus_of(*documents), config, seed)
    assert tuple(labelled) == tuple(plain)
    assert plain.labels == (None, None, None)


def test_too_few_records_are_not_told_to_become_one_text() -> None:
    with pytest.raises(CorpusError, match=r"records'` found 1 document, .* Add records\.$"):
        split(corpus_of("one", kind="records"), TextConfig(), seed=0)


# Real texts


def test_tiny_shakespeare_is_cut_where_it_always_is(shared_corpus: Find) -> None:
    corpus = read_corpus(shared_corpus("tinyshakespeare.txt"))
    assert corpus.num_chars == 1_115_394
    parts = split(corpus, TextConfig(), seed=0)
    assert [sum(map(len, part)) for part in parts] == [1_003_854, 111_540, 0]
