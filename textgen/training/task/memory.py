"""How much memory a task takes, foreseen from its options."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from textgen.config.model import ModelConfig
from textgen.config.train import TrainConfig
from textgen.memory import check_fits, gigabytes, memory_errors
from textgen.model.architecture import layers
from textgen.training.task.task import Task

SLOTS = {"adam": 2, "adamw": 2, "rmsprop": 1, "lion": 1, "muon": 1, "lamb": 2, "lars": 1}
"""Numbers that an optimizer keeps for each parameter, at least."""


def advice(model: ModelConfig) -> str:
    """Which options need less memory.

    >>> advice(ModelConfig(vocab_size=65))
    'Lower `units`, `num_layers`, `batch_size` or `seq_length`, or provide more memory.'
    """
    attention = "`attention`, " if model.attention else ""
    return (
        f"Lower {attention}`units`, `num_layers`, `batch_size` or `seq_length`, or provide "
        "more memory."
    )


def least_bytes(
    model: ModelConfig, train: TrainConfig, *, on_cpu: bool = True, num_processes: int = 1
) -> int:
    """The memory of this process that a run cannot do without.

    A step on a CPU needs the weights, their gradients (and the sum of those of several
    groups of lanes), and what the optimizer keeps; and for every character that is read at
    once the gates of all layers, and the logits; and for each lane its carried state three
    times: as it was, joined with the window for attention, and the gradient of that.

    Args:
        on_cpu: whether the model is trained in this memory, or only copied to it.
        num_processes: that share the lanes.

    >>> least_bytes(ModelConfig(vocab_size=65, units=256), TrainConfig())
    23312400
    """
    if not on_cpu:
        return 4 * model.num_parameters
    copies = 2 + SLOTS[train.optimizer] + (train.accumulate > 1)
    parameters = copies * model.num_parameters
    # Gates may be kept as bfloat16, unless that is ruled out.
    gate_bytes = 4 if train.compute_dtype == "float32" else 2
    stack = layers(model)
    kept = gate_bytes * sum(layer.num_kept for layer in stack) + 4 * model.vocab_size
    carried = 3 * 4 * sum(layer.state_size for layer in stack)
    chars_at_once = train.window_chars // (train.accumulate * num_processes)
    lanes = train.batch_size // num_processes
    return 4 * parameters + chars_at_once * kept + lanes * carried


def check_memory(task: Task, *, on_cpu: bool, num_processes: int = 1) -> None:
    """Refuse a task that cannot fit into the memory of this process.

    Raises:
        OutOfMemoryError: names the amount, the limit, and the options that need less.
    """
    needed = least_bytes(task.model, task.train, on_cpu=on_cpu, num_processes=num_processes)
    check_fits(needed, f"training {_asked(task)} takes", advice(task.model))


@contextmanager
def training_memory_errors(task: Task) -> Iterator[None]:
    """Say what was asked for, and what it takes, when the memory does not suffice."""
    needed = gigabytes(least_bytes(task.model, task.train))
    with memory_errors(
        f"to train {_asked(task)}, which takes {needed} or more", advice(task.model)
    ):
        yield


def _asked(task: Task) -> str:
    model, train = task.model, task.train
    attention = f"`attention={model.attention}`, " if model.attention else ""
    return (
        f"{model.num_parameters:,} parameters ({attention}`units={model.units}`, "
        f"`num_layers={model.num_layers}`, `batch_size={train.batch_size}`, "
        f"`seq_length={train.seq_length}`)"
    )
