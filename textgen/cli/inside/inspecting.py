"""What `textgen inspect` and `textgen report` share: the model, the text, one reading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textgen.cli.common import find, find_with_text, is_checkpoint, is_text
from textgen.cli.options import memory_option
from textgen.config.text import TextConfig
from textgen.memory import memory_errors
from textgen.wording import say, shown

if TYPE_CHECKING:
    from textgen.checkpoint.format import Checkpoint
    from textgen.inspecting.inspection import Inspection
    from textgen.inspecting.texts import Text

OPTIONS = (
    click.option(
        "--feature",
        "features",
        multiple=True,
        metavar="REGEX",
        help="Also look for units that follow the matches of this regular expression; "
        "repeatable.",
    ),
    click.option(
        "--chars",
        type=click.IntRange(min=1),
        metavar="N",
        help="Read only the first N characters.  [default: all of TEXT]",
    ),
    click.option(
        "--label",
        metavar="NAME",
        help="Label read before every document, for a model of labelled records.  "
        "[default: the labels in TEXT]",
    ),
    click.option(
        "--encoding",
        default="utf-8",
        metavar="NAME",
        help="Encoding of TEXT.  [default: utf-8]",
    ),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        default=0,
        metavar="N",
        help="Of the controls.  [default: 0]",
    ),
    memory_option,
)


def inspecting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that both commands have."""
    for option in reversed(OPTIONS):
        command = option(command)
    arguments = click.argument("arguments", nargs=-1, metavar="[CHECKPOINT] [TEXT]")
    return arguments(command)


@dataclass(frozen=True)
class Request:
    """The values of the shared arguments and options."""

    arguments: tuple[str, ...]
    features: tuple[str, ...]
    chars: int | None
    label: str | None
    encoding: str
    seed: int
    memory: bool | None

    def inspect(self) -> tuple[Path, Inspection]:
        """Find the model and the text, and read it.

        Returns:
            the checkpoint, and what was found.
        """
        # What can be refused is refused before anything is loaded.
        TextConfig(encoding=self.encoding)
        path, file = self._places()
        from textgen.checkpoint.format import load_checkpoint
        from textgen.checkpoint.ngram_file import ngrams_to_use
        from textgen.inspecting.inspection import inspect
        from textgen.streams import progress_bar

        saved = load_checkpoint(path)
        saved = replace(saved, ngrams=ngrams_to_use(saved.ngrams, self.memory))
        with memory_errors("to read this text", "Use --chars N, or a shorter TEXT."):
            text = self._text(path, file, saved)
            with progress_bar(total=text.num_chars, unit=" chars", unit_scale=True) as bar:
                found = inspect(
                    saved, text, patterns=self.features, seed=self.seed, on_rows=bar.update
                )
        for pattern in self.features:
            if f"matches {pattern}" not in found.reading.features:
                why = "matches nothing in this text, or all of it."
                say(f"--feature {shown(pattern)} {why}")
        return path, found

    def _text(self, path: Path, file: str | None, saved: Checkpoint) -> Text:
        from textgen.inspecting.texts import default_text, file_text

        if file is None:
            text = default_text(path, saved, self.seed)
        else:
            text = file_text(file, saved, self.encoding)
        if self.chars is not None:
            text = text.first(self.chars)
        if self.label is not None:
            saved.tokenizer.label_id(self.label)
            pieces = (piece._replace(label=self.label) for piece in text.pieces)
            text = replace(text, pieces=tuple(pieces))
        return text

    def _places(self) -> tuple[Path, str | None]:
        """The checkpoint, and the name of the text if there is one."""
        if len(self.arguments) > 2:
            raise click.UsageError("too many arguments: expected [CHECKPOINT] [TEXT].")
        if not self.arguments:
            return find(), None
        last = self.arguments[-1]
        if len(self.arguments) == 1 and (not is_text(last) or is_checkpoint(last)):
            return find(last), None
        return find_with_text(self.arguments)
