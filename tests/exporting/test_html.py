"""One file, which holds the whole page and the model, and harms nobody."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load

from tests.checkpoint.helpers import make
from tests.cli.helpers import STORY, untrained
from tests.fuzz.targets import small_model
from tests.reporting.helpers import HOSTILE, parsed
from textgen.__main__ import run
from textgen.checkpoint.format import Checkpoint, load_checkpoint, save_checkpoint
from textgen.config.model import ModelConfig
from textgen.errors import ConfigError
from textgen.exporting import html
from textgen.exporting.export import export
from textgen.exporting.html import described_layers, model_page
from textgen.exporting.weights import NUMBERS, restored_weights, stored_weights
from textgen.model import layers as kinds
from textgen.page import names, source
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer

Output = pytest.CaptureFixture[str]


def inside(page: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The model and the weights that a page holds."""
    found = parsed(page)
    ids = [attributes.get("id") for tag, attributes in found.found if tag == "script"]
    scripts = dict(zip(ids, found.scripts, strict=True))
    model: dict[str, Any] = json.loads(scripts["model"])
    return model, load(base64.b64decode(scripts["weights"]))


@pytest.mark.parametrize("numbers", NUMBERS)
def test_the_page_holds_the_model_and_all_of_its_own_files(
    tmp_path: Path, numbers: str
) -> None:
    path = untrained(tmp_path / "run", CharTokenizer("".join(sorted(set(STORY)))))
    saved = load_checkpoint(path)
    done = export(path, tmp_path / "page.html", format="html", weights=numbers)
    page = done.path.read_text(encoding="utf-8")
    model, stored = inside(page)
    assert model["tokenizer"] == saved.tokenizer.to_dict()
    for name, weight in restored_weights(stored).items():
        np.testing.assert_allclose(weight, saved.weights[name], atol=0.01)
    assert page.count("<style>") == 1
    assert not re.search(r'(src|href)="(?!data:,"|#)', page)
    for name in names():
        if name.endswith(".js") and name != "engine/worker.js":
            assert f'modules["{name}"] = ' in page


def test_what_is_lost_is_said_with_what_it_costs(tmp_path: Path, capsys: Output) -> None:
    tokenizer = CharTokenizer("ab é\n😀")
    save_checkpoint(tmp_path / "run", small_model(tokenizer))
    page = tmp_path / "run.html"
    line = ["export", tmp_path / "run", "--format", "html", "--int8", "-o", page]
    assert run([*map(str, line)]) == 0
    notes = capsys.readouterr().err.splitlines()
    cost = r"[\d.]+ bits per character instead of [\d.]+\."
    assert re.fullmatch(f"In this file it has no n-gram memory: {cost}", notes[0])
    assert re.fullmatch(f"In this file its weights are int8: {cost}", notes[1])
    assert notes[2].startswith("Measured on 4,000 characters, written by the model, since")
    assert re.fullmatch(r"Wrote .*run\.html \(\S+ [kM]B\)", notes[3])
    card = inside(page.read_text(encoding="utf-8"))[0]["card"]
    assert "it has no n-gram memory" in card


def test_an_exact_copy_has_nothing_to_note(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "run", make())
    done = export(tmp_path / "run", tmp_path / "a.html", format="html", weights="float32")
    assert done.notes == ()


def test_a_cost_that_cannot_be_measured_is_said(tmp_path: Path) -> None:
    tokenizer = CharTokenizer("ab", end_of_document=True, separator=True)
    path = untrained(tmp_path / "answers", tokenizer)
    done = export(path, tmp_path / "a.html", format="html")
    assert done.notes[-1] == "What that costs has not been measured."


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--format", "html", "--weights", "float16", "--int8"], "differ"),
        (["--format", "textgen", "--int8"], "--weights int8 is not possible with --format"),
        (["--format", "pdf"], "'pdf' is not one of"),
    ],
)
def test_what_a_format_cannot_do_is_refused(
    tmp_path: Path, capsys: Output, arguments: list[str], why: str
) -> None:
    save_checkpoint(tmp_path / "run", make())
    place = tmp_path / "out"
    assert run(["export", str(tmp_path / "run"), "-o", str(place), *arguments]) == 2
    assert why in capsys.readouterr().err
    assert not place.exists()


def test_weights_too_large_for_half_precision_are_refused(tmp_path: Path) -> None:
    saved = make()
    saved.weights["output.bias"][0] = 1e5
    save_checkpoint(tmp_path / "run", saved)
    with pytest.raises(ConfigError, match=r"output\.bias is too large for float16"):
        export(tmp_path / "run", tmp_path / "a.html", format="html")


def test_a_layer_that_the_page_does_not_know_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = tuple(kind for kind in html.KINDS if kind is not kinds.Attention)
    monkeypatch.setattr(html, "KINDS", known)
    config = ModelConfig(vocab_size=3, units=2, attention=4)
    with pytest.raises(ConfigError, match=r"the kind attention .*format html cannot hold"):
        list(described_layers(config))


def test_every_kind_of_layer_that_there_is_has_its_class_in_the_engine() -> None:
    every = {kind.__name__ for kind in kinds.Layer.__subclasses__()} - {"Dropout"}
    assert {kind.__name__ for kind in html.KINDS} == every
    table = source("engine/layers.js").partition("export const KINDS = {")[2]
    assert {name for name in every if re.search(rf"\b{name}\b", table)} == every


def test_names_and_cards_cannot_break_the_page() -> None:
    characters = "".join(sorted(set(HOSTILE)))
    tokenizer = CharTokenizer(characters, normalize="none")
    config = ModelConfig(tokenizer.vocab_size, num_layers=1, units=2, embedding_dim=2)
    weights = {name: np.ones(s, np.float32) for name, s in config.weight_shapes().items()}
    saved = Checkpoint(config, tokenizer, weights)
    page = model_page(saved, HOSTILE, stored_weights(weights, "int8"), HOSTILE)
    model, _ = inside(page)
    assert (model["name"], model["card"]) == (HOSTILE, HOSTILE)
    assert "".join(model["tokenizer"]["characters"]) == characters
    assert [tag for tag, _ in parsed(page).found].count("script") == 4
    assert not any(tag == "img" for tag, _ in parsed(page).found)


def test_an_int8_weight_is_off_by_half_a_step_at_most() -> None:
    rng = np.random.default_rng(0)
    weights = {
        "embedding": rng.normal(0, 1, (5, 3)).astype(np.float32),
        "layers.0.bias": rng.normal(0, 1, (2, 6)).astype(np.float32),
        "output.kernel": rng.normal(0, 1, (3, 5)).astype(np.float32),
        "empty.kernel": np.zeros((3, 5), np.float32),
    }
    stored = stored_weights(weights, "int8")
    assert stored["embedding.scale"].shape == (5, 1)
    assert stored["output.kernel.scale"].shape == (1, 5)
    restored = restored_weights(stored)
    assert restored.keys() == weights.keys()
    np.testing.assert_array_equal(restored["layers.0.bias"], weights["layers.0.bias"])
    for name in ("embedding", "output.kernel", "empty.kernel"):
        step = stored[f"{name}.scale"]
        assert (np.abs(restored[name] - weights[name]) <= 0.5001 * step).all()


def test_a_model_of_bytes_fits_as_well(tmp_path: Path) -> None:
    path = untrained(tmp_path / "bytes", ByteTokenizer())
    page = export(path, tmp_path / "b.html", format="html").path
    assert inside(page.read_text(encoding="utf-8"))[0]["tokenizer"]["kind"] == "byte"
