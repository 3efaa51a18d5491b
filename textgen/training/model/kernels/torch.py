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

from textgen.training.backend.floats import DTYPE
from textgen.training.backend.loaded import keras
from textgen.training.backend.process import LANES_PER_CORE, num_shares
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


def whole_sequence(*arguments: Any) -> tuple[torch.Tensor, States]:
    """Run a recurrent cell over a sequence; see `textgen.training.model.kernels`."""
    outputs, last = rounded_sequence(*arguments)
    return outputs.float(), last


def rounded_sequence(
    cell: Equations,
    product_dtype: str,
    x: torch.Tensor,
    states: States,
    kernel: torch.Tensor,
    recurrent_kernel: torch.Tensor,
    bias: torch.Tensor,
) -> tuple[torch.Tensor, States]:
    """`whole_sequence`, but inputs and outputs may be of the type of the products."""
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
    run = partial(_fused, cell.name, product_dtype)
    # PyTorch's own loop, which runs a GRU on a CPU, rounds less by itself.
    dtype = getattr(torch, product_dtype if cell.name == "lstm" else DTYPE)
    outputs, *last = _Fused.apply(run, dtype, x, *states, *weights)
    # Time comes first in memory, as the functions of PyTorch want it.
    return outputs.transpose(0, 1), tuple(last)


def _rows(x: torch.Tensor, order: Sequence[int]) -> torch.Tensor:
    """The gates, which are along the first axis, in PyTorch's order."""
    if list(order) == sorted(order):
        return x.contiguous()
    gates = x.chunk(len(order))
    return torch.cat([gates[number] for number in order])


def _fused(name: str, dtype: str, x: torch.Tensor, *others: torch.Tensor) -> Tensors:
    """PyTorch's function, of inputs with time first, initial states and four weights.

    Returns:
        outputs and last states.
    """
    first = [state[None] for state in others[:-NUM_WEIGHTS]]
    with torch.autocast(x.device.type, torch.bfloat16, enabled=dtype != DTYPE):
        outputs, *last = getattr(torch, name)(
            x,
            first if len(first) > 1 else first[0],
            list(others[-NUM_WEIGHTS:]),
            has_biases=True,
            num_layers=1,
            dropout=0.0,
            train=True,
            bidirectional=False,
            batch_first=False,
        )
    return outputs, *(state[0] for state in last)


class _Fused(torch.autograd.Function):
    """PyTorch's function on lanes that cores share; its gradient has gradients again.

    PyTorch shares each operation among the cores, which then wait for each other at every
    time step. Lanes are independent, so here each core runs its own through all steps.

    Weights, states and their gradients are float32. The weights are rounded once to the
    type of the products, the lanes by the core that reads them, which also puts them into
    the order in memory that PyTorch wants.

    The gradients of oneDNN and cuDNN cannot be differentiated. PyTorch's own loop has no
    such limit, but is slower.
    """

    @staticmethod
    def forward(
        ctx: Any, run: Callable[..., Tensors], dtype: torch.dtype, *inputs: torch.Tensor
    ) -> Tensors:
        """Run it, and keep the graph of each share for the first gradient.

        Args:
            run: of inputs with time first, states and weights.
            dtype: the type of the products.
            inputs: with lanes first, states and weights.
        """
        needed = ctx.needs_input_grad[2:]
        lanes = (inputs[0].transpose(0, 1), *inputs[1:-NUM_WEIGHTS])
        weights = tuple(weight.to(dtype) for weight in inputs[-NUM_WEIGHTS:])

        def record(part: Tensors) -> tuple[Tensors, Tensors]:
            read = (*(_copied(x, dtype) for x in part), *weights)
            with torch.set_grad_enabled(any(needed)):
                leaves = tuple(
                    x.detach().requires_grad_(need)
                    for x, need in zip(read, needed, strict=True)
                )
                return leaves, run(*leaves)

        parts = _parts(lanes, _num_shares(inputs[0], weights))
        recorded = _on_cores(record, parts)
        ctx.run, ctx.num_inputs, ctx.num_shares = run, len(inputs), len(parts)
        if any(needed):
            # Saved so, PyTorch frees the graphs, which are large, as soon as they are used.
            graphs = [x for leaves, outputs in recorded for x in (*leaves, *outputs)]
            ctx.save_for_backward(*inputs, *graphs)
        outputs, *last = _joined([[x.detach() for x in each] for _, each in recorded])
        return outputs, *(state.float() for state in last)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[Any, ...]:
        """The gradients of the inputs, by PyTorch's own loop if more are to come."""
        count, saved = ctx.num_inputs, ctx.saved_tensors
        inputs, graphs = saved[:count], saved[count:]
        if torch.is_grad_enabled():
            with torch.backends.cudnn.flags(enabled=False):
                # In float64, which oneDNN does not have, PyTorch takes its own loop.
                x, *others = (x.double() for x in inputs)
                outputs = ctx.run(x.transpose(0, 1), *others)
            return None, None, *_gradients(outputs, inputs, grads, create_graph=True)
        size = len(graphs) // ctx.num_shares
        recorded = [graphs[start : start + size] for start in range(0, len(graphs), size)]
        parts = [
            (graph[count:], graph[:count], part)
            for graph, part in zip(recorded, _parts(grads, ctx.num_shares), strict=True)
        ]

        def differentiate(part: tuple[Tensors, Tensors, Tensors]) -> list[Any]:
            outputs, leaves, grads = part
            pairs = zip(grads, outputs, strict=True)
            return _gradients(outputs, leaves, [_copied(x, y.dtype) for x, y in pairs])

        found = _on_cores(differentiate, parts)
        of_x, *of_states = _joined([part[:-NUM_WEIGHTS] for part in found])
        of_x = None if of_x is None else of_x.transpose(0, 1)
        of_weights = zip(*(part[-NUM_WEIGHTS:] for part in found), strict=True)
        return None, None, of_x, *of_states, *map(_sum, of_weights)


def _copied(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Of this type, and in memory in the order of its axes."""
    return x.to(dtype, memory_format=torch.contiguous_format).contiguous()


def _gradients(
    outputs: Tensors,
    inputs: Sequence[torch.Tensor],
    grads: Sequence[torch.Tensor],
    **options: Any,
) -> list[torch.Tensor | None]:
    """One for each input; None where none is needed."""
    needed = [x for x in inputs if x.requires_grad]
    found = iter(torch.autograd.grad(outputs, needed, grads, retain_graph=True, **options))
    return [next(found) if x.requires_grad else None for x in inputs]


# --- lanes that cores share ---


# A larger matrix does not stay in a core's own cache from one time step to the next. Then
# the cores had better read a part of it each, as PyTorch lets them.
SHARED_BYTES = 3 << 19

# A processor multiplies 16 rows of bfloat16 at once, and needs more lanes to be busy.
ROUNDED_LANES_PER_CORE = 24


def _num_shares(x: torch.Tensor, weights: Tensors) -> int:
    """How many cores have lanes of their own; 1 where that does not help."""
    is_small = all(weight.nbytes <= SHARED_BYTES for weight in weights)
    if not is_small or x.device.type != "cpu":
        return 1
    least = LANES_PER_CORE if weights[0].dtype == torch.float32 else ROUNDED_LANES_PER_CORE
    return num_shares(len(x), torch.get_num_threads(), least)


def _parts(lanes: Tensors, count: int) -> list[Tensors]:
    """The lanes of each core, of sequences with time first and of states."""
    parts = (x.chunk(count, dim=-2) for x in lanes)
    return list(zip(*parts, strict=True))


def _joined(parts: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
    """The lanes of all shares; None for what has no gradient."""
    if len(parts) == 1:
        return tuple(parts[0])
    pieces = zip(*parts, strict=True)
    return tuple(None if piece[0] is None else torch.cat(piece, -2) for piece in pieces)


def _sum(gradients: Sequence[Any]) -> torch.Tensor | None:
    """The gradient of a weight, over all shares; None where none is needed."""
    if gradients[0] is None:
        return None
    return reduce(torch.add, (gradient.float() for gradient in gradients))


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
    make = partial(torch.full, dtype=torch.float32, device=keras.ops.zeros(1).device)
    x = make((NUM_TIMED_STEPS, rows, units), 1 / units)
    states = [make((rows, units), 0.0)] * num_states
    matrix = make((width, units), 1 / units, requires_grad=True)
    biases = [make((width,), 0.0)] * 2

    def run() -> Any:
        outputs, *_ = _fused(name, dtype, x, *states, matrix, matrix, *biases)
        return torch.autograd.grad(outputs.float().sum(), matrix)

    return run


def has_type(dtype: str) -> bool:
    """Whether products of this type can be computed: oneDNN needs AVX-512 for bfloat16."""
    try:
        product_loop(dtype, 1, 8, 32)()
    except RuntimeError:  # nothing else tells
        return False
    return True
