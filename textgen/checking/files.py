"""What the doctor says of files: their encoding, their line endings, and what is broken."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from textgen.checking.bytes import Fault
from textgen.checking.finding import Finding
from textgen.checking.survey import Survey
from textgen.text.reading.decoding import HAD_MARK
from textgen.text.reading.file_stats import read_as_plain_text
from textgen.text.reading.sources import STDIN, Source
from textgen.wording import count_of, few

MOST_FAULTS = 10
"""So many files that cannot be read are named."""


def file_findings(found: Survey) -> Iterator[Finding]:
    """Findings about files: what cannot be read, marks and line endings."""
    yield from _about_faults(found)
    for note in found.notes:
        yield Finding("remark", "files", note)
    if found.config.documents != "records":
        for note in read_as_plain_text(found.read):
            yield Finding("remark", "files", note)
    if found.num_blank_files and len(found.read) > found.num_blank_files:
        number = count_of(found.num_blank_files, "file")
        yield Finding("remark", "files", f"{number} without text: nothing to learn there.")
    if found.quirks[HAD_MARK]:
        yield Finding(
            "remark",
            "byte order mark",
            f"{count_of(found.quirks[HAD_MARK], 'file')} "
            f"({found.quirk_names.get(HAD_MARK, '')}) with a byte order mark at the start.",
            "Nothing to do: it is dropped.",
            {"count": found.quirks[HAD_MARK]},
        )
    if found.narrow:
        yield Finding(
            "warning",
            "wrong encoding",
            f"{few(found.narrow)}: without one NUL byte, which nearly every file in "
            f"{found.config.encoding} has.",
            f"If it reads as nonsense, leave out --encoding {found.config.encoding}.",
            {"files": found.narrow[:MOST_FAULTS]},
        )
    yield from _about_endings(found)


def _about_endings(found: Survey) -> Iterator[Finding]:
    if found.num_doubled_cr:
        yield Finding(
            "warning",
            "line endings",
            f"{found.num_doubled_cr:,} lines end in CR CR LF, as after a wrong conversion: "
            "an empty line follows each.",
            "Remove the CRs: tr -d '\\r' < FILE > CLEAN.",
            {"count": found.num_doubled_cr},
        )
    if not found.endings.keys() - {"LF"}:
        return
    shown = ", ".join(
        f"{kind} in {count_of(count, 'file')}"
        + (f" ({found.ending_names[kind]})" if kind != "LF" else "")
        for kind, count in found.endings.most_common()
    )
    odd = [
        kind for kind in found.endings if kind not in ("LF", "CRLF", "CR", "LF and CRLF")
    ]
    advice = "Nothing to do: all are read as LF."
    if odd:
        advice = "All are read as LF; look whether the lone CRs are meant to end lines."
    yield Finding(
        "remark", "line endings", f"{shown}.", advice, {"files": {**found.endings}}
    )


def _about_faults(found: Survey) -> Iterator[Finding]:
    groups: dict[Any, list[Fault]] = {}
    plain = []
    for fault in found.faults:
        if fault.guess is None:
            plain.append(fault)
        else:
            key = (fault.guess.encoding, fault.guess.is_sure)
            groups.setdefault(key, []).append(fault)
    for faults in groups.values():
        yield _about_encoding(found, faults, alone=len(faults) == len(found.names))
    for fault in plain[:MOST_FAULTS]:
        if fault.place:
            what = f"{fault.name} is text, but has {fault.place}: no text has any."
            advice = f"Delete them: tr -d '\\000' < {_quoted(fault.name)} > CLEAN."
            yield Finding("error", "NUL bytes", what, advice, {"file": fault.name})
        else:
            yield Finding("error", "files", fault.message, data={"file": fault.name})
    if len(plain) > MOST_FAULTS:
        more = count_of(len(plain) - MOST_FAULTS, "more file")
        yield Finding("error", "files", f"{more} cannot be read.")


def _about_encoding(found: Survey, faults: list[Fault], *, alone: bool) -> Finding:
    first = faults[0]
    assert first.guess is not None
    guess, tried, name = first.guess, found.config.encoding, first.name
    subject = name
    if len(faults) > 1:
        subject = f"{len(faults):,} of {count_of(len(found.names), 'file')}"
        subject += f" ({few([fault.name for fault in faults])})"
    is_or_are = "is" if len(faults) == 1 else "are"
    it = "It looks" if len(faults) == 1 else "They look"
    where = first.place if len(faults) == 1 else f"in {name} {first.place}"
    if guess.encoding is None:
        what = f"{subject} {is_or_are} UTF-8, but damaged: {where}"
        what += (
            f" and {guess.num_wrong - 1:,} more near it." if guess.num_wrong > 1 else "."
        )
        advice = (
            "Mend that place, or leave the wrong bytes out: "
            f"iconv -f utf-8 -t utf-8 -c {_quoted(name)} > CLEAN."
        )
    else:
        what = f"{subject} {is_or_are} not {tried}: {where}. {it} like {guess.encoding}: "
        what += f"{guess.reason}."
        if not guess.is_sure:
            what = what.replace(f"{it} like", "Perhaps it is")
        advice = _encoding_advice(guess.encoding, tried, name, alone, guess.is_sure)
    data = {
        "files": [fault.name for fault in faults],
        "looks_like": guess.encoding,
        "messages": [fault.message for fault in faults[:MOST_FAULTS]],
    }
    return Finding("error", "encoding", what, advice, data)


def _encoding_advice(
    encoding: str, tried: str, name: str, alone: bool, is_sure: bool
) -> str:
    if not alone:
        return (
            "One --encoding holds for all files, so convert what differs: "
            f"iconv -f {encoding} -t {shlex.quote(tried)} {_quoted(name)} > CLEAN."
        )
    if encoding == "utf-8":
        return f"Leave out --encoding {tried}."
    if not is_sure:
        return (
            f"Look whether it reads well (iconv -f {encoding} -t utf-8 {_quoted(name)} | "
            f"head), then add --encoding {encoding}."
        )
    return f"Add --encoding {encoding}."


def _quoted(name: str) -> str:
    r"""A file's name as a shell takes it, whatever it is called.

    >>> _quoted("a.txt"), _quoted("it's $(x).txt"), _quoted("-n"), _quoted("standard input")
    ('a.txt', '\'it\'"\'"\'s $(x).txt\'', './-n', 'FILE')
    """
    if name == Source(STDIN).shown:
        return "FILE"
    return shlex.quote(f"./{name}" if name.startswith("-") else name)
