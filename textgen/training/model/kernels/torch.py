"""The whole sequence on PyTorch: its own fused LSTM and GRU, on a CPU and on a GPU.

PyTorch calls oneDNN for the LSTM on a CPU, and cuDNN on a GPU.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial, reduce
from threading import Barrier
from typing import Any

import torch

from textgen.training.backend.loaded import keras
from textgen.training.backend.process import num_shares
from textgen.training.model.kernels.equations import Equations, States

Tensors = tuple[torch.Tensor, ...]

# For each of PyTorch's gates, its place among Keras'.
GATE_ORDER = {"lstm": (0, 1, 2, 3), "gru": (1, 0, 2)}

# Matrices for inputs and state, and a bias for each of them.
NUM_WEIGHTS = 4

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
    if torch.is_grad_enabled():
        # A carried state is overwritten before the gradients are computed.
        states = tuple(state.clone() for state in states)
    order = GATE_ORDER[cell.name]
    bias_a, bias_r = cell.biases(bias)
    weights = [
        _rows(kernel.T, order),
        _rows(recurrent_kernel.T, order),
        _rows(bias_a, order),
        torch.zeros_like(bias_a) if bias_r is None else _rows(bias_r, order),
    ]
    run = partial(_run, cell.name, product_dtype)
    outputs, *last = _Fused.apply(run, x, *states, *weights)
    return outputs, tuple(last)


def _rows(x: torch.Tensor, order: Sequence[int]) -> torch.Tensor:
    """The gates, which are along the first axis, in PyTorch's order."""
    if list(order) == sorted(order):
        return x.contiguous()
    gates = x.chunk(len(order))
    return torch.cat([gates[number] for number in order])


def _run(name: str, dtype: str, x: torch.Tensor, *others: torch.Tensor) -> Tensors:
    """PyTorch's function, of inputs, initial states and four weights.

    Returns:
        outputs and last states.
    """
    first, weights = others[:-NUM_WEIGHTS], others[-NUM_WEIGHTS:]
    outputs, *last = _fused(name, dtype, x, weights, first)
    return outputs.float(), *(state[0].float() for state in last)


def _fused(
    name: str,
    dtype: str,
    x: torch.Tensor,
    weights: Sequence[torch.Tensor],
    states: Sequence[torch.Tensor],
) -> Tensors:
    """The same, but each last state has an axis for layers."""
    first = [state[None] for state in states]
    with torch.autocast(x.device.type, torch.bfloat16, enabled=dtype != "float32"):
        found: Tensors = getattr(torch, name)(
            x,
            first if len(first) > 1 else first[0],
            list(weights),
            has_biases=True,
            num_layers=1,
            dropout=0.0,
            train=True,
            bidirectional=False,
            batch_first=True,
        )
    return found


class _Fused(torch.autograd.Function):
    """PyTorch's function on lanes that cores share; its gradient has gradients again.

    PyTorch shares each operation among the cores, which then wait for each other at every
    time step. Lanes are independent, so here each core runs its own through all steps.

    The gradients of oneDNN and cuDNN cannot be differentiated. PyTorch's own loop has no
    such limit, but is slower.
    """

    @staticmethod
    def forward(ctx: Any, run: Callable[..., Tensors], *inputs: torch.Tensor) -> Tensors:
        """Run it, and keep the graph of each share for the first gradient."""
        needed = ctx.needs_input_grad[1:]

        def record(part: Tensors) -> tuple[Tensors, Tensors]:
            with torch.set_grad_enabled(any(needed)):
                leaves = tuple(
                    x.detach().requires_grad_(need)
                    for x, need in zip(part, needed, strict=True)
                )
                return leaves, run(*leaves)

        lanes, weights = inputs[:-NUM_WEIGHTS], inputs[-NUM_WEIGHTS:]
        parts = [(*part, *weights) for part in _shared(lanes, weights)]
        recorded = _on_cores(record, parts)
        ctx.run, ctx.num_inputs, ctx.num_shares = run, len(inputs), len(parts)
        if any(needed):
            # Saved so, PyTorch frees the graphs, which are large, as soon as they are used.
            graphs = [x for leaves, outputs in recorded for x in (*leaves, *outputs)]
            ctx.save_for_backward(*inputs, *graphs)
        return _joined([[x.detach() for x in outputs] for _, outputs in recorded])

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[Any, ...]:
        """The gradients of the inputs, by PyTorch's own loop if more are to come."""
        count, saved = ctx.num_inputs, ctx.saved_tensors
        inputs, graphs = saved[:count], saved[count:]
        if torch.is_grad_enabled():
            with torch.backends.cudnn.flags(enabled=False):
                # In float64, which oneDNN does not have, PyTorch takes its own loop.
                outputs = ctx.run(*(x.double() for x in inputs))
            return None, *_gradients(outputs, inputs, grads, create_graph=True)
        size = len(graphs) // ctx.num_shares
        recorded = [graphs[start : start + size] for start in range(0, len(graphs), size)]
        parts = [
            (graph[count:], graph[:count], part)
            for graph, part in zip(recorded, _chunks(grads, ctx.num_shares), strict=True)
        ]
        found = _on_cores(lambda part: _gradients(*part), parts)
        lanes = _joined([part[:-NUM_WEIGHTS] for part in found])
        weights = zip(*(part[-NUM_WEIGHTS:] for part in found), strict=True)
        return None, *lanes, *map(_sum, weights)


def _gradients(
    outputs: Tensors, inputs: Sequence[torch.Tensor], grads: Tensors, **options: Any
) -> list[torch.Tensor | None]:
    """One for each input; None where none is needed."""
    needed = [x for x in inputs if x.requires_grad]
    found = iter(torch.autograd.grad(outputs, needed, grads, retain_graph=True, **options))
    return [next(found) if x.requires_grad else None for x in inputs]


# --- lanes that cores share ---


# A larger matrix does not stay in a core's own cache from one time step to the next. Then
# the cores had better read a part of it each, as PyTorch lets them.
SHARED_BYTES = 2 << 20


def _shared(lanes: Tensors, weights: Tensors) -> list[Tensors]:
    """The lanes of each core; all of them in one share where cores cannot help."""
    x = lanes[0]
    is_small = all(weight.nbytes <= SHARED_BYTES for weight in weights)
    on_cores = is_small and x.device.type == "cpu"
    return _chunks(lanes, num_shares(len(x), torch.get_num_threads()) if on_cores else 1)


def _chunks(tensors: Tensors, count: int) -> list[Tensors]:
    return list(zip(*(x.chunk(count) for x in tensors), strict=True))


def _joined(parts: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
    """The lanes of all shares; None for what has no gradient."""
    if len(parts) == 1:
        return tuple(parts[0])
    pieces = zip(*parts, strict=True)
    return tuple(None if piece[0] is None else torch.cat(piece) for piece in pieces)


def _sum(gradients: Sequence[Any]) -> torch.Tensor | None:
    """The gradient of a weight, over all shares; None where none is needed."""
    return None if gradients[0] is None else reduce(torch.add, gradients)


def _on_cores(function: Callable[[Any], Any], parts: Sequence[Any]) -> list[Any]:
    """Call the function with each part, each on a core of its own."""
    if len(parts) == 1:
        return [function(parts[0])]
    return list(_workers(len(parts), torch.get_num_threads()).map(function, parts))


@cache
def _workers(count: int, num_threads: int) -> ThreadPoolExecutor:
    """Threads that run operations with few threads, of `num_threads` in all."""
    ready = Barrier(count + 1)

    def begin() -> None:
        torch.set_num_threads(num_threads // count)
        # The first call in a thread fetches what was set last, here or elsewhere.
        torch.get_num_threads()
        ready.wait()

    workers = ThreadPoolExecutor(count, "textgen-lanes", begin)
    for _ in range(count):
        workers.submit(int)
    ready.wait()
    # The last number that was set is what every other new thread begins with.
    torch.set_num_threads(num_threads)
    return workers


# A child process does not have these threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_workers.cache_clear)


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
