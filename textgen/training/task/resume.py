"""Continue a run that stopped: the same options, the same text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from textgen.checkpoint.format import load_checkpoint, load_training_state
from textgen.checkpoint.runs import RunDirectory
from textgen.config.fields import MOST, from_dict, to_dict
from textgen.config.text import TextConfig
from textgen.config.train import TrainConfig
from textgen.errors import CheckpointError, ConfigError
from textgen.text.encoded.scan import CorpusStats
from textgen.text.encoded.vocabulary_rule import VocabularyRule
from textgen.training.task.task import (
    INIT_FROM,
    READING,
    Paths,
    Reading,
    Task,
    check_options,
    make_task,
    prepare,
)

# What may differ between a run and its resumption: how long, and what is shown.
MAY_CHANGE_ON_RESUME = {
    *("epochs", "max_minutes", "patience", "save_every", "save_minutes"),
    *("preview", "tensorboard"),
}
# What runs did that were begun before these options existed.
BEFORE = {"compute_dtype": "float32", "eval_chars": MOST}


def resumed_task(
    paths: Paths, run: RunDirectory, options: dict[str, Any], reading: Reading = READING
) -> Task:
    """Read the text again and take up the options of a run that stopped.

    Args:
        options: may repeat what the run was begun with; only how long it goes on and
            what it shows may differ.

    Raises:
        CheckpointError: there is nothing to go on with, or the text differs; it says in
            what.
        ConfigError: options differ; it names all of them.
    """
    check_options(options)
    if not run.holds_run():
        raise CheckpointError(
            f"{run.path}: there is no run to resume. Leave out --resume to begin one."
        )
    stored = load_checkpoint(run.last)
    state = load_training_state(run.last)
    try:
        text = from_dict(TextConfig, state.values.get("text", {}))
        train = from_dict(TrainConfig, {**BEFORE, **state.values.get("train", {})})
    except ConfigError as error:
        raise CheckpointError(f"{run.last}: damaged training state ({error})") from error
    _check_same(options, {**to_dict(text), **to_dict(stored.model), **to_dict(train)})
    train = replace(train, **{k: options[k] for k in MAY_CHANGE_ON_RESUME & options.keys()})

    before = stored.facts.get("text", {})
    check = partial(_check_same_text, run, before)
    rules = [VocabularyRule(stored.tokenizer)]
    if INIT_FROM not in before:
        # A vocabulary that was learned from this text alone is in the cache as such.
        rules.insert(0, VocabularyRule())
    prepared = prepare(paths, text, train.seed, rules, reading, check)
    task = make_task(run, text, stored.model, train, prepared)
    kept = {INIT_FROM: before[INIT_FROM]} if INIT_FROM in before else {}
    return replace(task, resumed=state, facts={**task.facts, **kept})


def _check_same_text(
    run: RunDirectory, before: Mapping[str, Any], now: CorpusStats
) -> None:
    """Refuse to resume on another text, and say in what it differs.

    Args:
        before: what the checkpoint says of its text.
    """
    if now.sha256 == before.get("sha256"):
        return
    numbers = {
        "characters": (now.num_chars, before.get("num_chars")),
        "documents": (now.num_documents, before.get("num_documents")),
        "files": (now.files.num_files, before.get("num_files")),
    }
    differ = [
        f"{new:,} {what} (was {old:,})"
        for what, (new, old) in numbers.items()
        if isinstance(old, int) and new != old
    ]
    shown = ", ".join(differ) or "as many characters, but not the same ones"
    raise CheckpointError(
        f"{run.path}: this run was trained on another text: {shown}. Resume with the same "
        "text; or learn on from its weights with --init-from and another --out."
    )


def _check_same(options: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    # `auto` was settled when the run began; timing it again could give another answer.
    options = {k: v for k, v in options.items() if (k, v) != ("compute_dtype", "auto")}
    differ = [
        f"{name}={value!r} (was {stored[name]!r})"
        for name, value in options.items()
        if name not in MAY_CHANGE_ON_RESUME and value != stored[name]
    ]
    if differ:
        raise ConfigError(
            f"a resumed run keeps its options, but these differ: {', '.join(differ)}. "
            "Leave them out, or choose another --out to begin anew."
        )
