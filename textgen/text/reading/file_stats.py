"""Statistics of the files of a corpus, and notes about them for the user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from textgen.text.reading.decoding import HAD_CR, HAD_CRLF, HAD_MARK
from textgen.text.reading.records import MAX_NAMES, holds_records
from textgen.text.reading.sources import Source
from textgen.wording import count_of, few

NO_TEXT = "held no text and added nothing"
MAX_SOURCES = 10
"""How many files a checkpoint names: a corpus may have 100,000."""


class FileSummary(NamedTuple):
    """A file that was read to its end.

    Args:
        changes, line_endings: of its text; see `PieceDecoder`.
        num_chars: of its text in normal form; for records, of all texts.
        has_text: whether it has more than whitespace.
    """

    source: Source
    changes: tuple[str, ...]
    line_endings: tuple[str, ...]
    num_chars: int
    has_text: bool


@dataclass
class FileStats:
    """Statistics of the files of a corpus.

    Args:
        num_files: files with text in them.
        sources: positions of the first of these among all files, in reading order.
        num_empty: files without any characters.
        changes: for each change, the number of files it was made to.
        num_blank_records: records without text.
        ignored: names of columns or keys of records that were not read, each once.
    """

    num_files: int = 0
    sources: list[int] = field(default_factory=list)
    num_empty: int = 0
    changes: Counter[str] = field(default_factory=Counter)
    num_blank_records: int = 0
    ignored: list[str] = field(default_factory=list)

    def add_file(self, number: int, file: FileSummary) -> None:
        """Count the file at position `number`."""
        self.changes.update(file.changes)
        if file.has_text:
            self.num_files += 1
            if len(self.sources) < MAX_SOURCES:
                self.sources.append(number)
        else:
            self.changes[NO_TEXT] += 1
            self.num_empty += file.num_chars == 0

    def add_records(self, num_blank: int, ignored: Iterable[str]) -> None:
        """Count what was left out of a file of records."""
        self.num_blank_records += num_blank
        self.ignored = list(dict.fromkeys([*self.ignored, *ignored]))[:MAX_NAMES]

    def notes(self, *, of_records: bool) -> Iterator[str]:
        """Sentences about what was changed or left out.

        >>> stats = FileStats()
        >>> stats.add_file(0, FileSummary(Source("a"), (HAD_CRLF,), (), 5, True))
        >>> list(stats.notes(of_records=False))
        ['1 file had CRLF line endings; they were read as LF.']
        """
        for change in (HAD_MARK, HAD_CRLF, HAD_CR, NO_TEXT):
            count = self.changes[change]
            # The CSV standard requires CRLF, so it is not worth a note.
            if count and not (of_records and change == HAD_CRLF):
                yield f"{count_of(count, 'file')} {change}."
        if self.num_blank_records:
            yield f"{count_of(self.num_blank_records, 'record')} without text left out."
        if self.ignored:
            yield (
                "Only text and label of records are read, or prompt and completion, not "
                f"{few(self.ignored)}."
            )


def read_as_plain_text(sources: Sequence[Source]) -> Iterator[str]:
    """A note about files of records that are read as plain text."""
    found = [source.shown for source in sources if holds_records(source)]
    if found:
        yield (
            f"{few(found)}: read as plain text, including the names and punctuation of "
            "its columns. To train on the text of its records, use --documents records."
        )


def no_text(names: Sequence[str], *, is_empty: bool, of_records: bool) -> str:
    """The message for files that contain no text.

    Args:
        is_empty: whether a file has no characters at all.

    >>> no_text(["a.txt"], is_empty=True, of_records=False)
    'a.txt is empty. Name a file with text in it.'
    """
    if of_records:
        return f"{few(names)}: no record contains text. Add some."
    if len(names) > 1:
        return f"none of these {len(names)} files contains text: {few(names)}. Add text."
    what = "is empty" if is_empty else "contains only whitespace"
    return f"{few(names)} {what}. Name a file with text in it."
