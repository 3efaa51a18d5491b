"""A checkpoint in one file is read as strictly as a directory."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from tests.checkpoint.helpers import error_of, make, message_of
from tests.fuzz.targets import TOKENIZERS, small_model
from textgen.checkpoint.format import (
    CONFIG,
    TOKENIZER,
    Checkpoint,
    as_single_file,
    load_checkpoint,
    load_config,
    save_checkpoint,
)
from textgen.checkpoint.runs import find_checkpoint
from textgen.errors import CheckpointError
from textgen.generation.generator import Generator
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.wording import one_line


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A model with a memory in one file."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(as_single_file(small_model(TOKENIZERS[2]), "# A card"))
    return path


def same(one: Checkpoint, other: Checkpoint) -> bool:
    values = [(each.model, each.tokenizer, each.facts) for each in (one, other)]
    pairs = ((one.weights[name], other.weights[name]) for name in other.weights)
    return values[0] == values[1] and all(np.array_equal(*pair) for pair in pairs)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_a_file_holds_what_the_directory_holds(
    tmp_path: Path, tokenizer: Tokenizer
) -> None:
    model = small_model(tokenizer)
    save_checkpoint(tmp_path / "best", model)
    path = tmp_path / "one.safetensors"
    path.write_bytes(as_single_file(load_checkpoint(tmp_path / "best")))
    assert same(load_checkpoint(path), model)
    assert load_config(path) == (model.model, model.facts)
    # Its memory, too, writes and predicts as before.
    options: dict[str, Any] = {"length": 40, "seed": 1, "temperature": 1.0}
    if tokenizer.labels:
        options["label"] = "sad"
    one, other = (
        Generator.load(tmp_path / name).generate("a", **options)
        for name in ("best", "one.safetensors")
    )
    assert one == other


def test_a_model_without_memory_has_none_in_its_file(tmp_path: Path) -> None:
    (tmp_path / "one.safetensors").write_bytes(as_single_file(make()))
    assert load_checkpoint(tmp_path / "one.safetensors").ngrams is None


def test_the_kernels_of_a_layer_lie_side_by_side_as_from_a_directory(file: Path) -> None:
    weights = load_checkpoint(file).weights
    kernel = weights["layers.0.kernel"]
    assert kernel.base is weights["layers.0.recurrent_kernel"].base is not None


def test_a_link_that_a_person_names_is_followed(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.safetensors"
    link.symlink_to(file)
    assert load_checkpoint(link).model == load_checkpoint(file).model


def test_a_file_under_checkpoints_is_found_by_its_name(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "here" / "checkpoints"
    folder.mkdir(parents=True)
    file.rename(folder / "poems.safetensors")
    monkeypatch.chdir(tmp_path / "here")
    found = find_checkpoint("poems.safetensors")
    assert found == Path("checkpoints/poems.safetensors")


def test_weights_alone_are_refused_with_what_to_do(saved: Path) -> None:
    message = message_of(saved / "model.safetensors")
    assert "weights without a configuration" in message
    assert "textgen export CHECKPOINT --format textgen" in message


# --- what a stranger may have changed ---


def parts_of(file: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    data = file.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    return load(data), metadata


def rewritten(file: Path, change: Callable[[Any, Any], None]) -> str:
    """What is wrong with the file after a change of its arrays or its metadata."""
    arrays, metadata = parts_of(file)
    change(arrays, metadata)
    file.write_bytes(save(arrays, metadata))
    message = message_of(file)
    assert message.startswith(str(file))
    return message


def changed_json(name: str, part: str, **values: Any) -> Callable[[Any, Any], None]:
    def change(_: Any, metadata: dict[str, str]) -> None:
        data = json.loads(metadata[name])
        (data[part] if part else data).update(values)
        metadata[name] = json.dumps(data)

    return change


def of_arrays(**arrays: Any) -> Callable[[Any, Any], None]:
    named = {name.replace("__", "."): array for name, array in arrays.items()}
    return lambda own, _: own.update(named)


def of_metadata(**values: str) -> Callable[[Any, Any], None]:
    named = {name.replace("__", "."): value for name, value in values.items()}
    return lambda _, own: own.update(named)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (changed_json(CONFIG, "model", units=3), f"but {CONFIG} expects"),
        (changed_json(CONFIG, "model", units="x"), "units='x' must be int"),
        (changed_json(CONFIG, "", format_version=9), "pip install --upgrade"),
        (changed_json(TOKENIZER, "", characters=["a"]), "belong to different models"),
        (changed_json(TOKENIZER, "", kind="\x1b"), "kind='\\x1b' must be"),
        (of_arrays(output__bias=np.ones(8, np.float64)), "type F64"),
        (of_arrays(output__bias=np.full(6, np.inf, np.float32)), "not finite"),
        (of_arrays(more=np.ones(1, np.float32)), "unexpected: more"),
        (of_arrays(ngrams__more=np.ones(1, np.float32)), "15 arrays"),
        (of_arrays(ngrams__weight=np.ones(1, np.float32)), "out of range"),
        (of_metadata(other="x"), "unexpected metadata: 'other'"),
        (of_metadata(config__json="[1]"), "is not a JSON object"),
        (of_metadata(config__json="[" * 40), "nested deeper"),
        (of_metadata(tokenizer__json="{"), "brackets not closed"),
        (of_metadata(config__json=f'{{"a":"{"b" * 2**22}"}}'), "of 4,194,312 bytes"),
        (lambda _, own: own.pop(TOKENIZER), f"no {TOKENIZER} in its metadata"),
        (lambda own, _: own.pop("output.bias"), "missing: output.bias"),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    file: Path, change: Callable[[Any, Any], None], why: str
) -> None:
    assert why in rewritten(file, change)


def test_whatever_byte_is_changed_only_our_errors_come(file: Path) -> None:
    data = file.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(data), 400).tolist():
        changed = bytearray(data)
        changed[place] ^= int(rng.integers(1, 256))
        file.write_bytes(changed[: rng.integers(place, len(data) + 1)])
        message = error_of(load_checkpoint, file)
        assert message in ("", one_line(message))
        assert message.startswith(str(file)) or not message


def test_a_file_that_could_not_be_read_is_not_made() -> None:
    model = replace(make(), facts={"text": {"notes": "x" * 2**22}})
    with pytest.raises(CheckpointError, match=r"config\.json is too large"):
        as_single_file(model)


def test_weights_may_be_stored_in_half_the_space(tmp_path: Path) -> None:
    saved = make(units=64)
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(size=weight.shape).astype(np.float32)
        for name, weight in saved.weights.items()
    }
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    whole.write_bytes(as_single_file(replace(saved, weights=weights)))
    half.write_bytes(as_single_file(replace(saved, weights=weights), is_half=True))
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    for name, loaded in load_checkpoint(half).weights.items():
        assert loaded.dtype == np.float32
        np.testing.assert_array_equal(loaded, weights[name].astype(np.float16))
