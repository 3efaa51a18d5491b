"""Whether there is enough text for the batches, the held-out parts and the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checking.helpers import STORY, Write, check, found, topics
from textgen.checking.amount import sizes_of
from textgen.checking.repeats import Repeats
from textgen.checking.report import examine
from textgen.checking.survey import survey
from textgen.checkpoint.runs import RunDirectory
from textgen.config.model import ModelConfig
from textgen.config.sizes import LITTLE_CHARS, LITTLE_TEXT
from textgen.config.text import TextConfig
from textgen.text.encoded.cache import Cache
from textgen.text.encoded.prepare import prepare_corpus
from textgen.text.encoded.scan import BlockLengths
from textgen.text.encoded.splitting import split
from textgen.text.reading.corpus import read_corpus
from textgen.text.reading.sources import Source
from textgen.training.task.new import new_task


def test_little_text_is_a_warning_before_it_is_an_error(write: Write) -> None:
    finding = found(check(write(STORY * 60)), "little text")
    assert finding.severity == "warning"
    assert "2,592 characters to train on" in finding.what
    finding = found(check(write(STORY * 9)), "little text")
    assert finding.severity == "error"
    assert "needs at least 513. Lower --batch-size" in finding.what


def test_what_is_little_is_the_same_for_check_and_train(write: Write) -> None:
    for num_chars in (LITTLE_CHARS - 1, LITTLE_CHARS):
        path = write("a" * (num_chars * 10 // 9 + 1))
        report = check(path)
        assert report.facts["num_train"] == num_chars
        is_little = num_chars < LITTLE_CHARS
        assert ("little text" in topics(report)) is is_little
        task = new_task(path, RunDirectory(path.parent / "run"), "auto", {})
        assert (task.train.epochs == LITTLE_TEXT["epochs"]) is is_little
        assert ("little text" in task.notes[0]) is is_little
        assert ("which is little" in task.notes[1]) is is_little


def test_little_held_out_names_the_share_that_is_enough(write: Write) -> None:
    path = write(STORY * 500)
    finding = found(check(path, val_fraction=0.01), "little held out")
    share = float(finding.advice.split()[2])
    assert "little held out" not in topics(check(path, val_fraction=share))


def test_little_held_out_of_little_text_asks_for_more_text(write: Write) -> None:
    finding = found(check(write(STORY * 60)), "little held out")
    assert finding.advice == "Add text, and judge by what the model writes."


def test_a_model_far_larger_than_the_usual_one_is_a_warning(write: Write) -> None:
    report = examine(write(STORY * 400), TextConfig(), options={"units": 512})
    finding = found(report, "model too large")
    assert "for 17,280 characters to train on" in finding.what
    assert "--size auto uses (1 x 128 units)" in finding.what
    chosen, usual = (
        ModelConfig(17, num_layers=1, units=512),
        ModelConfig(17, num_layers=1, units=128),
    )
    assert f"{chosen.num_parameters:,} parameters" in finding.what
    ratio = chosen.num_parameters / usual.num_parameters
    assert f"{ratio:.0f} times as many" in finding.what
    report = examine(write(STORY * 400), options={"batch_size": 1000, "units": 512})
    assert topics(report) == ["little text", "model too large"]


def test_a_vocabulary_that_cannot_be_learned_is_one_error(write: Write) -> None:
    report = check(write(STORY * 400), min_count=100_000)
    errors = [finding for finding in report.findings if finding.severity == "error"]
    assert [finding.topic for finding in errors] == ["rare characters"]


@pytest.mark.parametrize("documents", ["whole", "lines", "paragraphs", "files"])
def test_the_parts_are_those_of_the_training(
    documents: str, write: Write, tmp_path: Path
) -> None:
    text = "".join(f"{n}: {'word ' * (n % 9)}\n" + "\n" * (n % 4 == 0) for n in range(300))
    for number in range(5):
        write(text[number * 700 : number * 900 + 900], f"many/{number}.txt")
    config = TextConfig(documents=documents, test_fraction=0.2)
    facts = examine(tmp_path / "many", config, options={"seed": 4}).facts
    parts = split(read_corpus(tmp_path / "many", config), config, seed=4)
    expected = [sum(map(len, part)) for part in parts]
    assert [facts["num_train"], facts["num_val"], facts["num_test"]] == expected


def test_very_many_documents_are_split_as_training_splits_them(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if so many were very many: blocks of neighbours, and the first few compared.
    monkeypatch.setattr(BlockLengths.__init__, "__defaults__", (40,))
    monkeypatch.setattr(Repeats.__init__, "__defaults__", (1,))
    path = write("".join(f"line {n} {'word ' * (n % 9)}\n" for n in range(333)))
    config = TextConfig(documents="lines", test_fraction=0.2)
    cache = Cache(tmp_path / "cache")
    corpus = prepare_corpus([Source(str(path))], config, seed=4, cache=cache)
    report = examine(path, config, options={"batch_size": 4, "seed": 4})
    assert report.can_train
    assert report.facts["num_train"] == corpus.train.num_chars
    assert report.facts["num_val"] == corpus.val.num_chars
    assert report.facts["num_test"] == corpus.test.num_chars
    found = survey(path, config)
    assert (found.stats.num_documents, found.lengths.block_size) == (333, 16)
    parts = sizes_of(found.lengths, config, seed=4)
    assert parts.train_documents == corpus.train.num_documents
