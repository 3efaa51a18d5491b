"""A vocabulary that grows keeps what everything in it meant."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgen.config.text import TextConfig
from textgen.text.encoded.scan import CorpusStats
from textgen.text.encoded.vocabulary_rule import (
    VocabularyRule,
    corresponding_ids,
    grown,
    learned,
)
from textgen.text.reading.file_stats import FileStats
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.text.unicode.code_points import CodePointCounts


def stats(text: str, labels: dict[str, int] | None = None) -> CorpusStats:
    counts = CodePointCounts()
    counts.add(text)
    found = None if labels is None else Counter(labels)
    return CorpusStats(len(text), 1, counts.total(), found, FileStats(), sha256="")


def symbols(tokenizer: Tokenizer) -> list[str]:
    return [*map(tokenizer.symbol, range(tokenizer.vocab_size))]


def test_new_characters_stand_behind_the_old_ones() -> None:
    new = grown(CharTokenizer("nb"), stats("banana"), TextConfig())
    assert new == CharTokenizer("nba")


def test_rare_new_characters_become_the_unknown_token_and_rare_old_ones_stay() -> None:
    new = grown(CharTokenizer("b"), stats("baaxa"), TextConfig(min_count=2))
    assert new == CharTokenizer("ba", unknown=True)


def test_an_unknown_token_stays_though_the_new_text_needs_none() -> None:
    base = CharTokenizer("ab", unknown=True)
    assert grown(base, stats("abba"), TextConfig()) == base


def test_documents_and_labels_are_added() -> None:
    text = TextConfig(documents="records")
    new = grown(CharTokenizer("a"), stats("a", {"sad": 1, "glad": 2}), text)
    assert symbols(new) == ["<eod>", "<label:glad>", "<label:sad>", "'a'"]
    again = grown(new, stats("a", {"mad": 1}), text)
    assert again.labels == ("glad", "mad", "sad")


def test_the_end_of_documents_stays_though_the_new_text_is_one() -> None:
    base = ByteTokenizer(end_of_document=True)
    assert grown(base, stats("a"), TextConfig()) == base


@pytest.mark.parametrize("kind", ["char", "byte"])
def test_without_a_base_the_vocabulary_is_learned(kind: str) -> None:
    text = TextConfig(tokenizer=kind, documents="lines")
    rule = VocabularyRule()
    assert rule.tokenizer(stats("ba"), text) == learned(stats("ba"), text)
    assert symbols(learned(stats("ba"), text))[-1] == {"char": "'b'", "byte": "<eod>"}[kind]


def test_a_base_that_does_not_grow_stays_as_it_is() -> None:
    rule = VocabularyRule(CharTokenizer("a"))
    assert rule.tokenizer(stats("xyz"), TextConfig()) == CharTokenizer("a")


labels = st.frozensets(st.sampled_from(["glad", "mad", "sad"]))


@st.composite
def tokenizers(draw: st.DrawFn) -> Tokenizer:
    found = tuple(sorted(draw(labels)))
    common: dict[str, Any] = {
        "labels": found,
        "end_of_document": bool(found) or draw(st.booleans()),
    }
    if draw(st.booleans()):
        return ByteTokenizer(**common)
    characters = draw(st.permutations("abé한"))[: draw(st.integers(1, 4))]
    return CharTokenizer("".join(characters), unknown=draw(st.booleans()), **common)


@given(
    tokenizers(),
    st.text("abcé한😀", min_size=1),
    st.none() | labels,
    st.sampled_from(["whole", "lines", "records"]),
    st.integers(1, 3),
)
def test_every_old_symbol_has_exactly_one_new_id_of_the_same_meaning(
    base: Tokenizer, text: str, found: set[str] | None, kind: str, min_count: int
) -> None:
    if found:
        kind = "records"
    config = TextConfig(documents=kind, min_count=min_count if base.kind == "char" else 1)
    new = grown(base, stats(text, dict.fromkeys(found) if found else None), config)
    places = corresponding_ids(new, base)
    assert places.shape == (new.vocab_size,)
    assert sorted(places[places >= 0].tolist()) == list(range(base.vocab_size))
    for new_id in np.flatnonzero(places >= 0):
        assert new.symbol(int(new_id)) == base.symbol(int(places[new_id]))
    # What is new really is.
    old = symbols(base)
    assert all(new.symbol(int(n)) not in old for n in np.flatnonzero(places < 0))
