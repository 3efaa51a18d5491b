"""Records with a text and perhaps a label: CSV, tab-separated values and JSON lines.

    text,label                          {"text": "Rain.", "label": "sad"}
    Rain.,sad                           {"text": "Sun, sea.", "label": "glad"}
    "Sun, sea.",glad

Each record is one document. Nothing in it is guessed: a record that lacks its text,
a broken line or a label here and none there are errors that name file and line.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any, NamedTuple

from textgen.config.text import TextConfig
from textgen.errors import CorpusError
from textgen.text.reading.decoding import PieceDecoder
from textgen.text.reading.sources import (
    bytes_pieces,
    decompressed_name,
    is_stdin,
    shown_name,
)
from textgen.text.unicode.normal_form import normalize_text
from textgen.wording import count_of, few

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_JSON_LINES = (".jsonl", ".ndjson")
RECORD_GLOBS = tuple(f"*{suffix}" for suffix in (*_DELIMITERS, *_JSON_LINES))
TEXT, LABEL = "text", "label"
# Where a quote is not closed, all the rest of a file is one field.
_MOST_CHARS = 2**26
# Names that are not read are only for a note.
_MOST_NAMES = 1000
_PIECE_BYTES = 1 << 20
_SURROGATE = re.compile("[\ud800-\udfff]")


class Record(NamedTuple):
    """One document, its label where it has one, and the line where it begins."""

    text: str
    label: str | None
    line: int


class RecordFile(NamedTuple):
    """What one file holds.

    Args:
        records: those with text in them.
        quirks: what had to be done to the file, see `Decoded`.
        num_blank: how many records had no text and were left out.
        others: names of columns or keys that are not read.
    """

    name: str
    records: tuple[Record, ...]
    quirks: tuple[str, ...]
    num_blank: int
    others: tuple[str, ...]

    @property
    def num_chars(self) -> int:
        """Characters of all texts together."""
        return sum(len(record.text) for record in self.records)


class _Row(NamedTuple):
    """The values of a record by name, as they stand in the file."""

    values: dict[str, Any]
    line: int


def holds_records(name: str) -> bool:
    """Whether a file is one of records, by the ending of its name.

    >>> holds_records("poems.csv.gz"), holds_records("poems.txt")
    (True, False)
    """
    return _suffix(name) in (*_DELIMITERS, *_JSON_LINES)


def read_records(name: str, config: TextConfig) -> RecordFile:
    r"""Read the records of one file.

    `.csv` and `.tsv` begin with a row of names; `.jsonl`, `.ndjson` and standard
    input (`-`) have one JSON object a line. `text` becomes the document, with LF line
    endings and in the normal form asked for. `label` may be missing; it is text, and
    in JSON also a whole number or a truth value, which becomes its text. Blanks
    around a label do not count.

    Args:
        name: a file, also compressed, or `-`.
        config: encoding and normal form; the rest does not matter here.

    Raises:
        CorpusError: the file cannot be read or decoded, has another ending, or a
            record of it is broken or lacks its text; the message names the line.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "weather.csv")
    ...     _ = path.write_text('text,label\n"Sun, sea.",glad\nRain.,sad\n')
    ...     read_records(str(path), TextConfig()).records
    (Record(text='Sun, sea.', label='glad', line=2),
     Record(text='Rain.', label='sad', line=3))
    """
    reader = RecordReader(name, config)
    records = tuple(reader)
    return RecordFile(name, records, reader.quirks, reader.num_blank, reader.others)


class RecordReader:
    """The records of one file, one at a time, so that a file of any size can be read.

    Args:
        name: as for `read_records`.
        config: likewise.
        on_bytes: is told after each reading how many bytes it brought.

    Attributes:
        quirks, num_blank, others: as in `RecordFile`, of what was read so far.

    Raises:
        CorpusError: as for `read_records`; but for the ending of the name, only when
            the place is reached.

    >>> RecordReader("poems.txt", TextConfig())
    Traceback (most recent call last):
    textgen.errors.CorpusError: poems.txt: --documents records reads files that end in ...
    """

    def __init__(
        self,
        name: str,
        config: TextConfig,
        on_bytes: Callable[[int], object] | None = None,
    ) -> None:
        if not is_stdin(name) and not holds_records(name):
            raise CorpusError(
                f"{shown_name(name)}: --documents records reads files that end in "
                f"{', '.join([*_DELIMITERS, *_JSON_LINES])} (also with .gz, .bz2 or .xz). "
                "Rename or convert it, or choose other --documents."
            )
        self.name = name
        self.config = config
        self.num_blank = 0
        self._decoder = PieceDecoder(config.encoding, name)
        self._on_bytes = on_bytes
        self._names: dict[str, None] = {}

    @property
    def quirks(self) -> tuple[str, ...]:
        """What had to be done to the file, see `Decoded`."""
        return self._decoder.quirks

    @property
    def others(self) -> tuple[str, ...]:
        """Names of columns or keys that are not read."""
        return tuple(repr(key) for key in self._names if key not in (TEXT, LABEL))

    def __iter__(self) -> Iterator[Record]:
        # The normal form comes later: NFKC can turn a character into a comma or a quote.
        data = bytes_pieces(self.name, _PIECE_BYTES, self._on_bytes)
        lines = _whole_lines(self._decoder.decode(data))
        for row in _rows(lines, self.name):
            if len(self._names) < _MOST_NAMES:
                self._names |= dict.fromkeys(row.values)
            text = _text_of(row, self.name, self.config)
            if text.strip():
                yield Record(text, _label_of(row, self.name, self.config), row.line)
            else:
                self.num_blank += 1


class LabelRule:
    """Every record has a label, or none has.

    >>> rule = LabelRule()
    >>> rule.add("a.csv", Record("Rain.", "sad", 2))
    >>> rule.add("a.csv", Record("Sun.", None, 3))
    Traceback (most recent call last):
    textgen.errors.CorpusError: a.csv: the record in line 3 has no label, but ...
    """

    def __init__(self) -> None:
        self._first: dict[bool, tuple[str, int]] = {}

    def add(self, name: str, record: Record) -> None:
        """Look at one more record.

        Raises:
            CorpusError: it has a label and others none, or the other way round.
        """
        self._first.setdefault(record.label is not None, (name, record.line))
        if len(self._first) > 1:
            raise CorpusError(
                f"{_where(*self._first[False])} has no label, but "
                f"{_where(*self._first[True])} has one. Give every record a label, or none."
            )


def labels_of(files: Sequence[RecordFile]) -> tuple[str, ...] | None:
    """The label of every record, or None where no record has one.

    Raises:
        CorpusError: some records have a label, but not all; it names one of each.

    >>> records = (Record("Rain.", "sad", 2), Record("Sun.", "glad", 3))
    >>> labels_of([RecordFile("weather.csv", records, (), 0, ())])
    ('sad', 'glad')
    """
    rule = LabelRule()
    labels: list[str] = []
    for file in files:
        for record in file.records:
            rule.add(file.name, record)
            if record.label is not None:
                labels.append(record.label)
    return tuple(labels) or None


def _suffix(name: str) -> str:
    return PurePath(decompressed_name(name)).suffix.lower()


def _where(name: str, line: int) -> str:
    return f"{shown_name(name)}: the record in line {line}"


def _whole_lines(pieces: Iterable[str]) -> Iterator[str]:
    """The lines of a text that comes in pieces, each with its line feed."""
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


def _rows(lines: Iterator[str], name: str) -> Iterator[_Row]:
    delimiter = None if is_stdin(name) else _DELIMITERS.get(_suffix(name))
    if delimiter is not None:
        return _table_rows(lines, name, delimiter)
    return _json_rows(lines, name)


# --- CSV and tab-separated values ---


def _table_rows(lines: Iterator[str], name: str, delimiter: str) -> Iterator[_Row]:
    rows = _table_cells(lines, name, delimiter)
    header, _ = next(rows, ([], 1))
    if header:
        _check_header(header, name)
    for cells, line in rows:
        if len(cells) != len(header):
            raise CorpusError(
                f"{_where(name, line)} has {count_of(len(cells), 'value')}, "
                f"but columns are {len(header)}. Put a value that holds {delimiter!r} or "
                "a line break in double quotes."
            )
        yield _Row(dict(zip(header, cells, strict=True)), line)


def _table_cells(
    lines: Iterator[str], name: str, delimiter: str
) -> Iterator[tuple[list[str], int]]:
    """The rows of a table that are not empty, each with the line where it begins."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    line = 1
    while True:
        try:
            with _fields_of_any_length():
                cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise CorpusError(
                f"{_where(name, line)} is broken ({error}). Put a value that holds a "
                "double quote in double quotes, and write each inside it twice."
            ) from error
        if cells:
            yield cells, line
        line = reader.line_num + 1


@contextmanager
def _fields_of_any_length() -> Iterator[None]:
    """The csv module alone, for everyone in this process, stops at 131,072 characters."""
    usual = csv.field_size_limit(_MOST_CHARS)
    try:
        yield
    finally:
        csv.field_size_limit(usual)


def _check_header(header: Sequence[str], name: str) -> None:
    where = f"{shown_name(name)}: its first line, which names the columns,"
    twice = [column for column in dict.fromkeys(header) if header.count(column) > 1]
    if twice:
        raise CorpusError(
            f"{where} has {few(list(map(repr, twice)))} more than once. Rename one."
        )
    _check_names(header, where)


# --- JSON lines ---


def _json_rows(lines: Iterator[str], name: str) -> Iterator[_Row]:
    for line, source in enumerate(lines, start=1):
        if source.strip():
            values = _json_object(source.removesuffix("\n"), name, line)
            _check_names(values, _where(name, line))
            yield _Row(values, line)


def _json_object(source: str, name: str, line: int) -> dict[str, Any]:
    try:
        values = json.loads(source, object_pairs_hook=_each_key_once)
    except (ValueError, RecursionError) as error:
        reason = str(error)
        if isinstance(error, json.JSONDecodeError):
            # Its own line number counts within this line.
            reason = f"{error.msg}, column {error.colno}"
        raise CorpusError(
            f"{shown_name(name)}: line {line} is not JSON ({reason}). Each line must be "
            'one whole object, like {"text": "Rain.", "label": "sad"}.'
        ) from error
    if not isinstance(values, dict):
        raise CorpusError(
            f"{shown_name(name)}: line {line} is {_kind_of(values)}, not an object. Each "
            'line must be one, like {"text": "Rain.", "label": "sad"}.'
        )
    return values


def _each_key_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("an object has a key more than once")
    return values


def _kind_of(value: Any) -> str:
    kinds = {bool: "a truth value", list: "a list", dict: "an object", str: "a string"}
    return "null" if value is None else kinds.get(type(value), "a number")


# --- what both have in common ---


def _check_names(names: Iterable[str], where: str) -> None:
    names = list(names)
    for wanted in (TEXT, LABEL):
        if wanted in names:
            continue
        near = [other for other in names if other.strip().casefold() == wanted]
        if near:
            # Left alone, a column " label" would be left out without a word.
            raise CorpusError(f"{where} has {near[0]!r}. Rename it {wanted!r}.")
    if TEXT not in names:
        found = ", ".join(map(repr, names[:10])) + ", ..." * (len(names) > 10)
        raise CorpusError(
            f"{where} has no {TEXT!r}, but {found or 'nothing'}. Name what is to be "
            f"learned {TEXT!r}, and its label, where there is one, {LABEL!r}."
            f"{_delimiter_hint(names)}"
        )


def _delimiter_hint(names: Sequence[str]) -> str:
    if len(names) == 1 and ";" in names[0]:
        return " Columns are separated by commas here, not by semicolons."
    if len(names) == 1 and "\t" in names[0]:
        return " With tabs between its columns, the file must be named .tsv."
    return ""


def _text_of(row: _Row, name: str, config: TextConfig) -> str:
    value = row.values[TEXT]
    if not isinstance(value, str):
        raise CorpusError(
            f"{_where(name, row.line)} has a {TEXT} that is {_kind_of(value)}, not a "
            "string. Put it in quotes, or leave the record out."
        )
    return _cleaned(value, row, name, config)


def _label_of(row: _Row, name: str, config: TextConfig) -> str | None:
    value = row.values.get(LABEL)
    if value is None:
        return None
    if isinstance(value, bool | int):
        # As JSON writes it: true, not True.
        value = json.dumps(value)
    if not isinstance(value, str):
        raise CorpusError(
            f"{_where(name, row.line)} has a {LABEL} that is {_kind_of(value)}: "
            f"{json.dumps(value)[:40]}. A label is a string, a whole number, true or false."
        )
    label = _cleaned(value, row, name, config).strip()
    if not label:
        raise CorpusError(
            f"{_where(name, row.line)} has an empty {LABEL}. Name one, or leave the record "
            "out."
        )
    return label


def _cleaned(value: str, row: _Row, name: str, config: TextConfig) -> str:
    # JSON can spell what no file can hold.
    half = _SURROGATE.search(value)
    if half:
        raise CorpusError(
            f"{_where(name, row.line)} has half a character, \\u{ord(half[0]):04x}, a lone "
            "surrogate. Write the whole character, or leave it out."
        )
    lines = value.replace("\r\n", "\n").replace("\r", "\n")
    return normalize_text(lines, config.normalize)
