"""Records to texts and labels: strict, and every fault named with its line."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text.reading.record_files import message_of, pairs, read
from textgen.config.text import TextConfig
from textgen.errors import CorpusError
from textgen.text.reading.corpus import read_corpus
from textgen.text.reading.records import Record, RecordRule, holds_records
from textgen.text.reading.rows import read_rows
from textgen.text.reading.sources import Source

# Formats


def test_the_columns_of_a_table_may_stand_in_any_order(tmp_path: Path) -> None:
    file = read(tmp_path, "a.csv", "id,label,text\n1,x,A\n2,y,B\n")
    assert pairs(file) == [("A", "x"), ("B", "y")]
    assert file.ignored == ["'id'"]


def test_quoted_values_hold_commas_quotes_and_line_breaks(tmp_path: Path) -> None:
    file = read(tmp_path, "a.csv", 'text,label\n"A, ""b""\n\nC",x\nD,y\n')
    assert file.records == (Record('A, "b"\n\nC', "x", 2), Record("D", "y", 5))


def test_tabs_separate_the_columns_of_tsv(tmp_path: Path) -> None:
    file = read(tmp_path, "a.tsv", "text\tlabel\nA, a\tx\n")
    assert pairs(file) == [("A, a", "x")]


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.JSONL"])
def test_json_lines_hold_one_record_each(tmp_path: Path, name: str) -> None:
    data = '{"text": "A\\nB", "label": "x"}\n\n{"label": "y", "text": "C\u2028D"}'
    file = read(tmp_path, name, data)
    assert file.records == (Record("A\nB", "x", 1), Record("C\u2028D", "y", 3))


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)],
)
def test_compressed_records_are_read_by_both_suffixes(
    tmp_path: Path, suffix: str, pack: Any
) -> None:
    assert pairs(read(tmp_path, f"a.csv{suffix}", pack(b"text\nA\n"))) == [("A", None)]
    data = pack(b'{"text": "B"}')
    assert pairs(read(tmp_path, f"b.jsonl{suffix}", data)) == [("B", None)]


def test_standard_input_has_json_lines_and_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = io.BytesIO(b'{"text": "A"}\n{"txt": "B"}\n')
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(data))
    with pytest.raises(CorpusError, match=r"^standard input: the record in line 2 has"):
        read_corpus("-", TextConfig(documents="records"))


def test_another_ending_is_refused_with_those_that_can_be_read(tmp_path: Path) -> None:
    message = message_of(tmp_path, "a.json", '[{"text": "A"}]')
    assert "reads files that end in .csv, .tsv, .jsonl, .ndjson (also with" in message


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", True),
        ("b/a.TSV.XZ", True),
        ("a.jsonl", True),
        ("a.ndjson.bz2", True),
        ("a.csv.txt", False),
        ("csv", False),
        ("a.gz", False),
        ("-", False),
    ],
)
def test_files_of_records_are_known_by_their_ending(name: str, expected: bool) -> None:
    assert holds_records(Source(name)) is expected


texts = st.text(st.characters(exclude_characters="\r\0\ufdd0", exclude_categories=["Cs"]))
rows = st.lists(st.tuples(texts.filter(str.strip), texts.filter(str.strip)), min_size=1)


@given(rows)
def test_what_the_csv_module_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    written = io.StringIO()
    csv.writer(written).writerows([("text", "label"), *rows])
    folder = tmp_path_factory.mktemp("csv")
    file = read(folder, "a.csv", written.getvalue(), normalize="none")
    assert pairs(file) == [(text, label.strip()) for text, label in rows]


@given(rows)
def test_what_the_json_module_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    folder = tmp_path_factory.mktemp("jsonl")
    file = read(folder, "a.jsonl", "\n".join(lines), normalize="none")
    assert pairs(file) == [(text, label.strip()) for text, label in rows]


# Texts


def test_line_endings_inside_texts_become_lf(tmp_path: Path) -> None:
    table = read(tmp_path, "a.csv", 'text,label\r\n"A\r\nB",x\r\n')
    assert table.records == (Record("A\nB", "x", 2),)
    lines = read(tmp_path, "a.jsonl", '{"text": "A\\r\\nB\\rC"}')
    assert pairs(lines) == [("A\nB\nC", None)]


def test_texts_and_labels_come_into_normal_form(tmp_path: Path) -> None:
    data = "text,label\ne\u0301,e\u0301\n"
    assert pairs(read(tmp_path, "a.csv", data)) == [("é", "é")]
    expected = [("e\u0301", "e\u0301")]
    assert pairs(read(tmp_path, "a.csv", data, normalize="none")) == expected


def test_the_normal_form_makes_no_new_commas_or_quotes(tmp_path: Path) -> None:
    # A wide comma and a wide quote, which NFKC turns into plain ones.
    data = "text,label\n\uff02A\uff0cB,x\n"
    assert pairs(read(tmp_path, "a.csv", data, normalize="nfkc")) == [('"A,B', "x")]


def test_the_encoding_asked_for_is_used(tmp_path: Path) -> None:
    data = "text,label\né,ß\n".encode("utf-16")
    assert pairs(read(tmp_path, "a.csv", data, encoding="utf-16")) == [("é", "ß")]


def test_a_wrong_byte_is_named_as_in_any_other_text(tmp_path: Path) -> None:
    assert "byte 0xff at offset 5 (line 2)" in message_of(tmp_path, "a.csv", b"text\n\xff")


def test_blank_texts_are_left_out_whatever_their_label(tmp_path: Path) -> None:
    data = '{"text": "", "label": ""}\n{"text": " \\n", "label": 1.5}\n{"text": "A"}\n'
    file = read(tmp_path, "a.jsonl", data)
    assert (pairs(file), file.num_blank) == ([("A", None)], 2)


def test_blanks_around_a_text_are_kept_and_around_a_label_are_not(tmp_path: Path) -> None:
    assert pairs(read(tmp_path, "a.csv", "text,label\n A , x y \n")) == [(" A ", "x y")]


def test_a_text_longer_than_the_csv_module_allows_is_read(tmp_path: Path) -> None:
    usual = csv.field_size_limit()
    long = "a\n" * usual
    assert pairs(read(tmp_path, "a.csv", f'text\n"{long}"\n')) == [(long, None)]
    assert csv.field_size_limit() == usual


def test_a_quote_that_is_never_closed_names_its_record_and_not_all_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textgen.text.reading.rows.MAX_FIELD_CHARS", 1000)
    data = 'text\nA\n"B\n' + "C\n" * 1000
    message = message_of(tmp_path, "a.csv", data)
    assert message.startswith("a.csv: the record in line 3 is malformed (field larger than")


def test_names_that_are_not_read_are_counted_only_so_far(tmp_path: Path) -> None:
    lines = "".join(f'{{"text": "A", "key{n}": 1}}\n' for n in range(3000))
    assert len(read(tmp_path, "a.jsonl", lines).ignored) < 1100


def test_a_broken_table_leaves_the_csv_module_as_it_was(tmp_path: Path) -> None:
    usual = csv.field_size_limit()
    message_of(tmp_path, "a.csv", 'text\n"' + "a" * (usual + 1))
    assert csv.field_size_limit() == usual


def test_tables_that_are_read_side_by_side_share_the_limit_of_the_csv_module() -> None:
    usual = csv.field_size_limit()
    long = "a" * (usual + 1)
    one, other = (
        read_rows(["text\n", f"{long}\n" * 2], Source(name)) for name in ("a.csv", "b.csv")
    )
    assert next(one).values == next(other).values == {"text": long}
    assert len(list(one)) == 1
    assert len(list(other)) == 1
    assert csv.field_size_limit() == usual


# Labels


@pytest.mark.parametrize(
    ("value", "label"),
    [('"x"', "x"), ("3", "3"), ("-1", "-1"), ("true", "true"), ("false", "false")],
)
def test_whole_numbers_and_truth_values_are_labels_as_json_writes_them(
    tmp_path: Path, value: str, label: str
) -> None:
    data = f'{{"text": "A", "label": {value}}}'
    assert pairs(read(tmp_path, "a.jsonl", data)) == [("A", label)]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("1.5", "a number: 1.5"),
        ("NaN", "a number: NaN"),
        ('["x"]', 'a list: ["x"]'),
        ('{"a": 1}', 'an object: {"a": 1}'),
    ],
)
def test_other_labels_are_refused(tmp_path: Path, value: str, kind: str) -> None:
    message = message_of(tmp_path, "a.jsonl", f'\n{{"text": "A", "label": {value}}}')
    assert message == (
        f"a.jsonl: the record in line 2 has a label that is {kind}. A label is a string, "
        "a whole number, true or false."
    )


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.csv", "text,label\nA, \n"), ("a.jsonl", '\n{"text": "A", "label": "\\t"}')],
)
def test_an_empty_label_is_refused(tmp_path: Path, name: str, data: str) -> None:
    message = message_of(tmp_path, name, data)
    assert message.startswith(f"{name}: the record in line 2 has an empty label.")


def test_a_missing_label_among_others_names_one_of_each() -> None:
    one, other = Source("a.csv"), Source("b.csv")
    rule = RecordRule()
    rule.add(one, Record("A", "x", 2))
    with pytest.raises(CorpusError) as caught:
        rule.add(one, Record("B", None, 3))
    assert str(caught.value) == (
        "a.csv: the record in line 3 has no label, but a.csv: the record in line 2 has "
        "one. Give every record a label, or none."
    )
    rule = RecordRule()
    rule.add(one, Record("A", "x", 2))
    with pytest.raises(CorpusError, match=r"b\.csv: the record in line 9 has no label"):
        rule.add(other, Record("C", None, 9))


# Faults


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("body,title\nA,x\n", "has no 'text', only 'body', 'title'. Rename the"),
        (
            "text;label\nA;x\n",
            "has 'text', 'label' with semicolons between them. Save the table with commas "
            "between its columns.",
        ),
        (
            'body;"mood"\nA;x\n',
            "has 'body', 'mood' with semicolons between them. Save the table with commas "
            "between its columns, and rename the one with the text to 'text'.",
        ),
        (
            "text\tlabel\nA\tx\n",
            "has 'text', 'label' with tabs between them. Rename the file to end in .tsv.",
        ),
        ("Text,label\nA,x\n", "has 'Text'. Rename it 'text'."),
        ("text, label\nA,x\n", "has ' label'. Rename it 'label'."),
        ("text,label,text\nA,x,B\n", "has 'text' more than once. Rename one."),
    ],
)
def test_a_table_whose_columns_are_not_named_right_is_refused(
    tmp_path: Path, data: str, expected: str
) -> None:
    message = message_of(tmp_path, "a.csv", data)
    assert message.startswith("a.csv: its first line, which names the columns, has ")
    assert expected in message


def test_columns_with_other_names_beside_text_and_label_may_be_near_them(
    tmp_path: Path,
) -> None:
    file = read(tmp_path, "a.csv", "text,Text,label\nA,B,x\n")
    assert (pairs(file), file.ignored) == ([("A", "x")], ["'Text'"])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ('text,label\n"A\n",x\nB\n', "line 4 has 1 value, but there are 2 columns."),
        ("text,label\nA,x\nB,y,z\n", "line 3 has 3 values, but there are 2 columns."),
        ('text,label\nA,x\n"B"b,y\n', "line 3 is malformed (',' expected after '\"')."),
        ('text,label\nA,x\n"B,y\nC,z\n', "line 3 is malformed (unexpected end of data)."),
    ],
)
def test_a_broken_row_is_named_by_the_line_where_it_begins(
    tmp_path: Path, data: str, expected: str
) -> None:
    message = message_of(tmp_path, "a.csv", data)
    assert message.startswith(f"a.csv: the record in {expected}")


def test_empty_lines_between_rows_are_no_records(tmp_path: Path) -> None:
    file = read(tmp_path, "a.csv", "\ntext,label\n\nA,x\n\n")
    assert file.records == (Record("A", "x", 4),)
    assert file.num_blank == 0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"text": "A"', "line 2 is not JSON (Expecting ',' delimiter, column 13)."),
        ("text", "line 2 is not JSON (Expecting value, column 1)."),
        ('{"text": "A", "text": "B"}', "line 2 is not JSON (an object has a key more"),
        ("[" * 200_000, "line 2 is not JSON ("),
        ('{"text": ' + "1" * 5000 + "}", "line 2 is not JSON ("),
        ('["A"]', "line 2 is a list, not an object."),
        ('"A"', "line 2 is a string, not an object."),
        ("1", "line 2 is a number, not an object."),
        ("true", "line 2 is a truth value, not an object."),
        ("null", "line 2 is null, not an object."),
        ('{"body": "A"}', "the record in line 2 has no 'text', only 'body'. Rename the"),
        ("{}", "the record in line 2 has no 'text'. Rename the"),
        ('{"text": null}', "the record in line 2 has a text that is null, not a string."),
        ('{"text": 3}', "the record in line 2 has a text that is a number, not a string."),
        ('{"text": "A", "Label": 1}', "the record in line 2 has 'Label'. Rename it"),
        (
            '{"text": "\\ud83d!"}',
            r"the record in line 2 contains the lone surrogate \ud83d",
        ),
        (
            '{"text": "A", "label": "\\udca9"}',
            "the record in line 2 contains the lone surr",
        ),
    ],
)
def test_a_broken_line_of_json_is_named(tmp_path: Path, line: str, expected: str) -> None:
    message = message_of(tmp_path, "a.jsonl", f'{{"text": "A"}}\n{line}\n')
    assert message.startswith(f"a.jsonl: {expected}")


def test_a_pair_of_surrogates_is_one_character(tmp_path: Path) -> None:
    file = read(tmp_path, "a.jsonl", '{"text": "\\ud83d\\udca9"}')
    assert pairs(file) == [("\U0001f4a9", None)]


def test_many_other_names_are_cut_short(tmp_path: Path) -> None:
    header = ",".join(f"c{number}" for number in range(12))
    assert "'c8', 'c9' and 2 more. Rename" in message_of(tmp_path, "a.csv", header + "\n")
