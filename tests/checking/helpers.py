"""Texts in several languages, and the findings of a check by topic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from textgen.checking.finding import Finding
from textgen.checking.report import Report, examine
from textgen.config.text import TextConfig

STORY = "Kit went to sea and said nothing, not one word.\n"


Write = Callable[..., Path]


def check(path: Any, **options: Any) -> Report:
    return examine(path, TextConfig(**options))


def found(report: Report, topic: str) -> Finding:
    (finding,) = [f for f in report.findings if f.topic == topic]
    return finding


def topics(report: Report) -> list[str]:
    return [finding.topic for finding in report.findings]
