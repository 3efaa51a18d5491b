r"""Parse rows of values: CSV, tab-separated values and JSON lines.

text,label                          {"text": "Rain.", "label": "sad"}
Rain.,sad                           {"text": "Sun, sea.", "label": "glad"}
"Sun, sea.",glad
"""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from textgen.errors import CorpusError
from textgen.text.reading.sources import Source
from textgen.wording import count_of, few

TEXT, LABEL = "text", "label"
PROMPT, COMPLETION = "prompt", "completion"
DELIMITERS = {".csv": ",", ".tsv": "\t"}
JSON_LINES = (".jsonl", ".ndjson")
MAX_FIELD_CHARS = 2**26
"""The limit for a field; an unclosed quote would make the rest of the file one field."""


class Row(NamedTuple):
    """The values of a record by name, as they are in the file, and its first line."""

    values: dict[str, Any]
    line: int


def read_rows(pieces: Iterable[str], source: Source) -> Iterator[Row]:
    """The rows of a file, by the suffix of its name; standard input has JSON lines.

    Args:
        pieces: the text of the file.

    Raises:
        CorpusError: a row is malformed or has no text; it names the file and the line.
    """
    lines = _whole_lines(pieces)
    delimiter = DELIMITERS.get(source.suffix)
    if delimiter is None or source.is_stdin:
        return _json_rows(lines, source)
    return _table_rows(lines, source, delimiter)


def place_of_record(source: Source, line: int) -> str:
    """The beginning of a message about a record."""
    return f"{source.shown}: the record in line {line}"


def type_in_words(value: Any) -> str:
    """The type of a JSON value in words, such as "a list"."""
    words = {bool: "a truth value", list: "a list", dict: "an object", str: "a string"}
    return "null" if value is None else words.get(type(value), "a number")


def _whole_lines(pieces: Iterable[str]) -> Iterator[str]:
    """The lines of a text in pieces, each with its line feed."""
    held: list[str] = []
    for piece in pieces:
        # str.splitlines would also cut at U+2028, which JSON allows within strings.
        first, *others = piece.split("\n")
        held.append(first)
        if others:
            yield "".join(held) + "\n"
            *whole, last = others
            yield from (line + "\n" for line in whole)
            held = [last]
    if any(held):
        yield "".join(held)


# --- CSV and tab-separated values ---


def _table_rows(lines: Iterator[str], source: Source, delimiter: str) -> Iterator[Row]:
    with _FIELD_LIMIT:
        rows = _table_cells(lines, source, delimiter)
        header, _ = next(rows, ([], 1))
        if header:
            _check_header(header, source)
        for cells, line in rows:
            if len(cells) != len(header):
                raise CorpusError(
                    f"{place_of_record(source, line)} has {count_of(len(cells), 'value')}, "
                    f"but there are {count_of(len(header), 'column')}. Put a value that "
                    f"contains {delimiter!r} or a line break in double quotes."
                )
            yield Row(dict(zip(header, cells, strict=True)), line)


def _table_cells(
    lines: Iterator[str], source: Source, delimiter: str
) -> Iterator[tuple[list[str], int]]:
    """The rows of a table that are not empty, each with its first line."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield cells, line
            line = reader.line_num + 1
    except csv.Error as error:
        raise CorpusError(
            f"{place_of_record(source, line)} is malformed ({error}). Put a value that "
            "contains double quotes in double quotes, and double each quote inside it."
        ) from error


class _FieldLimit:
    """Raises the limit of the csv module on a field while any table is being read.

    The limit, 131,072 characters by default, is global. So it is raised when the first
    of several readers begins and restored when the last one ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_readers = 0
        self._default = 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._num_readers:
                self._default = csv.field_size_limit(MAX_FIELD_CHARS)
            self._num_readers += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._num_readers -= 1
            if not self._num_readers:
                csv.field_size_limit(self._default)


_FIELD_LIMIT = _FieldLimit()


def _check_header(header: Sequence[str], source: Source) -> None:
    where = f"{source.shown}: its first line, which names the columns,"
    twice = [column for column in dict.fromkeys(header) if header.count(column) > 1]
    if twice:
        raise CorpusError(
            f"{where} has {few(list(map(repr, twice)))} more than once. Rename one."
        )
    _check_names(header, where)


# --- JSON lines ---


def _json_rows(lines: Iterator[str], source: Source) -> Iterator[Row]:
    for line, text in enumerate(lines, start=1):
        if text.strip():
            values = _json_object(text.removesuffix("\n"), f"{source.shown}: line {line}")
            _check_names(values, place_of_record(source, line))
            yield Row(values, line)


def _json_object(text: str, where: str) -> dict[str, Any]:
    try:
        values = json.loads(text, object_pairs_hook=_each_key_once)
    except (ValueError, RecursionError) as error:
        reason = str(error)
        if isinstance(error, json.JSONDecodeError):
            # Its own line number counts within this line.
            reason = f"{error.msg}, column {error.colno}"
        raise CorpusError(
            f"{where} is not JSON ({reason}). Each line must be one object, like "
            '{"text": "Rain.", "label": "sad"}.'
        ) from error
    if not isinstance(values, dict):
        raise CorpusError(
            f"{where} is {type_in_words(values)}, not an object. Each line must be one, "
            'like {"text": "Rain.", "label": "sad"}.'
        )
    return values


def _each_key_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("an object has a key more than once")
    return values


# --- names of columns and keys ---


def _check_names(names: Iterable[str], where: str) -> None:
    names = list(names)
    pair = [name for name in (PROMPT, COMPLETION) if name in names]
    for wanted in (TEXT, LABEL) if TEXT in names else (TEXT, LABEL, PROMPT, COMPLETION):
        if wanted in names:
            continue
        near = [other for other in names if other.strip().casefold() == wanted]
        if near:
            # Otherwise a column " label" would be ignored silently.
            raise CorpusError(f"{where} has {near[0]!r}. Rename it {wanted!r}.")
    if len(pair) == 2:
        _check_pair(names, where)
    elif TEXT not in names and pair:
        lacking = COMPLETION if PROMPT in pair else PROMPT
        raise CorpusError(
            f"{where} has {pair[0]!r} but no {lacking!r}. Add it, or rename {pair[0]!r} to "
            f"{TEXT!r}."
        )
    elif TEXT not in names:
        _check_delimiter(names, where)
        found = few(list(map(repr, names)), most=10)
        raise CorpusError(
            f"{where} has no {TEXT!r}{f', only {found}' if found else ''}. Rename the "
            f"column or key of the text to {TEXT!r}, and that of an optional label to "
            f"{LABEL!r}; or have {PROMPT!r} and {COMPLETION!r}."
        )


def _check_pair(names: Sequence[str], where: str) -> None:
    """Refuse a text or a label beside a prompt and a completion."""
    both = f"{PROMPT!r} and {COMPLETION!r}"
    if TEXT in names:
        raise CorpusError(
            f"{where} has {TEXT!r} as well as {both}. Remove the one or the other."
        )
    if LABEL in names:
        raise CorpusError(
            f"{where} has {LABEL!r} as well as {both}. Put the label into the prompt, or "
            "remove it."
        )


def _check_delimiter(names: Sequence[str], where: str) -> None:
    """Refuse a single name that is several with something else between them."""
    hints = {
        ";": "semicolons between them. Save the table with commas between its columns",
        "\t": "tabs between them. Rename the file to end in .tsv",
    }
    for delimiter, hint in hints.items():
        if len(names) == 1 and delimiter in names[0]:
            columns = names[0].split(delimiter)
            found = few([repr(name.strip('"')) for name in columns], most=10)
            lacking = (
                "" if TEXT in columns else f", and rename the one with the text to {TEXT!r}"
            )
            raise CorpusError(f"{where} has {found} with {hint}{lacking}.")
