"""Write a checkpoint as one file, in one of several formats."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from textgen.checkpoint.format import Checkpoint, load_checkpoint, save_single_file
from textgen.checkpoint.runs import find_checkpoint, run_name
from textgen.checkpoint.single_file import SUFFIX
from textgen.config.arguments import flag, one_of, one_path
from textgen.errors import ConfigError
from textgen.exporting.card import model_card


@dataclass(frozen=True)
class Export:
    """A model that is exported.

    Args:
        path: its checkpoint.
        card: its description, in Markdown.
    """

    path: Path
    saved: Checkpoint
    card: str


class Format(NamedTuple):
    """How a model is written in a format.

    Args:
        suffix: of its files.
        write: writes one.
    """

    suffix: str
    write: Callable[[Export, Path], None]


def _write_textgen(model: Export, out: Path) -> None:
    save_single_file(out, model.saved, model.card)


FORMATS = {"textgen": Format(SUFFIX, _write_textgen)}


def export(
    path: str | Path | None = None,
    output: str | Path | None = None,
    *,
    format: str = "textgen",
    overwrite: bool = False,
) -> Path:
    """Write a model as one file that others can use.

    Args:
        path: a checkpoint, a run, the name of a run under `checkpoints/`, or None for
            the newest one there.
        output: the file; by default the name of the run, in the working directory.
        format: `"textgen"` is the checkpoint as one file, which every function and
            command takes in place of a directory.
        overwrite: whether to replace a file.

    Returns:
        The file.

    Raises:
        ConfigError: an unknown format, or `output` exists and `overwrite` is False.
        CheckpointError: the checkpoint is missing or damaged, or `output` cannot be
            written.
    """
    one_of("format", format, tuple(FORMATS))
    checkpoint = find_checkpoint(path)
    place = output_file(checkpoint, output, format)
    if os.path.lexists(place) and not flag("overwrite", overwrite):
        raise ConfigError(
            f"{place}: this file exists. Say `overwrite=True` to replace it, or name "
            "another `output`."
        )
    saved = load_checkpoint(checkpoint)
    FORMATS[format].write(Export(checkpoint, saved, model_card(saved, checkpoint)), place)
    return place


def output_file(checkpoint: Path, output: str | Path | None, format: str) -> Path:
    """The file that an export writes.

    >>> output_file(Path("checkpoints/my_book/best"), None, "textgen").as_posix()
    'my_book.safetensors'
    """
    if output is not None:
        return Path(one_path("output", output))
    return Path(f"{run_name(checkpoint)}{FORMATS[format].suffix}")
