"""What a stranger wrote is read strictly, or refused with file and reason."""

from __future__ import annotations

import io
import json
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from safetensors.numpy import save

from textgen.checkpoint.format import (
    CONFIG,
    FILES,
    MAX_BYTES,
    TOKENIZER,
    TRAINING,
    TRAINING_WEIGHTS,
    WEIGHTS,
    Checkpoint,
    TrainingState,
    load_checkpoint,
    load_training_state,
    save_checkpoint,
)
from textgen.config.model import MAX_SIZES, ModelConfig
from textgen.disk.strict_files import opened
from textgen.disk.strict_json import MAX_DEPTH, parse_json
from textgen.disk.strict_safetensors import MAX_HEADER_BYTES, fill, read_layout
from textgen.errors import CheckpointError
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.checks import MAX_CHARACTERS, MAX_LABELS


def checkpoint() -> Checkpoint:
    config = ModelConfig(vocab_size=3, num_layers=1, units=2, embedding_dim=3)
    weights = {name: np.ones(s, np.float32) for name, s in config.weight_shapes().items()}
    return Checkpoint(config, CharTokenizer("abc"), weights)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    arrays = {"optimizer.0": np.array(3, np.int64), "model.0": np.ones(2, np.float32)}
    save_checkpoint(tmp_path / "last", checkpoint(), TrainingState({}, arrays))
    return tmp_path / "last"


def refusal(path: Path, name: str = CONFIG) -> str:
    """What is wrong with one file of a checkpoint, without its name."""
    load = load_training_state if name in (TRAINING, TRAINING_WEIGHTS) else load_checkpoint
    with pytest.raises(CheckpointError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path / name}: ")
    assert message.isprintable()
    return message.removeprefix(f"{path / name}: ")


# --- which files are opened ---

every_file = pytest.mark.parametrize("name", FILES)


@every_file
def test_a_link_in_place_of_a_file_is_not_followed(
    saved: Path, tmp_path: Path, name: str
) -> None:
    (saved / name).rename(tmp_path / "elsewhere")
    (saved / name).symlink_to(tmp_path / "elsewhere")
    expected = "refused (a symbolic link, which may lead out of the checkpoint). Ask for"
    assert refusal(saved, name).startswith(expected)
    (tmp_path / "elsewhere").unlink()
    assert refusal(saved, name).startswith(expected)


def test_a_link_that_comes_between_look_and_opening_is_not_followed(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(os, "O_NOFOLLOW"):
        pytest.skip("this system cannot open a file without following links")
    (saved / CONFIG).rename(tmp_path / "elsewhere")
    (saved / CONFIG).symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr(os, "lstat", os.stat)
    assert refusal(saved).startswith("cannot be read (Too many levels of symbolic links)")


@every_file
def test_a_pipe_a_socket_or_a_directory_is_refused_and_does_not_hang(
    saved: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A socket's path may be no longer than about 100 characters.
    monkeypatch.chdir(saved)
    makers: list[Callable[[], object]] = [
        lambda: os.mkfifo(name),
        lambda: socket.socket(socket.AF_UNIX).bind(name),
        lambda: os.mkdir(name),
    ]
    for make in makers:
        (saved / name).unlink()
        make()
        assert refusal(saved, name).startswith("refused (not a plain file). Ask for")
        os.rename(name, f"{name}.{makers.index(make)}")
        (saved / name).touch()


def test_a_pipe_that_comes_between_look_and_opening_does_not_hang(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = os.lstat(saved / TOKENIZER)
    (saved / CONFIG).unlink()
    os.mkfifo(saved / CONFIG)
    monkeypatch.setattr(os, "lstat", lambda path: plain)
    assert refusal(saved).startswith("refused (not a plain file)")


def test_the_checkpoint_itself_may_be_a_link_but_none_inside_a_run(
    saved: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").symlink_to(saved, target_is_directory=True)
    assert load_checkpoint(tmp_path / "mine").model.units == 2
    for name in ("best", "last", ".best.old"):
        run = tmp_path / f"run{name}"
        run.mkdir()
        (run / name).symlink_to(saved, target_is_directory=True)
        with pytest.raises(CheckpointError) as caught:
            load_checkpoint(run)
        assert str(caught.value) == (
            f"{run / name}: refused (a symbolic link, which may lead out of the run). Name "
            "the checkpoint that it points to."
        )


def test_a_link_in_a_run_is_not_followed_to_what_stands_beside_its_end(
    saved: Path, tmp_path: Path
) -> None:
    # After a crash between two renames `best` is missing, and `.best.old` is read.
    saved.rename(tmp_path / ".x.old")
    run = tmp_path / "run"
    run.mkdir()
    (run / "best").symlink_to(tmp_path / "x", target_is_directory=True)
    with pytest.raises(CheckpointError, match=r"best: refused \(a symbolic link"):
        load_checkpoint(run)


def test_what_could_not_be_read_again_is_not_written(saved: Path) -> None:
    before = load_checkpoint(saved)
    facts = {"text": {"note": "x" * MAX_BYTES[CONFIG]}}
    with pytest.raises(CheckpointError, match=r"config\.json is too large"):
        save_checkpoint(saved, replace(before, facts=facts))
    assert load_checkpoint(saved).facts == before.facts


@pytest.mark.parametrize("name", [CONFIG, TOKENIZER, TRAINING, TRAINING_WEIGHTS])
def test_of_a_file_that_is_too_large_nothing_is_read(saved: Path, name: str) -> None:
    most = MAX_BYTES[name]
    if name == TRAINING_WEIGHTS:
        most += 8 * (saved / WEIGHTS).stat().st_size
    # Mostly a hole: it takes no place on the disk, and would take long to read.
    os.truncate(saved / name, most + 1)
    assert refusal(saved, name).startswith(f"refused ({most + 1:,} bytes are more than")
    os.truncate(saved / name, most)
    assert "bytes are more than" not in refusal(saved, name)


def test_too_little_memory_is_an_error_with_the_name(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "empty", refuse)
    assert refusal(saved, WEIGHTS) == "too large for the memory of this machine."


@pytest.mark.parametrize("path", ["a\0b", "\ud800", "\0", "\x1b[2J"])
def test_a_path_that_no_file_can_have_is_an_error(path: str) -> None:
    for each in (path, f"nowhere/{path}"):
        with pytest.raises(CheckpointError, match=r"not a valid path|no such directory"):
            load_checkpoint(each)


# --- JSON ---


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


# --- safetensors ---


def read_arrays(data: bytes) -> dict[str, np.ndarray]:
    file = io.BytesIO(data)
    kinds = {"F32": "f4", "F64": "f8", "I64": "i8", "U8": "u1", "F16": "f2", "BOOL": "?"}
    found = {}
    for name, stored in read_layout(file, len(data)).items():
        found[name] = np.empty(stored.shape, kinds[stored.dtype])
        fill(file, stored, found[name].data)
    return found


some_arrays = st.dictionaries(
    st.from_regex(r"\A[A-Za-z0-9_]{1,9}(\.[A-Za-z0-9_]{1,9}){0,2}\Z"),
    arrays_of.arrays(
        st.sampled_from(["f4", "f8", "i8", "u1", "f2", "?"]),
        arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    max_size=5,
)


@settings(deadline=None)
@given(found=some_arrays, metadata=st.none() | st.just({"format": "np"}))
def test_whatever_the_library_writes_reads_equal(
    found: dict[str, np.ndarray], metadata: dict[str, str] | None
) -> None:
    read = read_arrays(save(found, metadata))
    assert read.keys() == found.keys()
    for name, array in found.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def file_of(header: Any, body: bytes = b"\0" * 8, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


LIES = {
    "a short file": (b"\0" * 7, "7 bytes are too few for its header"),
    "a length beyond the end": (file_of({}, b"", 3), "10 bytes are too few for its header"),
    "a length of 2^64": (
        file_of({}, b"", 2**64 - 1),
        "10 bytes are too few for its header",
    ),
    "a list": (file_of([]), "its header is not a JSON object"),
    "a blank before": (file_of(b" {}", b""), "its header is not a JSON object"),
    "a length too short": (file_of({"a": 1}, length=3), "brackets not closed"),
    "no object": (file_of({"a": 1}), "a must have exactly a dtype"),
    "one thing more": (file_of({"a": {**entry(), "b": 1}}), "a must have exactly"),
    "an unknown type": (file_of({"a": entry("F8")}), "a has the unknown type 'F8'"),
    "a type that is none": (file_of({"a": entry(["F32"])}), "unknown type ['F32']"),
    "a negative size": (file_of({"a": entry(shape=[-2])}), "impossible shape [-2]"),
    "True as a size": (file_of({"a": entry(shape=[2, True])}), "shape [2, True]"),
    "a fraction as a size": (file_of({"a": entry(shape=[2.0])}), "impossible shape [2.0]"),
    "text as a shape": (file_of({"a": entry(shape="2")}), "impossible shape '2'"),
    "nine dimensions": (file_of({"a": entry(shape=[1] * 9)}), "impossible shape [1, 1"),
    "a large shape": (
        file_of({"a": entry(shape=[2**62])}),
        "a has 8 bytes, which does not",
    ),
    "a small shape": (file_of({"a": entry(shape=[1])}), "a has 8 bytes, which does not"),
    "a negative place": (file_of({"a": entry(offsets=[-8, 0])}), "data_offsets [-8, 0]"),
    "one offset": (file_of({"a": entry(offsets=[8])}), "impossible data_offsets [8]"),
    "an end before": (file_of({"a": entry(offsets=[8, 0])}), "a has -8 bytes, which do"),
    "beyond the end": (
        file_of({"a": entry(offsets=[2**63, 2**63 + 8])}),
        "arrays before a overlap or leave a gap",
    ),
    "an overlap": (
        file_of({"a": entry(), "b": entry()}),
        "arrays before b overlap or leave",
    ),
    "a gap": (
        file_of({"a": entry(offsets=[8, 16])}, b"\0" * 16),
        "arrays before a overlap",
    ),
    "bytes too many": (
        file_of({"a": entry()}, b"\0" * 9),
        "its arrays end at byte 77 of 78",
    ),
    "bytes too few": (
        file_of({"a": entry()}, b"\0" * 7),
        "its arrays end at byte 77 of 76",
    ),
    "a name twice": (file_of(b'{"a":1,"a":2}'), "the name 'a' occurs more than once"),
    "parents": (file_of({"../a": entry()}), "'../a' is not the name of an array"),
    "a path": (
        file_of({"/etc/passwd": entry()}),
        "'/etc/passwd' is not the name of an array",
    ),
    "a control sequence": (file_of({"\x1b[2J": entry()}), "'\\x1b[2J' is not the name of"),
    "a line feed": (file_of({"a\n": entry()}), "'a\\n' is not the name of an array"),
    "an empty name": (file_of({"": entry()}), "'' is not the name of an array"),
    "a long name": (file_of({"a" * 201: entry()}), "... is not the name of an array"),
    "metadata": (file_of({"__metadata__": {"a": 1}}, b""), "must consist of strings"),
    "no metadata": (file_of({"__metadata__": []}, b""), "must consist of strings"),
}


@pytest.mark.parametrize(("data", "why"), LIES.values(), ids=LIES)
@pytest.mark.parametrize("name", [WEIGHTS, TRAINING_WEIGHTS])
def test_a_header_that_lies_is_refused(
    saved: Path, name: str, data: bytes, why: str
) -> None:
    (saved / name).write_bytes(data)
    message = refusal(saved, name)
    assert message.startswith("damaged or cut short (")
    assert why in message


def test_a_header_that_is_too_long_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = file_of(b"{" + b" " * MAX_HEADER_BYTES + b"}", b"")
    with pytest.raises(ValueError, match="a header of 4,194,306 bytes"):
        read_layout(io.BytesIO(data), len(data))


def test_a_file_that_shrinks_while_it_is_read_is_damaged(tmp_path: Path) -> None:
    # Larger than what Python reads ahead.
    header = {"a": entry("U8", [2**20], [0, 2**20])}
    (tmp_path / "a").write_bytes(file_of(header, bytes(2**20)))

    def read() -> None:
        with opened(tmp_path / "a") as (file, size):
            stored = read_layout(file, size)["a"]
            os.truncate(tmp_path / "a", size - 1)
            fill(file, stored, bytearray(2**20))

    with pytest.raises(CheckpointError, match="it ends before its header says"):
        read()


# --- what belongs together ---


def test_each_weight_lies_in_memory_once_beside_its_twin(saved: Path) -> None:
    weights = load_checkpoint(saved).weights
    kernel, recurrent = weights["layers.0.kernel"], weights["layers.0.recurrent_kernel"]
    assert kernel.base is recurrent.base is not None
    assert kernel.base.nbytes == kernel.nbytes + recurrent.nbytes
    alone = [w for name, w in weights.items() if "layers.0" not in name or "bias" in name]
    assert all(weight.base is None for weight in alone)


def test_the_largest_vocabulary_fits_the_largest_model() -> None:
    assert MAX_CHARACTERS + MAX_LABELS + 2 <= MAX_SIZES["vocab_size"] < 1_000_000


def test_every_character_there_is_can_be_in_one_vocabulary(tmp_path: Path) -> None:
    text = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))[:MAX_CHARACTERS]
    config = ModelConfig(len(text), units=1, embedding_dim=1, num_layers=1)
    weights = {name: np.ones(s, np.float32) for name, s in config.weight_shapes().items()}
    save_checkpoint(tmp_path, Checkpoint(config, CharTokenizer(text), weights))
    assert load_checkpoint(tmp_path).tokenizer == CharTokenizer(text)


def change_json(path: Path, change: Callable[[Any], Any]) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"characters": ["a"] * 1_000_000}, "more than 1,000,000 values"),
        (
            {"characters": ["a"] * 500_001},
            "a vocabulary of 500,001 characters is more than",
        ),
        (
            {"characters": ["a", "b", "a"]},
            "'a' (U+0061) is in the vocabulary more than once",
        ),
        ({"characters": ["a", "b", 1]}, "entry 2 of characters is 1, not one character"),
        ({"characters": ["a", "b", "\ud800"]}, "lone surrogate in a string"),
        ({"labels": ["a"] * 10_001}, "10,001 different labels are more than 10,000"),
        ({"end_of_document": True, "labels": ["a" * 1001]}, "has 1,001 characters, more"),
        ({"unknown": 1}, "unknown=1 must be True or False"),
        ({"normalize": "\x1b[2J"}, "normalize='\\x1b[2J' must be one of"),
        ({"kind": "\x9b"}, "kind='\\x9b' must be 'char' or 'byte'"),
        ({"\x1b": 1}, "unexpected '\\x1b'"),
    ],
)
def test_a_hostile_tokenizer_is_refused(
    saved: Path, change: dict[str, Any], why: str
) -> None:
    change_json(saved / TOKENIZER, lambda data: data.update(change))
    assert why in refusal(saved, TOKENIZER)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"units": True}, "units=True must be int, not bool"),
        ({"units": "2"}, "units='2' must be int, not str"),
        ({"units": 2.0}, "units=2.0 must be int, not float"),
        ({"dropout": "0.5"}, "dropout='0.5' must be float, not str"),
        ({"dropout": float("nan")}, "NaN is not a JSON number"),
        ({"layer_norm": 1}, "layer_norm=1 must be bool, not int"),
        ({"cell": "\x1b[2J"}, "cell='\\x1b[2J' must be one of lstm, gru, rnn"),
        ({"\x1b[2J": 1}, "unknown option '\\x1b[2J'"),
        ({"x" * 10_000: 1}, "xxxxxx..."),
    ],
)
def test_a_hostile_model_is_refused(saved: Path, change: dict[str, Any], why: str) -> None:
    change_json(saved / CONFIG, lambda data: data["model"].update(change))
    message = refusal(saved)
    assert why in message
    assert len(message) < 500


@pytest.mark.parametrize(
    "text",
    [{"documents": ["whole"]}, {"documents": "x"}, {"sources": "abc"}, {"sources": [1]}],
)
def test_facts_that_others_rely_on_are_what_they_must_be(
    saved: Path, text: dict[str, Any]
) -> None:
    change_json(saved / CONFIG, lambda data: data["facts"].update(text=text))
    assert next(iter(text)) in refusal(saved)


@pytest.mark.parametrize("name", ["text", "train", "state"])
@pytest.mark.parametrize("value", [None, [], "a", 1, True])
def test_parts_of_the_training_state_are_objects(
    saved: Path, name: str, value: Any
) -> None:
    change_json(saved / TRAINING, lambda data: data.update({name: value}))
    assert f"no '{name}' section" in refusal(saved, TRAINING)


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (np.array([np.nan], np.float32), "contains numbers that are not finite"),
        (np.array([np.inf], np.float64), "contains numbers that are not finite"),
        (np.ones(1, np.float16), "has the type F16, which Keras does not use"),
        (np.ones(1, np.bool_), "has the type BOOL, which Keras does not use"),
    ],
)
def test_training_arrays_of_no_use_are_refused(
    saved: Path, array: np.ndarray, why: str
) -> None:
    (saved / TRAINING_WEIGHTS).write_bytes(save({"metrics.0": array}))
    assert f"metrics.0 {why}" in refusal(saved, TRAINING_WEIGHTS)
