"""JSON that a stranger wrote is read strictly, or refused with the reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textgen.disk.strict_json import MAX_DEPTH, parse_json


def test_what_json_can_say_is_read() -> None:
    for value in (
        {"a": [1, -2.5, True, None, "é\n😀"]},
        [],
        "",
        2**64 - 1,
        -(2**63),
        1e308,
    ):
        for ascii_only in (True, False):
            assert parse_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('a\\"[{,😀'), inner),
)


@settings(deadline=None)
@given(value=values, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_whatever_python_writes_as_json_reads_equal(
    value: Any, ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent, allow_nan=False)
    assert parse_json(text.encode()) == value


@settings(deadline=None)
@given(text=st.text('[]{}",:\\u 0a1e-dD8cC9\n').map(str.encode) | st.binary())
def test_any_bytes_are_read_as_python_reads_them_or_are_a_value_error(text: bytes) -> None:
    try:
        value = parse_json(text)
    except ValueError:
        return
    assert value == json.loads(text.decode("utf-8"))


REFUSED = {
    '{"a": 1, "a": 1}': "the name 'a' occurs more than once",
    '[{"b": {"\\u001b": 1, "\\u001b": 2}}]': "the name '\\x1b' occurs more than once",
    "NaN": "NaN is not a JSON number",
    "[-Infinity]": "-Infinity is not a JSON number",
    "1e999": "1e999 is not a finite number",
    "-1e309": "-1e309 is not a finite number",
    f"0.{'1' * 200}": f"0.{'1' * 38}... is not a finite number",
    str(2**64): f"{2**64} is beyond 64 bits",
    str(-(2**63) - 1): f"{-(2**63) - 1} is beyond 64 bits",
    "1" * 9999: f"{'1' * 40}... is beyond 64 bits",
    '"\\ud800"': "lone surrogate in a string",
    '"\\ud800\\\\\\udc00"': "lone surrogate in a string",
    '"\\udc00\\ud800"': "lone surrogate in a string",
    '"\\uD83D\\uD83D\\uDE00"': "lone surrogate in a string",
    '{"\\uDFFF": 1}': "lone surrogate in a string",
    "[" * 33 + "]" * 33: "brackets not closed, or nested deeper than 32",
    '{"":' * 33 + "1" + "}" * 33: "brackets not closed, or nested deeper than 32",
    "[[1]": "brackets not closed, or nested deeper than 32",
    "[" + "1," * 1_000_000 + "1]": "more than 1,000,000 values",
    "[" + '"",' * 2_000_001 + "1]": "more than 1,000,000 values",
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_what_is_not_strict_json_is_refused_and_said_why(text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - all of it is compared
        parse_json(text.encode())
    assert str(caught.value) == REFUSED[text]


@pytest.mark.parametrize(
    "text", ["\ufeff{}", "[1,]", "{'a': 1}", "", "01", "[1] 2", "\x00"]
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"line 1 column|BOM"):
        parse_json(text.encode())
    with pytest.raises(UnicodeDecodeError):
        parse_json(json.dumps({}).encode("utf-16"))


def test_brackets_and_escapes_inside_strings_do_not_count() -> None:
    for text in ("[" * 99, '\\"[{' * 99, "\\", '"', "\\ud800", "\\\\ud800", "," * 9):
        assert parse_json(json.dumps([text]).encode()) == [text]
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert json.dumps(parse_json(deep.encode())) == deep
