"""Findings of the corpus check, from errors down to remarks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

SEVERITIES = ("error", "warning", "remark")


class Place(NamedTuple):
    """A line of a file; the name, as messages show it, is empty if there is one file only.

    >>> str(Place("", 1200)), str(Place("a.txt", 3))
    ('line 1,200', 'a.txt, line 3')
    """

    name: str
    line: int

    def __str__(self) -> str:
        return f"{self.name}, line {self.line:,}".removeprefix(", ")


@dataclass(frozen=True)
class Finding:
    """One thing worth knowing about a text.

    Args:
        severity: "error" if training would refuse the text, "warning" if it would suffer,
            "remark" for information.
        topic: the subject, in a word or two.
        what: one or two sentences: what was found, and where.
        advice: what to do, with the exact flag or command; may be empty.
        data: counts, characters or files for JSON, where there are any.

    >>> print(Finding("remark", "mark", "It has one.", "Nothing to do."))
    remark: mark: It has one. Nothing to do.
    """

    severity: str
    topic: str
    what: str
    advice: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.severity}: {self.topic}: {self.what} {self.advice}".rstrip()

    def to_dict(self) -> dict[str, Any]:
        """The finding as plain data for JSON."""
        own = {name: value for name, value in vars(self).items() if name != "data"}
        return {**own, **self.data}
