"""Windows continue each other, and evaluation counts every character once."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgen.errors import ConfigError, CorpusError
from textgen.text.encoded.windows import (
    EvaluationWindows,
    Windows,
    evaluation_windows,
    release_pages,
    windows,
)

sizes = st.integers(1, 6)


@st.composite
def training_windows(draw: st.DrawFn) -> Windows:
    """Windows over a text in which each character occurs once: its own position."""
    batch_size, seq_length = draw(sizes), draw(sizes)
    least = batch_size * seq_length + 1
    num_chars = draw(st.integers(least, least + 70))
    return windows(np.arange(num_chars, dtype=np.uint16), batch_size, seq_length)


@given(training_windows())
def test_row_i_of_a_window_continues_row_i_of_the_one_before(lanes: Windows) -> None:
    assert len(lanes) >= 1
    for before, after in itertools.pairwise(lanes[k] for k in range(len(lanes))):
        np.testing.assert_array_equal(after.x[:, 0], before.x[:, -1] + 1)


@given(training_windows())
def test_each_row_is_text_as_it_was_written_and_y_is_x_moved_by_one(
    lanes: Windows,
) -> None:
    for k in range(len(lanes)):
        x, y, weight = lanes[k]
        assert x.shape == y.shape == (lanes.batch_size, lanes.seq_length)
        assert x.dtype == y.dtype == np.int32
        assert weight is None
        # The text is 0, 1, 2, ..., so the next character is the next number.
        np.testing.assert_array_equal(y, x + 1)
        np.testing.assert_array_equal(x, x[:, :1] + np.arange(lanes.seq_length))
        assert y.max() < len(lanes.ids)


@given(training_windows())
def test_no_character_is_learned_twice_and_few_are_left_out(lanes: Windows) -> None:
    learned = np.concatenate([lanes[k].y.ravel() for k in range(len(lanes))])
    assert len(set(learned.tolist())) == len(learned)
    left_out = len(lanes.ids) - 1 - len(learned)
    assert 0 <= left_out < lanes.batch_size * lanes.seq_length


@given(training_windows(), st.integers(0, 100))
def test_a_run_from_a_later_step_continues_as_one_that_began_at_zero(
    lanes: Windows, start: int
) -> None:
    whole = itertools.islice(lanes.forever(), start, start + 2 * len(lanes) + 1)
    for (x, y), (later_x, later_y) in zip(whole, lanes.forever(start), strict=False):
        np.testing.assert_array_equal(x, later_x)
        np.testing.assert_array_equal(y, later_y)


def test_a_pass_is_followed_by_the_next_from_the_beginning() -> None:
    lanes = windows(np.arange(9), batch_size=2, seq_length=2)
    first_characters = [x[0, 0] for x, _ in itertools.islice(lanes.forever(), 5)]
    assert first_characters == [0, 2, 0, 2, 0]


def test_the_picture_in_the_module_is_what_happens() -> None:
    text = np.frombuffer(b"abcdefghi", np.uint8)
    lanes = windows(text, batch_size=2, seq_length=2)
    rows = [bytes(row.astype(np.uint8)) for k in (0, 1) for row in lanes[k].x]
    assert rows == [b"ab", b"ef", b"cd", b"gh"]


def test_a_text_on_disk_is_read_window_by_window(tmp_path: Path) -> None:
    np.arange(9, dtype=np.uint8).tofile(tmp_path / "ids")
    text = np.memmap(tmp_path / "ids", np.uint8, mode="r")
    lanes = windows(text, batch_size=2, seq_length=2)
    assert isinstance(lanes.ids, np.memmap)
    assert lanes[1].y.tolist() == [[3, 4], [7, 8]]


@pytest.mark.parametrize("index", [-1, 2, 100])
def test_a_window_that_is_not_there_is_an_index_error(index: int) -> None:
    text = np.arange(9)
    with pytest.raises(IndexError, match=f"window {index} of 2"):
        windows(text, 2, 2)[index]
    held_out = evaluation_windows(text[5:], 2, 2, context=text[:5])
    with pytest.raises(IndexError, match=f"window {index} of 2"):
        held_out[index]


@pytest.mark.parametrize("num_ids", [0, 1, 2, 40, 128])
def test_a_text_of_a_few_characters_is_told_how_much_is_needed(num_ids: int) -> None:
    with pytest.raises(CorpusError) as caught:
        windows(np.arange(num_ids), 8, 64)
    ids = "1 id" if num_ids == 1 else f"{num_ids} ids"
    assert str(caught.value) == (
        f"the training text has {ids}, but `batch_size=8` with `seq_length=64` needs at "
        "least 513. Add text: nothing can be learned from so little, and 40,000 "
        "characters are a good start."
    )


@pytest.mark.parametrize("num_ids", [129, 130, 300])
def test_the_sizes_that_are_suggested_for_little_text_fit(num_ids: int) -> None:
    with pytest.raises(CorpusError) as caught:
        windows(np.arange(num_ids), 500, 500)
    found = re.search(r"`batch_size=(\d+)` with `seq_length=(\d+)` fits", str(caught.value))
    assert found
    assert len(windows(np.arange(num_ids), *map(int, found.groups()))) >= 1


def test_too_little_text_names_the_three_options() -> None:
    assert len(windows(np.arange(2001), 50, 40)) == 1
    with pytest.raises(CorpusError) as caught:
        windows(np.arange(2000), 50, 40)
    assert str(caught.value) == (
        "the training text has 2,000 ids, but `batch_size=50` with `seq_length=40` "
        "needs at least 2,001. Lower `batch_size`, `seq_length` or `val_fraction` "
        "(`batch_size=8` with `seq_length=32` fits), or add text."
    )


@pytest.mark.parametrize(
    ("batch_size", "seq_length", "wrong"),
    [(0, 1, "batch_size=0"), (-1, 1, "batch_size=-1"), (1, 0, "seq_length=0")],
)
def test_no_lanes_or_no_length_is_refused(
    batch_size: int, seq_length: int, wrong: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{wrong} must be a whole number of at least 1"):
        windows(np.arange(9), batch_size, seq_length)
    with pytest.raises(ConfigError, match=f"^{wrong} must be a whole number of at least 1"):
        evaluation_windows(np.arange(9), batch_size, seq_length, context=np.arange(9))


# --- evaluation ---


@st.composite
def held_out(draw: st.DrawFn, long_context: bool = False) -> EvaluationWindows:
    """Evaluation windows over a text whose characters are their own positions."""
    batch_size, seq_length = draw(sizes), draw(sizes)
    num_context = draw(st.integers(seq_length + 1 if long_context else 1, 20))
    num_chars = draw(st.integers(1, 80))
    text = np.arange(num_context + num_chars, dtype=np.uint8)
    return evaluation_windows(
        text[num_context:], batch_size, seq_length, context=text[:num_context]
    )


@given(held_out())
def test_evaluation_counts_every_character_exactly_once(lanes: EvaluationWindows) -> None:
    counted = Counter(
        character
        for window in lanes
        for character, weight in zip(
            window.y.ravel().tolist(), np.ravel(window.weight).tolist(), strict=True
        )
        if weight
    )
    expected = lanes.ids.tolist()
    assert len(expected) == lanes.num_chars
    assert counted == dict.fromkeys(expected, 1)


@pytest.mark.parametrize("max_chars", [1, 6, 7, 100])
def test_a_limit_counts_equal_parts_from_the_beginning_of_each_lane(max_chars: int) -> None:
    text = np.arange(25)
    lanes = evaluation_windows(text[5:], 3, 2, context=text[:5], max_chars=max_chars)
    counted = sorted(
        int(character) for window in lanes for character in window.y[window.weight == 1]
    )
    # Lanes begin at 5, 12 and 19; the last one has 6 characters.
    length = min(7, -(-max_chars // 3))
    expected = [c for first in (5, 12, 19) for c in range(first, first + length) if c < 25]
    assert counted == expected
    assert lanes.num_chars == len(expected)


def test_pages_of_a_mapped_text_are_let_go_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "ids"
    path.write_bytes(bytes(range(256)) * 400)
    ids = np.asarray(np.memmap(path, np.uint8, mode="r"))
    before = ids[300:310].tolist()
    release_pages(ids)
    assert ids[300:310].tolist() == before
    # In memory there is nothing to let go of.
    release_pages(np.arange(3))


@given(held_out())
def test_evaluation_windows_have_one_shape_and_weights_of_zero_or_one(
    lanes: EvaluationWindows,
) -> None:
    assert len(list(lanes)) == len(lanes)
    for window in lanes:
        for array in window:
            assert np.shape(array) == (lanes.batch_size, lanes.seq_length)
        assert window.x.dtype == window.y.dtype == np.int32
        assert np.asarray(window.weight).dtype == np.float32
        assert set(np.ravel(window.weight).tolist()) <= {0.0, 1.0}


@given(held_out())
def test_a_counted_character_is_predicted_from_the_one_before_it(
    lanes: EvaluationWindows,
) -> None:
    for x, y, weight in lanes:
        np.testing.assert_array_equal(y[weight == 1], x[weight == 1] + 1)


@given(held_out())
def test_a_lane_is_read_without_a_gap_from_its_first_counted_character_on(
    lanes: EvaluationWindows,
) -> None:
    x = np.concatenate([window.x for window in lanes], axis=1)
    weight = np.concatenate([window.weight for window in lanes], axis=1)
    for row, counted in zip(x, weight, strict=True):
        np.testing.assert_array_equal(np.diff(row[counted == 1]), 1)
        # Counting begins with the second window and has no holes.
        where = np.flatnonzero(counted)
        np.testing.assert_array_equal(where, lanes.seq_length + np.arange(len(where)))


@given(held_out(long_context=True))
def test_each_lane_warms_up_uncounted_on_the_text_right_before_it(
    lanes: EvaluationWindows,
) -> None:
    warm_up, first = lanes[0], lanes[1]
    assert not np.any(warm_up.weight)
    for row in range(lanes.batch_size):
        if np.any(first.weight[row]):  # type: ignore[index]
            text = [*warm_up.x[row], first.x[row, 0]]
            np.testing.assert_array_equal(np.diff(text), 1)


def test_fewer_characters_than_lanes_leave_lanes_that_count_nothing() -> None:
    lanes = evaluation_windows(np.array([7, 8]), 4, 3, context=np.arange(7))
    assert [window.weight.sum(axis=1).tolist() for window in lanes] == [
        [0, 0, 0, 0],
        [1, 1, 0, 0],
    ]
    assert lanes[0].x[:2].tolist() == [[3, 4, 5], [4, 5, 6]]
    assert lanes[1].y[:2, 0].tolist() == [7, 8]


def test_only_the_end_of_the_context_is_kept() -> None:
    lanes = evaluation_windows(np.array([9]), 1, 2, context=np.arange(9))
    assert lanes.context.tolist() == [6, 7, 8]


def test_held_out_text_of_other_integers_than_its_context_keeps_its_own() -> None:
    text = np.array([300, 301], np.uint16)
    lanes = evaluation_windows(text, 1, 2, context=np.array([1, 2, 3], np.uint8))
    assert lanes[1].y.tolist() == [[300, 301]]


@pytest.mark.parametrize(("num_chars", "num_context"), [(0, 5), (5, 0)])
def test_no_text_to_validate_on_names_the_option(num_chars: int, num_context: int) -> None:
    with pytest.raises(CorpusError) as caught:
        evaluation_windows(np.arange(num_chars), 1, 1, context=np.arange(num_context))
    assert str(caught.value) == (
        "there is no text to validate on. Raise `val_fraction` or add text."
    )


def test_a_process_reads_its_own_lanes_and_nothing_else_changes() -> None:
    ids = np.arange(100)
    training = windows(ids, batch_size=4, seq_length=5)
    held_out = evaluation_windows(ids, 4, 5, context=ids[:3])
    for whole in (training, held_out):
        part = replace(whole, lanes=range(1, 3))
        assert len(part) == len(whole)
        for index in range(len(whole)):
            for ours, theirs in zip(part[index], whole[index], strict=True):
                if theirs is not None:
                    np.testing.assert_array_equal(ours, theirs[1:3])
