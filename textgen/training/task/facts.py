"""What the tasks of all processes of a job must have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np

from textgen.training.task.task import Task
from textgen.version import __version__

PACKAGES = ("keras", "jax", "jaxlib", "numpy")


def shared_facts(task: Task, *, overwrite: bool) -> dict[str, Any]:
    """Options, text, versions and first weights, as JSON data by name."""
    facts: dict[str, Any] = {
        "textgen": __version__,
        **{name: version(name) for name in PACKAGES},
        **asdict(task.text),
        **asdict(task.model),
        **asdict(task.train),
        "text": task.facts["sha256"],
        "resume": task.resumed is not None,
        "overwrite": overwrite,
    }
    if task.resumed is not None:
        facts["resumed state"] = _digest(task.resumed.arrays)
    if task.base is not None:
        facts["init_from"] = _digest(task.base.checkpoint.weights)
    return facts


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(name.encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]
