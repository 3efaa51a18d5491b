"""What a person should know about the files that were read, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from textgen.text.reading.decoding import HAD_CR, HAD_CRLF, HAD_MARK
from textgen.text.reading.records import holds_records
from textgen.text.reading.sources import shown_name
from textgen.wording import count_of, few

NO_TEXT = "held no text and added nothing"
MOST_SOURCES = 10
"""How many files a checkpoint names: a corpus may have 100,000."""


MOST_NAMES = 1000
"""How many columns or keys that were not read are told apart."""


@dataclass
class Tally:
    """What was met in the files of a corpus.

    Args:
        num_files: files with text in them.
        sources: numbers of the first of these, in the order in which they were read.
        num_empty: files without even a blank.
        quirks: how many files had what done to them, see `Decoded`.
        num_blank_records: records without text.
        others: columns or keys of records that were not read, each once.
    """

    num_files: int = 0
    sources: list[int] = field(default_factory=list)
    num_empty: int = 0
    quirks: Counter[str] = field(default_factory=Counter)
    num_blank_records: int = 0
    others: list[str] = field(default_factory=list)

    def add_file(
        self, number: int, quirks: Iterable[str], *, num_chars: int, has_text: bool
    ) -> None:
        """Count one file, the `number`th that was named."""
        self.quirks.update(quirks)
        if has_text:
            self.num_files += 1
            if len(self.sources) < MOST_SOURCES:
                self.sources.append(number)
        else:
            self.quirks[NO_TEXT] += 1
            self.num_empty += num_chars == 0

    def add_records(self, num_blank: int, others: Iterable[str]) -> None:
        """Count what a file of records held beside its records."""
        self.num_blank_records += num_blank
        self.others = list(dict.fromkeys([*self.others, *others]))[:MOST_NAMES]

    def sentences(self, *, of_records: bool) -> Iterator[str]:
        """What was changed or left out.

        >>> tally = Tally()
        >>> tally.add_file(0, [HAD_CRLF], num_chars=5, has_text=True)
        >>> list(tally.sentences(of_records=False))
        ['1 file had CRLF line endings; they were read as LF.']
        """
        for quirk in (HAD_MARK, HAD_CRLF, HAD_CR, NO_TEXT):
            count = self.quirks[quirk]
            # CSV has CRLF by its standard, so that it is nothing to report.
            if count and not (of_records and quirk == HAD_CRLF):
                yield f"{count_of(count, 'file')} {quirk}."
        count = self.num_blank_records
        if count:
            yield f"{count_of(count, 'record')} without text left out."
        if self.others:
            yield f"Only text and label of records are read, not {few(self.others)}."


def read_as_plain_text(names: Sequence[str]) -> Iterator[str]:
    """A sentence about files of records that were not read as such.

    >>> list(read_as_plain_text(["poems.txt"]))
    []
    """
    found = [name for name in names if holds_records(name)]
    if found:
        yield (
            f"{few(found)}: read as plain text, names and punctuation of its columns "
            "included. To learn from its records alone, use --documents records."
        )


def no_text(names: Sequence[str], *, is_empty: bool, of_records: bool) -> str:
    """The message where not one file holds any text.

    >>> no_text(["a.txt"], is_empty=True, of_records=False)
    'a.txt is empty. Name a file with text in it.'
    """
    shown = few([shown_name(name) for name in names])
    if of_records:
        return f"{shown}: there is no record with text in it. Add some."
    if len(names) > 1:
        return f"none of these {len(names)} files holds any text: {shown}. Add text."
    what = "is empty" if is_empty else "holds nothing but whitespace"
    return f"{shown} {what}. Name a file with text in it."
