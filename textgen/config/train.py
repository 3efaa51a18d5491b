"""Options for training: `TrainConfig`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from textgen.config.arguments import whole_number
from textgen.config.fields import (
    check_above_zero,
    check_at_least,
    check_at_most,
    check_fraction,
    check_types_and_choices,
    option,
)
from textgen.config.sizes import (
    ALIKE_EPOCHS,
    FEW,
    FINE_TUNING,
    LITTLE_TEXT,
    MUON_CHARS,
    MUON_RATES,
    PATIENCE_WITH_WEIGHT_DROP,
)
from textgen.errors import ConfigError

# Enough for a reasonable first model; early stopping may end training sooner.
DEFAULT_STEPS = 2000

DEFAULT_RATE = 0.01
"""For the kinds of Adam; LARS needs one about a thousand times as high."""

USUAL_MEMORY, MOST_MEMORY = 8, 16
"""The longest n-grams that a memory has; longer ones predict nothing more."""


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained, and for how long.

    >>> TrainConfig(batch_size=32, seq_length=64).window_chars
    2048
    """

    batch_size: int = option(
        32,
        "Lanes of text read in parallel (batch size).",
        flag_default=f"32; {LITTLE_TEXT['batch_size']} for little text; 4 to 32 for "
        "fine-tuning",
    )
    accumulate: int = option(
        1,
        "Groups of lanes that a step reads one after the other, before it updates the "
        "weights once: less memory, and the losses of all lanes at once.",
    )
    seq_length: int = option(
        64, "Characters per window; backpropagation is truncated there."
    )
    epochs: int | None = option(
        None,
        "Maximum passes over the training text.",
        flag_default=f"about {DEFAULT_STEPS:,} steps; {LITTLE_TEXT['epochs']} epochs for "
        f"little text; no limit with --max-minutes; {ALIKE_EPOCHS} or "
        f"{FINE_TUNING['epochs']} epochs for fine-tuning",
    )
    max_minutes: float | None = option(
        None,
        "Maximum minutes of training and evaluation, including those before a resume. The "
        "learning rate then follows the clock, so runs are not exactly reproducible.",
    )
    optimizer: str = option(
        "adamw",
        "Optimizer; lamb and lars are for many lanes.",
        ("adam", "adamw", "rmsprop", "lion", "muon", "lamb", "lars"),
        flag_default=f"muon; adamw for fewer than {MUON_CHARS:,} characters of training "
        f"text in {FEW} passes or more",
    )
    learning_rate: float = option(
        DEFAULT_RATE,
        "Peak learning rate.",
        flag_default=f"{DEFAULT_RATE}; {MUON_RATES[1]} to {MUON_RATES[0]} for muon, by the "
        "characters to read; none for lars",
    )
    beta_2: float = option(
        0.999,
        "Decay rate of Adam's running mean of squared gradients (adam, adamw, muon).",
    )
    warmup_steps: int = option(
        100,
        "Steps of linear warm-up to the peak rate.",
        flag_default=f"100; {LITTLE_TEXT['warmup_steps']} for little text",
    )
    final_rate: float = option(
        0.05, "Cosine decay ends at this fraction of the peak rate; 1 disables decay."
    )
    clip_norm: float = option(
        1.0, "Clip the global gradient norm to this; 0 disables clipping."
    )
    compute_dtype: str = option(
        "auto",
        "Type of the factors in matrix products of LSTM and GRU layers on a CPU; "
        "everything else is float32. auto: bfloat16 if the processor supports it (detected "
        "on Linux) and a timing at the start of the run shows that it is much faster; name "
        "a type for exact reproducibility.",
        ("auto", "float32", "bfloat16"),
    )
    patience: int = option(
        5,
        "Stop after this many evaluations without improvement.",
        flag_default=f"5; {PATIENCE_WITH_WEIGHT_DROP} where weight drop is chosen",
    )
    eval_every: int | None = option(
        None,
        "Steps between evaluations.",
        flag_default="one epoch, two if they are short, but at most 1,000 steps",
    )
    eval_chars: int = option(
        500_000,
        "Maximum characters per evaluation, spread evenly over the validation text.",
    )
    save_every: int | None = option(None, "Also save every N steps.")
    save_minutes: float = option(5.0, "Also save every N minutes; 0 disables this.")
    memory: int | None = option(
        None,
        "Longest n-grams of a memory beside the weights; 0 for none. It lowers the bits "
        "per character, but holds most of the text. If given, it is kept in any case.",
        flag_default=f"{USUAL_MEMORY}, kept if it gains 0.02 nats per character",
    )
    calibrate: bool = option(
        True,
        "When training has ended, divide the logits of the best model by the temperature "
        "that suits the held-out text (Guo et al. 2017).",
    )
    seed: int = option(0, "Random seed.")
    preview: bool = option(
        True,
        "Write a short sample after each evaluation: it is printed, and kept for textgen "
        "report and watch.",
    )
    tensorboard: bool = option(
        False, "Write TensorBoard logs; to see them: tensorboard --logdir RUN/logs."
    )
    log_to: str = option(
        "none",
        "Also log to Weights & Biases or MLflow, where their own settings say.",
        ("none", "wandb", "mlflow"),
    )

    def __post_init__(self) -> None:
        check_types_and_choices(self)
        positive = ("batch_size", "seq_length", "epochs", "patience", "eval_every")
        check_at_least(self, 1, *positive, "eval_chars", "save_every", "accumulate")
        check_at_least(self, 0, "warmup_steps", "clip_norm", "save_minutes", "seed")
        check_at_most(self, {"memory": MOST_MEMORY})
        if self.batch_size % self.accumulate:
            raise ConfigError(
                f"batch_size={self.batch_size} lanes cannot be divided into "
                f"accumulate={self.accumulate} equal groups. Choose an `accumulate` that "
                "divides `batch_size`."
            )
        if self.memory is not None and self.memory != 0 and self.memory < 2:
            raise ConfigError(f"memory={self.memory} must be 0 (off) or at least 2.")
        check_above_zero(self, "learning_rate", "max_minutes")
        check_fraction(self, "beta_2")
        if self.optimizer == "lars" and self.learning_rate == DEFAULT_RATE:
            raise ConfigError(
                "optimizer='lars' needs a `learning_rate` of its own: the default, "
                f"{DEFAULT_RATE}, is made for Adam, and a step of LARS moves a matrix by a "
                "thousandth of its norm times the rate. Try learning_rate=10."
            )
        if not 0 <= self.final_rate <= 1:
            raise ConfigError(f"final_rate={self.final_rate} must be from 0 to 1.")

    def resolved(self, steps_per_pass: int) -> TrainConfig:
        """Replace None in `epochs` and `eval_every` with their defaults.

        With `max_minutes`, `epochs` may remain None: then only the time is limited.

        Args:
            steps_per_pass: training steps per pass over the training text.

        >>> config = TrainConfig().resolved(steps_per_pass=44)
        >>> config.epochs, config.eval_every
        (46, 88)
        """
        steps_per_pass = whole_number("steps_per_pass", steps_per_pass, least=1)
        epochs = self.epochs
        if epochs is None and self.max_minutes is None:
            epochs = max(2, math.ceil(DEFAULT_STEPS / steps_per_pass))
        return replace(
            self,
            epochs=epochs,
            eval_every=self.eval_every or _default_eval_every(steps_per_pass),
        )

    @property
    def memory_order(self) -> int:
        """The longest n-grams of a memory, if it is kept; 0 for none."""
        return USUAL_MEMORY if self.memory is None else self.memory

    @property
    def keeps_what_gains(self) -> bool:
        """Whether a memory is kept only if it gains enough."""
        return self.memory is None

    @property
    def window_chars(self) -> int:
        """Characters per training step."""
        return self.batch_size * self.seq_length


def _default_eval_every(steps_per_pass: int) -> int:
    """One epoch, or two short ones: a model memorises a text in passes, not in steps."""
    return min(steps_per_pass * (1 if steps_per_pass >= 100 else 2), 1000)
