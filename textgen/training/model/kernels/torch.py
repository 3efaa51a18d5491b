"""The whole sequence on PyTorch: its own fused LSTM and GRU, on a CPU and on a GPU.

PyTorch calls oneDNN for the LSTM on a CPU, and cuDNN on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from textgen.training.backend.loaded import keras
from textgen.training.model.kernels.equations import Equations, States

Tensors = tuple[torch.Tensor, ...]

# For each of PyTorch's gates, its place among Keras'.
GATE_ORDER = {"lstm": (0, 1, 2, 3), "gru": (1, 0, 2)}

NUM_TIMED_STEPS = 16


def has_device() -> bool:
    """Whether this kernel is faster on this device than Keras' layers: on every one."""
    return True


def debugging_mode() -> str | None:
    """None: with PyTorch's anomaly detection the kernel runs as without it."""
    return None


def is_worthwhile() -> bool:
    """Whether the current call should use this kernel."""
    return has_device()


def whole_sequence(
    cell: Equations,
    product_dtype: str,
    x: torch.Tensor,
    states: States,
    kernel: torch.Tensor,
    recurrent_kernel: torch.Tensor,
    bias: torch.Tensor,
) -> tuple[torch.Tensor, States]:
    """Run a recurrent cell over a sequence; see `textgen.training.model.kernels`."""
    run = partial(_run, cell, product_dtype)
    if not torch.is_grad_enabled():
        outputs, *last = run(x, kernel, recurrent_kernel, bias, *states)
        return outputs, tuple(last)
    # A carried state is overwritten before the gradients are computed.
    states = tuple(state.clone() for state in states)
    outputs, *last = _Fused.apply(run, x, kernel, recurrent_kernel, bias, *states)
    return outputs, tuple(last)


class _Fused(torch.autograd.Function):
    """PyTorch's function, whose gradient can be differentiated again.

    Those of oneDNN and cuDNN can be differentiated only once. PyTorch's own loop has no
    such limit, but is slower.
    """

    @staticmethod
    def forward(ctx: Any, run: Callable[..., Tensors], *inputs: torch.Tensor) -> Tensors:
        """Run it, and keep the graph for the first gradient."""
        ctx.run = run
        ctx.save_for_backward(*inputs)
        needed = ctx.needs_input_grad[1:]
        with torch.enable_grad():
            ctx.inputs = [
                x.detach().requires_grad_(need)
                for x, need in zip(inputs, needed, strict=True)
            ]
            ctx.outputs = run(*ctx.inputs)
        return tuple(output.detach() for output in ctx.outputs)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[Any, ...]:
        """The gradients of the inputs, by PyTorch's own loop if more are to come."""
        if not torch.is_grad_enabled():
            return None, *_gradients(ctx.outputs, ctx.inputs, grads)
        inputs = ctx.saved_tensors
        with torch.backends.cudnn.flags(enabled=False):
            # In float64, which oneDNN does not have, PyTorch takes its own loop.
            outputs = ctx.run(*(x.double() for x in inputs))
        return None, *_gradients(outputs, inputs, grads, create_graph=True)


def _gradients(
    outputs: Tensors, inputs: Sequence[torch.Tensor], grads: Tensors, **options: Any
) -> list[torch.Tensor | None]:
    """One for each input; None where none is needed."""
    needed = [x for x in inputs if x.requires_grad]
    found = iter(torch.autograd.grad(outputs, needed, grads, retain_graph=True, **options))
    return [next(found) if x.requires_grad else None for x in inputs]


def _run(
    cell: Equations,
    dtype: str,
    x: torch.Tensor,
    kernel: torch.Tensor,
    recurrent_kernel: torch.Tensor,
    bias: torch.Tensor,
    *states: torch.Tensor,
) -> Tensors:
    order = GATE_ORDER[cell.name]
    bias_a, bias_r = cell.biases(bias)
    weights = [
        _rows(kernel.T, order),
        _rows(recurrent_kernel.T, order),
        _rows(bias_a, order),
        torch.zeros_like(bias_a) if bias_r is None else _rows(bias_r, order),
    ]
    outputs, *last = _fused(cell.name, dtype, x, weights, states)
    return outputs.float(), *(state[0].float() for state in last)


def _fused(
    name: str,
    dtype: str,
    x: torch.Tensor,
    weights: list[torch.Tensor],
    states: Sequence[torch.Tensor],
) -> Tensors:
    """PyTorch's function: outputs, and each last state with an axis for layers."""
    first = [state[None] for state in states]
    with torch.autocast(x.device.type, torch.bfloat16, enabled=dtype != "float32"):
        found: Tensors = getattr(torch, name)(
            x,
            first if len(first) > 1 else first[0],
            weights,
            has_biases=True,
            num_layers=1,
            dropout=0.0,
            train=True,
            bidirectional=False,
            batch_first=True,
        )
    return found


def _rows(x: torch.Tensor, order: Sequence[int]) -> torch.Tensor:
    """The gates, which are along the first axis, in PyTorch's order."""
    gates = x.chunk(len(order))
    return torch.cat([gates[number] for number in order])


def product_loop(dtype: str, rows: int, units: int, width: int) -> Callable[[], Any]:
    """Prepare steps of a layer, with gradients; see `textgen.training.model.kernels`."""
    name, num_states = {3: ("gru", 1), 4: ("lstm", 2)}[width // units]
    x = keras.ops.full((rows, NUM_TIMED_STEPS, units), 1 / units, "float32")
    states = [keras.ops.zeros((rows, units), "float32")] * num_states
    matrix = keras.ops.full((width, units), 1 / units, "float32").requires_grad_()
    weights = [matrix, matrix, *[keras.ops.zeros(width, "float32")] * 2]

    def run() -> Any:
        outputs, *_ = _fused(name, dtype, x, weights, states)
        return torch.autograd.grad(outputs.float().sum(), matrix)

    return run


def has_type(dtype: str) -> bool:
    """Whether products of this type can be computed: oneDNN needs AVX-512 for bfloat16."""
    try:
        product_loop(dtype, 1, 8, 32)()
    except RuntimeError:  # nothing else tells
        return False
    return True
