"""Findings about files: faults, encodings and line endings."""

from __future__ import annotations

import codecs
import shlex
from collections.abc import Iterator

from textgen.checking.faults import Fault
from textgen.checking.finding import Finding
from textgen.checking.survey import Survey
from textgen.config.flags import marked_as_flags
from textgen.text.reading.decoding import HAD_MARK
from textgen.text.reading.encodings import advice_on
from textgen.text.reading.file_stats import read_as_plain_text
from textgen.text.reading.sources import STDIN, Source
from textgen.wording import count_of, few

MAX_FAULTS = 10
"""How many files that cannot be read are named."""
_MANY_MOJIBAKE = 5


def file_findings(found: Survey) -> Iterator[Finding]:
    """Findings about files: faults, byte order marks and line endings."""
    yield from _about_faults(found)
    notes = list(found.notes)
    if found.config.documents != "records":
        notes += read_as_plain_text(found.read)
    num_blank = len(found.read) - len(found.with_text)
    if num_blank and found.with_text:
        notes.append(f"{count_of(num_blank, 'file')} without text: nothing to learn from.")
    yield from (Finding("remark", "files", note) for note in notes)
    marked = [file for file in found.files if HAD_MARK in file.changes]
    if marked:
        yield Finding(
            "remark",
            "byte order mark",
            f"{count_of(len(marked), 'file')} ({marked[0].source.shown}) with a byte order "
            "mark at the start.",
            "Nothing to do: it is dropped.",
        )
    yield from _about_endings(found)


def _about_endings(found: Survey) -> Iterator[Finding]:
    endings = found.line_endings
    if not endings.keys() - {"LF"}:
        return
    first = {file.endings: file.source.shown for file in reversed(found.files)}
    shown = ", ".join(
        f"{kind} in {count_of(count, 'file')}" + f" ({first[kind]})" * (kind != "LF")
        for kind, count in endings.most_common()
    )
    advice = "Nothing to do: all are read as LF."
    if endings.keys() - {"LF", "CRLF", "CR", "LF and CRLF"}:
        advice = "All are read as LF; check whether the lone CRs are meant to end lines."
    yield Finding("remark", "line endings", f"{shown}.", advice)


def mojibake_findings(found: Survey) -> Iterator[Finding]:
    """A finding about text that was decoded with the wrong encoding."""
    number, encoding = found.text.num_mojibake, found.config.encoding
    if not number:
        return
    examples = ", ".join(
        f"{bad!r} for {good!r}" for bad, good in found.text.mojibake.items()
    )
    is_utf8 = codecs.lookup(encoding).name == "utf-8"
    yield Finding(
        # A text about encodings has a few on purpose.
        "warning" if number >= _MANY_MOJIBAKE else "remark",
        "wrong encoding",
        f"{count_of(number, 'character')} seem to have been decoded with the "
        f"wrong encoding, such as {examples} (the first in {found.text.mojibake_place}).",
        "An earlier conversion damaged the text; the program ftfy repairs it: "
        "ftfy FILE -o CLEAN."
        if is_utf8
        else f"The file seems to be UTF-8: leave out --encoding {encoding}.",
        {"count": number},
    )


def _about_faults(found: Survey) -> Iterator[Finding]:
    by_encoding: dict[str | None, list[Fault]] = {}
    others = []
    for fault in found.faults:
        if fault.guess is None:
            others.append(fault)
        else:
            by_encoding.setdefault(fault.guess.encoding, []).append(fault)
    for faults in by_encoding.values():
        yield _about_encoding(found, faults)
    for fault in others[:MAX_FAULTS]:
        if fault.place:
            what = f"{fault.name} is text, except for {fault.place}."
            advice = f"Delete all NUL bytes: tr -d '\\000' < {_quoted(fault.name)} > CLEAN."
            yield Finding("error", "NUL bytes", what, advice)
        else:
            yield Finding("error", "files", fault.message)
    if len(others) > MAX_FAULTS:
        more = count_of(len(others) - MAX_FAULTS, "more file")
        yield Finding("error", "files", f"{more} cannot be read.")


def _about_encoding(found: Survey, faults: list[Fault]) -> Finding:
    """The finding about files that seem to have the same encoding."""
    first, tried = faults[0], found.config.encoding
    assert first.guess is not None
    guess, subject, where, it_looks = first.guess, first.name, first.place, "It looks"
    if len(faults) > 1:
        names = few([fault.name for fault in faults])
        subject = f"{len(faults):,} of {count_of(len(found.sources), 'file')} ({names})"
        where, it_looks = f"in {first.name} {first.place}", "They look"
    are = "is" if len(faults) == 1 else "are"
    if guess.encoding is None:
        nearby = f" and {guess.num_wrong - 1:,} more nearby" * (guess.num_wrong > 1)
        what = f"{subject} {are} UTF-8, but damaged: {where}{nearby}."
        advice = "Fix it there, or remove the invalid bytes: iconv -f utf-8 -t utf-8 -c "
        advice += f"{_quoted(first.name)} > CLEAN."
    else:
        reason = f": {guess.reason}" if guess.reason else ""
        what = f"{subject} {are} not {tried}: {where}. {it_looks} like {guess.encoding}"
        what += f"{reason}."
        is_each = len(faults) == len(found.sources)
        advice = (
            marked_as_flags(advice_on(guess.encoding, tried))
            if is_each
            else "One --encoding applies to all files, so convert the others: iconv -f "
            f"{guess.encoding} -t {shlex.quote(tried)} {_quoted(first.name)} > CLEAN."
        )
    data = {"files": [fault.name for fault in faults], "looks_like": guess.encoding}
    return Finding("error", "encoding", what, advice, data)


def _quoted(name: str) -> str:
    r"""A file's name, quoted for a shell.

    >>> _quoted("a.txt"), _quoted("it's $(x).txt"), _quoted("-n"), _quoted("standard input")
    ('a.txt', '\'it\'"\'"\'s $(x).txt\'', './-n', 'FILE')
    """
    if name == Source(STDIN).shown:
        return "FILE"
    return shlex.quote(f"./{name}" if name.startswith("-") else name)
