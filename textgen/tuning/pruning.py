"""The callback that ends a trial which is worse than others were at the same time."""

from __future__ import annotations

import math
import time
from typing import Any

from textgen.training.backend.loaded import keras

NUM_RUNGS = 10
"""Scores are compared at tenths of a trial's time; steps differ in length."""


class Pruning(keras.callbacks.Callback):
    """Report each evaluation to Optuna, and end the trial if the pruner says so.

    Args:
        trial: of Optuna.
        seconds: how long a trial may take.
        ids_per_char: of the validation text.
    """

    def __init__(self, trial: Any, seconds: float, ids_per_char: float) -> None:
        super().__init__()
        self.trial = trial
        self.seconds = seconds
        self.ids_per_char = ids_per_char
        self.is_pruned = False
        self._best = math.inf
        self._num_reported = 0
        self._began = 0.0

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the clock."""
        self._began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Report the best score so far for every tenth of the time that has passed."""
        score = float((logs or {})["val_bits_per_id"]) * self.ids_per_char
        self._best = min(self._best, score)
        rung = int(NUM_RUNGS * (time.monotonic() - self._began) / self.seconds)
        for passed in range(self._num_reported, min(rung, NUM_RUNGS)):
            self.trial.report(self._best, passed)
        if rung > self._num_reported and self.trial.should_prune():
            self.is_pruned = True
            self.model.stop_training = True
        self._num_reported = max(self._num_reported, rung)
