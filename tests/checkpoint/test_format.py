"""A checkpoint comes back as it went in, or with an error that names the file."""

from __future__ import annotations

import errno
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from textgen.checkpoint import format as checkpoint_module
from textgen.checkpoint.format import (
    CONFIG,
    FILES,
    TOKENIZER,
    TRAINING,
    TRAINING_WEIGHTS,
    WEIGHTS,
    Checkpoint,
    TrainingState,
    checkpoint_directory,
    load_checkpoint,
    load_training_state,
    save_checkpoint,
)
from textgen.config.model import MAX_SIZES, ModelConfig
from textgen.disk.atomic import write_file
from textgen.errors import CheckpointError
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer

MODEL_FILES = (CONFIG, TOKENIZER, WEIGHTS)


def make(version: int = 1, text: str = "abc", **options: Any) -> Checkpoint:
    """A small checkpoint; every weight of it is `version`."""
    tokenizer = CharTokenizer(text)
    sizes = {"units": 2, "embedding_dim": 3, "num_layers": 1}
    config = ModelConfig(vocab_size=tokenizer.vocab_size, **{**sizes, **options})
    weights = {
        name: np.full(shape, version, np.float32)
        for name, shape in config.weight_shapes().items()
    }
    return Checkpoint(config, tokenizer, weights, {"score": {"step": version}})


def version_of(path: Path) -> int:
    """Which checkpoint lies at `path`; its files must belong together."""
    loaded = load_checkpoint(path)
    version = loaded.facts["score"]["step"]
    assert all((weight == version).all() for weight in loaded.weights.values())
    return int(version)


def message_of(path: str | Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "best", make())
    return tmp_path / "best"


@pytest.fixture
def no_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a test saves a thousand times, the disk need not keep up."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


# --- the round trip ---


@pytest.mark.parametrize(
    ("options", "tokenizer"),
    [
        ({}, CharTokenizer("ab\n😀", normalize="nfkc", unknown=True)),
        ({"cell": "gru", "num_layers": 3}, CharTokenizer("é", end_of_document=True)),
        ({"cell": "rnn", "layer_norm": True, "residual": True}, ByteTokenizer()),
        ({"tie_embeddings": True, "dropout": 0.5}, ByteTokenizer(end_of_document=True)),
    ],
)
def test_a_checkpoint_comes_back_as_it_was(
    tmp_path: Path, options: dict[str, Any], tokenizer: CharTokenizer | ByteTokenizer
) -> None:
    config = ModelConfig(tokenizer.vocab_size, units=4, embedding_dim=3, **options)
    rng = np.random.default_rng(0)
    weights = {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    facts = {"text": {"documents": "lines", "sources": ["ü.txt"]}, "more": [1, None]}
    save_checkpoint(tmp_path / "best", Checkpoint(config, tokenizer, weights, facts))
    loaded = load_checkpoint(tmp_path / "best")
    assert (loaded.model, loaded.tokenizer, loaded.facts) == (config, tokenizer, facts)
    assert loaded.weights.keys() == weights.keys()
    for name, weight in weights.items():
        np.testing.assert_array_equal(loaded.weights[name], weight)
        assert loaded.weights[name].dtype == np.float32


def test_weights_are_saved_as_they_read_whatever_their_layout_in_memory(
    tmp_path: Path,
) -> None:
    plain = make()
    weights = dict(plain.weights)
    weights["embedding"] = np.arange(9, dtype=np.float32).reshape(3, 3).T
    save_checkpoint(tmp_path / "best", Checkpoint(plain.model, plain.tokenizer, weights))
    loaded = load_checkpoint(tmp_path / "best").weights["embedding"]
    assert loaded.tolist() == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]


def test_training_state_keeps_shapes_types_and_single_numbers(tmp_path: Path) -> None:
    arrays = {
        "step": np.array(3, np.int64),
        "seeds": np.array([1, 2], np.uint32),
        "moment": np.zeros((2, 0), np.float32),
    }
    save_checkpoint(tmp_path / "last", make(), TrainingState({"state": {"x": 1}}, arrays))
    loaded = load_training_state(tmp_path / "last")
    assert loaded.values == {"state": {"x": 1}}
    for name, array in arrays.items():
        assert loaded.arrays[name].shape == array.shape
        assert loaded.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded.arrays[name], array)


def test_a_run_stands_for_its_best_checkpoint(saved: Path) -> None:
    assert checkpoint_directory(saved.parent) == saved
    assert version_of(saved.parent) == 1


def test_the_directory_one_stands_in_is_a_checkpoint(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(saved)
    assert version_of(Path()) == 1
    monkeypatch.chdir(saved.parent)
    assert version_of(Path()) == 1


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
        f"{CONFIG} expects (3, 3) and F32."
    )


def test_a_weight_of_another_type_is_named_with_both_types(saved: Path) -> None:
    wrong = {"output.bias": np.zeros(3, np.float16)}
    assert change_weights(saved, lambda weights: weights.update(wrong)) == (
        f"{saved / WEIGHTS}: weight output.bias has shape (3,) and type F16, but "
        f"{CONFIG} expects (3,) and F32."
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
        "Train again with a lower --learning-rate."
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
    message = change_json(saved / TOKENIZER, lambda data: data.update(format_version=3))
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
        f"{CONFIG} expects (3, 262144) and F32."
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
        save_checkpoint(Path(folder, "best"), make(), state)
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


def error_of(load: Callable[[Path], Any], path: Path) -> str:
    """What is wrong with a checkpoint; "" where it loads."""
    try:
        load(path)
    except CheckpointError as error:
        return str(error)
    return ""


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


@pytest.mark.parametrize("name", [TRAINING, TRAINING_WEIGHTS])
def test_a_checkpoint_without_training_state_cannot_be_resumed(
    saved: Path, tmp_path: Path, name: str
) -> None:
    with pytest.raises(CheckpointError, match=r"training\.json: this file .* is missing"):
        load_training_state(saved)
    save_checkpoint(tmp_path / "last", make(), TrainingState({}, {}))
    (tmp_path / "last" / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name}: this file .* is missing"):
        load_training_state(tmp_path / "last")


# --- writing ---


def test_saving_again_replaces_the_files_and_keeps_those_of_others(saved: Path) -> None:
    (saved / "notes.txt").write_text("mine")
    (saved / "pictures").mkdir()
    (saved / "pictures" / "a.png").write_bytes(b"png")
    save_checkpoint(saved, make(2), TrainingState({}, {}))
    save_checkpoint(saved, make(3, text="abcdef"))
    assert version_of(saved) == 3
    assert (saved / "notes.txt").read_text() == "mine"
    assert (saved / "pictures" / "a.png").read_bytes() == b"png"
    assert {p.name for p in saved.iterdir()} == {*MODEL_FILES, "notes.txt", "pictures"}
    assert [p.name for p in saved.parent.iterdir()] == ["best"]


def test_parents_are_made(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a" / "b" / "best", make())
    assert version_of(tmp_path / "a" / "b") == 1


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CheckpointError) as caught:
        save_checkpoint(tmp_path / "file" / "best", make())
    assert str(caught.value) == (
        f"{tmp_path / 'file' / 'best'}: cannot write the checkpoint (Not a directory). "
        "Free some space or choose another --out."
    )
    with pytest.raises(CheckpointError, match="cannot write the checkpoint"):
        save_checkpoint(tmp_path / ("x" * 300), make())
    with pytest.raises(CheckpointError, match="cannot write this file"):
        write_file(tmp_path / "file" / "history.csv", b"")


def test_a_file_is_never_replaced_by_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CheckpointError, match=r"file is a file\. Choose another --out\."):
        save_checkpoint(tmp_path / "file", make())
    assert (tmp_path / "file").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_leaves_the_old_checkpoint(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(CheckpointError, match="No space left on device"):
            save_checkpoint(saved, make(2))
    assert version_of(saved) == 1
    save_checkpoint(saved, make(3))
    assert version_of(saved) == 3


def test_a_file_system_that_flushes_no_directories_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = os.fsync

    def flush_files_only(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.EINVAL, "Invalid argument")
        flush(descriptor)

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("what a descriptor stands for cannot be seen here")
    monkeypatch.setattr(os, "fsync", flush_files_only)
    save_checkpoint(tmp_path / "best", make())
    assert version_of(tmp_path / "best") == 1


def test_a_link_to_a_checkpoint_stays_a_link(saved: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(saved, target_is_directory=True)
    save_checkpoint(link, make(2))
    assert link.is_symlink()
    assert version_of(link) == version_of(saved) == 2
    saved.rename(tmp_path / ".best.old")
    assert version_of(link) == 2


def test_the_directory_one_stands_in_can_be_saved_to(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(saved)
    save_checkpoint(".", make(2))
    assert version_of(saved) == 2


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_file(tmp_path / "history.csv", b"old")
    (tmp_path / ".history.csv.new").write_bytes(b"half of a crashed wri")
    write_file(tmp_path / "history.csv", b"new")
    assert (tmp_path / "history.csv").read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["history.csv"]


# --- crashes ---


def test_a_crash_between_the_two_renames_is_survived(saved: Path) -> None:
    (saved / "notes.txt").write_text("mine")
    saved.rename(saved.with_name(".best.old"))
    assert version_of(saved) == version_of(saved.parent) == 1
    save_checkpoint(saved, make(2))
    assert version_of(saved) == 2
    assert (saved / "notes.txt").read_text() == "mine"
    assert [p.name for p in saved.parent.iterdir()] == ["best"]


def test_the_training_state_is_found_after_a_crash_between_the_renames(
    tmp_path: Path,
) -> None:
    save_checkpoint(tmp_path / "last", make(), TrainingState({"step": 7}, {}))
    (tmp_path / "last").rename(tmp_path / ".last.old")
    assert load_training_state(tmp_path / "last").values == {"step": 7}


def test_a_crash_while_the_new_directory_is_filled_is_survived(saved: Path) -> None:
    fresh = saved.with_name(".best.new")
    fresh.mkdir()
    (fresh / CONFIG).write_text('{"form')
    (fresh / TRAINING).write_text("{}")
    assert version_of(saved) == 1
    save_checkpoint(saved, make(2))
    assert version_of(saved) == 2
    assert {p.name for p in saved.iterdir()} == set(MODEL_FILES)
    assert not fresh.exists()


def test_a_crash_before_the_old_files_are_moved_loses_none_of_them(saved: Path) -> None:
    # The new checkpoint is in place; the old one still holds somebody's file, and
    # somebody has already written another one of that name.
    old = saved.with_name(".best.old")
    saved.rename(old)
    (old / "notes.txt").write_text("first")
    (old / "notes.txt.old").write_text("even before")
    save_checkpoint(saved.with_name("new"), make(2))
    saved.with_name("new").rename(saved)
    (saved / "notes.txt").write_text("second")
    save_checkpoint(saved, make(3))
    assert version_of(saved) == 3
    kept = {p.read_text() for p in saved.iterdir() if p.name.startswith("notes")}
    assert kept == {"first", "second", "even before"}
    assert [p.name for p in saved.parent.iterdir()] == ["best"]


class Crash(BaseException):
    """The process ends here: nothing catches it, nothing cleans up."""


def arm(patch: pytest.MonkeyPatch, crash_at: int) -> None:
    """Crash in place of operation number `crash_at` that changes the disk."""
    numbers = itertools.count()
    write = checkpoint_module.write_flushed

    def crashing(name: str) -> Callable[..., Any]:
        operation = getattr(os, name)

        def run(*args: Any, **kwargs: Any) -> Any:
            if next(numbers) == crash_at:
                raise Crash
            return operation(*args, **kwargs)

        return run

    def half_written(path: Path, data: bytes) -> None:
        if next(numbers) == crash_at:
            path.write_bytes(data[: len(data) // 2])
            raise Crash
        write(path, data)

    for name in ("rename", "replace", "unlink", "rmdir", "mkdir"):
        patch.setattr(os, name, crashing(name))
    patch.setattr(checkpoint_module, "write_flushed", half_written)


def save_and_crash(path: Path, version: int, crash_at: int) -> bool:
    """Save; whether it came to a crash."""
    with pytest.MonkeyPatch.context() as patch:
        arm(patch, crash_at)
        try:
            save_checkpoint(path, make(version), TrainingState({}, {}))
        except Crash:
            return True
    return False


def crashes(prepare: Callable[[Path], None]) -> Iterator[Path]:
    """One directory for each moment at which saving version 2 can crash."""
    for moment in itertools.count():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "best")
            prepare(path)
            if not save_and_crash(path, 2, moment):
                assert moment > 5
                return
            yield path


def prepare_first(path: Path) -> None:
    save_checkpoint(path, make(1))
    (path / "notes.txt").write_text("mine")


@pytest.mark.usefixtures("no_flush")
@pytest.mark.slow
def test_a_crash_at_any_moment_and_then_another_loses_neither_model_nor_notes() -> None:
    for path in crashes(prepare_first):
        assert version_of(path) in (1, 2)
        for moment in itertools.count():
            # Each further crash begins where the one before it ended.
            crashed = save_and_crash(path, 3, moment)
            assert version_of(path) in (1, 2, 3)
            if not crashed:
                break
        assert version_of(path) == 3
        assert (path / "notes.txt").read_text() == "mine"
        assert [p.name for p in path.parent.iterdir()] == ["best"]


@pytest.mark.usefixtures("no_flush")
def test_a_crash_in_the_very_first_save_leaves_nothing_that_looks_like_a_model() -> None:
    for path in crashes(lambda path: None):
        assert not path.exists()
        assert "not a checkpoint" in message_of(path)
        save_checkpoint(path, make(3))
        assert version_of(path) == 3
        assert [p.name for p in path.parent.iterdir()] == ["best"]


SAVE_FOREVER = """
import itertools, sys
import numpy as np
from textgen.checkpoint.format import Checkpoint, save_checkpoint
from textgen.config.model import MAX_SIZES, ModelConfig
from textgen.text.tokenizers.char import CharTokenizer

config = ModelConfig(vocab_size=3, units=64, embedding_dim=64, num_layers=2)
for step in itertools.count(int(sys.argv[2])):
    shapes = config.weight_shapes().items()
    weights = {name: np.full(shape, step, np.float32) for name, shape in shapes}
    facts = {"score": {"step": step}}
    save_checkpoint(sys.argv[1], Checkpoint(config, CharTokenizer("abc"), weights, facts))
    print(step, flush=True)
"""


@pytest.mark.slow
def test_a_process_killed_at_any_moment_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    path, rng = tmp_path / "best", random.Random(0)
    step = 0
    for _ in range(10):
        command = [sys.executable, "-c", SAVE_FOREVER, str(path), str(step)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            saved = int(process.stdout.readline())
            time.sleep(rng.uniform(0, 0.03))
            process.kill()
            saved = int((process.stdout.read().split() or [saved])[-1])
        # What it said it saved is there, or the one it was just finishing.
        step = version_of(path)
        assert step in (saved, saved + 1)
        step += 1
