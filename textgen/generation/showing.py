"""What a session and a notebook show of a generator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from textgen.errors import TextgenError
from textgen.model.cells import CELLS
from textgen.wording import count_of, one_line

if TYPE_CHECKING:
    from textgen.generation.generator import Generator

SAMPLE_CHARS = 240


def generator_line(generator: Generator) -> str:
    """The architecture in a line."""
    config, documents = generator.config, generator.documents
    return (
        f"<Generator: {config.cell} of {config.num_layers} x {config.units} units, "
        f"{config.vocab_size} symbols, documents={documents!r}>"
    )


def generator_html(generator: Generator) -> str:
    """Facts about a model, and the beginning of what it writes."""
    config, tokenizer = generator.config, generator.tokenizer
    labels = tokenizer.labels
    facts = [
        (
            "network",
            f"{CELLS[config.cell].title}, {count_of(config.num_layers, 'layer')} of "
            f"{count_of(config.units, 'unit')}, "
            f"{count_of(config.num_parameters, 'parameter')}",
        ),
        ("vocabulary", f"{count_of(tokenizer.vocab_size, 'symbol')} ({tokenizer.kind})"),
        ("documents", generator.documents),
        *([("labels", f"{len(labels):,}")] if labels else []),
    ]
    try:
        sample = generator.generate(length=SAMPLE_CHARS, seed=0)
    except TextgenError:
        # A model that completes prompts writes nothing without one.
        return facts_html("Generator", facts)
    return facts_html("Generator", facts) + text_html("It writes (seed 0):", sample)


def facts_html(title: str, facts: Iterable[Sequence[str]]) -> str:
    """A table of names and facts.

    >>> facts_html("A <b>", [("x", "1")])
    '<p><strong>A &lt;b&gt;</strong></p><table><tr><th>x</th><td>1</td></tr></table>'
    """
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(one_line(fact))}</td></tr>"
        for name, fact in facts
    )
    return f"<p><strong>{escape(one_line(title))}</strong></p><table>{rows}</table>"


def text_html(title: str, text: str) -> str:
    """A text as it is, except for what would turn or hide its surroundings."""
    lines = "\n".join(map(one_line, text.split("\n")))
    pre = f'<pre style="white-space: pre-wrap">{escape(lines)}</pre>'
    return f"<p>{escape(title)}</p>{pre}"
