"""The corpora that come with the package are there, and are text."""

from __future__ import annotations

import pytest

from textgen.config.text import TextConfig
from textgen.corpora.bundled import bundled_corpus
from textgen.errors import CorpusError
from textgen.text.reading.corpus import read_corpus


@pytest.mark.parametrize("name", ["little_harbour.txt", "boat_names.txt"])
def test_each_corpus_is_found_and_is_clean_text(name: str) -> None:
    corpus = read_corpus(bundled_corpus(name), TextConfig())
    assert corpus.num_chars > 1000
    assert corpus.notes == ()


def test_the_names_are_one_a_line() -> None:
    corpus = read_corpus(bundled_corpus("boat_names.txt"), TextConfig(documents="lines"))
    assert corpus.num_documents > 100
    assert max(map(len, corpus.documents)) < 60


def test_an_unknown_corpus_is_named_with_those_there_are() -> None:
    with pytest.raises(CorpusError) as caught:
        bundled_corpus("middlemarch.txt")
    assert str(caught.value) == (
        "no corpus 'middlemarch.txt' comes with this installation of textgen. "
        "Known: boat_names.txt, little_harbour.txt."
    )
