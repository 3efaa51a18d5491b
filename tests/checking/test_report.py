"""The corpus check agrees with training, and its summary says so in one line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.checking.helpers import STORY, Write, check, topics
from textgen.checking.characters import RARE
from textgen.checking.report import examine, summary
from textgen.checkpoint.runs import RunDirectory
from textgen.config.text import TextConfig
from textgen.errors import TextgenError
from textgen.text.encoded.scan import CorpusStats
from textgen.text.reading.decoding import HAD_CR, HAD_CRLF
from textgen.text.reading.file_stats import FileStats
from textgen.training.task.encoding import ReadSettings
from textgen.training.task.new import new_task

# --- sound texts ---


def test_a_sound_text_gets_a_clean_bill(write: Write) -> None:
    report = check(write(STORY * 1000))
    assert report.findings == ()
    assert report.can_train
    assert report.as_text() == (
        "48,000 characters, 17 different, 1 file.\n\nNothing to fix: ready for training."
    )


@pytest.mark.parametrize("documents", ["whole", "lines"])
def test_real_texts_can_be_trained_on(
    documents: str, shared_corpus: Callable[[str], Path]
) -> None:
    for name in ("tinyshakespeare.txt", "udhr_multiscript.txt", "lunyu_zh.txt"):
        report = check(shared_corpus(name), documents=documents)
        assert report.can_train
        assert not {"wrong encoding", "control characters"} & {*topics(report)}


# --- size ---


LABELLED = '{"text": "some text of a kind", "label": "x"}\n' * 400


MANY_LABELS = "".join(f"some text,{n}\n" for n in range(10_000))


RECORDS = "".join(f"rain number {n} falls,sad\n" for n in range(200))


@pytest.mark.parametrize(
    ("name", "data", "options"),
    [
        ("a.txt", STORY * 400, {}),
        ("a.txt", "", {}),
        ("a.txt", " \n\n", {}),
        ("a.txt", "ab", {"val_fraction": 0.4}),
        ("a.txt", "a", {}),
        ("a.txt", "x" * 2277, {}),
        ("a.txt", "x" * 2276, {}),
        ("a.txt", "x" * 300, {"batch_size": 4, "seq_length": 16}),
        ("a.txt", "one line\n", {"documents": "lines"}),
        ("a.txt", "one line\n\nanother\n", {"documents": "lines", "batch_size": 1}),
        ("a.txt", STORY * 60, {"documents": "lines"}),
        ("a.txt", STORY * 46, {"documents": "lines", "seed": 3}),
        ("a.txt", STORY * 60, {"documents": "lines", "test_fraction": 0.2}),
        ("a.txt", STORY * 60, {"documents": "paragraphs"}),
        ("a.txt", STORY * 60, {"min_count": 10_000}),
        ("a.txt", "é" * 1500, {"tokenizer": "byte"}),
        ("a.txt", "é" * 900, {"tokenizer": "byte"}),
        ("a.txt", "é\x81".encode("latin-1") * 3000, {}),
        ("a.txt", "é\x81".encode("latin-1") * 3000, {"encoding": "cp1252"}),
        ("a.txt", "é\x81".encode("latin-1") * 3000, {"encoding": "latin-1"}),
        ("a.txt", STORY * 99 + "\\n", {"encoding": "unicode_escape"}),
        ("a.txt", STORY * 99 + "\\xi", {"encoding": "unicode_escape"}),
        ("a.txt", STORY * 99 + "+2AA-", {"encoding": "utf-7"}),
        ("a.txt", "+2AA-" * 3000, {"encoding": "utf-7", "tokenizer": "byte"}),
        ("a.txt", f"{STORY * 99}+2AA-", {"encoding": "utf-7", "min_count": 2}),
        ("a.txt", STORY * 99 + "\\ud800", {"encoding": "raw_unicode_escape"}),
        ("a.csv", "text,label\n" + RECORDS, {"documents": "records"}),
        ("a.csv", "text,label\n" + RECORDS + "sun,\n", {"documents": "records"}),
        ("a.csv", "text\nsun,1\n", {"documents": "records"}),
        # Nine lines of two letters, the ends of nine and the one before the first.
        ("a.txt", "ab\n" * 10, {"documents": "lines", "batch_size": 1, "seq_length": 27}),
        ("a.txt", "ab\n" * 10, {"documents": "lines", "batch_size": 1, "seq_length": 28}),
        ("a.jsonl", LABELLED, {"documents": "records"}),
        ("a.jsonl", LABELLED + '{"text": "b"}', {"documents": "records"}),
        ("a.txt", STORY * 99, {"documents": "records"}),
        ("a.csv", f"text,label\n{RECORDS}a,{'long ' * 999}\n", {"documents": "records"}),
        ("a.csv", f"text,label\n{MANY_LABELS}", {"documents": "records"}),
        ("a.csv", f"text,label\n{MANY_LABELS}one more,more\n", {"documents": "records"}),
    ],
)  # fmt: skip
def test_it_refuses_what_training_refuses_and_nothing_else(
    name: str, data: str | bytes, options: dict[str, Any], write: Write, tmp_path: Path
) -> None:
    path = write(data, name)
    settings = ReadSettings(cache_dir=tmp_path / "cache")
    try:
        task = new_task(
            path, RunDirectory(tmp_path / "run"), "auto", options, settings=settings
        )
    except TextgenError:
        task = None
    train = {k: v for k, v in options.items() if k in ("batch_size", "seq_length", "seed")}
    text = {k: v for k, v in options.items() if k not in train}
    report = examine(path, TextConfig(**text), options=train)
    assert report.can_train is (task is not None)
    if task is not None:
        assert report.facts["num_chars"] == task.facts["num_chars"]
        assert report.facts["num_documents"] == task.facts["num_documents"]


# --- one line ---


def line_of(text: str, **options: Any) -> str:
    counts = np.zeros(0x110000, np.int64)
    for character in text:
        counts[ord(character)] += 1
    files = FileStats(
        num_files=options.pop("num_files", 1), changes=options.pop("changes", Counter())
    )
    num_documents = options.pop("num_documents", 1)
    stats = CorpusStats(len(text), num_documents, counts, None, files, sha256="")
    given: dict[str, Any] = {"config": TextConfig(), "num_train_chars": 50_000} | options
    return summary(stats, **given)


def test_the_summary_of_a_sound_text_is_one_short_line() -> None:
    assert line_of("ab" * 9 + "c", changes=Counter({HAD_CRLF: 3})) == (
        "Text: 19 characters, 3 different (1 seen fewer than 5 times), 1 file; nothing to "
        "fix."
    )


def test_the_summary_names_what_a_check_would_explain() -> None:
    line = line_of(
        "ab\x0c\x0c\ufffd" * 5,
        num_documents=5,
        num_files=2,
        changes=Counter({HAD_CR: 2}),
        config=TextConfig(documents="lines", tokenizer="byte"),
        num_train_chars=20,
        shown_paths="many/",
    )
    assert line == (
        "Text: 25 characters, 4 different, 5 documents in 2 files; 10 control characters, "
        "5 U+FFFD, lone CR line endings in 2 files, little text. Details: textgen "
        "corpus check many/"
    )


def test_the_summary_names_a_list() -> None:
    names = "Ada\nKit\n" * 100
    assert "perhaps a list. Details" in line_of(names)
    assert "list" not in line_of(names, config=TextConfig(documents="lines"))


def test_what_separates_prompts_from_completions_is_not_counted(write: Write) -> None:
    path = write("prompt,completion\n12,one\n21,two\n", "numbers.csv")
    report = check(path, documents="records")
    assert report.facts["num_chars"] == 10
    assert report.facts["num_different"] == len(set("12onetw"))
    assert report.facts["longest_line"] == 5
    assert "10 characters, 7 different (7 seen" in report.headline


def test_the_summary_counts_what_min_count_folds() -> None:
    line = line_of("ab" * 20 + "cd", config=TextConfig(min_count=10))
    assert "4 different (2 seen fewer than 10 times)" in line


@pytest.mark.parametrize(
    "options", [{}, {"documents": "lines"}, {"min_count": 40}, {"tokenizer": "byte"}]
)
def test_the_page_shows_no_number_that_the_data_lack(
    options: dict[str, Any], write: Write, tmp_path: Path
) -> None:
    for number in range(12):
        write(STORY * 20 + "xyz"[: number % 3], f"many/{number}.txt")
    write(STORY.encode() * 30_000 + b"\xff", "many/z.txt")
    report = check(tmp_path / "many", **options)
    data = report.to_dict()
    assert len(data["files"]) == 13
    numbers = [data[name] for name in data if name.startswith("num_")]
    # What rare means is no number of the text.
    numbers.append(options.get("min_count", RARE))
    shown = re.findall(r"\d[\d,]*", report.as_text().splitlines()[0])
    assert {int(number.replace(",", "")) for number in shown} <= {*numbers}
    assert data["num_read_up_to_a_fault"] == 1
