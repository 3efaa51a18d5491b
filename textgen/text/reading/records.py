"""Records: a text and an optional label, or a prompt and its completion.

Each record of a table or of JSON lines becomes one document. Nothing is guessed: a record
without a text, a malformed line, or a label on only some of the records is an error that
names the file and the line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from textgen.errors import CorpusError
from textgen.text.reading.rows import (
    COMPLETION,
    DELIMITERS,
    JSON_LINES,
    LABEL,
    PROMPT,
    TEXT,
    Row,
    place_of_record,
    read_rows,
    type_in_words,
)
from textgen.text.reading.sources import Source
from textgen.text.unicode.code_points import SEPARATOR

SUFFIXES = (*DELIMITERS, *JSON_LINES)
RECORD_GLOBS = tuple(f"*{suffix}" for suffix in SUFFIXES)
MAX_NAMES = 1000
"""How many names of ignored columns or keys are kept, for a note."""
_SURROGATE = re.compile("[\ud800-\udfff]")


class Record(NamedTuple):
    """One document, its label if it has one, and its first line in the file.

    A prompt and its completion are one text, with `SEPARATOR` between them.
    """

    text: str
    label: str | None
    line: int


def holds_records(source: Source) -> bool:
    """Whether a file holds records, by the suffix of its name.

    >>> holds_records(Source("poems.csv.gz")), holds_records(Source("poems.txt"))
    (True, False)
    """
    return source.suffix in SUFFIXES


def kind_to_read(source: Source, trained_kind: str) -> str:
    """What counts as a document of a file that a model reads after its training.

    To a model of records, plain text is one document.

    >>> [kind_to_read(Source(name), "records") for name in ("a.csv", "a.txt")]
    ['records', 'files']
    """
    is_plain = not source.is_stdin and not holds_records(source)
    return "files" if trained_kind == "records" and is_plain else trained_kind


class RecordReader:
    r"""The records of one file that have text in them, one at a time.

    `.csv` and `.tsv` files begin with a row of names; `.jsonl`, `.ndjson` and standard
    input have one JSON object per line. `text` becomes the document, with LF line
    endings. `label` is optional; it is a string, and in JSON also a whole number or a
    truth value, which becomes its JSON text. Whitespace around a label is removed. Instead
    of a text, all records may have a `prompt` and a `completion`, neither of them blank.

    Args:
        source: where the records come from.
        pieces: its text, not yet normalised, since NFKC can turn other characters into
            commas and quotes.

    Attributes:
        num_blank: how many records had no text so far.

    Raises:
        CorpusError: the suffix is not that of a file of records. While iterating: a
            record is malformed or has no text; the message names its line.

    >>> lines = ['text,label\n"Sun, sea.",glad\n', 'Rain.,sad\n']
    >>> list(RecordReader(Source("weather.csv"), lines))
    [Record(text='Sun, sea.', label='glad', line=2),
     Record(text='Rain.', label='sad', line=3)]
    """

    def __init__(self, source: Source, pieces: Iterable[str]) -> None:
        if not source.is_stdin and not holds_records(source):
            raise CorpusError(
                f"{source.shown}: `documents='records'` reads files that end in "
                f"{', '.join(SUFFIXES)} (also with .gz, .bz2 or .xz). Rename or convert "
                "it, or choose other `documents`."
            )
        self.num_blank = 0
        self._source = source
        self._pieces = pieces
        self._names: dict[str, None] = {}

    @property
    def ignored(self) -> tuple[str, ...]:
        """Quoted names of the columns or keys that are not read."""
        read = (TEXT, LABEL) if TEXT in self._names else (PROMPT, COMPLETION)
        return tuple(repr(key) for key in self._names if key not in read)

    def __iter__(self) -> Iterator[Record]:
        for row in read_rows(self._pieces, self._source):
            if len(self._names) < MAX_NAMES:
                self._names |= dict.fromkeys(row.values)
            text = self._text(row)
            if text.strip():
                yield Record(text, self._label(row), row.line)
            else:
                self.num_blank += 1

    def _text(self, row: Row) -> str:
        if TEXT in row.values:
            return self._string(TEXT, row)
        parts = [self._string(name, row) for name in (PROMPT, COMPLETION)]
        for name, part in zip((PROMPT, COMPLETION), parts, strict=True):
            if not part.strip():
                raise CorpusError(
                    f"{self._place(row)} has an empty {name}. Fill it in, or remove the "
                    "record."
                )
        return SEPARATOR.join(parts)

    def _string(self, name: str, row: Row) -> str:
        value = row.values[name]
        if not isinstance(value, str):
            raise CorpusError(
                f"{self._place(row)} has a {name} that is {type_in_words(value)}, not a "
                "string. Put it in quotes, or remove the record."
            )
        return self._cleaned(value, row)

    def _label(self, row: Row) -> str | None:
        value = row.values.get(LABEL)
        if value is None:
            return None
        if isinstance(value, bool | int):
            # As JSON writes it: true, not True.
            value = json.dumps(value)
        if not isinstance(value, str):
            raise CorpusError(
                f"{self._place(row)} has a {LABEL} that is {type_in_words(value)}: "
                f"{json.dumps(value)[:40]}. A label is a string, a whole number, true or "
                "false."
            )
        label = self._cleaned(value, row).strip()
        if not label:
            raise CorpusError(
                f"{self._place(row)} has an empty {LABEL}. Fill it in, or remove the "
                "record."
            )
        return label

    def _cleaned(self, value: str, row: Row) -> str:
        # JSON can escape what no encoded file can contain.
        if lone := _SURROGATE.search(value):
            raise CorpusError(
                f"{self._place(row)} contains the lone surrogate \\u{ord(lone[0]):04x}. "
                "Write the complete character or remove it."
            )
        if SEPARATOR in value:
            raise CorpusError(
                f"{self._place(row)} contains U+FDD0, no character of any text, which "
                "separates prompts from completions here. Remove it."
            )
        return value.replace("\r\n", "\n").replace("\r", "\n")

    def _place(self, row: Row) -> str:
        return place_of_record(self._source, row.line)


class RecordRule:
    """Checks that every record has a label, or none has; and so for completions.

    >>> rule = RecordRule()
    >>> rule.add(Source("a.csv"), Record("Rain.", "sad", 2))
    >>> rule.add(Source("a.csv"), Record("Sun.", None, 3))
    Traceback (most recent call last):
    textgen.errors.CorpusError: a.csv: the record in line 3 has no label, but ...
    """

    def __init__(self) -> None:
        self._first: dict[tuple[str, bool], str] = {}

    def add(self, source: Source, record: Record) -> None:
        """Check one more record.

        Raises:
            CorpusError: it has a label and an earlier one has none, or the reverse; or a
                completion.
        """
        self._check(LABEL, record.label is not None, source, record)
        self._check(COMPLETION, SEPARATOR in record.text, source, record)

    def _check(self, what: str, has: bool, source: Source, record: Record) -> None:
        first = self._first
        if (what, has) not in first:
            first[what, has] = place_of_record(source, record.line)
            if (what, not has) in first:
                raise CorpusError(
                    f"{first[what, False]} has no {what}, but {first[what, True]} has one. "
                    f"Give every record a {what}, or none."
                )
