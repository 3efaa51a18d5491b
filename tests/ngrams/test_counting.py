"""N-grams are counted exactly, within documents, and in bounded memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from textgen.ngrams.counting import count_ngrams
from textgen.ngrams.tables import NgramTables

Gram = tuple[tuple[int, ...], int]


def listed(tables: NgramTables) -> dict[Gram, int]:
    """Every n-gram of a table, as a context and what followed it, with its count."""
    found, above = {}, [()]
    for level in tables.levels:
        contexts = [
            (int(key) % tables.vocab_size, *above[int(key) // tables.vocab_size])
            if level is not tables.levels[0]
            else ()
            for key in level.keys
        ]
        for context, (start, end) in zip(contexts, pairwise(level.starts), strict=True):
            rows = zip(level.ids[start:end], level.counts[start:end], strict=True)
            found |= {(context, int(follower)): int(count) for follower, count in rows}
        above = contexts
    return found


def counted(
    ids: list[int], order: int, boundary: int | None, least: int
) -> dict[Gram, int]:
    """The same by the definition, slowly."""
    grams: Counter[Gram] = Counter()
    begins: Counter[Gram] = Counter()
    before: dict[Gram, set[int]] = defaultdict(set)
    for end, follower in enumerate(ids):
        for length in range(min(order - 1, end) + 1):
            context = tuple(ids[end - length : end])
            if boundary in context[1:]:
                break
            grams[context, follower] += 1
            if length == end or context[:1] == (boundary,):
                begins[context, follower] += 1
            else:
                before[context, follower].add(ids[end - length - 1])
    totals: Counter[tuple[int, ...]] = Counter()
    for (context, _), count in grams.items():
        totals[context] += count
    return {
        gram: count if len(gram[0]) == order - 1 else len(before[gram]) + begins[gram]
        for gram, count in grams.items()
        if len(gram[0]) < 2 or totals[gram[0]] >= least
    }


@given(
    ids=st.lists(st.integers(0, 3), min_size=1, max_size=80),
    order=st.integers(1, 5),
    boundary=st.sampled_from([None, 0]),
    least=st.integers(1, 3),
)
def test_counts_are_those_of_the_definition(
    ids: list[int], order: int, boundary: int | None, least: int
) -> None:
    tables = count_ngrams(
        np.array(ids, np.uint8), 4, order, boundary=boundary, least_count=least
    )
    assert listed(tables) == counted(ids, order, boundary, least)


def test_n_grams_too_many_to_be_sorted_as_single_integers_are_counted_exactly() -> None:
    ids = [1_000_000, 5, 1_000_000, 5, 7, 1_000_000, 5, 7]
    tables = count_ngrams(np.array(ids, np.uint32), 1 << 31, 5, least_count=1)
    assert listed(tables) == counted(ids, 5, None, least=1)


def test_of_a_long_text_stretches_are_counted_and_joined_nowhere() -> None:
    text = np.repeat(np.arange(10, dtype=np.uint8), 100)
    tables = count_ngrams(text, 10, 2, most_ids=50)
    assert tables.levels[0].counts.sum() <= 50
    assert all(follower == context[0] for context, follower in listed(tables) if context)


def test_rare_contexts_are_dropped_until_the_table_is_small_enough() -> None:
    text = np.random.default_rng(0).integers(0, 20, 20_000).astype(np.uint8)
    whole = count_ngrams(text, 20, 4)
    small = count_ngrams(text, 20, 4, most_ngrams=5_000)
    assert whole.num_ngrams > 10_000
    assert small.num_ngrams <= 5_000
    assert small.levels[1].counts.tolist() == whole.levels[1].counts.tolist()
