"""Equal files, documents and lines are found, and very long ones."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.checking.helpers import STORY, Write, check, found, topics

# --- files ---


def test_files_and_documents_that_are_equal_are_found(write: Write, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write(f"{name} " + STORY * 200, f"many/{name}.txt")
    write("b " + STORY * 200, "many/d.txt")
    write(gzip.compress(("a " + STORY * 200).encode()), "many/e.txt.gz")
    for kind in ("whole", "files"):
        finding = found(check(tmp_path / "many", documents=kind), "repeated documents")
        assert finding.severity == "warning"
        assert finding.data["count"] == 2
        example = finding.what.partition("of the text: ")[2].split()
        assert example[0].endswith("e.txt.gz")
        assert example[2].endswith("a.txt.")


def test_blank_files_repeat_nothing(write: Write, tmp_path: Path) -> None:
    for name, text in (
        ("a", ""),
        ("b", ""),
        ("c", STORY * 200),
        ("d", " \n"),
        ("e", " \n"),
    ):
        write(text, f"many/{name}.txt")
    assert "repeated documents" not in topics(check(tmp_path / "many"))
    write(STORY * 200, "many/f.txt")
    finding = found(check(tmp_path / "many"), "repeated documents")
    assert finding.what.startswith("1 of 2 files is equal to an earlier one")
    example = finding.what.partition("of the text: ")[2].split()
    assert [name[-6:] for name in example[:3:2]] == ["/f.txt", "c.txt."]


def test_equal_lines_are_named_by_their_lines(write: Write) -> None:
    lines = [f"line number {n} of a list\n" for n in range(900)]
    lines[700] = lines[20]
    finding = found(check(write("".join(lines)), documents="lines"), "repeated documents")
    assert "1 of 900 documents is equal to an earlier one" in finding.what
    assert "line 701 repeats line 21" in finding.what
    assert "awk '!seen[$0]++'" in finding.advice
    report = check(write("\n".join(lines)), documents="paragraphs")
    assert "paragraph 701 repeats paragraph 21" in found(report, "repeated documents").what


def test_a_passage_that_is_there_twice_is_found(write: Write, tmp_path: Path) -> None:
    lines = [
        f"{n:03}: a line of a story, which is longer than most titles are\n"
        for n in range(900)
    ]
    path = write("".join(lines + lines[100:300]))
    for kind in ("whole", "files", "paragraphs"):
        finding = found(check(path, documents=kind), "repeated lines")
        assert finding.severity == "warning"
        assert finding.what.startswith("200 of 1,100 lines of 60 characters or more")
        assert "of the text: line 901 repeats line 101." in finding.what
    assert "repeated lines" not in topics(check(path, documents="lines"))
    assert "repeated lines" not in topics(check(write((" " * 60 + "\n") * 3)))
    write("A title\n" + "".join(lines), "many/a.txt")
    write("Another\n\n" + lines[7] * 20, "many/b.txt")
    finding = found(check(tmp_path / "many"), "repeated lines")
    assert finding.severity == "remark"
    first, _, second = finding.what.partition("of the text: ")[2].partition(" repeats ")
    assert first.endswith("b.txt, line 3")
    assert second.split(". ")[0].endswith("a.txt, line 9")


def test_what_repeats_with_its_document_or_by_nature_is_not_said_again(
    write: Write, tmp_path: Path
) -> None:
    line = "a line of a story, which is longer than most of its titles are"
    for name in ("a", "b"):
        write("".join(f"{n}: {line}\n" for n in range(300)), f"many/{name}.txt")
    report = check(tmp_path / "many")
    assert found(report, "repeated documents")
    assert "repeated lines" not in topics(report)
    assert "repeated lines" not in topics(check(write(STORY * 900)))


def test_documents_are_named_rightly_behind_a_broken_file(
    write: Write, tmp_path: Path
) -> None:
    write("one line\nanother\n" + "\0", "many/a.txt")
    write(
        "".join(f"line {n} of a list\n" for n in range(900)) + "line 3 of a list\n",
        "many/b.txt",
    )
    finding = found(check(tmp_path / "many", documents="lines"), "repeated documents")
    assert "b.txt, line 901 repeats" in finding.what
    assert "b.txt, line 4." in finding.what


# --- size ---


def test_one_giant_document_and_a_long_line_are_told(write: Write) -> None:
    text = STORY.replace("\n", " ") * 500
    lines = "".join(f"line {n}\n" for n in range(900))
    report = check(write(text + "\n" + lines), documents="lines")
    assert (
        "one of 901 documents has 24,000 characters"
        in found(report, "one giant document").what
    )
    finding = found(check(write("\n" + text)), "long lines")
    assert "24,000 characters (line 2)" in finding.what


# --- labels ---


def test_records_that_all_have_one_label_are_a_warning(write: Write) -> None:
    rows = [f"Record {n} of them is good." for n in range(900)]
    one = "text,label\n" + "".join(f"{row},good\n" for row in rows)
    finding = found(check(write(one, "one.csv"), documents="records"), "one label")
    assert finding.what.startswith("all 900 records have the label 'good'")
    for other in (f"{one}Bad.,bad\n", one.replace(",label", ",mood")):
        report = check(write(other, "other.csv"), documents="records")
        assert "one label" not in topics(report)


# --- lists ---

NAMES = "".join(
    f"{first}{second}\n" for first in "ABCDEFGHIJKL" for second in STORY.split()
)


def test_a_list_that_is_read_as_one_text_is_called_one(write: Write) -> None:
    path = write(NAMES.replace(".", "").replace(",", ""))
    finding = found(check(path), "perhaps a list")
    assert finding.severity == "warning"
    assert "--documents lines" in finding.advice
    assert "perhaps a list" not in topics(check(path, documents="lines"))


@pytest.mark.parametrize(
    "text",
    [
        STORY * 300,
        "one, two, three\n" * 400,
        "\u0930\u093e\u092e \u0964\n" * 400,
        "a name\n" * 98,
        f"{'a' * 60}\n" * 400,
    ],
    ids=["prose", "punctuation", "Devanagari", "few lines", "long lines"],
)
def test_what_is_no_list_is_not_called_one(write: Write, text: str) -> None:
    assert "perhaps a list" not in topics(check(write(text)))
