"""Defaults that depend on the text: sizes, settings for little text and for fine-tuning."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from textgen.config.arguments import one_of
from textgen.config.fields import command_line

# A short text is read many times, so its model needs dropout to avoid memorising it.
SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"num_layers": 1, "units": 128, "dropout": 0.3},
    "small": {"num_layers": 1, "units": 256, "dropout": 0.3},
    "medium": {"num_layers": 2, "units": 256, "dropout": 0.2, "sum_layers": True},
    "large": {"num_layers": 2, "units": 512, "dropout": 0.2, "sum_layers": True},
}

LITTLE_CHARS = 40_000
"""From fewer characters of training text a model learns words and rhythm, not sense."""

# The minimum text for each size, as measured by benchmarks/sizes.py.
LEAST_CHARS = {
    "tiny": 0,
    "small": LITTLE_CHARS,
    "medium": 130_000,
    "large": 10_000_000,
}

# A large network learns more from each character, but reads fewer in the same time. These
# are the characters that a size has to read to overtake the one below.
LEAST_READ = {
    "tiny": 0,
    "small": 1_000_000,
    "medium": 1_700_000,
    "large": 6_000_000,
}
"""Measured by benchmarks/quality.py."""

OFTEN_CHARS, OFTEN_READ = 900_000, 10_000_000
"""A text of so many characters is enough for the largest network if there is time to read
so many, every pass counted. See "Weight drop" in benchmarks/quality.md."""

FEW, FEW_TO_DROP = 5, 6
"""In fewer passes over a text little of it is memorised. From the first number on AdamW is
better for little text than Muon, from the second on there is dropout."""

MUON_CHARS = 100_000
"""From so much training text, or in few passes, Muon learns more than AdamW."""

LITTLE_TEXT: dict[str, Any] = {
    # Few characters per step: otherwise a pass has too few steps to learn from, and the
    # text is memorised in many passes before it is understood.
    "batch_size": 8,
    "warmup_steps": 40,
    "epochs": 20,
    "dropout": 0.5,
}
"""Options for less than `LITTLE_CHARS`, measured by benchmarks/little_text.py."""

FINE_TUNING: dict[str, Any] = {
    "optimizer": "muon",
    "dropout": 0.0,
    # A short text has few steps.
    "warmup_steps": 20,
    "epochs": 4,
}
"""For fine-tuning, measured by benchmarks/bases.py.

A network that knows the language learns a text in few passes. More of them make it forget
the language for the sake of the text, however many minutes there are.
"""

USUAL_WINDOW_CHARS = 32 * 64
"""Characters per training step, with the default lanes and windows."""

ALIKE_EPOCHS, ALIKE_CHARS = 2, 30_000
"""So many passes suffice for a text like those that the network has read, but not for one
of fewer characters, which has too few steps in them."""

FEW_STEPS_CHARS = 20_000
"""Less training text than this gives a pass of fine-tuning fewer than ten usual steps."""

MUON_RATES = 0.006, 0.03
"""The lowest and the highest peak rate in `muon_options`."""

MOST_DECAY = 0.6
"""The highest weight decay in `muon_options`."""

LEAST_DROP, MOST_DROP = 0.3, 0.6
"""The lowest and the highest value of `weight_drop_for` but 0."""

MEMORISING, MEMORISING_MUON = 100.0, 35.0
"""Passes, times parameters of the recurrent layers per character of text, from which a text
is memorised; the second value for Muon."""

LEAST_DROPPED_CHARS = 10_000
"""So little text teaches too little for weight drop to help."""

MANY_CHARACTERS, DECAY_FOR_MANY = 1_000, 0.5
"""Weight decay with AdamW for text of so many different characters, as in little Chinese
text: the rows of most are updated so rarely that they are learned by heart."""

PATIENCE_WITH_WEIGHT_DROP = 1_000
"""In effect no limit: with weight drop, scores go up and down while the learning rate is
high, and are best when it is low."""

GENTLE = 1 / 3
"""The share of rate and decay with which a network keeps what it has learned before."""

GENTLE_CHARS = 150_000
"""The shorter a text than this, the more gently such a network learns it."""


def fine_tuning_options(
    num_chars: int, given: Collection[str] = (), *, is_alike: bool = False
) -> dict[str, Any]:
    """Fields of `ModelConfig` and `TrainConfig` that suit a network which has learned.

    A pass needs some ten steps: a short text gets smaller batches.

    Args:
        num_chars: characters of training text.
        given: names of options that the user set, which are not overridden.
        is_alike: whether the text is known to be like those that the network has read.

    >>> fine_tuning_options(20_000, ["epochs", "dropout"])
    {'optimizer': 'muon', 'warmup_steps': 20}
    >>> [fine_tuning_options(chars)["batch_size"] for chars in (1_000, 5_000, 10_000)]
    [4, 8, 16]
    >>> [fine_tuning_options(chars, is_alike=True)["epochs"] for chars in (20_000, 50_000)]
    [4, 2]
    >>> fine_tuning_options(1_000_000, is_alike=True)["eval_every"]  # half a pass
    244
    """
    usual = dict(FINE_TUNING)
    if is_alike and num_chars >= ALIKE_CHARS:
        usual["epochs"] = ALIKE_EPOCHS
        usual["eval_every"] = num_chars // (2 * USUAL_WINDOW_CHARS)
    if num_chars < FEW_STEPS_CHARS:
        lanes = 32 * num_chars / FEW_STEPS_CHARS
        usual["batch_size"] = max(4, 2 ** round(math.log2(max(1.0, lanes))))
    return {name: value for name, value in usual.items() if name not in given}


def muon_options(
    num_chars: int, chars_read: float, *, is_learned: bool = False
) -> dict[str, float]:
    """The peak learning rate and the weight decay that suit Muon.

    The longer a run, the lower its best rate; the shorter a text, the more its weights have
    to be held back from memorising it. Measured by benchmarks/quality.py with texts of 0.13
    to 1 million characters, and runs that read 0.7 to 8 million.

    Args:
        num_chars: characters of training text.
        chars_read: how many the run reads, every pass counted.
        is_learned: whether the run begins with a network that has learned other text.

    >>> muon_options(1_000_000, 4e6)
    {'learning_rate': 0.016, 'weight_decay': 0.15}
    >>> muon_options(10_000, 1e5)
    {'learning_rate': 0.03, 'weight_decay': 0.6}
    >>> muon_options(10_000, 1e5, is_learned=True)
    {'learning_rate': 0.004, 'weight_decay': 0.2}
    """
    lowest, highest = MUON_RATES
    rate = 0.025 * (1e6 / max(1.0, chars_read)) ** (1 / 3)
    decay = 0.15 * (1e6 / max(1, num_chars)) ** 0.7
    rate, decay = min(highest, max(lowest, rate)), min(MOST_DECAY, decay)
    if is_learned:
        rate *= GENTLE * min(1.0, num_chars / GENTLE_CHARS) ** (1 / 3)
        decay *= GENTLE
    return {"learning_rate": round(rate, 3), "weight_decay": round(decay, 3)}


def weight_drop_for(
    num_chars: int, chars_read: float, num_weights: int, optimizer: str
) -> float:
    """The share of the recurrent weights to drop, so that more passes teach more.

    The more often a text is read, and the larger the network for it, the more of it would
    be memorised; with Muon sooner than with other optimizers. Measured with LSTMs on the
    texts in benchmarks/quality.md, which have 4,500 to 1 million characters.

    Args:
        num_chars: characters of training text.
        chars_read: how many the run reads, every pass counted; infinity if unknown.
        num_weights: parameters of the recurrent layers.
        optimizer: its name.

    >>> passes = 12, 30, 80
    >>> [weight_drop_for(180_000, n * 180_000, 350_000, "muon") for n in passes]
    [0.0, 0.37, 0.52]
    """
    passes, is_muon = chars_read / max(1, num_chars), optimizer == "muon"
    if num_chars < LEAST_DROPPED_CHARS or math.isinf(passes):
        return 0.0
    excess = passes * num_weights / num_chars
    excess /= MEMORISING_MUON if is_muon else MEMORISING
    if excess < 1 or (not is_muon and passes <= LITTLE_TEXT["epochs"]):
        return 0.0
    return round(min(MOST_DROP, LEAST_DROP + 0.1 * math.log2(excess)), 2)


def decay_for_many(
    num_chars: int, chars_read: float, vocab_size: int, optimizer: str
) -> float:
    """The weight decay with AdamW for little text of many different characters.

    Measured with Chinese texts of 20,000 to 90,000 characters, 1,400 to 3,000 different.

    Args:
        num_chars, chars_read, optimizer: as for `weight_drop_for`.

    >>> decay_for_many(20_000, 400_000, 1_359, "adamw")
    0.5
    >>> decay_for_many(20_000, 400_000, 65, "adamw")
    0.0
    """
    is_often_read = chars_read >= FEW * num_chars
    is_little = num_chars < MUON_CHARS and vocab_size >= MANY_CHARACTERS
    return DECAY_FOR_MANY if optimizer == "adamw" and is_often_read and is_little else 0.0


def check_size(size: str) -> None:
    """Refuse a size that is neither `auto` nor in `SIZES`."""
    one_of("size", size, ("auto", *SIZES))


def choose_size(num_chars: int, readable: Mapping[str, float] | None = None) -> str:
    """The largest size that suits `num_chars` characters of training text.

    Args:
        readable: how many characters, counting every pass, each size reads in the time for
            training; None if the time is not limited.

    >>> choose_size(1_000_000)
    'medium'
    >>> minute = {"tiny": 4e6, "small": 1.8e6, "medium": 7e5, "large": 3e5}
    >>> choose_size(1_000_000, minute)
    'small'
    """
    least = dict(LEAST_CHARS)
    if readable is not None and readable["large"] >= OFTEN_READ:
        least["large"] = OFTEN_CHARS
    suited = [
        name
        for name in SIZES
        if num_chars >= least[name]
        and (readable is None or readable[name] >= LEAST_READ[name])
    ]
    return suited[-1]


def size_options(
    size: str,
    num_chars: int,
    given: Collection[str] = (),
    readable: Mapping[str, float] | None = None,
    epochs: int | None = None,
) -> tuple[dict[str, Any], str]:
    """The options of a size and for little text, and a sentence that explains them.

    Args:
        size: `auto` or a name in `SIZES`.
        num_chars: characters of training text.
        given: names of options that the user set, which are not overridden. With
            `max_minutes`, the number of epochs is not limited.
        readable: see `choose_size`.
        epochs: the most passes over the text; None if they are not limited.

    Returns:
        fields of `ModelConfig` and `TrainConfig`, and the sentence; both are empty if the
        user has set them all.

    Raises:
        ConfigError: an unknown size.

    >>> print(size_options("auto", 20_000, given=["batch_size", "max_minutes"])[1])
    Size tiny, for 20,000 characters of training text (which is little): --num-layers 1
    --units 128 --dropout 0.5 --warmup-steps 40.
    """
    check_size(size)
    is_drawn = {"num_layers", "units"}.issubset(given)
    name = choose_size(num_chars, None if is_drawn else readable)
    name = name if size == "auto" else size
    is_little = num_chars < LITTLE_CHARS
    usual = {**SIZES[name], **(LITTLE_TEXT if is_little else {})}
    if "max_minutes" in given:
        usual.pop("epochs", None)
    if "num_layers" in given:
        # Whoever draws the network decides what leads where.
        usual.pop("sum_layers", None)
    passes = math.inf if readable is None else readable[name] / num_chars
    passes = min(passes, epochs or math.inf)
    if passes < FEW_TO_DROP:
        usual["dropout"] = 0.0
    if passes < FEW or num_chars >= MUON_CHARS:
        usual["optimizer"] = "muon"
    options = {key: value for key, value in usual.items() if key not in given}
    why = f"{'for' if size == 'auto' else 'as requested for'} {num_chars:,} characters"
    details = ["which is little"] * is_little
    if readable is not None and passes != epochs:
        times = f"{passes:.1f}" if passes < 10 else f"about {passes:,.0f}"
        details.append(f"with time to read it {times} times")
    told = f" ({', '.join(details)})" if details else ""
    line = f"Size {name}, {why} of training text{told}: {command_line(options)}."
    return options, line if options else ""
