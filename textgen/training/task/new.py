"""The task of a new run, trained from scratch or fine-tuned."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from textgen.checkpoint.bases import NONE
from textgen.checkpoint.runs import RunDirectory
from textgen.config.fields import check_names, command_line, pick
from textgen.config.model import ModelConfig
from textgen.config.sizes import (
    PATIENCE_WITH_WEIGHT_DROP,
    check_size,
    decay_for_many,
    fine_tuning_options,
    muon_options,
    size_options,
    weight_drop_for,
)
from textgen.config.text import TextConfig
from textgen.config.train import TrainConfig
from textgen.errors import ConfigError
from textgen.model.architecture import recurrent_layers
from textgen.text.reading.reader import corpus_sources
from textgen.text.reading.sources import Paths
from textgen.training.backend.choice import AUTO, expected_backend
from textgen.training.backend.speed import has_gpu
from textgen.training.task.beginning import beginning
from textgen.training.task.encoding import ReadSettings, encode_text, runs_explained
from textgen.training.task.fine_tuning import INIT_FROM
from textgen.training.task.pace import chars_to_read, readable_chars
from textgen.training.task.task import Task, build_task


def check_option_names(values: Mapping[str, Any]) -> None:
    """Refuse names that are not options of training."""
    check_names(values, TextConfig, ModelConfig, TrainConfig)
    if "vocab_size" in values:
        raise ConfigError("vocab_size is decided by the text. Leave it out.")


def new_task(
    paths: Paths,
    run: RunDirectory,
    size: str,
    values: Mapping[str, Any],
    *,
    overwrite: bool = False,
    init_from: str | Path | None = NONE,
    settings: ReadSettings | None = None,
    backend: str = AUTO,
) -> Task:
    """Check the options of a new run, then read and encode its text.

    Args:
        values: options by name: fields of the three configurations.
        init_from: the checkpoint to fine-tune, whose vocabulary grows by the new characters
            of the text; `auto` or `none`.
        backend: the Keras backend that will train; its speed decides the size if the time
            is limited.

    Raises:
        ConfigError: an option is unknown, has a value out of its range, or contradicts
            `init_from`.
        CheckpointError: `run` is in use and `overwrite` is False, or `init_from` cannot be
            read.
        CorpusError: the text cannot be read, or is too short.
    """
    check_option_names(values)
    text = TextConfig(**pick(TextConfig, values))
    # The text decides the size of the vocabulary.
    model = ModelConfig(vocab_size=1, **pick(ModelConfig, values))
    train = TrainConfig(**pick(TrainConfig, values))
    check_size(size)
    begun = beginning(init_from, size, values, text)
    if begun.base is not None:
        text = replace(text, **begun.base.text_options())
    # Report a missing file first: a mistyped name may share its run with another file.
    with runs_explained(paths, text):
        corpus_sources(paths, text)
    run.check(overwrite=overwrite)

    settings = settings or ReadSettings()
    decide = partial(begun.decide, text=text)
    prepared = encode_text(paths, text, train.seed, settings, begun.rule, instead=decide)
    base, corpus = begun.base, prepared.corpus
    set_by_user = [name for name, value in values.items() if value is not None]
    num_chars = corpus.train.num_chars
    notes, facts = [*begun.notes], {}
    if base is None:
        model = replace(model, vocab_size=corpus.tokenizer.vocab_size)
        readable = None
        if train.max_minutes is not None and not has_gpu():
            readable = readable_chars(
                model, train.max_minutes, backend, set_by_user, train.compute_dtype
            )
        usual, note = size_options(size, num_chars, set_by_user, readable, train.epochs)
        notes += [note] * bool(note)
    else:
        model = base.model(corpus.tokenizer, pick(ModelConfig, values))
        usual = fine_tuning_options(num_chars, set_by_user, is_alike=begun.is_alike)
        facts = {INIT_FROM: base.name}
        notes = notes or [base.note(corpus.tokenizer)]
    model = replace(model, **pick(ModelConfig, usual))
    train = replace(train, **pick(TrainConfig, usual))
    chars_read = _chars_to_read(num_chars, model, train, backend)
    if train.optimizer == "muon":
        suited = muon_options(num_chars, chars_read, is_learned=base is not None)
        suited = {name: value for name, value in suited.items() if name not in set_by_user}
        model = replace(model, **pick(ModelConfig, suited))
        train = replace(train, **pick(TrainConfig, suited))
        if base is None and suited:
            notes.append(f"Chosen for Muon on this text: {command_line(suited)}.")
        usual |= suited
    if base is None:
        kept = _against_memorising(model, train, num_chars, chars_read, set_by_user)
        model = replace(model, **pick(ModelConfig, kept))
        train = replace(train, **pick(TrainConfig, kept))
        if kept:
            passes = chars_read / num_chars
            often = "" if math.isinf(passes) else f" in {passes:,.0f} passes"
            notes.append(
                f"Chosen to keep this text from being memorised{often}: "
                f"{command_line(kept)}."
            )
    if base is not None and usual:
        notes.append(f"Chosen for fine-tuning on this text: {command_line(usual)}.")
    task = build_task(run, text, model, train, prepared)
    return replace(
        task,
        notes=(*task.notes, *notes),
        facts={**task.facts, **facts},
        overwrite=overwrite,
        base=base,
    )


def _against_memorising(
    model: ModelConfig,
    train: TrainConfig,
    num_chars: int,
    chars_read: float,
    given: Collection[str],
) -> dict[str, Any]:
    """Options that keep a text from being memorised, where it would be.

    Args:
        given: names of options that the user set, which are not overridden.
    """
    shapes = [shape for x in recurrent_layers(model) for shape in x.shapes.values()]
    num_weights = sum(map(math.prod, shapes))
    share = weight_drop_for(num_chars, chars_read, num_weights, train.optimizer)
    found: dict[str, Any] = {}
    if share and "weight_drop" not in given:
        found = {"weight_drop": share, "patience": PATIENCE_WITH_WEIGHT_DROP}
    decay = decay_for_many(num_chars, chars_read, model.vocab_size, train.optimizer)
    if decay:
        found["weight_decay"] = decay
    return {name: value for name, value in found.items() if name not in given}


def _chars_to_read(
    num_chars: int, model: ModelConfig, train: TrainConfig, backend: str
) -> float:
    """How many characters a run reads, every pass counted; infinity if unknown."""
    limits = train.resolved(max(1, num_chars // train.window_chars))
    if has_gpu():
        # How many it reads in a minute is not known.
        limits = replace(limits, max_minutes=None)
    return chars_to_read(num_chars, model, limits, expected_backend(backend, model))
