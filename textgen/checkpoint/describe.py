"""Describe a checkpoint, as data and as a page of text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeGuard

from textgen.checkpoint.format import Checkpoint
from textgen.checkpoint.runs import run_of
from textgen.checkpoint.status import Status, read_status
from textgen.config.model import ModelConfig
from textgen.disk.names import shareable_name, shareable_run
from textgen.model.architecture import layers
from textgen.model.cells import CELLS
from textgen.model.layers import Shape
from textgen.ngrams.model import NgramModel
from textgen.wording import count_of, few, one_line, percent, shown

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
    tokenizer, model = description["tokenizer"], description["model"]
    options = ", ".join(f"{k}={v}" for k, v in model.items() if k != "vocab_size")
    lines = [
        one_line(str(description["path"])),
        _summary(description),
        "",
        *_score_lines(description["score"]),
        *_ending_lines(description["status"]),
        *_text_lines(description["text"]),
        f"vocab   {tokenizer['vocab_size']:,} ({tokenizer['kind']}, "
        f"normalize {tokenizer['normalize']})",
        *["task    completes prompts"] * tokenizer["completes"],
        *_label_lines(tokenizer["labels"], description["text"]),
        *_label_accuracy_lines(description["score"], len(tokenizer["labels"])),
        f"model   {options}",
        *_memory_lines(description["memory"]),
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


def _summary(description: Mapping[str, Any]) -> str:
    """The model in a line.

    >>> model = {"cell": "lstm", "num_layers": 2, "units": 64}
    >>> _summary({"model": model, "num_parameters": 54321, "score": {}})
    'LSTM, 2 layers of 64 units, 54,321 parameters; not evaluated yet'
    """
    model, bits = description["model"], description["score"].get("val_bits_per_char")
    score = f"{bits:.2f} bits per character" if _is_number(bits) else "not evaluated yet"
    return (
        f"{CELLS[model['cell']].title}, {count_of(model['num_layers'], 'layer')} of "
        f"{count_of(model['units'], 'unit')}, "
        f"{count_of(description['num_parameters'], 'parameter')}; {score}"
    )


# Facts come from the file and are not trusted: any may be missing or nonsense, or contain
# terminal control sequences.


def _score_lines(score: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, where in (("val", "held-out"), ("test", "test")):
        bits = score.get(f"{name}_bits_per_char")
        if _is_number(bits):
            lines.append(f"score   {bits:.4f} bits per character on {where} text")
    step, epoch = score.get("step"), score.get("epoch")
    if lines and _is_number(step) and _is_number(epoch):
        lines[0] += f", step {step:,}, epoch {epoch:.1f}"
    return lines


def _ending_lines(status: Mapping[str, Any] | None) -> list[str]:
    return [] if status is None else [f"run     {Status(**status).ended_shown}"]


def _memory_lines(memory: Mapping[str, Any] | None) -> list[str]:
    if memory is None:
        return []
    return [
        f"memory  {memory['num_ngrams']:,} n-grams of order {memory['order']}, "
        f"{memory['num_bytes'] / 1e6:.1f} MB, weight {memory['weight']:.2f}"
    ]


def _text_lines(text: Mapping[str, Any]) -> list[str]:
    num_chars, num_documents = text.get("num_chars"), text.get("num_documents")
    if not (_is_number(num_chars) and _is_number(num_documents)):
        return []
    sources = text.get("sources")
    names = ", ".join(map(str, sources)) if isinstance(sources, list) else "unknown"
    counted = f"{count_of(num_chars, 'character')} in {count_of(num_documents, 'document')}"
    return [f"text    {counted}: {one_line(names)}"]


def _label_lines(labels: Sequence[str], text: Mapping[str, Any]) -> list[str]:
    if not labels:
        return []
    counts = text.get("labels")
    counts = counts if isinstance(counts, Mapping) else {}
    listed = few([_with_count(label, counts.get(label)) for label in labels], MOST_LABELS)
    return [f"labels  {len(labels):,}, with their documents: {listed}"]


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


def _label_accuracy_lines(score: Mapping[str, Any], num_labels: int) -> list[str]:
    share, count = score.get("label_accuracy"), score.get("label_records")
    if not (_is_number(share) and _is_number(count) and num_labels):
        return []
    return [f"        {label_accuracy_shown(share, count, num_labels)}"]


def _with_count(label: str, count: object) -> str:
    return f"{shown(label)} ({count:,})" if _is_number(count) else shown(label)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float)
