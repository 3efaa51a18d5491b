"""Whatever a checkpoint or a prompt holds: it works, or one line says why it does not.

The checkpoints are sound ones, changed in a few places: what is changed lies deep in
them, where arbitrary bytes would never come.
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.numpy import load

from tests.fuzz.targets import TOKENIZERS, Target
from textgen.checkpoint.format import CONFIG, TOKENIZER, TRAINING, TRAINING_WEIGHTS, WEIGHTS

JSON_FILES = (CONFIG, TOKENIZER, TRAINING)
ARRAY_FILES = (WEIGHTS, TRAINING_WEIGHTS)
# For a longer search: TEXTGEN_FUZZ_EXAMPLES=20000 pytest tests/fuzz
EXAMPLES = int(os.environ.get("TEXTGEN_FUZZ_EXAMPLES", 2 * settings().max_examples))
enough = settings(max_examples=EXAMPLES, deadline=None)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    return Target(tmp_path_factory.mktemp("fuzz"))


# --- JSON ---

# As JSON has them, and as it does not.
RAW = [
    *("null", "true", "false", "0", "-1", "1", "2", "3", "1.5", "1e5", "-0.0", "[]", "{}"),
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-999", "01", "+1", ".5", "0x1"),
    *(str(10**n + d) for n in (3, 5, 6, 9, 18, 19, 20, 30, 400) for d in (-1, 0, 1)),
    *(str(2**n + d) for n in (16, 19, 31, 32, 53, 63, 64, 128) for d in (-1, 0, 1)),
    *(
        '""',
        '"a"',
        '"ab"',
        '"\\u0000"',
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"\\ud83d\\ude00"',
    ),
    *(
        '"\\u001b[2J"',
        '"\\u009b2J"',
        '"\\u202e"',
        '"\\n"',
        '"../../etc/passwd"',
        '"/dev/zero"',
    ),
    *('"lstm"', '"gru"', '"byte"', '"nfc"', '"none"', '"records"', "'a'", "undefined", ""),
    *("[" * 31 + "]" * 31, "[" * 40 + "]" * 40, "[" * 5000, '{"a":' * 40 + "1" + "}" * 40),
    *('{"a":1,"a":2}', "[1,]", "[1 2]", "/**/", '["a","a"]', '["a","b"]', "[0.1,null]"),
]


class Raw(str):
    """Text that stands in the JSON as it is."""


def written(value: Any) -> str:
    """JSON of data in which pairs may stand twice and anything may be raw."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, list):
        return f"[{','.join(map(written, value))}]"
    if isinstance(value, dict):
        return pairs(list(value.items()))
    return json.dumps(value)


def pairs(items: list[tuple[str, Any]]) -> str:
    return f"{{{','.join(f'{json.dumps(name)}:{written(v)}' for name, v in items)}}}"


def places(value: Any) -> list[tuple[Any, Any]]:
    """Each list or object with each of its keys."""
    found = []
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            found += [(value, key), *places(value[key])]
    return found


def change_json(data: st.DataObject, whole: Any) -> None:
    """Change a value, take it away, rename it, or let it stand twice."""
    holder, key = data.draw(st.sampled_from(places(whole)))
    change = data.draw(st.sampled_from(["value", "value", "delete", "rename", "twice"]))
    if change == "delete":
        del holder[key]
    elif change == "value" or isinstance(holder, list):
        holder[key] = Raw(data.draw(st.sampled_from(RAW)))
    elif change == "rename":
        name = data.draw(st.sampled_from([*holder, "", "..", "/etc", "a\x1b", "x" * 300]))
        holder[name] = holder.pop(key)
    else:
        again = Raw(written(holder[key]) + f",{json.dumps(key)}:" + written(holder[key]))
        holder[key] = again


@pytest.mark.parametrize("name", JSON_FILES)
@enough
@given(data=st.data())
def test_a_changed_json_file_loads_or_is_one_line(
    target: Target, name: str, data: st.DataObject
) -> None:
    whole = json.loads(target.sound[name])
    for _ in range(data.draw(st.integers(1, 2))):
        if places(whole):
            change_json(data, whole)
    target.read(name, written(whole).encode("utf-8", "surrogatepass"))


def test_the_changes_reach_what_is_deep_in_a_file(target: Target) -> None:
    whole = json.loads(target.sound[CONFIG])
    found = {key for _, key in places(whole)}
    assert {"facts", "units", "sources", 0, "val_bits_per_char"} <= found
    assert target.read(CONFIG, written(whole).encode()) == "loaded"
    whole["model"]["units"] = Raw("1e999")
    assert "1e999 is not a finite number" in target.read(CONFIG, written(whole).encode())


# --- arrays ---


def split_file(data: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def joined(header: str, body: bytes, length: int | None = None) -> bytes:
    raw = header.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(raw) if length is None else length) + raw + body


sizes = st.one_of(
    st.integers(0, 70), st.sampled_from([-1, 2**31, 2**61, 2**63 - 1, 2**63, 2**64, 10**30])
)
numbers = st.sampled_from([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, -0.0])


def change_arrays(data: st.DataObject, header: dict[str, Any], body: bytes) -> bytes:
    """Change what a header says of an array, or the bytes behind it."""
    entry = data.draw(st.sampled_from([e for e in header.values() if isinstance(e, dict)]))
    change = data.draw(
        st.sampled_from(["shape", "offsets", "dtype", "name", "json", "body", "number"])
    )
    if change == "shape":
        entry["shape"] = data.draw(st.lists(sizes, max_size=4))
    elif change == "offsets":
        entry["data_offsets"] = data.draw(st.lists(sizes, min_size=1, max_size=3))
    elif change == "dtype":
        entry["dtype"] = data.draw(
            st.sampled_from(["F32", "F16", "I32", "BOOL", "F8", "f4"])
        )
    elif change == "name":
        name = data.draw(
            st.sampled_from(["../a", "/a", "", "a", "a\n", "é", "__metadata__"])
        )
        header[name] = header.pop(next(iter(header)))
    elif change == "json":
        change_json(data, header)
    elif change == "body":
        end = data.draw(st.integers(0, len(body)))
        return body[:end] + data.draw(st.binary(max_size=4))
    elif len(body) >= 4:
        at = 4 * data.draw(st.integers(0, len(body) // 4 - 1))
        return body[:at] + struct.pack("<f", data.draw(numbers)) + body[at + 4 :]
    return body


@pytest.mark.parametrize("name", ARRAY_FILES)
@enough
@given(data=st.data())
def test_a_changed_file_of_arrays_loads_or_is_one_line(
    target: Target, name: str, data: st.DataObject
) -> None:
    header, body = split_file(target.sound[name])
    for _ in range(data.draw(st.integers(1, 2))):
        if any(isinstance(entry, dict) for entry in header.values()):
            body = change_arrays(data, header, body)
    length = data.draw(st.one_of(st.none(), st.none(), st.none(), sizes.filter(_fits)))
    changed = joined(written(header), body, length)
    if target.read(name, changed) == "loaded":
        # What is strict refuses more than the library, and never less.
        try:
            load(changed)
        except SafetensorError as error:
            raise AssertionError(f"the library refuses it: {error}") from error


def _fits(size: int) -> bool:
    return 0 <= size < 2**64


# --- bytes ---


@pytest.mark.parametrize("name", [*JSON_FILES, *ARRAY_FILES])
@enough
@given(at=st.integers(0, 3000), cut=st.integers(0, 3), put=st.binary(max_size=4))
def test_changed_bytes_load_or_are_one_line(
    target: Target, name: str, at: int, cut: int, put: bytes
) -> None:
    data = target.sound[name]
    at %= len(data)
    target.read(name, data[:at] + put + data[at + cut :])


# --- prompts ---

characters = st.one_of(
    st.sampled_from("ab é\n😀e\u0301\u0316\ud800\udfff\0\x1b\u202e\ufffd\uff9e\U0010ffff"),
    st.characters(),
    st.characters(categories=["Cs"]),
)
texts = st.one_of(
    st.text(characters, max_size=40),
    # Long, of a few characters again and again.
    st.builds(
        lambda text, n: text * n, st.text(characters, max_size=4), st.integers(0, 3000)
    ),
)


@pytest.mark.parametrize("which", range(len(TOKENIZERS)))
@pytest.mark.parametrize("unknown", ["skip", "error", "token"])
@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(text=texts)
def test_any_prompt_is_gone_on_from_or_is_an_error_of_ours(
    target: Target, unknown: str, which: int, text: str
) -> None:
    target.prompt(text, unknown, which)
