"""Findings about documents and lines: repeated, of one label, of an unusual size."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import numpy as np

from textgen.checking.finding import Finding
from textgen.checking.repeats import MIN_LINE_CHARS, Repeats
from textgen.checking.survey import Survey
from textgen.config.text import TextConfig
from textgen.text.encoded.scan import CorpusStats
from textgen.wording import count_of, percent, shown

_HUGE_LINE_CHARS = 20_000
_MUCH = 0.01
_VERY_MUCH = 0.1
_LEAST_LINES = 100
"""In a list."""
_MOST_LINE_CHARS, _MOST_MARKS = 40, 0.05
"""In a line of a list, on average. Names have 7 characters and no mark; verse has many."""
_NO_MARKS = "\"'#%&*/@\\"
"""Punctuation that is also in formulas and names."""
_INFLATED = "Repetitions shared by training and validation inflate the score."
_PARAGRAPHS = 'BEGIN {RS = ""; ORS = "\\n\\n"} !seen[$0]++'
_COMMANDS = {"lines": "!seen[$0]++", "paragraphs": _PARAGRAPHS}


def repeat_findings(found: Survey) -> Iterator[Finding]:
    """A finding about documents that repeat an earlier one; of one whole text, files."""
    kind, texts = found.config.documents, found.repeats
    repeats = texts.found()
    if repeats is None:
        return
    number, num_chars = repeats.num_repeats, found.stats.num_chars
    subject = _compared(texts, "file" if kind in ("whole", "files") else "document")
    first, second = map(found.place_of_document, (repeats.first, repeats.second))
    command = f": awk '{_COMMANDS[kind]}' FILE > CLEAN" if kind in _COMMANDS else ""
    yield Finding(
        "warning" if repeats.num_chars >= _MUCH * num_chars else "remark",
        "repeated documents",
        f"{number:,} of {subject} {'is' if number == 1 else 'are'} equal to an earlier "
        f"one, {percent(repeats.num_chars, num_chars)} of the text: {second} repeats "
        f"{first}. {_INFLATED}",
        f"Keep one of each{command}.",
        {"count": number},
    )


def line_findings(found: Survey) -> Iterator[Finding]:
    """A finding about long lines that repeat an earlier one, beside those of documents."""
    texts = found.lines.repeats
    lines, documents = texts.found(), found.repeats.found()
    if lines is None or not found.stats.num_chars:
        return
    number, num_chars = lines.num_repeats, found.stats.num_chars
    # Repeated documents have a finding of their own.
    own_share = (lines.num_chars - (documents.num_chars if documents else 0)) / num_chars
    if own_share < _MUCH:
        return
    first, second = map(found.place_of_line, (lines.first, lines.second))
    yield Finding(
        "warning" if own_share >= _VERY_MUCH else "remark",
        "repeated lines",
        f"{number:,} of {_compared(texts, 'line')} of {MIN_LINE_CHARS} characters or more "
        f"{'is' if number == 1 else 'are'} equal to an earlier one, "
        f"{percent(lines.num_chars, num_chars)} of the text: {second} repeats {first}. "
        f"{_INFLATED}",
        "Remove what is there by mistake: a second copy, or the header of each page.",
        {"count": number},
    )


def _compared(texts: Repeats, name: str) -> str:
    """How many texts there are, and how many of them were compared."""
    subject = count_of(texts.count, name)
    num_compared = len(texts.lengths)
    if num_compared < texts.count:
        subject += f" (only the first {num_compared:,} are compared)"
    return subject


def label_findings(found: Survey) -> Iterator[Finding]:
    """A finding about records that all have the same label."""
    labels = found.stats.labels
    if labels is not None and len(labels) == 1:
        ((label, count),) = labels.items()
        yield Finding(
            "warning",
            "one label",
            f"all {count_of(count, 'record')} have the label {shown(label)}, so there is "
            "nothing to tell it from.",
            "Add records with other labels, or leave the labels out.",
        )


def shape_findings(found: Survey) -> Iterator[Finding]:
    """Findings about a document and a line of an unusual size."""
    kind, stats, text = found.config.documents, found.stats, found.text
    longest = max(found.repeats.lengths, default=0)
    is_giant = longest > stats.num_chars / 2 and stats.num_chars > 2000
    if kind != "whole" and stats.num_documents > 1 and is_giant:
        yield Finding(
            "warning",
            "one giant document",
            f"one of {stats.num_documents:,} documents has {longest:,} characters, "
            f"{percent(longest, stats.num_chars)} of the text; documents are held out as a "
            "whole.",
            f"Check whether --documents {kind} is what you want; --documents whole can cut "
            "the text anywhere.",
        )
    if text.longest_line > _HUGE_LINE_CHARS and kind not in ("lines", "records"):
        yield Finding(
            "remark",
            "long lines",
            f"the longest line has {text.longest_line:,} characters "
            f"({text.longest_line_place}).",
            "This is normal for text without line breaks; otherwise they were lost.",
        )


def is_list(stats: CorpusStats, config: TextConfig) -> bool:
    """Whether a list, such as of names, seems to be read as one text.

    It has many short lines with hardly any punctuation.

    Args:
        stats: of the text.
        config: how it was read.
    """
    counts = stats.counts
    num_lines = int(counts[ord("\n")]) + 1
    if config.documents != "whole" or num_lines < _LEAST_LINES:
        return False
    marks = [code for code in np.flatnonzero(counts) if _is_mark(chr(code))]
    return (
        stats.num_chars <= _MOST_LINE_CHARS * num_lines
        and int(counts[marks].sum()) <= _MOST_MARKS * num_lines
    )


def _is_mark(character: str) -> bool:
    return unicodedata.category(character) == "Po" and character not in _NO_MARKS


def list_findings(found: Survey) -> Iterator[Finding]:
    """A finding about a list that is read as one text."""
    if is_list(found.stats, found.config):
        yield Finding(
            "warning",
            "perhaps a list",
            "short lines with hardly any punctuation, as in a list.",
            "If each line is a text of its own, such as a name, use --documents lines.",
        )
