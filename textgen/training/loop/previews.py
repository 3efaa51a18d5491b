"""Short texts by the model that learns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from textgen.generation.generator import Generator
from textgen.training.backend.loaded import keras
from textgen.training.loop.progress import Progress
from textgen.training.model.build import get_weights
from textgen.training.task.task import Task

LENGTH = 160
"""Characters of a preview."""


class KeepPreview(keras.callbacks.Callback):
    """Let the current model write a short text after each evaluation.

    Args:
        keep: writes the text to the run.

    Attributes:
        text: the last one.
    """

    def __init__(self, task: Task, progress: Progress, keep: Callable[[str], None]) -> None:
        super().__init__()
        self.task = task
        self.progress = progress
        self.keep = keep
        self.text = ""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Sample a text and keep it."""
        task, seed = self.task, self.progress.step
        weights, documents = get_weights(self.model, task.model), task.text.documents
        generator = Generator(task.model, weights, task.tokenizer, documents=documents)
        written = generator.generate(self._prompt(), length=LENGTH, seed=seed, echo=True)
        self.text = written.strip()
        self.keep(self.text)

    def _prompt(self) -> str:
        """A held-out prompt, another each time, if the model completes prompts."""
        completions, ids = self.task.windows.completions, self.task.val_ids
        if completions is None:
            return ""
        place = np.random.default_rng(self.progress.step).integers(len(ids))
        return self.task.tokenizer.decode(completions.prompt_before(ids, int(place)))
