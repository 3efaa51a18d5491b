"""The task of a resumed run, from its stored options and the same text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from textgen.checkpoint.format import load_checkpoint, load_training_state
from textgen.checkpoint.runs import RunDirectory
from textgen.config.fields import command_line, from_dict
from textgen.config.text import TextConfig
from textgen.config.train import TrainConfig
from textgen.errors import CheckpointError, ConfigError
from textgen.text.encoded.scan import CorpusStats
from textgen.text.encoded.vocabulary_rule import VocabularyRule
from textgen.text.reading.sources import Paths
from textgen.training.task.encoding import ReadSettings, encode_text
from textgen.training.task.fine_tuning import INIT_FROM
from textgen.training.task.new import check_option_names
from textgen.training.task.task import Task, build_task

LIMITS = {"epochs", "max_minutes"}
"""Options that limit a run. Those named on resumption replace all of the run's."""

MAY_CHANGE = {
    *LIMITS,
    *("patience", "save_every", "save_minutes", "preview", "tensorboard", "log_to"),
    *("calibrate", "memory", "accumulate"),
}
"""Options that may change on resumption: when to end, how often to save, what to show,
what is done to the best weights in the end, and how many lanes are read at once."""


def resumed_task(
    paths: Paths,
    run: RunDirectory,
    values: Mapping[str, Any],
    settings: ReadSettings | None = None,
) -> Task:
    """Load the options and the training state of a run, then read its text again.

    Args:
        values: options by name; only those in `MAY_CHANGE` may differ from the stored ones.

    Raises:
        CheckpointError: there is no run to resume, it is damaged, or the text has changed;
            the message says how.
        ConfigError: options differ; the message names all of them.
    """
    check_option_names(values)
    if not run.holds_run():
        raise CheckpointError(
            f"{run.path}: there is no run to resume. If it was moved, or its text renamed, "
            "name its directory with `out`; to begin a new run, leave out `resume`."
        )
    stored, state = load_checkpoint(run.last), load_training_state(run.last)
    try:
        text = from_dict(TextConfig, state.values.get("text", {}))
        train = from_dict(TrainConfig, state.values.get("train", {}))
    except ConfigError as error:
        raise CheckpointError(f"{run.last}: damaged training state ({error})") from error
    _check_same_options(values, {**asdict(text), **asdict(stored.model), **asdict(train)})
    changed = {k: v for k, v in values.items() if k in MAY_CHANGE}
    if LIMITS & changed.keys():
        changed = {**dict.fromkeys(LIMITS), **changed}
    before, train = train, replace(train, **changed)

    facts = stored.facts.get("text", {})
    kept_rule = VocabularyRule(stored.tokenizer)
    # The cache stores a vocabulary learned from this text alone under another rule.
    rule = kept_rule if INIT_FROM in facts else VocabularyRule()
    prepared = encode_text(
        paths,
        text,
        train.seed,
        settings or ReadSettings(),
        rule,
        instead=lambda now: None if now.tokenizer == stored.tokenizer else kept_rule,
        check=partial(_check_same_text, run, facts),
    )
    task = build_task(run, text, stored.model, train, prepared)
    kept = {INIT_FROM: facts[INIT_FROM]} if INIT_FROM in facts else {}
    return replace(
        task,
        resumed=state,
        trained_on=stored.facts.get("backend"),
        facts={**task.facts, **kept},
        notes=(*task.notes, *_dropped_limits(before, train)),
    )


def _dropped_limits(before: TrainConfig, now: TrainConfig) -> tuple[str, ...]:
    """A note on the limits that held before and no longer do."""

    def limits(train: TrainConfig) -> dict[str, Any]:
        values = {name: getattr(train, name) for name in sorted(LIMITS)}
        return {name: value for name, value in values.items() if value is not None}

    dropped = {k: v for k, v in limits(before).items() if k not in limits(now)}
    if not dropped or not limits(now):
        return ()
    is_now, was = command_line(limits(now)), command_line(dropped)
    return (f"The run is now limited by {is_now} alone, no longer by {was}.",)


def _check_same_text(
    run: RunDirectory, before: Mapping[str, Any], now: CorpusStats
) -> None:
    """Refuse to resume on another text, and say how it differs.

    Args:
        before: the facts about the text in the checkpoint.
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
    shown = ", ".join(differ) or "the same number of characters, but different ones"
    raise CheckpointError(
        f"{run.path}: this run was trained on another text: {shown}. Resume with the same "
        "text, or fine-tune the run with `init_from` and another `out`."
    )


def _check_same_options(values: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    # `auto` was resolved when the run began; timing again could give another result.
    values = {k: v for k, v in values.items() if (k, v) != ("compute_dtype", "auto")}
    differ = [
        f"{name}={value!r} (was {stored[name]!r})"
        for name, value in values.items()
        if name not in MAY_CHANGE and value != stored[name]
    ]
    if differ:
        raise ConfigError(
            f"a resumed run keeps its options, but these differ: {', '.join(differ)}. "
            "Leave them out, or begin a new run with another `out`."
        )
