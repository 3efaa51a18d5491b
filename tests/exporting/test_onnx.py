"""An ONNX file computes in onnxruntime what the model computes in NumPy."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.checkpoint.helpers import make
from tests.exporting.helpers import TOKENIZER, model_of
from tests.kinds import KINDS
from textgen.__main__ import run
from textgen.checkpoint.format import Checkpoint, save_checkpoint
from textgen.errors import ConfigError
from textgen.exporting.export import export
from textgen.exporting.weights import restored_weights, stored_weights
from textgen.generation.network.network import Network
from textgen.text.tokenizers.serialization import tokenizer_from_dict

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def exported(folder: Path, saved: Checkpoint, numbers: str = "float32") -> Path:
    save_checkpoint(folder / "run", saved)
    return export(
        folder / "run", folder / "model.onnx", format="onnx", weights=numbers
    ).path


def session_of(path: Path) -> Any:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def read_in_pieces(session: Any, ids: np.ndarray, sizes: list[int]) -> np.ndarray:
    """The logits after ids `(batch, time)`, with the states carried from piece to piece."""
    batch = len(ids)
    states = {
        each.name: np.zeros([batch, *each.shape[1:]], np.float32)
        for each in session.get_inputs()
        if each.name != "ids"
    }
    names = [each.name for each in session.get_outputs()]
    found = []
    for piece in np.split(ids, np.cumsum(sizes), axis=1):
        values = dict(zip(names, session.run(None, {"ids": piece, **states}), strict=True))
        found.append(values["logits"])
        states = {name: values[f"next.{name}"] for name in states}
    return np.concatenate(found, axis=1)


@pytest.mark.parametrize("numbers", ["float32", "int8"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_logits_are_those_of_numpy_over_200_characters(
    tmp_path: Path, kind: dict[str, Any], numbers: str
) -> None:
    saved = model_of(**kind)
    session = session_of(exported(tmp_path, saved, numbers))
    ids = np.random.default_rng(1).integers(0, TOKENIZER.vocab_size, (3, 200))
    found = read_in_pieces(session, ids, sizes=[1, 1, 5, 60, 1])
    weights = restored_weights(stored_weights(saved.weights, numbers))
    network = Network(saved.model, weights)
    for row, read in zip(found, ids, strict=True):
        chunks = network.read_chunks(read, network.initial_state())
        expected = np.concatenate([logits for logits, _ in chunks])
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-4)


def test_the_file_holds_all_that_a_program_needs(tmp_path: Path) -> None:
    saved = model_of()
    path = exported(tmp_path, saved)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    metadata = {each.key: each.value for each in model.metadata_props}
    assert tokenizer_from_dict(json.loads(metadata["tokenizer.json"])) == TOKENIZER
    assert json.loads(metadata["config.json"])["model"]["units"] == 9
    assert metadata["README.md"].startswith("# run")
    assert model.opset_import[0].version == 17
    session = session_of(path)
    assert session.get_inputs()[0].shape == ["batch", "time"]
    assert session.get_outputs()[-1].shape == ["batch", "time", TOKENIZER.vocab_size]


def test_int8_is_a_quarter_of_the_size_and_says_what_it_costs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(tmp_path / "run", model_of(units=128))
    places = [tmp_path / "whole.onnx", tmp_path / "small.onnx"]
    line = ["export", str(tmp_path / "run"), "--format", "onnx", "-o"]
    assert run([*line, str(places[0])]) == 0
    assert "instead of" not in capsys.readouterr().err
    assert run([*line, str(places[1]), "--int8"]) == 0
    assert "its weights are int8: " in capsys.readouterr().err
    whole, small = (place.stat().st_size for place in places)
    assert small < 0.3 * whole


def test_without_the_package_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(tmp_path / "run", make())
    for name in [name for name in sys.modules if name.startswith("textgen.exporting.onnx")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigError, match=r'pip install "keras-textgen\[onnx\]"'):
        export(tmp_path / "run", tmp_path / "model.onnx", format="onnx")


def test_float16_is_refused_with_what_is_possible(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "run", make())
    with pytest.raises(ConfigError, match="only float32 or int8"):
        export(tmp_path / "run", tmp_path / "a.onnx", format="onnx", weights="float16")
