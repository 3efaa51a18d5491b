"""Where a text ends, fed piece by piece, against plain rules over the whole text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.generation.decoding.endings import ended, shown
from textgen.generation.decoding.stopping import CONTEXT, StoppingCriteria

# --- stop texts ---


@pytest.mark.parametrize(
    ("stops", "expected"),
    [
        (["d"], "abc"),
        (["de"], "abc"),
        (["gh", "cd"], "ab"),
        (["bcx", "bcd"], "a"),
        (["a"], ""),
        (["habc"], "abcdefg"),
        (["é"], "abcdefghabcd"),
        ([], "abcdefghabcd"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 12])
def test_the_text_ends_before_the_first_stop_text(
    stops: list[str], expected: str, size: int
) -> None:
    text = "abcdefghabcd"
    stopping = StoppingCriteria(stops)
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    assert shown(stopping, pieces) == expected
    assert stopping.reason == (None if expected == text else "stop")


@pytest.mark.parametrize("pieces", ["abcd", ["abcd"], ["ab", "cd"]])
def test_of_two_stop_texts_the_one_that_is_complete_first_ends_the_text(
    pieces: Sequence[str],
) -> None:
    assert shown(StoppingCriteria(["abcd", "bc"]), pieces) == "a"


def test_of_two_stop_texts_that_are_complete_at_once_the_longer_one_is_cut_off() -> None:
    assert ended("xabc", stops=["c", "abc", "bc"]) == ("x", "stop")


def test_text_that_only_began_like_a_stop_text_is_shown_after_all() -> None:
    stopping = StoppingCriteria(["bcx", "efghx"])
    assert [stopping.feed(c) for c in "abcdef"] == ["a", "", "", "bcd", "", ""]
    assert stopping.flush() == "ef"
    assert stopping.reason is None


def test_a_stop_text_may_begin_within_another_start_of_it() -> None:
    assert ended("aaab", stops=["aab"]) == ("a", "stop")


def test_after_the_end_nothing_more_is_shown() -> None:
    stopping = StoppingCriteria(["b"])
    assert [stopping.feed(piece) for piece in ("ab", "c", "")] == ["a", "", ""]
    assert stopping.flush() == ""
    assert stopping.reason == "stop"


def test_a_stop_text_does_not_begin_in_the_prompt() -> None:
    assert ended("bcab", stops=["ab"], prompt="xa") == ("bc", "stop")


def test_a_second_flush_shows_nothing() -> None:
    stopping = StoppingCriteria(["bc"])
    assert (stopping.feed("ab"), stopping.flush(), stopping.flush()) == ("a", "b", "")


def test_without_a_way_to_end_the_text_passes_through() -> None:
    stopping = StoppingCriteria(min_length=5, prompt="abc")
    assert stopping.is_idle
    assert [stopping.feed(piece) for piece in ("a", "", "b\n\n")] == ["a", "", "b\n\n"]


@pytest.mark.parametrize("options", [{"stops": ["a"]}, {"until": "line"}])
def test_with_a_way_to_end_it_is_not_idle(options: dict[str, Any]) -> None:
    assert not StoppingCriteria(**options).is_idle


# --- the least length ---


@pytest.mark.parametrize(
    ("least", "expected"),
    [(0, ""), (1, "ab"), (2, "ab"), (3, "ababa"), (5, "ababa"), (9, "ababa")],
)
def test_a_stop_text_before_the_least_length_is_shown(least: int, expected: str) -> None:
    assert ended("ababa", stops=["ab"], min_length=least)[0] == expected


def test_what_comes_before_the_least_length_is_not_held_back() -> None:
    stopping = StoppingCriteria(["ab"], min_length=3)
    assert [stopping.feed(c) for c in "aababx"] == ["a", "a", "b", "", "", ""]
    assert stopping.reason == "stop"


def test_a_stop_text_that_could_begin_twice_is_held_back_from_the_place_allowed() -> None:
    stopping = StoppingCriteria(["aab"], min_length=1)
    assert [stopping.feed(c) for c in "aaab"] == ["a", "", "", ""]
    assert stopping.reason == "stop"


@pytest.mark.parametrize(
    ("until", "text", "expected"),
    [
        ("sentence", "Hi. Go on now. And", "Hi. Go on now."),
        ("line", "Hi\nGo on now\nAnd", "Hi\nGo on now"),
        ("paragraph", "Hi\n\nGo on now\n\nAnd", "Hi\n\nGo on now"),
    ],
)
def test_a_unit_that_ends_before_the_least_length_is_not_the_last(
    until: str, text: str, expected: str
) -> None:
    assert ended(text, until=until, min_length=4) == (expected, "until")


def test_the_least_length_counts_what_was_written_and_not_the_prompt() -> None:
    assert ended("b. c. d", until="sentence", min_length=3, prompt="It was ")[0] == "b. c."


@pytest.mark.parametrize(("least", "expected"), [(3, "Hi."), (4, "Hi. Go.")])
def test_a_text_of_exactly_the_least_length_may_end(least: int, expected: str) -> None:
    assert ended("Hi. Go. ", until="sentence", min_length=least) == (expected, "until")


# --- sentences ---


@pytest.mark.parametrize(
    "sentence",
    [
        "It rained.",
        "It rained!",
        "Did it rain?",
        "It rained …",
        "It rained...",
        "What?!",
        'He said "It rained."',
        "He said “It rained!”",
        "»Es regnet.«",
        "«Il pleut !»",
        "„Es regnet.“",
        "(It rained.)",
        "[It rained.]",
        "'It rained.'",
        "It cost 3.50 at 10:30.",
        "Mr. A. Smith met Mrs. Jones, Ms. Lee and Dr. No in St. Ives.",
        "The file is a.txt here.",
        "Wow!!!!",
        "It\nrained.",
        "下雨了。",
        "下雨了！",
        "「下雨了？」",
        "“下雨了。”",
        "（下雨了。）",
        "雨が降った。。。",
    ],
)
@pytest.mark.parametrize("after", [" Then", "\nThen", "\n\nThen", "\tThen"])
def test_a_whole_sentence_ends_the_text(sentence: str, after: str) -> None:
    assert ended(sentence + after, until="sentence") == (sentence, "until")


@pytest.mark.parametrize("after", ["然后", "A", "「", "，", "\u3000"])
@pytest.mark.parametrize("sentence", ["下雨了。", "「下雨了！」", "下雨了？！"])
def test_no_space_follows_a_chinese_sentence(sentence: str, after: str) -> None:
    assert ended(sentence + after, until="sentence") == (sentence, "until")


@pytest.mark.parametrize(
    "text", ["no end", "a.b", "3.5", "Mr. ", "A. ", "U.S. ", "one, two; three: four "]
)
def test_what_is_no_whole_sentence_does_not_end_the_text(text: str) -> None:
    assert ended(text + "x", until="sentence") == (text + "x", None)


@pytest.mark.parametrize("text", ["It rained.", "It rained.”", "下雨了。", "下雨了。」"])
def test_a_sentence_is_whole_only_once_something_follows(text: str) -> None:
    assert ended(text, until="sentence") == (text, None)


@pytest.mark.parametrize("name", ["Storm", "FIRST", "Lost", "arms", "drMr"])
def test_a_word_that_ends_like_an_abbreviation_ends_a_sentence(name: str) -> None:
    assert ended(f"{name}. Then", until="sentence") == (f"{name}.", "until")


@pytest.mark.parametrize("text", ["Chapter One\n\nIt", "Chapter One\n \t\nIt"])
def test_a_blank_line_ends_a_sentence_without_a_full_stop(text: str) -> None:
    assert ended(text, until="sentence") == ("Chapter One", "until")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # A single capital is taken for an initial.
        ("It is I. Then", "It is I. Then"),
        # Only the commonest titles are known not to end a sentence.
        ("e.g. this one. Then", "e.g."),
        # French sets a narrow blank before the closing quote.
        ("« Il pleut.\u202f» Puis", "« Il pleut."),
    ],
)
def test_sentences_known_to_be_taken_wrongly(text: str, found: str) -> None:
    assert ended(text, until="sentence")[0] == found


def test_a_long_run_of_marks_ends_one_sentence() -> None:
    text = "No" + "!" * 3 * CONTEXT
    assert ended(text + " Yes", until="sentence") == (text, "until")


# --- lines and paragraphs ---


def test_a_line_ends_before_its_newline() -> None:
    assert ended("one. two \nthree", until="line") == ("one. two ", "until")


@pytest.mark.parametrize("blank", ["\n\n", "\n \n", "\n\t \n\n"])
def test_a_paragraph_ends_before_a_blank_line(blank: str) -> None:
    text = f"one.\ntwo {blank}three"
    assert ended(text, until="paragraph") == ("one.\ntwo ", "until")


@pytest.mark.parametrize("until", ["sentence", "line", "paragraph"])
@pytest.mark.parametrize("blank", [" ", "\n", "\n\n", " \n \n\n "])
def test_blanks_alone_are_no_unit(until: str, blank: str) -> None:
    text, reason = ended(f"{blank}One.\n\nTwo", until=until)
    assert text == f"{blank}One."
    assert reason == "until"


# --- units that the prompt began ---


@pytest.mark.parametrize(
    ("until", "prompt", "text", "expected"),
    [
        ("sentence", "It was", " cold. Then", " cold."),
        ("sentence", "It was cold", ". Then", "."),
        ("sentence", "It was cold.", " Then he left. He", " Then he left."),
        ("sentence", "It was cold. ", "Then he left. He", "Then he left."),
        ("sentence", 'He said "It was cold.', '" Then', '"'),
        ("sentence", "It is Mr", ". Smith. He", ". Smith."),
        ("sentence", "It is Mr.", " Smith. He", " Smith."),
        ("sentence", "天冷", "。然后", "。"),
        ("sentence", "天冷。", "然后他走了。他", "然后他走了。"),
        ("sentence", "Chapter One", "\n\nIt was", ""),
        ("sentence", "Chapter One\n", "\nIt was", ""),
        ("sentence", "Chapter One\n\n", "\nIt was. He", "\nIt was."),
        ("sentence", "", " It was. He", " It was."),
        ("sentence", "It was cold. Then", " he left. He", " he left."),
        ("sentence", "天冷。然后", "他走了。他", "他走了。"),
        ("line", "It was", " cold\nThen", " cold"),
        ("line", "It was cold", "\nThen", ""),
        ("line", "It was cold\n", "\nThen\nhe", "\nThen"),
        ("line", "one\ntwo ", "\nThen", ""),
        ("line", "one\ntwo", " three\nThen", " three"),
        ("line", "\n  ", "\nThen\n", "\nThen"),
        ("paragraph", "It was", " cold.\nThen\n\nHe", " cold.\nThen"),
        ("paragraph", "It was cold.", "\n\nThen", ""),
        ("paragraph", "It was cold.\n", "\nThen", ""),
        ("paragraph", "It was cold.\n ", " \nThen", ""),
        ("paragraph", "It was cold.\n\n", "\nThen\n\n", "\nThen"),
        ("paragraph", "One.\n\nTwo", "\nthree\n\nFour", "\nthree"),
    ],
)
def test_a_unit_that_the_prompt_began_is_finished(
    until: str, prompt: str, text: str, expected: str
) -> None:
    assert ended(text, until=until, prompt=prompt) == (expected, "until")


def test_a_prompt_longer_than_the_context_is_judged_as_a_whole() -> None:
    begun = "word " * CONTEXT
    assert ended("\n\nThen", until="sentence", prompt=begun) == ("", "until")
    assert ended("\n\nThen", until="sentence", prompt=f"{begun}. ")[1] is None


def test_blanks_that_may_end_the_unit_of_the_prompt_are_held_back() -> None:
    stopping = StoppingCriteria(until="paragraph", prompt="one\n")
    assert [stopping.feed(c) for c in "  x"] == ["", "", "  x"]


# --- several ways to end ---


@pytest.mark.parametrize(
    ("text", "expected", "reason"),
    [
        ("One. Two", "One.", "until"),
        ("One END. Two", "One ", "stop"),
        ("OneEND\n\n", "One", "stop"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 99])
def test_what_comes_first_ends_the_text(
    text: str, expected: str, reason: str, size: int
) -> None:
    # The last stop text would begin before the end of the sentence, but is longer.
    stopping = StoppingCriteria(["END", "ne. Two"], until="sentence")
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    assert shown(stopping, pieces) == expected
    assert stopping.reason == reason
