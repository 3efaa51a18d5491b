"""Fields of configurations, conversion from plain data, and common checks.

Each field is a keyword of `textgen.train` or `Generator.stream` and, with dashes for
underscores, a flag of the command line.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from textgen.config.arguments import one_of, plain, type_name
from textgen.errors import ConfigError
from textgen.wording import did_you_mean, shown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")

MOST = 2**63 - 1
"""The largest integer that a checkpoint can store."""


ELSEWHERE = {
    **dict.fromkeys(("lr", "max_lr", "eta", "step_size"), "learning_rate"),
    **dict.fromkeys(("bs", "batch", "minibatch_size"), "batch_size"),
    **dict.fromkeys(("hidden_size", "hidden_dim", "rnn_size", "n_embd"), "units"),
    **dict.fromkeys(("layers", "n_layer", "n_layers", "depth"), "num_layers"),
    **dict.fromkeys(("emb_dim", "embed_dim", "embedding_size"), "embedding_dim"),
    **dict.fromkeys(("block_size", "bptt", "context_length", "maxlen"), "seq_length"),
    **dict.fromkeys(("max_iters", "num_epochs", "n_epochs", "passes"), "epochs"),
    **dict.fromkeys(("max_time", "minutes", "time_limit"), "max_minutes"),
    **dict.fromkeys(("grad_clip", "clipnorm", "max_grad_norm"), "clip_norm"),
    **dict.fromkeys(("early_stopping", "early_stop"), "patience"),
    **dict.fromkeys(("eval_interval", "eval_steps"), "eval_every"),
    **dict.fromkeys(("save_interval", "save_steps"), "save_every"),
    **dict.fromkeys(("validation_split", "val_split"), "val_fraction"),
    **dict.fromkeys(("dtype", "precision"), "compute_dtype"),
    **dict.fromkeys(("rnn_type", "model_type", "model"), "cell"),
    **dict.fromkeys(("drop", "dropout_rate"), "dropout"),
    **dict.fromkeys(("wdrop", "dropconnect"), "weight_drop"),
    **dict.fromkeys(("warmup", "warmup_iters"), "warmup_steps"),
    "wd": "weight_decay",
    "optim": "optimizer",
    "random_seed": "seed",
    "max_new_tokens": "length",
    "max_length": "length",
    "temp": "temperature",
    "nucleus": "top_p",
    "repeat_penalty": "repetition_penalty",
}
"""What other libraries call our options; too unlike them to be suggested by spelling."""

IMPOSSIBLE = {
    "bidirectional": (
        "Text is written from left to right, so the network that writes it cannot read "
        "from right to left as well: the characters to come do not exist yet. To look "
        "further back, train with `attention`. For text vectors that read "
        "both ways, train a second model on the text backwards: "
        "textgen.TextVectorizer(model, backward=...)."
    ),
}
"""Options of other libraries that cannot be here, with the reason."""


def option(
    default: Any = MISSING,
    help: str = "",
    choices: Iterable[str] = (),
    flag_default: str = "",
) -> Any:
    """A dataclass field with the help and choices of its command-line flag.

    Args:
        flag_default: what the command does without the flag, if not `default`.
    """
    metadata = {"help": help, "choices": tuple(choices), "flag_default": flag_default}
    return field(default=default, metadata=metadata)


def from_dict(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """Build a configuration from plain data.

    Raises:
        ConfigError: an unknown name (suggests the nearest one), a missing name, or an
            invalid value.

    >>> from textgen.config.train import TrainConfig
    >>> from_dict(TrainConfig, {"epoch": 3})
    Traceback (most recent call last):
    textgen.errors.ConfigError: unknown option 'epoch'. Did you mean 'epochs'?
    """
    check_names(values, kind)
    missing = [
        f.name for f in fields(kind) if f.default is MISSING and f.name not in values
    ]
    if missing:
        raise ConfigError(f"{kind.__name__} needs {', '.join(missing)}.")
    return kind(**values)


def check_names(values: Iterable[str], *kinds: type) -> None:
    """Refuse names that are not fields of any of `kinds`."""
    known = [f.name for kind in kinds for f in fields(kind)]
    for name in values:
        if name not in known:
            meant = ELSEWHERE.get(str(name), str(name))
            reason = IMPOSSIBLE.get(str(name), f"Known: {', '.join(known)}.")
            hint = did_you_mean(meant, known, otherwise=reason)
            raise ConfigError(f"unknown option {shown(name)}. {hint}")


def option_choices(kind: type, name: str) -> tuple[str, ...]:
    """The choices of a field.

    >>> from textgen.config.model import ModelConfig
    >>> option_choices(ModelConfig, "cell")
    ('lstm', 'gru', 'rnn', 'coupled')
    """
    choices: tuple[str, ...] = kind.__dataclass_fields__[name].metadata["choices"]  # type: ignore[attr-defined]
    return choices


def pick(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Select the `values` that are fields of `kind`."""
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


def check_types_and_choices(config: Any) -> None:
    """Refuse fields of the wrong type, infinite numbers, NaN and unknown choices.

    Scalars of NumPy, and of frameworks, become Python's own.
    """
    for f in fields(config):
        value = getattr(config, f.name)
        if value is f.default:
            # A server checks a thousand configurations a second.
            continue
        value = _plain(value, str(f.type))
        object.__setattr__(config, f.name, value)
        _check_type(f, value)
        choices = f.metadata.get("choices")
        if choices and value is not None:
            one_of(f.name, value, choices)


def _plain(value: Any, kind: str) -> Any:
    value = plain(value)
    if (
        "tuple" not in kind
        or isinstance(value, str | bytes)
        or not isinstance(value, Iterable)
    ):
        return value
    # Made once, and immutable: any iterable is accepted in place of a tuple.
    return tuple(map(plain, value))


def _in_words(kind: str) -> str:
    """A type as a person says it.

    >>> _in_words("int | None"), _in_words("float | tuple[float, ...]")
    ('int or None', 'float or tuple of float')
    """
    plural = re.sub(r"tuple\[(\w+), \.\.\.\]", r"tuple of \1", kind)
    return plural.replace(" | ", " or ")


def _check_type(f: Field[Any], value: Any) -> None:
    allowed = _PYTHON_TYPES[str(f.type)]
    # In Python bool is a subclass of int, but `units=True` is a mistake.
    wrong_bool = isinstance(value, bool) and bool not in allowed
    if wrong_bool or not isinstance(value, allowed):
        raise ConfigError(
            f"{f.name}={shown(value)} must be {_in_words(str(f.type))}, not "
            f"{type_name(value)}."
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{f.name}={value} must be a finite number.")
    # A checkpoint cannot store larger numbers.
    if isinstance(value, int) and abs(value) > MOST and "tuple" not in str(f.type):
        raise ConfigError(f"{f.name}={shown(value)} must be at most {MOST:,}.")


def check_at_least(config: Any, least: int, *names: str) -> None:
    """Refuse fields below `least`; None passes."""
    for name in names:
        value = getattr(config, name)
        if value is not None and value < least:
            raise ConfigError(f"{name}={value} must be at least {least}.")


def check_at_most(config: Any, most: Mapping[str, int]) -> None:
    """Refuse fields above their maximum; None passes."""
    for name, limit in most.items():
        value = getattr(config, name)
        if value is not None and value > limit:
            raise ConfigError(f"{name}={shown(value)} must be at most {limit:,}.")


def check_above_zero(config: Any, *names: str) -> None:
    """Refuse fields that are zero or negative; None passes."""
    for name in names:
        value = getattr(config, name)
        if value is not None and value <= 0:
            raise ConfigError(f"{name}={value} must be above 0.")


def check_fraction(config: Any, *names: str) -> None:
    """Refuse fields outside [0, 1)."""
    for name in names:
        value = getattr(config, name)
        if not 0 <= value < 1:
            raise ConfigError(f"{name}={value} must be at least 0 and below 1.")


def command_line(options: Mapping[str, Any]) -> str:
    """Options as flags of the command line.

    >>> command_line({"units": 128, "sum_layers": False, "glob": "*.md"})
    "--units 128 --no-sum-layers --glob '*.md'"
    """
    return " ".join(_flag(name, value) for name, value in options.items())


def _flag(name: str, value: Any) -> str:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{flag}" if value else f"--no-{flag}"
    shown_value = f"{value:g}" if isinstance(value, float) else str(value)
    return f"--{flag} {shlex.quote(shown_value)}"
