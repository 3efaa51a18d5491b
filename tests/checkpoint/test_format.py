"""A checkpoint comes back as it went in, and is written whole."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.checkpoint.helpers import MODEL_FILES, make, version_of
from textgen.checkpoint.format import (
    TRAINING,
    TRAINING_WEIGHTS,
    Checkpoint,
    TrainingState,
    checkpoint_directory,
    load_checkpoint,
    load_training_state,
    save_checkpoint,
)
from textgen.config.model import ModelConfig
from textgen.disk.atomic import write_file
from textgen.errors import CheckpointError
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer

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


# --- random damage ---


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
        "Free some space or choose another `out`."
    )
    with pytest.raises(CheckpointError, match="cannot write the checkpoint"):
        save_checkpoint(tmp_path / ("x" * 300), make())
    with pytest.raises(CheckpointError, match="cannot write this file"):
        write_file(tmp_path / "file" / "history.csv", b"")


def test_a_file_is_never_replaced_by_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CheckpointError, match=r"file is a file\. Choose another `out`\."):
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
