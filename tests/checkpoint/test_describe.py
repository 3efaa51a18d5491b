"""What `textgen info` shows is all there, and adds up."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textgen.checkpoint.describe import as_text, describe, describe_layers
from textgen.checkpoint.format import Checkpoint
from textgen.checkpoint.status import Status, write_status
from textgen.config.model import ModelConfig
from textgen.model.cells import CELLS
from textgen.text.tokenizers.char import CharTokenizer

FACTS = {
    "text": {
        "num_chars": 12345,
        "num_documents": 3,
        "sources": ["a.txt", "b.txt"],
        "documents": "files",
    },
    "train": {"epochs": 20},
    "score": {"val_bits_per_char": 1.98766, "step": 1200, "epoch": 2.5},
}


def describe_model(
    facts: dict[str, Any],
    labels: tuple[str, ...] = (),
    path: Path = Path("checkpoints/x/best"),
    **options: Any,
) -> dict[str, Any]:
    tokenizer = CharTokenizer("abc", end_of_document=bool(labels), labels=labels)
    config = ModelConfig(
        tokenizer.vocab_size, **{"units": 4, "embedding_dim": 5, **options}
    )
    weights = {name: np.zeros(s, np.float32) for name, s in config.weight_shapes().items()}
    checkpoint = Checkpoint(config, tokenizer, weights, facts)
    return describe(checkpoint, path)


def test_lstm_layers_are_shown_gate_by_gate() -> None:
    layers = describe_layers(ModelConfig(vocab_size=3, units=4, embedding_dim=5))
    assert [layer["name"] for layer in layers] == [
        "embedding",
        "layers.0",
        "layers.1",
        "output",
    ]
    assert layers[0]["weights"] == {"embedding": (3, 5)}
    assert list(layers[1]["weights"].items()) == [
        ("input.kernel", (5, 4)),
        ("input.recurrent_kernel", (4, 4)),
        ("input.bias", (4,)),
        ("forget.kernel", (5, 4)),
        ("forget.recurrent_kernel", (4, 4)),
        ("forget.bias", (4,)),
        ("cell.kernel", (5, 4)),
        ("cell.recurrent_kernel", (4, 4)),
        ("cell.bias", (4,)),
        ("output.kernel", (5, 4)),
        ("output.recurrent_kernel", (4, 4)),
        ("output.bias", (4,)),
    ]
    assert layers[2]["weights"]["input.kernel"] == (4, 4)
    assert layers[3]["weights"] == {"kernel": (4, 3), "bias": (3,)}


def test_gru_gates_have_two_biases_each() -> None:
    config = ModelConfig(vocab_size=3, cell="gru", units=4, embedding_dim=5, num_layers=1)
    weights = describe_layers(config)[1]["weights"]
    assert [name for name in weights if name.endswith("bias")] == [
        "update.bias",
        "reset.bias",
        "candidate.bias",
    ]
    assert {weights[f"{gate}.bias"] for gate in ("update", "reset", "candidate")} == {
        (2, 4)
    }
    assert weights["reset.kernel"] == (5, 4)


def test_a_plain_cell_has_one_block() -> None:
    config = ModelConfig(vocab_size=3, cell="rnn", units=4, embedding_dim=5, num_layers=1)
    assert describe_layers(config)[1]["weights"] == {
        "hidden.kernel": (5, 4),
        "hidden.recurrent_kernel": (4, 4),
        "hidden.bias": (4,),
    }


def test_norms_and_projections_are_shown_as_they_are() -> None:
    config = ModelConfig(
        vocab_size=3, units=4, embedding_dim=5, layer_norm=True, tie_embeddings=True
    )
    layers = {layer["name"]: layer["weights"] for layer in describe_layers(config)}
    assert layers["layers.1"]["norm_scale"] == layers["layers.1"]["norm_offset"] == (4,)
    assert layers["projection"] == {"kernel": (4, 5)}
    assert layers["output"] == {"bias": (3,)}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("tied", [False, True])
def test_the_parameters_of_all_gates_add_up(
    cell: str, layer_norm: bool, tied: bool
) -> None:
    config = ModelConfig(7, cell, layer_norm=layer_norm, tie_embeddings=tied)
    layers = describe_layers(config)
    for layer in layers:
        shown = sum(math.prod(shape) for shape in layer["weights"].values())
        assert shown == layer["num_parameters"]
    assert sum(layer["num_parameters"] for layer in layers) == config.num_parameters


def test_the_description_is_json_and_whole() -> None:
    description = describe_model(FACTS)
    read_back = json.loads(json.dumps(description))
    assert list(read_back) == [
        "path",
        "model",
        "num_parameters",
        "layers",
        "tokenizer",
        "memory",
        "status",
        "text",
        "train",
        "score",
    ]
    assert read_back["model"]["units"] == 4
    assert read_back["tokenizer"] == {
        "kind": "char",
        "vocab_size": 3,
        "normalize": "nfc",
        "labels": [],
        "completes": False,
    }
    assert {name: read_back[name] for name in FACTS} == FACTS
    assert read_back["path"] == str(Path("checkpoints/x/best"))


def test_the_page_tells_score_text_symbols_and_every_gate() -> None:
    page = as_text(describe_model(FACTS))
    lines = page.splitlines()
    assert lines[0] == str(Path("checkpoints/x/best"))
    assert re.fullmatch(
        r"LSTM, 2 layers of 4 units, \d+ parameters; 1\.99 bits per character", lines[1]
    )
    assert lines[3:6] == [
        "score   1.9877 bits per character on held-out text, step 1,200, epoch 2.5",
        "text    12,345 characters in 3 documents: a.txt, b.txt",
        "vocab   3 (char, normalize nfc)",
    ]
    assert lines[6].startswith("model   cell=lstm, num_layers=2, units=4")
    shown = [line.split() for line in lines]
    assert ["forget.kernel", "5", "x", "4"] in shown
    assert ["layers.0", "160", "parameters"] in shown
    assert max(map(len, lines[7:])) < 80


def test_the_page_ends_with_the_total_of_parameters() -> None:
    description = describe_model(FACTS, units=100)
    last = as_text(description).splitlines()[-1]
    assert last.split() == ["total", f"{description['num_parameters']:,}", "parameters"]


def test_the_score_on_the_test_text_is_shown_where_there_is_one() -> None:
    score = {**FACTS["score"], "test_bits_per_char": 2.1}
    page = as_text(describe_model({**FACTS, "score": score}))
    assert "score   2.1000 bits per character on test text\n" in page


def test_a_fine_tuned_model_names_what_it_began_with() -> None:
    facts = {**FACTS, "text": {**FACTS["text"], "init_from": "english"}}
    assert "from    english\n" in as_text(describe_model(facts))


def test_labels_are_named_with_their_numbers_of_documents() -> None:
    facts = {"text": {**FACTS["text"], "labels": {"sad": 1200, "glad": 7}}}
    description = describe_model(facts, labels=("glad", "sad"))
    assert description["tokenizer"]["labels"] == ["glad", "sad"]
    line = "labels  2, with their documents: 'glad' (7), 'sad' (1,200)"
    assert as_text(description).splitlines()[5] == line


def test_of_many_labels_the_page_names_twenty_and_the_data_all() -> None:
    labels = tuple(f"{number:02}" for number in range(23))
    description = describe_model({"text": {"labels": ["nonsense"]}}, labels=labels)
    assert description["tokenizer"]["labels"] == list(labels)
    page = as_text(description)
    assert "labels  23, with their documents: '00', '01', " in page
    assert "'19' and 3 more\n" in page


def test_without_labels_the_page_does_not_speak_of_them() -> None:
    assert "labels" not in as_text(describe_model(FACTS))


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"score": {}, "text": {"documents": "lines"}},
        {"score": {"val_bits_per_char": "low"}, "text": {"num_chars": None}},
        {"text": {"num_chars": 1, "num_documents": 1, "sources": 7}},
    ],
)
def test_missing_or_strange_facts_still_make_a_page(facts: dict[str, Any]) -> None:
    page = as_text(describe_model(facts))
    assert "score" not in page
    assert page.splitlines()[-1].startswith("total")


def test_folders_that_an_earlier_version_stored_are_not_shown() -> None:
    sources = ["/home/ada/letters/kit.txt", "C:\\Users\\ada\\pell.txt", "texts/a.txt"]
    text = {"sources": sources, "init_from": "/home/ada/checkpoints/poems/best"}
    facts = {"text": {"num_chars": 9, "num_documents": 3, **text}}
    shown = describe_model(facts)
    assert shown["text"]["sources"] == ["kit.txt", "pell.txt", "texts/a.txt"]
    assert shown["text"]["init_from"] == "poems"
    assert "text    9 characters in 3 documents: kit.txt, pell.txt, texts/a.txt" in as_text(
        shown
    )
    # The facts themselves are as they were.
    assert facts["text"]["sources"] == sources


def test_a_run_says_why_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "best"
    assert describe_model(FACTS, path=path)["status"] is None
    write_status(tmp_path / "status.json", Status(9, 2.0, 1.0, seconds=83, ended="time"))
    shown = describe_model(FACTS, path=path)
    assert shown["status"]["ended"] == "time"
    assert "run     its time was used up, after 1:23 and 2.0 epochs" in as_text(shown)
