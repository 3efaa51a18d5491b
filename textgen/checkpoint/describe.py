"""Describe a checkpoint, as data and as a page of text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

from textgen.checkpoint.format import Checkpoint
from textgen.checkpoint.runs import run_of
from textgen.checkpoint.status import Status, read_status
from textgen.config.model import ModelConfig
from textgen.disk.names import shareable_name, shareable_run
from textgen.model.architecture import layers
from textgen.model.cells import CELLS
from textgen.model.layers import Shape
from textgen.ngrams.model import NgramModel
from textgen.wording import count_of, few, one_line, percent, shown, size_of

Facts: TypeAlias = list[tuple[str, str]]
"""Names, and what is known of each as a line without control characters."""

# How many labels the page names; the JSON data name them all.
MOST_LABELS = 20


def describe(checkpoint: Checkpoint, path: Path) -> dict[str, Any]:
    """Everything known about a checkpoint, as JSON data.

    Returns:
        `path`, `model` (the configuration), `num_parameters`, `layers`, `tokenizer`,
        `memory` (None without one), `status` (of its run; None if that is not there),
        `text`, `train`, `score`. Scores are in bits per character.
    """
    tokenizer, facts = checkpoint.tokenizer, dict(checkpoint.facts)
    facts["text"] = shareable_text(facts.get("text", {}))
    status = read_status(run_of(path).status)
    return {
        "path": str(path),
        "model": asdict(checkpoint.model),
        "num_parameters": checkpoint.model.num_parameters,
        "layers": describe_layers(checkpoint.model),
        "tokenizer": {
            "kind": tokenizer.kind,
            "vocab_size": tokenizer.vocab_size,
            "normalize": tokenizer.normalize,
            "labels": list(tokenizer.labels),
            "completes": tokenizer.separator,
        },
        "memory": _describe_memory(checkpoint.ngrams),
        "status": None if status is None else asdict(status),
        **{name: facts.get(name, {}) for name in ("text", "train", "score")},
    }


def _describe_memory(ngrams: NgramModel | None) -> dict[str, Any] | None:
    if ngrams is None:
        return None
    tables = ngrams.tables
    return {
        "order": tables.order,
        "num_ngrams": tables.num_ngrams,
        "num_bytes": tables.num_bytes,
        "weight": ngrams.weight,
    }


def shareable_text(text: Mapping[str, Any]) -> dict[str, Any]:
    """The facts about a text; runs of earlier versions stored whole paths."""
    sources, base = text.get("sources"), text.get("init_from")
    shared = dict(text)
    if isinstance(sources, list):
        shared["sources"] = [shareable_name(str(name)) for name in sources]
    if isinstance(base, str):
        shared["init_from"] = shareable_run(base)
    return shared


def describe_layers(config: ModelConfig) -> list[dict[str, Any]]:
    """Name, weights and parameter count of each layer; recurrent ones gate by gate.

    >>> layer = describe_layers(ModelConfig(vocab_size=65, units=128))[1]
    >>> layer["name"], layer["num_parameters"], list(layer["weights"])[3:6]
    ('layers.0', 98816, ['forget.kernel', 'forget.recurrent_kernel', 'forget.bias'])
    """
    blocks: dict[str, dict[str, Shape]] = {}
    for layer in layers(config):
        if layer.parts:
            blocks.setdefault(layer.block or layer.name, {}).update(layer.parts)
    return [
        {
            "name": name,
            "num_parameters": sum(math.prod(shape) for shape in parts.values()),
            "weights": parts,
        }
        for name, parts in blocks.items()
    ]


def as_text(description: Mapping[str, Any]) -> str:
    """The description as a page for a person."""
    model = description["model"]
    options = ", ".join(f"{k}={v}" for k, v in model.items() if k != "vocab_size")
    rows = [*known_facts(description), ("model", options)]
    rows += _memory_facts(description["memory"])
    lines = [
        one_line(str(description["path"])),
        summary(description),
        "",
        *(f"{name:<8}{fact}" for name, fact in rows),
        "",
    ]
    for layer in description["layers"]:
        lines.append(f"{layer['name']:<40}{layer['num_parameters']:>14,} parameters")
        lines += [
            f"    {name:<36}{' x '.join(map(str, shape)):>14}"
            for name, shape in layer["weights"].items()
        ]
    lines.append(f"{'total':<40}{description['num_parameters']:>14,} parameters")
    return "\n".join(lines)


def summary(description: Mapping[str, Any]) -> str:
    """The model in a line.

    >>> model = {"cell": "lstm", "num_layers": 2, "units": 64}
    >>> summary({"model": model, "num_parameters": 54321, "score": {}})
    'LSTM, 2 layers of 64 units, 54,321 parameters; not evaluated yet'
    """
    model, bits = description["model"], description["score"].get("val_bits_per_char")
    score = f"{bits:.2f} bits per character" if _is_number(bits) else "not evaluated yet"
    return (
        f"{CELLS[model['cell']].title}, {count_of(model['num_layers'], 'layer')} of "
        f"{count_of(model['units'], 'unit')}, "
        f"{count_of(description['num_parameters'], 'parameter')}; {score}"
    )


def known_facts(description: Mapping[str, Any]) -> Facts:
    """What is known of the training and the text.

    A line that continues the one before it has an empty name.
    """
    tokenizer, text = description["tokenizer"], description["text"]
    score, labels = description["score"], tokenizer["labels"]
    vocabulary = (
        f"{tokenizer['vocab_size']:,} ({tokenizer['kind']}, "
        f"normalize {tokenizer['normalize']})"
    )
    return [
        *_score_facts(score, has_memory=description["memory"] is not None),
        *_ending_facts(description["status"]),
        *_text_facts(text),
        ("vocab", vocabulary),
        *[("task", "completes prompts")] * tokenizer["completes"],
        *_label_facts(labels, text),
        *_label_accuracy_facts(score, len(labels)),
    ]


# Facts come from the file and are not trusted: any may be missing or nonsense, or contain
# terminal control sequences.


def _score_facts(score: Mapping[str, Any], *, has_memory: bool) -> Facts:
    facts = []
    for name, where in (("val", "held-out"), ("test", "test")):
        bits = score.get(f"{name}_bits_per_char")
        if _is_number(bits):
            facts.append(f"{bits:.4f} bits per character on {where} text")
    step, epoch = score.get("step"), score.get("epoch")
    if facts and _is_number(step) and _is_number(epoch):
        facts[0] += f", step {step:,}, epoch {epoch:.1f}"
    temperature = score.get("temperature", 1)
    if _is_number(temperature) and temperature != 1:
        facts.append(f"logits divided by {temperature:.2f}, fitted on held-out text")
    both, alone = (score.get(f"val_{x}_bits_per_char") for x in ("both", "network"))
    if has_memory and _is_number(both) and _is_number(alone):
        facts.append(
            f"{both:.4f} with the n-gram memory, {alone:.4f} without, on samples of "
            "the held-out text, so not comparable with the score on all of it"
        )
    return [("score", fact) for fact in facts]


def _ending_facts(status: Mapping[str, Any] | None) -> Facts:
    return [] if status is None else [("run", Status(**status).ended_shown)]


def _memory_facts(memory: Mapping[str, Any] | None) -> Facts:
    if memory is None:
        return []
    fact = (
        f"{memory['num_ngrams']:,} n-grams of order {memory['order']}, "
        f"{size_of(memory['num_bytes'])}, weight {memory['weight']:.2f}"
    )
    return [("memory", fact)]


def _text_facts(text: Mapping[str, Any]) -> Facts:
    num_chars, num_documents = text.get("num_chars"), text.get("num_documents")
    if not (_is_number(num_chars) and _is_number(num_documents)):
        return []
    sources = text.get("sources")
    names = ", ".join(map(str, sources)) if isinstance(sources, list) else "unknown"
    counted = f"{count_of(num_chars, 'character')} in {count_of(num_documents, 'document')}"
    return [("text", f"{counted}: {one_line(names)}"), *_beginning_facts(text)]


def _beginning_facts(text: Mapping[str, Any]) -> Facts:
    base = text.get("init_from")
    return [("from", one_line(base))] if isinstance(base, str) else []


def _label_facts(labels: Sequence[str], text: Mapping[str, Any]) -> Facts:
    if not labels:
        return []
    counts = text.get("labels")
    counts = counts if isinstance(counts, Mapping) else {}
    listed = few([_with_count(label, counts.get(label)) for label in labels], MOST_LABELS)
    return [("labels", f"{len(labels):,}, with their documents: {listed}")]


def label_accuracy_shown(share: float, num_documents: float, num_labels: int) -> str:
    """Say how well labels hold.

    >>> label_accuracy_shown(share=0.875, num_documents=160, num_labels=4)
    '87.50% of 160 held-out records are most probable under their own label (by chance
    25.00%)'
    """
    return (
        f"{percent(share, 1)} of {count_of(num_documents, 'held-out record')} are most "
        f"probable under their own label (by chance {percent(1, num_labels)})"
    )


def _label_accuracy_facts(score: Mapping[str, Any], num_labels: int) -> Facts:
    share, count = score.get("label_accuracy"), score.get("label_records")
    if not (_is_number(share) and _is_number(count) and num_labels):
        return []
    return [("", label_accuracy_shown(share, count, num_labels))]


def _with_count(label: str, count: object) -> str:
    return f"{shown(label)} ({count:,})" if _is_number(count) else shown(label)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float)
