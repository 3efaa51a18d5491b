"""What can be chosen: four frozen dataclasses that refuse nonsense at birth.

Every field is at the same time a keyword of `textgen.train` or `Generator.stream`
and, with dashes for underscores, a flag of the command; its help stands beside it.
This file knows nothing else of the package but its errors.
"""

from __future__ import annotations

import difflib
import math
import numbers
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, replace
from typing import Any, TypeVar

from textgen.errors import ConfigError, shown

Config = TypeVar("Config", "TextConfig", "ModelConfig", "TrainConfig", "SamplingConfig")


MOST = 2**63 - 1
"""The largest whole number that a checkpoint may hold."""
_SURROGATE = re.compile("[\ud800-\udfff]")


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
    glob: str = option(
        "*.txt",
        "Which files of a directory are read; if unchanged, --documents records reads "
        "*.csv, *.tsv, *.jsonl and *.ndjson.",
    )
    normalize: str = option(
        "nfc", "Unicode normal form of corpus and prompts.", ("none", "nfc", "nfkc")
    )
    documents: str = option(
        "whole",
        "What counts as one document; a record has a text and may have a label.",
        ("whole", "lines", "paragraphs", "files", "records"),
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
                f"encoding={shown(self.encoding)} is no text encoding that Python knows. "
                "Try utf-8, utf-16, latin-1 or cp1252."
            ) from None
        if _SURROGATE.search(self.glob):
            # It could not be stored in a checkpoint.
            raise ConfigError(f"glob={shown(self.glob)} holds what is no character.")
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


MAX_SIZES = {
    # Unicode 17 has assigned 297,334 characters; a token each, and labels.
    "vocab_size": 2**19,
    "num_layers": 1000,
    "units": 2**16,
    "embedding_dim": 2**16,
}
"""More than anyone trains; a checkpoint that says more is no checkpoint."""


@dataclass(frozen=True)
class ModelConfig:
    """A stacked recurrent network over characters.

    One layer of the stack computes `y = dropout(norm(cell(x)))`, and `x + y` where
    `residual` is set and both have the same width.

    Args:
        vocab_size: number of tokens; comes from the tokenizer, so it is no flag.

    Raises:
        ConfigError: a value out of its range; `MAX_SIZES` has the largest sizes.

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
        _check_at_least(self, 1, *MAX_SIZES)
        _check_at_most(self, MAX_SIZES)
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
        _check_types_and_choices(self)
        positive = ("batch_size", "seq_length", "epochs", "patience", "eval_every")
        _check_at_least(self, 1, *positive, "eval_chars", "save_every")
        _check_at_least(self, 0, "warmup_steps", "clip_norm", "save_minutes", "seed")
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
    """How long a text gets, how each next character is chosen, and what ends it.

    Names and meanings are those of Hugging Face `transformers` where it has them, those
    of the OpenAI API for `frequency_penalty` and `presence_penalty`, and those of
    llama.cpp for `dry_*`, so that numbers carry over; but here they count characters
    (of a byte model, bytes; `length`, `min_length` and `pattern` always characters).
    The order in which they work stands in `textgen.generation.sampling`.

    Raises:
        ConfigError: a value out of its range, or settings that contradict each other.

    >>> SamplingConfig(top_p=0)
    Traceback (most recent call last):
    textgen.errors.ConfigError: top_p=0 must be above 0 and at most 1; ...
    """

    length: int = option(500, "New characters, at most; the prompt is not counted.")
    min_length: int = option(0, "New characters, at least; nothing ends the text before.")
    temperature: float | tuple[float, ...] = option(
        0.8,
        "Below 1 is safer, above 1 is wilder; 0 always takes the most likely. Several "
        "(1.0,0.5) take turns, a character each.",
    )
    top_k: int | None = option(None, "Choose among this many likeliest characters.")
    top_p: float | None = option(
        None, "Choose among the likeliest characters that have this share together."
    )
    min_p: float | None = option(
        None, "Leave out characters below this share of the likeliest one's chance."
    )
    typical_p: float | None = option(
        None,
        "Choose among the characters whose surprise is nearest to the expected one and "
        "that have this share together.",
    )
    repetition_penalty: float | None = option(
        None, "Above 1 makes characters of prompt and text less likely to come again."
    )
    no_repeat_ngram_size: int | None = option(
        None, "Never write a sequence of this many characters twice."
    )
    frequency_penalty: float | None = option(
        None, "Lower a character's logit by this for each time it was written."
    )
    presence_penalty: float | None = option(
        None, "Lower a character's logit by this once it was written."
    )
    dry_multiplier: float | None = option(
        None, "Strength of the penalty on going on with a repeated sequence (DRY)."
    )
    dry_base: float = option(1.75, "How that penalty grows with each character.")
    dry_allowed_length: int = option(
        12, "Repeated characters that cost nothing (llama.cpp's 2 counts tokens)."
    )
    dry_breakers: str = option('\n:"*', "Characters that no repeated sequence crosses.")
    stop: tuple[str, ...] = option(
        (), "End before this text, which is not shown; may be given again."
    )
    until: str | None = option(
        None,
        "End with the first whole sentence, line, paragraph or document.",
        ("sentence", "line", "paragraph", "document"),
    )
    allow: str | None = option(None, "Write these characters only (abc; no ranges).")
    forbid: str | None = option(None, "Never write these characters.")
    pattern: str | None = option(
        None, "A regular expression that the whole new text matches."
    )
    beam_width: int | None = option(
        None, "Search for the most likely text, this many at once, instead of drawing."
    )
    length_penalty: float = option(
        1.0, "Beam search divides by the length to this power; 0 favours short texts."
    )

    def __post_init__(self) -> None:
        # A list, or one stop text, is as good as a tuple.
        if isinstance(self.temperature, list):
            object.__setattr__(self, "temperature", tuple(self.temperature))
        if isinstance(self.stop, str):
            object.__setattr__(self, "stop", (self.stop,))
        elif isinstance(self.stop, Iterable):
            object.__setattr__(self, "stop", tuple(self.stop))
        _check_types_and_choices(self)
        for f in fields(self):
            value = getattr(self, f.name)
            # None is "off".
            if value is not None and f.name in _RANGES:
                check_setting(f.name, value)
        self._check_contradictions()

    def _check_contradictions(self) -> None:
        if self.min_length > self.length:
            raise ConfigError(
                f"min_length={self.min_length} is more than length={self.length}. Lower "
                "the one or raise the other."
            )
        both = set(self.allow or ()) & set(self.forbid or ())
        if both:
            raise ConfigError(
                f"{min(both)!r} is both in allow and in forbid. Take it out of one."
            )
        if self.pattern is not None and (self.stop or self.until not in (None, "document")):
            raise ConfigError(
                "a text that stop or until cuts short may not match the pattern. Say in "
                "the pattern how the text ends."
            )
        if self.pattern is not None and self.no_repeat_ngram_size is not None:
            raise ConfigError(
                "no_repeat_ngram_size can leave no character before the text matches the "
                "pattern. Leave out one of the two; dry_multiplier holds back repetition, "
                "too, and bans nothing."
            )
        for name in ("dry_base", "dry_allowed_length", "dry_breakers"):
            self._check_needed(name, by="dry_multiplier")
        self._check_needed("length_penalty", by="beam_width")
        drawing = [
            name
            for name in ("top_k", "top_p", "min_p", "typical_p")
            if getattr(self, name) is not None
        ]
        if self.temperature not in (SamplingConfig.temperature, 1):
            drawing.append("temperature")
        if self.beam_width is not None and drawing:
            raise ConfigError(
                f"beam_width searches for the most likely text and draws nothing, so "
                f"{drawing[0]} has no meaning. Leave out one of the two."
            )

    def _check_needed(self, name: str, *, by: str) -> None:
        if getattr(self, by) is None and getattr(self, name) != getattr(type(self), name):
            raise ConfigError(f"{name} has no effect without {by}. Give both, or none.")


def check_setting(name: str, value: Any) -> None:
    """Refuse a value of a `SamplingConfig` field that is out of its range.

    Raises:
        ConfigError: says what the range is.

    >>> check_setting("top_k", 0)
    Traceback (most recent call last):
    textgen.errors.ConfigError: top_k=0 must be a whole number of at least 1; ...
    """
    fits, wanted = _RANGES[name]
    several = value if name == "temperature" and isinstance(value, tuple) else ()
    for each in several or (value,):
        if not fits(each):
            shown = f"{each!r}" if isinstance(each, str | tuple) else f"{each}"
            raise ConfigError(f"{name}={shown} must be {wanted}.")


def _within(least: float, most: float) -> Callable[[Any], bool]:
    return lambda value: least <= _as_float(value) <= most


def _as_float(value: Any) -> float:
    """The number, or NaN for what is none or does not fit."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def _whole(least: int) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, numbers.Integral)
        and not isinstance(value, bool)
        and int(value) >= least
    )


def _share(value: Any) -> bool:
    return 0 < _as_float(value) <= 1


_LARGEST = sys.float_info.max


_RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "length": (_whole(0), "a whole number of at least 0"),
    "min_length": (_whole(0), "a whole number of at least 0"),
    "temperature": (
        _within(0, _LARGEST),
        "a finite number of at least 0, or several; 0 always takes the most likely",
    ),
    "top_k": (_whole(1), "a whole number of at least 1; leave it out to keep all"),
    "top_p": (_share, "above 0 and at most 1; 1 keeps every character"),
    "min_p": (_within(0, 1), "in 0 to 1; 0 keeps every character"),
    "typical_p": (_share, "above 0 and at most 1; 1 keeps every character"),
    # Wider than is of use, and narrow enough for logits to stay finite.
    "repetition_penalty": (
        _within(1e-6, 1e6),
        "a finite number in 0.000001 to 1000000; 1 changes nothing",
    ),
    "no_repeat_ngram_size": (
        _whole(1),
        "a whole number of at least 1; leave it out to allow repetition",
    ),
    "frequency_penalty": (
        _within(-1e6, 1e6),
        "a finite number in -1000000 to 1000000; 0 changes nothing",
    ),
    "presence_penalty": (
        _within(-1e6, 1e6),
        "a finite number in -1000000 to 1000000; 0 changes nothing",
    ),
    "dry_multiplier": (
        _within(0, _LARGEST),
        "a finite number of at least 0; 0 changes nothing",
    ),
    "dry_base": (_within(1, _LARGEST), "a finite number of at least 1"),
    "dry_allowed_length": (_whole(1), "a whole number of at least 1"),
    "stop": (
        lambda value: all(isinstance(text, str) and text for text in value),
        "texts of at least one character: an empty one would end every text at once",
    ),
    "allow": (bool, "at least one character; leave it out to allow all"),
    "forbid": (bool, "at least one character; leave it out to forbid none"),
    "pattern": (bool, "a regular expression; leave it out to allow all"),
    "beam_width": (_whole(1), "a whole number of at least 1; leave it out to draw"),
    # Not fields, but the numbers of `Generator.samples`.
    "num_samples": (_whole(1), "a whole number of at least 1"),
    "batch_size": (_whole(1), "a whole number of at least 1"),
    "logprobs": (_whole(0), "a whole number of at least 0; leave it out for none"),
    "length_penalty": (_within(-10, 10), "a finite number in -10 to 10; 1 compares means"),
}


def _usual_eval_every(steps_per_pass: int) -> int:
    """An epoch; of a short text several whole ones, of a long text a part of one."""
    if steps_per_pass > 1000:
        return 1000
    return steps_per_pass * math.ceil(200 / steps_per_pass)


def to_dict(
    config: TextConfig | ModelConfig | TrainConfig | SamplingConfig,
) -> dict[str, Any]:
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
            raise ConfigError(f"unknown option {shown(name)}. {hint}")


def option_choices(kind: type, name: str) -> tuple[str, ...]:
    """The values that a field of a configuration may have.

    >>> option_choices(ModelConfig, "cell")
    ('lstm', 'gru', 'rnn')
    """
    choices: tuple[str, ...] = kind.__dataclass_fields__[name].metadata["choices"]  # type: ignore[attr-defined]
    return choices


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
    "str | None": (str, type(None)),
    "tuple[str, ...]": (tuple,),
    "float | tuple[float, ...]": (int, float, tuple),
}


def _check_types_and_choices(config: Any) -> None:
    for f in fields(config):
        value = getattr(config, f.name)
        _check_type(f, value)
        choices = f.metadata.get("choices")
        if choices and value is not None and value not in choices:
            raise ConfigError(
                f"{f.name}={shown(value)} must be one of {', '.join(choices)}."
            )


def _check_type(f: Field[Any], value: Any) -> None:
    allowed = _PYTHON_TYPES[str(f.type)]
    # bool is an int to Python, but `units=True` is a mistake.
    wrong_bool = isinstance(value, bool) and bool not in allowed
    if wrong_bool or not isinstance(value, allowed):
        raise ConfigError(
            f"{f.name}={shown(value)} must be {f.type}, not {type(value).__name__}."
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{f.name}={value} must be a finite number.")
    # Only such numbers can be stored in a checkpoint and read again.
    if isinstance(value, int) and abs(value) > MOST and "tuple" not in str(f.type):
        raise ConfigError(f"{f.name}={shown(value)} must be at most {MOST:,}.")


def _check_at_least(config: Any, least: int, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if value is not None and value < least:
            raise ConfigError(f"{name}={value} must be at least {least}.")


def _check_at_most(config: Any, most: Mapping[str, int]) -> None:
    for name, limit in most.items():
        value = getattr(config, name)
        if value > limit:
            raise ConfigError(f"{name}={shown(value)} must be at most {limit:,}.")


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
