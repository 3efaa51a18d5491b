"""An error of a call in Python names keywords, never flags of the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import textgen
from tests.cli.helpers import untrained
from textgen.errors import TextgenError
from textgen.text.tokenizers.char import CharTokenizer

Call = Callable[[Path], Any]


def generate(**settings: Any) -> Call:
    return lambda model: textgen.Generator.load(model).samples("a", 3, seed=0, **settings)


def train(text: str, **options: Any) -> Call:
    def call(model: Path) -> Any:
        path = model.with_name("text.txt")
        path.write_text(text, encoding="utf-8")
        return textgen.train(path, model.with_name("run"), quiet=True, **options)

    return call


CALLS: dict[str, tuple[Call, str]] = {
    "top_p": (generate(top_p=2), "top_p=2 must be"),
    "beam_width": (generate(beam_width=2), "Raise beam_width"),
    "length": (generate(pattern="a{9}", length=3), "Raise `length` or"),
    "min_length": (generate(pattern="a", min_length=3), "Lower min_length"),
    "until": (generate(until="document"), "train with `documents`"),
    "little text": (
        train("ab" * 200),
        "Lower `batch_size`, `seq_length` or `val_fraction`",
    ),
    "few documents": (train("a", documents="lines"), "use `documents='whole'`"),
    "no records": (train("a", documents="records"), "choose other `documents`"),
    "no run": (train("ab" * 40, resume=True), "leave out `resume`"),
    "size": (train("ab" * 40, resume=True, size="small"), "Leave out `size`"),
    "min_count": (train("ab", min_count=9), "Lower min_count"),
    "folder": (lambda model: textgen.read_corpus(model), "with `glob="),
}


@pytest.mark.parametrize("case", CALLS)
def test_an_error_names_keywords(case: str, tmp_path: Path) -> None:
    call, expected = CALLS[case]
    model = untrained(tmp_path / "model", CharTokenizer("ab"))
    with pytest.raises(TextgenError) as caught:
        list(call(model))
    assert expected in str(caught.value)
    assert re.search(r"(?<![\w-])--[a-z]", str(caught.value)) is None
