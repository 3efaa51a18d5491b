"""What can be chosen: four frozen dataclasses that refuse nonsense at birth.

Every field is at the same time a keyword of `textgen.train` or `Generator.stream`
and, with dashes for underscores, a flag of the command; its help stands beside it.
This file knows nothing else of the package but its errors.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, replace
from typing import Any, TypeVar

from textgen.errors import ConfigError

Config = TypeVar("Config", "TextConfig", "ModelConfig", "TrainConfig")


def option(default: Any = MISSING, help: str = "", choices: Iterable[str] = ()) -> Any:
    """A dataclass field that also knows how the command line shows it."""
    return field(default=default, metadata={"help": help, "choices": tuple(choices)})


@dataclass(frozen=True)
class TextConfig:
    """How files become documents, documents become ids, and what is held back.

    >>> TextConfig(documents="lines").val_fraction
    0.1
    """

    encoding: str = option("utf-8", "How the files are encoded; decoding is strict.")
    glob: str = option("*.txt", "Which files of a directory are read.")
    normalize: str = option(
        "nfc", "Unicode normal form of corpus and prompts.", ("none", "nfc", "nfkc")
    )
    documents: str = option(
        "whole",
        "What counts as one document.",
        ("whole", "lines", "paragraphs", "files"),
    )
    tokenizer: str = option("char", "Unit of text.", ("char", "byte"))
    min_count: int = option(1, "Characters seen less often become one unknown token.")
    val_fraction: float = option(0.1, "Share of the text held back for validation.")
    test_fraction: float = option(0.0, "Share of the text never looked at in training.")

    def __post_init__(self) -> None:
        _check_types_and_choices(self)
        try:
            # Not `codecs.lookup`, which also knows codecs that are no text, like hex.
            "".encode(self.encoding)
        except (LookupError, ValueError):
            raise ConfigError(
                f"encoding={self.encoding!r} is no text encoding that Python knows. "
                "Try utf-8, utf-16, latin-1 or cp1252."
            ) from None
        _check_at_least(self, 1, "min_count")
        _check_fraction(self, "val_fraction", "test_fraction")
        if self.val_fraction == 0:
            raise ConfigError(
                "val_fraction must be above 0: early stopping needs text the model "
                "was not trained on. Try 0.05."
            )
        if self.val_fraction + self.test_fraction >= 1:
            raise ConfigError(
                f"val_fraction={self.val_fraction} and test_fraction="
                f"{self.test_fraction} leave nothing to train on. Lower one of them."
            )
        if self.tokenizer == "byte" and self.min_count > 1:
            raise ConfigError(
                "min_count has no meaning for tokenizer='byte', whose 256 symbols are "
                "all known. Leave one of the two out."
            )


@dataclass(frozen=True)
class ModelConfig:
    """A stacked recurrent network over characters.

    One layer of the stack computes `y = dropout(norm(cell(x)))`, and `x + y` where
    `residual` is set and both have the same width.

    Args:
        vocab_size: number of tokens; comes from the tokenizer, so it is no flag.

    >>> ModelConfig(vocab_size=65, units=256).num_parameters
    874881
    """

    vocab_size: int
    cell: str = option("lstm", "Recurrent cell.", ("lstm", "gru", "rnn"))
    num_layers: int = option(2, "Recurrent layers.")
    units: int = option(256, "Width of each recurrent layer.")
    embedding_dim: int = option(64, "Width of a character's vector.")
    dropout: float = option(
        0.0, "Share of each layer's outputs dropped; one mask for all time steps."
    )
    embedding_dropout: float = option(
        0.0, "The same for the character vectors, before the first layer."
    )
    recurrent_dropout: float = option(
        0.0, "The same for the state a layer hands to its next step (slower)."
    )
    tie_embeddings: bool = option(
        False, "Use the character vectors as output weights, too."
    )
    layer_norm: bool = option(False, "Normalise each layer's outputs.")
    residual: bool = option(False, "Add each layer's input to its output.")
    weight_decay: float = option(
        0.0, "L2 decay of the matrices, apart from the gradient, as in AdamW."
    )
    l1: float = option(0.0, "L1 penalty on the matrices, in nats per unit of weight.")

    def __post_init__(self) -> None:
        _check_types_and_choices(self)
        _check_at_least(self, 1, "vocab_size", "num_layers", "units", "embedding_dim")
        _check_fraction(self, "dropout", "embedding_dropout", "recurrent_dropout")
        _check_at_least(self, 0, "weight_decay", "l1")

    @property
    def num_gates(self) -> int:
        """How many gate blocks lie side by side in a layer's kernel."""
        return len(GATES[self.cell])

    @property
    def has_kernel(self) -> bool:
        """Whether this package's kernels can train it, on a CPU."""
        return self.cell != "rnn" and not self.recurrent_dropout

    def layer_input_dim(self, layer: int) -> int:
        """Width of what recurrent layer number `layer` reads."""
        return self.embedding_dim if layer == 0 else self.units

    def is_residual(self, layer: int) -> bool:
        """Whether recurrent layer number `layer` adds its input to its output."""
        return self.residual and self.layer_input_dim(layer) == self.units

    @property
    def has_projection(self) -> bool:
        """Whether a matrix stands between the last layer and tied embeddings."""
        return self.tie_embeddings and self.units != self.embedding_dim

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every weight, in the order data passes them.

        The one description that the Keras model, the NumPy network and the
        checkpoint reader all follow. Gates lie side by side in Keras' order
        (`GATES`); `kernel` is `(inputs, gates * units)`.
        """
        shapes: dict[str, tuple[int, ...]] = {
            "embedding": (self.vocab_size, self.embedding_dim)
        }
        gate_width = self.num_gates * self.units
        for layer in range(self.num_layers):
            name = f"layers.{layer}"
            shapes[f"{name}.kernel"] = (self.layer_input_dim(layer), gate_width)
            shapes[f"{name}.recurrent_kernel"] = (self.units, gate_width)
            # A GRU in cuDNN's form has one bias for its input, one for its state.
            shapes[f"{name}.bias"] = (
                (2, gate_width) if self.cell == "gru" else (gate_width,)
            )
            if self.layer_norm:
                shapes[f"{name}.norm_scale"] = (self.units,)
                shapes[f"{name}.norm_offset"] = (self.units,)
        if self.has_projection:
            shapes["projection.kernel"] = (self.units, self.embedding_dim)
        if not self.tie_embeddings:
            shapes["output.kernel"] = (self.units, self.vocab_size)
        shapes["output.bias"] = (self.vocab_size,)
        return shapes

    @property
    def num_parameters(self) -> int:
        """How many numbers training adjusts."""
        return sum(math.prod(shape) for shape in self.weight_shapes().values())


GATES = {
    "lstm": ("input", "forget", "cell", "output"),
    "gru": ("update", "reset", "candidate"),
    "rnn": ("hidden",),
}
"""Names of the gate blocks inside a kernel, left to right."""


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
        None, "Minutes of training, at most; a resumed run has used some already."
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
    seed: int = option(0, "Start of every random choice.")
    preview: bool = option(True, "Show a short text after each evaluation.")
    tensorboard: bool = option(False, "Write TensorBoard logs beside the checkpoint.")

    def __post_init__(self) -> None:
        _check_types_and_choices(self)
        _check_at_least(
            self, 1, "batch_size", "seq_length", "epochs", "patience", "eval_every"
        )
        _check_at_least(self, 0, "warmup_steps", "clip_norm", "seed")
        _check_above_zero(self, "learning_rate", "max_minutes")
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


@dataclass(frozen=True)
class SamplingConfig:
    """How long a text gets, and how each next character is chosen.

    >>> SamplingConfig(top_p=0)
    Traceback (most recent call last):
    textgen.errors.ConfigError: top_p=0 must be above 0 and at most 1; 1 keeps all.
    """

    length: int = option(500, "New characters; the prompt is not counted.")
    temperature: float = option(
        0.8, "Below 1 is safer, above 1 is wilder; 0 always takes the most likely."
    )
    top_k: int | None = option(None, "Choose among this many likeliest characters.")
    top_p: float | None = option(
        None, "Choose among the likeliest characters that have this share together."
    )

    def __post_init__(self) -> None:
        _check_types_and_choices(self)
        _check_at_least(self, 0, "length", "temperature")
        _check_at_least(self, 1, "top_k")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigError(
                f"top_p={self.top_p} must be above 0 and at most 1; 1 keeps all."
            )


def _usual_eval_every(steps_per_pass: int) -> int:
    """An epoch; of a short text several whole ones, of a long text a part of one."""
    if steps_per_pass > 1000:
        return 1000
    return steps_per_pass * math.ceil(200 / steps_per_pass)


def to_dict(config: TextConfig | ModelConfig | TrainConfig) -> dict[str, Any]:
    """The configuration as plain data for JSON."""
    return asdict(config)


def from_dict(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """Build a configuration, and name what it does not know or misses.

    Raises:
        ConfigError: an unknown name (the nearest known one is offered), a missing
            one, or a value that the configuration refuses.

    >>> from_dict(TrainConfig, {"epoch": 3})
    Traceback (most recent call last):
    textgen.errors.ConfigError: unknown option 'epoch'. Did you mean 'epochs'?
    """
    check_names(values, kind)
    missing = [
        f.name for f in fields(kind) if f.default is MISSING and f.name not in values
    ]
    if missing:
        raise ConfigError(f"{kind.__name__} lacks {', '.join(missing)}.")
    return kind(**values)


def check_names(values: Iterable[str], *kinds: type) -> None:
    """Refuse names that are a field of none of `kinds`."""
    known = [f.name for kind in kinds for f in fields(kind)]
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
            raise ConfigError(f"unknown option {name!r}. {hint}")


def pick(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `values` that are fields of `kind`."""
    names = {f.name for f in fields(kind)}
    return {name: value for name, value in values.items() if name in names}


_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "int | None": (int, type(None)),
    "float | None": (int, float, type(None)),
}


def _check_types_and_choices(config: Any) -> None:
    for f in fields(config):
        value = getattr(config, f.name)
        _check_type(f, value)
        choices = f.metadata.get("choices")
        if choices and value not in choices:
            raise ConfigError(f"{f.name}={value!r} must be one of {', '.join(choices)}.")


def _check_type(f: Field[Any], value: Any) -> None:
    allowed = _PYTHON_TYPES[str(f.type)]
    # bool is an int to Python, but `units=True` is a mistake.
    wrong_bool = isinstance(value, bool) and bool not in allowed
    if wrong_bool or not isinstance(value, allowed):
        raise ConfigError(
            f"{f.name}={value!r} must be {f.type}, not {type(value).__name__}."
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{f.name}={value} must be a finite number.")


def _check_at_least(config: Any, least: int, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if value is not None and value < least:
            raise ConfigError(f"{name}={value} must be at least {least}.")


def _check_above_zero(config: Any, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if value is not None and value <= 0:
            raise ConfigError(f"{name}={value} must be above 0.")


def _check_fraction(config: Any, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if not 0 <= value < 1:
            raise ConfigError(f"{name}={value} must be at least 0 and below 1.")
