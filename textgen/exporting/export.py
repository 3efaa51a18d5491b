"""Write a checkpoint as one file, in one of several formats."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np

from textgen.checkpoint.format import Checkpoint, as_single_file, load_checkpoint
from textgen.checkpoint.ngram_file import ngrams_to_use
from textgen.checkpoint.runs import find_checkpoint, run_name
from textgen.checkpoint.single_file import SUFFIX
from textgen.config.arguments import flag, one_of, one_path
from textgen.disk.atomic import write_file
from textgen.disk.names import real_path
from textgen.errors import ConfigError, CorpusError
from textgen.exporting.card import model_card
from textgen.exporting.weights import NUMBERS, restored_weights, scores, stored_weights
from textgen.wording import install_command


@dataclass(frozen=True)
class Export:
    """A model that is exported.

    Args:
        name: that of its run.
        weights: as they are stored, see `textgen.exporting.weights`.
        card: its description, in Markdown.
    """

    name: str
    saved: Checkpoint
    weights: Mapping[str, np.ndarray]
    card: str


@dataclass(frozen=True)
class Exported:
    """What an export has written.

    Args:
        path: the file.
        notes: what it lacks, and what that costs, in sentences.
    """

    path: Path
    notes: tuple[str, ...] = ()


class Format(NamedTuple):
    """How a model is written in a format.

    Args:
        suffix: of its files.
        content: what a file holds.
        numbers: how it can store weights, the default first.
        holds_memory: whether it can hold an n-gram memory.
    """

    suffix: str
    content: Callable[[Export], bytes]
    numbers: tuple[str, ...]
    holds_memory: bool = False


def export(
    path: str | Path | None = None,
    output: str | Path | None = None,
    *,
    format: str = "textgen",
    weights: str | None = None,
    memory: bool | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write a model as one file that others can use.

    Args:
        path: a checkpoint, a run, the name of a run under `checkpoints/`, or None for
            the newest one there.
        output: the file; by default the name of the run, in the working directory.
        format: `"textgen"` is the checkpoint as one file, which every function and
            command takes in place of a directory; `"html"` a page that writes in any
            browser, without a server; `"onnx"` (extra `onnx`) a graph for other programs,
            with its states in and out; `"keras"` a file of Keras.
        weights: `"float32"`, `"float16"` or `"int8"`, as the format allows.
        memory: whether to take the n-gram memory along; by default, if there is one and
            the format can hold it. Most of the training text can be read from it.
        overwrite: whether to replace a file.

    Returns:
        The file, and what it lacks.

    Raises:
        ConfigError: an unknown format, weights that it does not allow, a model that it
            cannot hold, or `output` exists and `overwrite` is False.
        CheckpointError: the checkpoint is missing or damaged, or `output` cannot be
            written.
    """
    one_of("format", format, tuple(FORMATS))
    chosen = FORMATS[format]
    numbers = chosen.numbers[0] if weights is None else weights
    if one_of("weights", numbers, NUMBERS) not in chosen.numbers:
        raise ConfigError(
            f"weights={numbers!r} is not possible with format={format!r}, only "
            f"{' or '.join(chosen.numbers)}."
        )
    checkpoint = find_checkpoint(path)
    place = output_file(checkpoint, output, format)
    if os.path.lexists(place) and not flag("overwrite", overwrite):
        raise ConfigError(
            f"{place}: this file exists. Say `overwrite=True` to replace it, or name "
            "another `output`."
        )
    if memory and not chosen.holds_memory:
        raise ConfigError(
            f"format={format!r} cannot hold an n-gram memory. Leave out memory=True."
        )
    saved = load_checkpoint(checkpoint)
    saved = replace(saved, ngrams=ngrams_to_use(saved.ngrams, memory))
    stored = stored_weights(saved.weights, numbers)
    notes = tuple(_losses(checkpoint, saved, stored, numbers, chosen))
    card = model_card(saved, checkpoint, notes)
    content = chosen.content(Export(run_name(checkpoint), saved, stored, card))
    write_file(real_path(place), content, "Free some space or choose another `output`.")
    return Exported(place, notes)


def output_file(checkpoint: Path, output: str | Path | None, format: str) -> Path:
    """The file that an export writes.

    >>> output_file(Path("checkpoints/my_book/best"), None, "html").as_posix()
    'my_book.html'
    """
    if output is not None:
        return Path(one_path("output", output))
    return Path(f"{run_name(checkpoint)}{FORMATS[format].suffix}")


def _losses(
    checkpoint: Path,
    saved: Checkpoint,
    stored: Mapping[str, np.ndarray],
    numbers: str,
    chosen: Format,
) -> Iterator[str]:
    """What is lost without an n-gram memory and with other weights, and what that costs."""
    versions = {"": saved}
    if saved.ngrams is not None and not chosen.holds_memory:
        versions["it has no n-gram memory"] = replace(saved, ngrams=None)
    if numbers != "float32":
        changed = replace(saved, ngrams=None, weights=restored_weights(stored))
        versions[f"its weights are {numbers}"] = changed
    if len(versions) == 1:
        return
    try:
        bits, text = scores(checkpoint, list(versions.values()))
    except CorpusError:
        bits, text = [], ""
    for lost, pair in zip_longest(list(versions)[1:], pairwise(bits)):
        before, after = pair or (0, 0)
        cost = f": {after:.4f} bits per character instead of {before:.4f}" if pair else ""
        yield f"In this file {lost}{cost}."
    measured = f"Measured on {text.rstrip('.')}."
    yield measured if text else "What that costs has not been measured."


# --- formats ---


def _textgen(model: Export) -> bytes:
    return as_single_file(model.saved, model.card)


def _html(model: Export) -> bytes:
    from textgen.exporting.html import model_page

    return model_page(model.saved, model.name, model.weights, model.card).encode("utf-8")


def _onnx(model: Export) -> bytes:
    try:
        from textgen.exporting.onnx_file import onnx_bytes
    except ImportError as error:
        raise ConfigError(
            f"the format onnx needs a package that is not installed ({error}). Install it: "
            f"{install_command('onnx')}"
        ) from error
    return onnx_bytes(model.saved, model.weights, model.card)


def _keras(model: Export) -> bytes:
    from textgen.exporting.keras_file import keras_bytes

    return keras_bytes(model.saved, model.card)


FORMATS = {
    "textgen": Format(SUFFIX, _textgen, ("float32",), holds_memory=True),
    "html": Format(".html", _html, ("float16", "int8", "float32")),
    "onnx": Format(".onnx", _onnx, ("float32", "int8")),
    "keras": Format(".keras", _keras, ("float32",)),
}
