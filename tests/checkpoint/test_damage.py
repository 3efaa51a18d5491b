"""A damaged checkpoint is an error that names the file."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from tests.checkpoint.helpers import MODEL_FILES, error_of, make, message_of
from textgen.checkpoint.format import (
    CONFIG,
    FILES,
    TOKENIZER,
    TRAINING_WEIGHTS,
    WEIGHTS,
    TrainingState,
    load_checkpoint,
    load_training_state,
    save_checkpoint,
)
from textgen.config.model import MAX_SIZES
from textgen.errors import CheckpointError
from textgen.ngrams.counting import count_ngrams
from textgen.ngrams.model import NgramModel

# --- what can be wrong with a checkpoint ---


@pytest.mark.parametrize("name", MODEL_FILES)
def test_a_missing_file_is_named(saved: Path, name: str) -> None:
    (saved / name).unlink()
    assert message_of(saved) == (
        f"{saved / name}: this file of the checkpoint is missing. Copy the whole "
        "directory, or train again."
    )


@pytest.mark.parametrize("length", [0, 1, 7, 8, 20, 300, -1])
def test_weights_cut_short_are_damaged(saved: Path, length: int) -> None:
    data = (saved / WEIGHTS).read_bytes()
    (saved / WEIGHTS).write_bytes(data[:length])
    message = message_of(saved)
    assert message.startswith(f"{saved / WEIGHTS}: damaged or cut short (")
    assert message.endswith("). Copy it again, or train again.")


def change_weights(path: Path, change: Callable[[dict[str, np.ndarray]], Any]) -> str:
    weights = dict(load_file(path / WEIGHTS))
    change(weights)
    save_file(weights, path / WEIGHTS)
    return message_of(path)


def test_a_weight_of_another_shape_is_named_with_both_shapes(saved: Path) -> None:
    wrong = {"embedding": np.zeros((3, 4), np.float32)}
    assert change_weights(saved, lambda weights: weights.update(wrong)) == (
        f"{saved / WEIGHTS}: weight embedding has shape (3, 4) and type F32, but "
        f"{CONFIG} expects (3, 3) and F32 or F16."
    )


def test_a_weight_of_another_type_is_named_with_both_types(saved: Path) -> None:
    wrong = {"output.bias": np.zeros(3, np.float64)}
    assert change_weights(saved, lambda weights: weights.update(wrong)) == (
        f"{saved / WEIGHTS}: weight output.bias has shape (3,) and type F64, but "
        f"{CONFIG} expects (3,) and F32 or F16."
    )


def test_weights_too_many_or_too_few_are_named(saved: Path) -> None:
    def swap(weights: dict[str, np.ndarray]) -> None:
        weights["surplus"] = weights.pop("output.bias")

    assert change_weights(saved, swap) == (
        f"{saved / WEIGHTS}: the weights do not match {CONFIG}; missing: output.bias; "
        "unexpected: surplus."
    )


def test_of_many_wrong_weights_the_first_few_are_named(saved: Path) -> None:
    many = {f"w{number}": np.zeros(1, np.float32) for number in range(9)}
    message = change_weights(saved, lambda weights: weights.update(many))
    assert message.endswith("missing: none; unexpected: w0, w1, w2, w3, w4, w5 and 3 more.")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_no_number_is_refused(saved: Path, value: float) -> None:
    def spoil(weights: dict[str, np.ndarray]) -> None:
        weights["layers.0.kernel"][1, 1] = value

    assert change_weights(saved, spoil) == (
        f"{saved / WEIGHTS}: weight layers.0.kernel contains numbers that are not finite. "
        "Train again with a lower `learning_rate`."
    )


def change_json(path: Path, change: Callable[[Any], Any]) -> str:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    return message_of(path.parent)


def test_a_newer_checkpoint_error_names_the_upgrade_command(saved: Path) -> None:
    assert change_json(saved / CONFIG, lambda data: data.update(format_version=2)) == (
        f"{saved / CONFIG} has format_version 2, but this version of textgen reads up to "
        "1. Upgrade it: pip install --upgrade keras-textgen"
    )
    save_checkpoint(saved, make())
    message = change_json(saved / TOKENIZER, lambda data: data.update(format_version=4))
    assert message.startswith(f"{saved / TOKENIZER}: ")
    assert message.endswith("Upgrade it: pip install --upgrade keras-textgen")


@pytest.mark.parametrize("version", [None, 0, -1, True, "1", 1.0, [1]])
def test_a_format_version_that_is_none_is_damage(saved: Path, version: Any) -> None:
    message = change_json(saved / CONFIG, lambda data: data.update(format_version=version))
    assert message.startswith(f"{saved / CONFIG}: damaged or cut short (format_version ")


def test_nonsense_in_the_configuration_is_named(saved: Path) -> None:
    change = change_json
    message = change(saved / CONFIG, lambda data: data["model"].update(units="many"))
    assert message == f"{saved / CONFIG}: units='many' must be int, not str."
    save_checkpoint(saved, make())
    message = change(saved / CONFIG, lambda data: data["model"].update(unit=3))
    assert message == f"{saved / CONFIG}: unknown option 'unit'. Did you mean 'units'?"
    save_checkpoint(saved, make())
    message = change(saved / CONFIG, lambda data: data["model"].pop("vocab_size"))
    assert message == f"{saved / CONFIG}: ModelConfig needs vocab_size."


@pytest.mark.parametrize("section", ["model", "facts"])
def test_a_missing_section_is_named(saved: Path, section: str) -> None:
    message = change_json(saved / CONFIG, lambda data: data.pop(section))
    assert f"{saved / CONFIG}: damaged or cut short (no '{section}' section)" in message


@pytest.mark.parametrize("name", ["text", "train", "score"])
def test_facts_that_are_no_objects_are_refused(saved: Path, name: str) -> None:
    message = change_json(saved / CONFIG, lambda data: data["facts"].update({name: "x"}))
    assert f"{saved / CONFIG}: damaged or cut short (no '{name}' section)" in message


def test_a_nonsensical_number_of_layers_is_refused_at_once(saved: Path) -> None:
    # A list of the weights of so many layers would fill the memory.
    update = {"num_layers": 10**15}
    assert change_json(saved / CONFIG, lambda data: data["model"].update(update)) == (
        f"{saved / CONFIG}: num_layers=1000000000000000 must be at most 1,000."
    )
    update = {"num_layers": 1000}
    assert change_json(saved / CONFIG, lambda data: data["model"].update(update)) == (
        f"{saved / WEIGHTS}: 6 weights are too few for the 1000 layers "
        f"in {CONFIG}. The files belong to different models."
    )


@pytest.mark.parametrize("name", MAX_SIZES)
@pytest.mark.parametrize("digits", [7, 19, 20, 31, 4300])
def test_a_nonsensical_size_is_refused_before_anything_is_made(
    saved: Path, name: str, digits: int
) -> None:
    size = int("9" * digits)
    message = change_json(saved / CONFIG, lambda data: data["model"].update({name: size}))
    assert message.startswith(f"{saved / CONFIG}: ")
    assert "at most" in message or "beyond 64 bits" in message


def test_the_largest_sizes_do_not_fit_small_weights(saved: Path) -> None:
    most = {"units": MAX_SIZES["units"]}
    assert change_json(saved / CONFIG, lambda data: data["model"].update(most)) == (
        f"{saved / WEIGHTS}: weight layers.0.kernel has shape (3, 8) and type F32, but "
        f"{CONFIG} expects (3, 262144) and F32 or F16."
    )


BROKEN_JSON = {
    "empty": b"",
    "cut": b'{"format_version": 1, "mo',
    "no object": b"[1]",
    "NaN": b'{"format_version": NaN}',
    "Infinity": b'{"format_version": -Infinity}',
    "no UTF-8": b'{"\xff": 1}',
    "a BOM": b"\xef\xbb\xbf{}",
    "deep": b'{"a":' * 100_000,
    "long number": b'{"format_version": ' + b"1" * 5000 + b"}",
}


@pytest.mark.parametrize("content", BROKEN_JSON.values(), ids=BROKEN_JSON)
@pytest.mark.parametrize("name", [CONFIG, TOKENIZER])
def test_broken_json_is_named(saved: Path, name: str, content: bytes) -> None:
    (saved / name).write_bytes(content)
    assert message_of(saved).startswith(f"{saved / name}: damaged or cut short (")


def test_nesting_of_any_depth_is_an_error_with_the_file_name(saved: Path) -> None:
    # Somewhere below Python's limit a value can be read, but no longer be shown.
    whole = json.loads((saved / CONFIG).read_text())
    for depth in range(880, 1010):
        nested = "[" * depth + "]" * depth
        data = {**whole, "model": {**whole["model"], "units": "DEEP"}}
        (saved / CONFIG).write_text(json.dumps(data).replace('"DEEP"', nested))
        assert message_of(saved).startswith(f"{saved / CONFIG}: ")


def test_a_tokenizer_of_another_model_is_refused(saved: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "other", make(text="abcdef"))
    (tmp_path / "other" / TOKENIZER).replace(saved / TOKENIZER)
    assert message_of(saved) == (
        f"{saved}: {TOKENIZER} has 6 symbols, but {CONFIG} expects 3. The files belong to "
        "different models."
    )


def test_a_damaged_tokenizer_is_named(saved: Path) -> None:
    message = change_json(saved / TOKENIZER, lambda data: data.update(characters="abc"))
    assert message.startswith(f"{saved / TOKENIZER}: the stored tokenizer is damaged: ")


def test_what_is_no_checkpoint_is_said_and_how_to_get_one(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("text")
    advice = "Train one first: textgen train YOUR_TEXT.txt"
    for name, why in {
        "empty": f"no {CONFIG} in it",
        "file": "a file, not a directory",
        "file/inside": "no such directory",
        "missing": "no such directory",
        "x" * 300: "no such directory",
    }.items():
        path = tmp_path / name
        assert message_of(path) == f"{path}: not a checkpoint ({why}). {advice}"


@pytest.mark.parametrize("name", MODEL_FILES)
def test_a_directory_in_place_of_a_file_is_an_error(saved: Path, name: str) -> None:
    (saved / name).unlink()
    (saved / name).mkdir()
    assert message_of(saved).startswith(f"{saved / name}: ")


def test_a_file_that_may_not_be_read_is_named(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_others(path: Any, *options: Any) -> int:
        if Path(path).name == name:
            raise PermissionError(errno.EACCES, "Permission denied")
        return open_file(path, *options)

    open_file = os.open
    monkeypatch.setattr(os, "open", open_others)
    for name in MODEL_FILES:
        assert message_of(saved) == (
            f"{saved / name}: cannot be read (Permission denied). Check its permissions."
        )


# --- random damage ---


@pytest.fixture(scope="module")
def whole_files() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        state = TrainingState({"step": 1}, {"a": np.arange(3.0)})
        ids = np.array([0, 1, 2, 1] * 9, np.uint8)
        ngrams = NgramModel(count_ngrams(ids, vocab_size=3, order=3))
        save_checkpoint(Path(folder, "best"), replace(make(), ngrams=ngrams), state)
        return {name: Path(folder, "best", name).read_bytes() for name in FILES}


def loads_or_names_the_file(files: dict[str, bytes], name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "best")
        path.mkdir()
        for file, data in files.items():
            (path / file).write_bytes(data)
        messages = [
            message
            for load in (load_checkpoint, load_training_state)
            if (message := error_of(load, path))
        ]
    # A changed config.json may be sound, and then fit no other file.
    for message in messages:
        assert str(path) in message
        assert name == CONFIG or name in message


damages = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), st.integers(0, 4000), st.integers(1, 255)),
        st.tuples(st.just("cut"), st.integers(0, 4000), st.just(0)),
        st.tuples(st.just("put"), st.integers(0, 4000), st.binary(max_size=9)),
    ),
    min_size=1,
    max_size=4,
)


def damaged(data: bytes, kind: str, at: int, by: Any) -> bytes:
    at %= len(data) or 1
    if kind == "cut" or not data:
        return data[:at]
    if kind == "put":
        return data[:at] + by + data[at:]
    return data[:at] + bytes([data[at] ^ by]) + data[at + 1 :]


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=100, deadline=None)
@given(changes=damages)
def test_random_damage_either_loads_or_is_a_checkpoint_error(
    whole_files: dict[str, bytes], name: str, changes: list[tuple[str, int, Any]]
) -> None:
    data = whole_files[name]
    for change in changes:
        data = damaged(data, *change)
    loads_or_names_the_file({**whole_files, name: data}, name)


anything = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=3),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=5,
)


@pytest.mark.parametrize("name", [CONFIG, TOKENIZER])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_value_in_place_of_another_loads_or_is_a_checkpoint_error(
    whole_files: dict[str, bytes], name: str, data: st.DataObject
) -> None:
    whole = json.loads(whole_files[name])
    place = whole
    if name == CONFIG:
        place = data.draw(st.sampled_from([whole, whole["model"], whole["facts"]]))
    place[data.draw(st.sampled_from([*place, "unheard of"]))] = data.draw(anything)
    changed = json.dumps(whole).encode()
    loads_or_names_the_file({**whole_files, name: changed}, name)


def raw_safetensors(dtype: str, shape: list[int], data: bytes) -> bytes:
    header = {"a": {"dtype": dtype, "shape": shape, "data_offsets": [0, len(data)]}}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.mark.parametrize(
    "content",
    [
        raw_safetensors("F8_E4M3", [1], b"a"),
        raw_safetensors("F32", [1] * 200, b"abcd"),
        raw_safetensors("F32", [0, 10**18, 10**18], b""),
        b"",
        b"\0" * 100,
    ],
)
def test_training_arrays_that_numpy_cannot_hold_are_damage(
    tmp_path: Path, content: bytes
) -> None:
    save_checkpoint(tmp_path / "last", make(), TrainingState({}, {}))
    (tmp_path / "last" / TRAINING_WEIGHTS).write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r"training\.safetensors: damaged or cut short"
    ):
        load_training_state(tmp_path / "last")
