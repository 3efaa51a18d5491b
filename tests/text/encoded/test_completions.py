"""Which ids count where only completions do: those after a separator, up to the end."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgen.errors import CorpusError
from textgen.text.encoded.completions import Completions, completions_of
from textgen.text.encoded.windows import evaluation_windows, windows
from textgen.text.tokenizers.char import CharTokenizer

COMPLETING = CharTokenizer("abc", end_of_document=True, separator=True)
MARKS = Completions(separator_id=1, eod_id=0)


def expected_of(ids: np.ndarray) -> np.ndarray:
    """Whether each id counts, one after the other."""
    counts, inside = [], False
    for number in ids.tolist():
        counts.append(inside and number != 1)
        inside = inside if number not in (0, 1) else number == 1
    return np.array(counts)


parts = st.lists(st.integers(2, 5), min_size=1, max_size=6)


@st.composite
def documents(draw: st.DrawFn) -> np.ndarray:
    """Ids of prompts with completions, as an encoder gives them."""
    pairs = draw(st.lists(st.tuples(parts, parts), min_size=2, max_size=6))
    ids = [[*prompt, 1, *completion, 0] for prompt, completion in pairs]
    return np.array([0, *itertools.chain(*ids)], np.uint8)


def test_a_tokenizer_without_prompts_has_no_completions() -> None:
    assert completions_of(CharTokenizer("abc", end_of_document=True)) is None
    assert completions_of(COMPLETING) == MARKS


@given(documents(), st.integers(1, 3), st.integers(1, 4))
def test_training_counts_completions_and_their_ends_alone(
    ids: np.ndarray, batch_size: int, seq_length: int
) -> None:
    lanes = windows(ids, batch_size, seq_length, MARKS)
    expected = expected_of(ids)
    for number, (x, y, weight) in enumerate(itertools.islice(lanes.forever(), len(lanes))):
        for row in range(batch_size):
            start = row * lanes.lane_length + number * seq_length
            end = start + seq_length
            assert x[row].tolist() == ids[start:end].tolist()
            assert y[row].tolist() == ids[start + 1 : end + 1].tolist()
            assert weight[row].tolist() == expected[start + 1 : end + 1].tolist()


@given(documents(), documents(), st.integers(1, 3), st.integers(1, 4))
def test_evaluation_counts_each_id_of_a_completion_once(
    ids: np.ndarray, before: np.ndarray, batch_size: int, seq_length: int
) -> None:
    found = evaluation_windows(ids, batch_size, seq_length, before, completions=MARKS)
    counted = [y[weight > 0] for _, y, weight in found if weight is not None]
    expected = ids[expected_of(ids)]
    assert sorted(np.concatenate(counted).tolist()) == sorted(expected.tolist())


@pytest.mark.parametrize("length", [255, 256, 257, 2000])
def test_a_long_completion_and_a_long_prompt_are_known_from_their_beginnings(
    length: int,
) -> None:
    ids = np.array([0, *[2] * length, 1, *[3] * length, 0], np.uint8)
    lanes = windows(ids, 1, 4, MARKS)
    weights = np.concatenate(
        [window[2][0] for window in itertools.islice(lanes.forever(), len(lanes))]
    )
    assert weights.tolist() == expected_of(ids)[1 : 1 + len(weights)].tolist()


def test_an_evaluation_without_any_completion_is_refused() -> None:
    ids = np.array([0, *[2] * 50, 1, 3, 0], np.uint8)
    with pytest.raises(CorpusError, match=r"contains no completion\. Raise `eval_chars`"):
        evaluation_windows(ids, 1, 4, ids, max_chars=8, completions=MARKS)


def test_a_prompt_is_found_before_a_place_or_else_the_last_one() -> None:
    ids = COMPLETING.encode_documents(["ab\ufdd0c", "ba\ufdd0cc"])
    found = [COMPLETING.decode(MARKS.prompt_before(ids, place)) for place in (2, 6, 9, 10)]
    assert found == ["ba", "ab", "ba", "ba"]
