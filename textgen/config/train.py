"""How a model is fitted: `TrainConfig`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from textgen.config.fields import (
    check_above_zero,
    check_at_least,
    check_types_and_choices,
    option,
)
from textgen.errors import ConfigError

# Enough for a first good model of any text; early stopping ends sooner.
USUAL_STEPS = 2000


@dataclass(frozen=True)
class TrainConfig:
    """How a model is fitted, and when that ends.

    >>> TrainConfig(batch_size=32, seq_length=64).window_chars
    2048
    """

    batch_size: int = option(32, "Lanes of text read side by side.")
    seq_length: int = option(64, "Characters per window; gradients stop at its edges.")
    epochs: int | None = option(
        None,
        f"Passes over the training text, at most.  [default: about {USUAL_STEPS:,} steps]",
    )
    max_minutes: float | None = option(
        None,
        "Minutes of training, at most; a resumed run has used some already. Its learning "
        "rates follow the clock, so it cannot be repeated exactly.",
    )
    optimizer: str = option(
        "adamw", "Update rule.", ("adam", "adamw", "rmsprop", "lion", "muon")
    )
    learning_rate: float = option(0.01, "Highest learning rate.")
    warmup_steps: int = option(100, "Steps over which the rate rises from zero.")
    final_rate: float = option(
        0.05, "Share of the highest rate that the cosine decay ends at; 1 is constant."
    )
    clip_norm: float = option(1.0, "Largest norm of all gradients together; 0 is off.")
    compute_dtype: str = option(
        "auto",
        "What the factors of LSTM and GRU layers' matrix products are rounded to, on a "
        "CPU; all else is float32. auto: bfloat16 where the processor has it (found out on "
        "Linux) and is much faster with it, timed when a run begins; name a type to repeat "
        "a run exactly.",
        ("auto", "float32", "bfloat16"),
    )
    patience: int = option(5, "Evaluations without a better score before stopping.")
    eval_every: int | None = option(
        None, "Steps between evaluations.  [default: an epoch; 200 to 1,000 steps]"
    )
    eval_chars: int = option(
        500_000,
        "Held-out characters read at each evaluation, at most, spread over all of them.",
    )
    save_every: int | None = option(
        None, "Save after so many steps, too, to resume from there after a crash."
    )
    save_minutes: float = option(
        5.0, "Save after so many minutes of training, too; 0 is off."
    )
    seed: int = option(0, "Start of every random choice.")
    preview: bool = option(True, "Show a short text after each evaluation.")
    tensorboard: bool = option(False, "Write TensorBoard logs beside the checkpoint.")

    def __post_init__(self) -> None:
        check_types_and_choices(self)
        positive = ("batch_size", "seq_length", "epochs", "patience", "eval_every")
        check_at_least(self, 1, *positive, "eval_chars", "save_every")
        check_at_least(self, 0, "warmup_steps", "clip_norm", "save_minutes", "seed")
        check_above_zero(self, "learning_rate", "max_minutes")
        if not 0 <= self.final_rate <= 1:
            raise ConfigError(f"final_rate={self.final_rate} must lie in 0 to 1.")

    def settled(self, steps_per_pass: int) -> TrainConfig:
        """The same with numbers for `epochs` and `eval_every` that were left open.

        Args:
            steps_per_pass: steps in which all training text is read once.

        >>> settled = TrainConfig().settled(steps_per_pass=44)
        >>> settled.epochs, settled.eval_every
        (46, 220)
        """
        return replace(
            self,
            epochs=self.epochs or max(2, math.ceil(USUAL_STEPS / steps_per_pass)),
            eval_every=self.eval_every or _usual_eval_every(steps_per_pass),
        )

    @property
    def window_chars(self) -> int:
        """Characters learned from in one step."""
        return self.batch_size * self.seq_length


def _usual_eval_every(steps_per_pass: int) -> int:
    """An epoch; of a short text several whole ones, of a long text a part of one."""
    if steps_per_pass > 1000:
        return 1000
    return steps_per_pass * math.ceil(200 / steps_per_pass)
