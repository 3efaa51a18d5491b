"""Runs the `>>>` examples of a page."""

from __future__ import annotations

import doctest
from typing import Any


def run_examples(code: str, names: dict[str, Any]) -> None:
    """Run one block of `>>>` examples and compare what it prints."""
    test = doctest.DocTestParser().get_doctest(code, names, "a page", None, 0)
    said: list[str] = []
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    runner = doctest.DocTestRunner(optionflags=flags)
    runner.run(test, out=said.append, clear_globs=False)
    names.update(test.globs)
    assert said == [], "".join(said)
