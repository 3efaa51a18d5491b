r"""Tables of regular expressions say exactly what `re.fullmatch` says."""

from __future__ import annotations

import re
import warnings
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textgen.errors import ConfigError
from textgen.generation.patterns.dfa import Dfa
from textgen.generation.patterns.regex import compile_regex


def accepts(dfa: Dfa, alphabet: str, text: str) -> bool:
    state = 0
    for character in text:
        state = int(dfa.next_state[state, dfa.class_of[alphabet.index(character)]])
        if state < 0:
            return False
    return bool(dfa.is_final[state])


def texts_over(alphabet: str, longest: int) -> list[str]:
    return ["".join(t) for n in range(longest + 1) for t in product(alphabet, repeat=n)]


def assert_same_as_re(pattern: str, alphabet: str, longest: int = 4) -> None:
    dfa = compile_regex(pattern, alphabet)
    for text in texts_over(alphabet, longest):
        expected = re.fullmatch(pattern, text) is not None
        assert accepts(dfa, alphabet, text) == expected, (pattern, text)


@pytest.mark.parametrize(
    ("pattern", "alphabet"),
    [
        (r"\d{2}-\d", "12-"),
        ("a|ab|abc", "abc"),
        ("(?:a|ab)(?:c|bc)?", "abc"),
        ("a*?b+?a??", "ab"),
        ("(?P<name>a|b)c()", "abc"),
        ("(a?b?){2,3}c", "abc"),
        ("(?:a*)*b", "ab"),
        ("(?:|a|){2}b", "ab"),
        ("a{2}", "ab"),
        ("a{,2}b", "ab"),
        ("a{2,}b{0}", "ab"),
        ("a{b", "a{b"),
        ("a{}", "a{}"),
        ("a{1,b}", "a{1,b}"),
        ("a.b", "ab\n"),
        ("(?s)a.b", "ab\n"),
        ("a(?s:.)b.", "ab\n"),
        ("(?s)a(?-s:.)", "ab\n"),
        ("(?i)aB", "abAB"),
        ("a(?i:b)", "abAB"),
        ("(?i)ß|ſ|k", "ßẞſsSKkK"),
        ("[а-я]+", "аяЯab"),
        (r"(?a)\w\W", "aé_1"),
        (r"\w(?a:\w)", "aé1"),
        (r"(?a:(?u:\w)\w)", "aé1"),
        (r"\w+", "aé中́_- "),
        (r"\s\S", " a\t\n\x1c"),
        ("[]a]b", "]ab"),
        ("[^]a]b", "]ab"),
        (r"[\]a-]", "]a-b"),
        (r"[^\W\d_]+", "a1_é"),
        (r"[\[]a", "[]a"),
        (r"\.\*\\", ".*\\a"),
        (r"\x61\u0062\U00000063\N{DIGIT ONE}", "abc1"),
        (r"\0\101\07", "\0A\7a"),
        (r"\n\t", "\n\tn"),
        ("(?x) a b # c\n  [ ] \\# * ", "ab #c"),
        ("(?x)a  {2} | b #\n +", "ab"),
        ("a(?#no | end)*b", "ab"),
        ("(?i)(?s)a.", "aA\n"),
        ("^ab$", "ab"),
        (r"\Aa|^b\Z", "ab"),
        ("a^b|a$b|a", "ab"),
        ("(?m)a$\n^b", "ab\n"),
        ("(?m)^a?$.?", "ab\n"),
        ("(?ms)(?:^a.?)+", "ab\n"),
        (r"\ba.*\b", "ab "),
        (r"a\B.\Bb?", "ab-"),
        (r"é\b.(?a:\b).", "éa "),
        (r"(?a)\Bé.", "éa "),
        ("👩‍👩|é.", "👩‍eé"),
        ("", "ab"),
        ("()", "ab"),
        ("x|a", "ab"),
    ],
)
def test_the_table_accepts_just_what_re_matches(pattern: str, alphabet: str) -> None:
    assert_same_as_re(pattern, alphabet)


pieces = st.sampled_from(
    ["a", "b", ".", r"\n", "[^a]", r"\w", "(?:)", "(?i:A)", r"\b", "^"]
)
expressions = st.recursive(
    pieces,
    lambda inner: st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds("(?:{}|{})".format, inner, inner),
        st.builds(
            "(?:{}){}".format,
            inner,
            st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{,2}", "*?"]),
        ),
        st.builds("(?m:{}$)".format, inner),
        st.builds("(?s:{})".format, inner),
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=150)
@given(pattern=expressions)
def test_random_expressions_accept_just_what_re_matches(pattern: str) -> None:
    assert_same_as_re(pattern, "ab\n", longest=3)


def test_a_dollar_is_the_very_end_even_where_re_lets_a_newline_follow() -> None:
    assert re.fullmatch("a$\n", "a\n")
    assert not accepts(compile_regex("a$\n", "a\n"), "a\n", "a\n")


def test_characters_that_are_never_told_apart_share_a_class() -> None:
    dfa = compile_regex("[a-c]x|[b-d]y", "abcdexyz")
    classes = dict(zip("abcdexyz", dfa.class_of.tolist(), strict=True))
    assert classes["b"] == classes["c"]
    assert classes["e"] == classes["z"]
    assert len(set(classes.values())) == 6


def test_what_no_character_fits_is_named() -> None:
    assert compile_regex(r"a\d|[x-z]b|é", "ab").unmatched == (r"\d", "[x-z]", "é")
    assert compile_regex("ab", "ab").unmatched == ()


@pytest.mark.parametrize(
    ("pattern", "num_states"),
    [
        ("[A-Z].{20,60}", 62),
        (r"(?:[A-Z].{20,60}\n){14}", 869),
        (r"\w{1,20}( \w{1,20}){0,9}", 210),
        ("(?s).{0,2000}", 2001),
    ],
)
def test_counted_repeats_need_about_as_many_states_as_characters(
    pattern: str, num_states: int
) -> None:
    alphabet = "".join(map(chr, range(32, 127))) + "\n"
    assert len(compile_regex(pattern, alphabet).next_state) == num_states


def test_an_alphabet_of_all_of_unicode_is_sorted_into_few_classes() -> None:
    alphabet = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x110000))))
    dfa = compile_regex(r"\w+[.!?]", alphabet)
    assert dfa.next_state.shape == (3, 3)
    assert np.bincount(dfa.class_of)[dfa.class_of[alphabet.index("!")]] == 3


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(a", "missing ), unterminated subpattern at position 0"),
        ("a)", "unbalanced parenthesis at position 1"),
        ("*a", "nothing to repeat at position 0"),
        ("[b-a]", "bad character range b-a at position 1"),
        ("a{3,2}", "min repeat greater than max repeat"),
        ("a{1,99999999999}", "the repetition number is too large"),
        (r"\q", r"bad escape \\q at position 0"),
        (r"a\1", "invalid group reference 1"),
        (r"\p{L}", r"bad escape \\p"),
        ("a(?i)b", "global flags not at the start"),
    ],
)
def test_a_wrong_expression_is_refused_with_the_reason_of_re(
    pattern: str, reason: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_regex(pattern, "ab")
    message = str(caught.value)
    assert message.startswith(f"pattern={pattern!r} is not a valid regular expression: ")
    assert reason.replace("\\\\", "\\") in message
    assert "put a backslash before a character that is meant literally." in message


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("a(?=b)", r"has lookahead \(\(\?=\)"),
        ("a(?!b)", "has lookahead"),
        ("(?<=a)b", r"has lookbehind \(\(\?<=\)"),
        ("(?<!a)b", "has lookbehind"),
        (r"(a)\1", r"has a backreference \(\\1\)"),
        ("(?P<x>a)(?P=x)", "has a backreference"),
        ("(a)?(?(1)b|c)", "has a condition"),
        ("(?>a|ab)", "has an atomic group"),
        ("a*+b", r"has a possessive quantifier \(\*\+\)"),
        ("a{1,2}+b", "has a possessive quantifier"),
    ],
)
def test_what_needs_more_than_a_table_is_refused_by_name(pattern: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what + r".*, which cannot be enforced while"):
        compile_regex(pattern, "ab")


@pytest.mark.parametrize(
    "pattern",
    [
        "(?:a{1000}){1000}",
        "(?:(?:){60000}){60000}",
        "(?:.*a).{20}",
        "(a?){3000}",
        "(?:" * 3000 + "a" + ")" * 3000,
    ],
)
@pytest.mark.slow
def test_an_expression_that_would_take_too_long_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"is too large. Lower the numbers in its braces"):
        compile_regex(pattern, "ab")


def test_a_bracket_that_re_warns_about_is_compiled_in_silence() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert accepts(compile_regex("[[a]b", "[ab"), "[ab", "[b")
