"""What a training is told to do: labels on their way from records to lanes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import textgen
from textgen.checkpoint.format import load_checkpoint, load_training_state
from textgen.checkpoint.runs import RunDirectory
from textgen.errors import CheckpointError, CorpusError, TokenizerError
from textgen.training.task.new import new_task
from textgen.training.task.resume import resumed_task
from textgen.training.task.task import Task

SMALL: dict[str, Any] = {
    "documents": "records",
    "units": 8,
    "num_layers": 1,
    "embedding_dim": 4,
    "batch_size": 2,
    "seq_length": 8,
}


PLAIN = {k: v for k, v in SMALL.items() if k != "documents"}


def write_records(folder: Path, num_records: int = 60) -> Path:
    """Records of two labels whose texts differ; every third one is sad."""
    records = [("Rain.", "sad") if n % 3 == 0 else ("Sun!", "glad") for n in range(60)]
    path = folder / "weather.csv"
    rows = [f"{text},{label}\n" for text, label in records[:num_records]]
    path.write_text("text,label\n" + "".join(rows), encoding="utf-8")
    return path


def task_of(path: Path, **options: Any) -> Task:
    run = RunDirectory(path.parent / "run")
    return new_task(path, run, "tiny", {**SMALL, **options})


@pytest.mark.parametrize("tokenizer", ["char", "byte"])
def test_every_document_begins_with_its_label(tmp_path: Path, tokenizer: str) -> None:
    task = task_of(write_records(tmp_path), tokenizer=tokenizer, test_fraction=0.1)
    assert task.tokenizer.labels == ("glad", "sad")
    assert task.model.vocab_size == task.tokenizer.vocab_size
    eod = task.tokenizer.eod_id
    glad = [eod, task.tokenizer.label_id("glad"), *task.tokenizer.encode("Sun!").tolist()]
    sad = [eod, task.tokenizer.label_id("sad"), *task.tokenizer.encode("Rain.").tolist()]
    for ids in (task.windows.ids, task.val_ids, task.test_ids):
        starts = np.flatnonzero(ids == eod)
        assert ids[0] == ids[-1] == eod
        documents = [part.tolist() for part in np.split(ids, starts[1:-1])]
        documents[-1] = documents[-1][:-1]
        assert all(document in (glad, sad) for document in documents)
    num_sad = sum(
        int(np.count_nonzero(ids == task.tokenizer.label_id("sad")))
        for ids in (task.windows.ids, task.val_ids, task.test_ids)
    )
    assert num_sad == 20


def test_labels_are_predicted_but_count_as_no_characters(tmp_path: Path) -> None:
    task = task_of(write_records(tmp_path))
    ids = task.val_ids
    num_documents = np.count_nonzero(ids == task.tokenizer.eod_id) - 1
    # The first end of a document is read, not predicted.
    num_predicted = len(ids) - 1
    assert task.ids_per_char[1] == pytest.approx(
        num_predicted / (num_predicted - num_documents)
    )


def test_the_facts_count_the_documents_of_each_label(tmp_path: Path) -> None:
    facts = task_of(write_records(tmp_path)).facts
    assert facts["num_labels"] == 2
    assert list(facts["labels"].items()) == [("glad", 40), ("sad", 20)]
    assert facts["documents"] == "records"


def test_the_facts_name_the_hundred_most_frequent_labels(tmp_path: Path) -> None:
    rows = "".join(f"Rain.,{number:03}\n" for number in range(105))
    path = tmp_path / "many.csv"
    path.write_text(f"text,label\nSun.,104\nSun.,103\n{rows}", encoding="utf-8")
    facts = task_of(path).facts
    assert facts["num_labels"] == 105
    assert list(facts["labels"].items())[:3] == [("103", 2), ("104", 2), ("000", 1)]
    assert len(facts["labels"]) == 100


def test_records_without_labels_have_facts_without_labels(tmp_path: Path) -> None:
    path = tmp_path / "plain.jsonl"
    path.write_text('{"text": "Sun and rain."}\n' * 20, encoding="utf-8")
    task = task_of(path)
    assert task.tokenizer.labels == ()
    assert "labels" not in task.facts
    assert "num_labels" not in task.facts


@pytest.mark.one_backend
@pytest.mark.slow
def test_names_that_are_no_text_are_kept_as_escapes(tmp_path: Path) -> None:
    path = tmp_path / "caf\udce9.txt"
    try:
        path.write_text("Some text. " * 100)
    except (OSError, UnicodeError):
        pytest.skip("this file system knows only names in UTF-8")
    run = textgen.train(path, tmp_path / "run", epochs=1, quiet=True, **PLAIN)
    (source,) = load_checkpoint(run).facts["text"]["sources"]
    assert source.endswith("caf\\xe9.txt")


def test_too_many_labels_are_an_error_before_training(tmp_path: Path) -> None:
    rows = "".join(f"Rain.,{number}\n" for number in range(10_001))
    path = tmp_path / "ids.csv"
    path.write_text(f"text,label\n{rows}", encoding="utf-8")
    with pytest.raises(TokenizerError, match="10,001 different labels are more than"):
        task_of(path)


def test_broken_records_are_an_error_before_training(tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    path.write_text("text,label\nRain.\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="the record in line 2 has 1 value"):
        task_of(path)


@pytest.mark.slow
@pytest.mark.one_backend
def test_a_labelled_training_leaves_its_labels_and_can_be_resumed(tmp_path: Path) -> None:
    path = write_records(tmp_path)
    run = textgen.train(path, tmp_path / "run", epochs=1, quiet=True, **SMALL)

    saved = load_checkpoint(run)
    assert saved.tokenizer.labels == ("glad", "sad")
    assert saved.model.vocab_size == saved.tokenizer.vocab_size
    assert saved.facts["text"]["labels"] == {"glad": 40, "sad": 20}
    first_step = load_training_state(run / "last").values["state"]["step"]

    textgen.train(path, run, resume=True, epochs=2, quiet=True)
    last = load_checkpoint(run / "last")
    assert last.tokenizer == saved.tokenizer
    assert load_training_state(run / "last").values["state"]["step"] == 2 * first_step

    # The same texts with another label are another corpus.
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("Rain.,sad", "Rain.,glad", 1), encoding="utf-8")
    with pytest.raises(CheckpointError, match="this run was trained on another text"):
        resumed_task(path, RunDirectory(run), {})


@pytest.mark.one_backend
@pytest.mark.parametrize("tokenizer", ["char", "byte"])
def test_the_facts_count_characters_whatever_the_tokenizer(
    tmp_path: Path, tokenizer: str
) -> None:
    path = tmp_path / "e.txt"
    path.write_text("é" * 1000, encoding="utf-8")
    task = task_of(path, tokenizer=tokenizer, documents="whole", test_fraction=0.1)
    counts = [task.facts[f"num_{part}"] for part in ("train", "val", "test")]
    assert counts == [800, 100, 100]
    assert task.facts["num_chars"] == 1000
