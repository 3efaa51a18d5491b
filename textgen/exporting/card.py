"""The model card: what a person must know who is handed a model, in Markdown."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from textgen.checking.novelty import Novelty
from textgen.checkpoint.describe import describe, known_facts, summary
from textgen.checkpoint.format import Checkpoint
from textgen.checkpoint.runs import run_name
from textgen.reporting.facts import Written, written_by
from textgen.version import __version__
from textgen.wording import count_of, one_line, percent, visible

WRITTEN_CHARS = 3_000
"""Characters that the model writes, to see how much is copied."""

SHOWN_CHARS = 600
"""Characters of them that the card shows."""

MOST_PIECE = 200
"""Characters of the longest copied piece that the card shows."""

HEADINGS = {
    "from": "fine-tuned from",
    "vocab": "vocabulary",
    "run": "training ended because",
    "": "labels hold",
}
"""Names of facts that a card says in other words."""


def model_card(
    saved: Checkpoint, path: Path, notes: Sequence[str] = (), *, seed: int = 0
) -> str:
    """Describe a model for those who did not train it.

    Args:
        path: the checkpoint, beside which its text is looked for.
        notes: on the file that the card belongs to, in sentences.
        seed: of the text that the model writes.

    Returns:
        Markdown; what comes from the checkpoint is escaped in it.
    """
    name = one_line(run_name(path))
    described = describe(saved, path)
    written = written_by(path, saved, WRITTEN_CHARS, seed)
    lines = [
        f"# {_escaped(name)}",
        "",
        f"{summary(described)}. It writes text like the text it was trained "
        "on, character by character. It knows nothing and means nothing by it."
        + _what_else_it_read(described),
        "",
        "| | |",
        "|---|---|",
        *_rows(described),
        "",
        *(f"{_escaped(note)}\n" for note in notes),
        *_sample(written, seed),
        "## How much of that is copied",
        "",
        *_copied(written),
        "",
        "## How to use it",
        "",
        *_usage(saved, name),
        "",
        f"Made with textgen {__version__}.",
    ]
    return "\n".join(lines)


def _what_else_it_read(described: Mapping[str, Any]) -> str:
    base = described["text"].get("init_from")
    if not isinstance(base, str):
        return ""
    return (
        f" It was fine-tuned from {_escaped(one_line(base))}, which had read other text, "
        "and may repeat things from it, such as names."
    )


def _rows(described: Mapping[str, Any]) -> Iterator[str]:
    for name, fact in known_facts(described):
        yield f"| {HEADINGS.get(name, name)} | {_escaped(fact)} |"


def _sample(written: Written, seed: int) -> Iterator[str]:
    if written.text:
        yield "## What it writes"
        yield ""
        yield f"The beginning of {count_of(len(written.text), 'character')}, seed {seed}:"
        yield ""
        yield from _fenced(visible(written.text[:SHOWN_CHARS]))
        yield ""


def _fenced(text: str) -> Iterator[str]:
    """A text as it is, in a fence that nothing in it ends."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}text"
    yield text
    yield fence


def _copied(written: Written) -> Iterator[str]:
    if written.novelty is None:
        yield f"That has not been measured: {_escaped(one_line(written.why_not))}"
        return
    yield f"Of the {count_of(written.novelty.num_chars, 'character')} it wrote:"
    yield ""
    yield from _shares(written.novelty)


def _shares(found: Novelty) -> Iterator[str]:
    for length, share in found.shares.items():
        if share is not None:
            yield (
                f"- {percent(share, 1)} of all pieces of {length} characters occur in its "
                "training text."
            )
    if found.longest is not None:
        piece = found.longest.piece
        yield f"- The longest piece that does has {count_of(len(piece), 'character')}:"
        yield ""
        yield from _fenced(visible(piece[:MOST_PIECE]))


def _usage(saved: Checkpoint, name: str) -> Iterator[str]:
    name = shlex.quote(f"{name}.safetensors")
    label = ' --label "A LABEL"' if saved.tokenizer.labels else ""
    yield from _fenced(
        "pip install keras-textgen\n"
        f'textgen sample {name} --prompt "Its beginning"{label}\n'
        f"textgen info {name}"
    )
    yield ""
    yield (
        "The file `.safetensors` is what `textgen export --format textgen` writes; "
        "`textgen export --format html` makes a page of it that writes in any browser."
    )


def _escaped(text: str) -> str:
    r"""A text that Markdown shows as it is.

    >>> print(_escaped("a_b|<c>"))
    a\_b\|\<c\>
    """
    return re.sub(r"([\\`*_{}\[\]<>|#&~])", r"\\\1", text)
