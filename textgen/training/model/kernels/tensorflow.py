"""The whole sequence on TensorFlow: compiled by XLA, the lanes distributed over cores.

The loops over time are in `textgen.training.model.kernels.tensorflow_loops`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import tensorflow as tf

from textgen.cores import num_cores
from textgen.training.backend.process import has_tiles, num_shares
from textgen.training.model.kernels.equations import Equations, Kept, States
from textgen.training.model.kernels.layout import Layout
from textgen.training.model.kernels.tensorflow_loops import (
    Storage,
    backward_loop,
    compiled,
    forward_loop,
    kept_by,
    matmul,
)


def has_device() -> bool:
    """Whether this kernel is faster here than Keras' layers.

    Only on a CPU, and not in a debugging mode, which XLA cannot compile or ignores.
    """
    return not tf.config.list_logical_devices("GPU") and debugging_mode() is None


def has_type(dtype: str) -> bool:
    """Whether products of this type can be computed: XLA can compute them all."""
    return True


def debugging_mode() -> str | None:
    """What switched on a mode of TensorFlow for debugging; None without one."""
    if tf.config.functions_run_eagerly():
        return "tf.config.run_functions_eagerly"
    if _operations_of_a_sum() != {"Placeholder", "AddV2", "Identity"}:
        return "tf.debugging"
    return None


def _operations_of_a_sum() -> set[str]:
    # TensorFlow does not say whether numbers are checked or dumped, but then every
    # function that it traces contains operations that do so.
    add = tf.function(lambda x: x + x, autograph=False)
    graph = add.get_concrete_function(tf.TensorSpec((), tf.float32)).graph
    return {operation.type for operation in graph.get_operations()}


def is_worthwhile() -> bool:
    """Whether the current call should use this kernel.

    Not an eager call: it is faster than the compilation by XLA.
    """
    return has_device() and not tf.executing_eagerly()


def whole_sequence(
    cell: Equations,
    product_dtype: str,
    x: tf.Tensor,
    states: States,
    kernel: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    bias: tf.Tensor,
) -> tuple[tf.Tensor, States]:
    """Run a recurrent cell over a sequence; see `textgen.training.model.kernels`."""
    weights = (kernel, recurrent_kernel, bias)
    num_states = len(states)
    lanes = states[0].shape[0]
    parts = num_parts(lanes)
    storage = storage_of(product_dtype, lanes // parts if lanes else None)
    forward = partial(_forward, cell, product_dtype, storage)
    backward = partial(_backward, cell, product_dtype, storage)

    # Lanes are independent, so every core can process its share of them through the whole
    # sequence. Synchronizing the cores at every character costs more.
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def run(*inputs: tf.Tensor) -> Any:
        # Tapes outside would record the steps below, which XLA cannot compile then.
        x, *rest = map(tf.stop_gradient, inputs)
        states, weights = tuple(rest[:num_states]), rest[num_states:]
        shares = _split((x, *states), parts)
        results = [forward(share[0], share[1:], *weights) for share in shares]
        outputs = _concat([(outputs, *last) for outputs, last, _ in results])

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def first_order(*inputs_and_grads: tf.Tensor) -> Any:
            grads = tuple(map(tf.stop_gradient, inputs_and_grads[-1 - num_states :]))
            pieces = [
                backward(residuals, share[0], share[1:], *weights)
                for (_, _, residuals), share in zip(
                    results, _split(grads, parts), strict=True
                )
            ]
            of_lanes = _concat([(d_x, *d_states) for d_x, d_states, *_ in pieces])
            of_weights = [tf.add_n(ds) for ds in zip(*(p[2:] for p in pieces), strict=True)]
            second_order = partial(_second_order, cell, num_states, inputs_and_grads)
            return (*of_lanes, *of_weights), second_order

        return outputs, lambda *grads: first_order(*inputs, *grads)

    outputs, *last = run(x, *states, *weights)
    # The static shape is lost in XLA.
    outputs.set_shape((*x.shape[:2], states[0].shape[-1]))
    return outputs, tuple(last)


def num_parts(batch_size: int | None) -> int:
    """The number of threads that share the lanes of a batch.

    Args:
        batch_size: None if it is not known yet.

    >>> num_parts(None)
    1
    """
    threads = tf.config.threading.get_inter_op_parallelism_threads() or num_cores()
    return num_shares(batch_size or 1, threads)


def product_loop(dtype: str, rows: int, units: int, width: int) -> Callable[[], Any]:
    """Compile a loop of a layer's products; see `textgen.training.model.kernels`."""
    lanes = rows // num_parts(rows)
    layout = storage_of(dtype, lanes).layout
    multiply = partial(matmul, dtype)
    factor = layout.turn(tf.cast(tf.fill((units, width), 1 / units), dtype))

    @compiled
    def run(h: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
        def step(count: tf.Tensor, h: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            gates = layout.product(multiply, h, factor)
            return count + 1, tf.split(gates, width // units, layout.axis)[0]

        return tf.while_loop(lambda count, _: count < 100, step, (tf.constant(0), h))[1]

    h = layout.turn(tf.ones((lanes, units)))
    run(h, factor).numpy()
    return lambda: run(h, factor).numpy()


def storage_of(dtype: str, lanes: int | None) -> Storage:
    """The structure of the loops for products of this type, and a part of so many lanes."""
    # Microseconds of an LSTM's product in a step, on one core with tiles; on these, lanes
    # last would also cost a transposition of the gates before and after each loop:
    #
    #     lanes, units          25, 128   50, 128   32, 512   64, 512
    #     bfloat16, lanes first      14        18       250       329
    #     bfloat16, lanes last       50        33       718       221
    #     float32, lanes first       27        51       665      1192
    #     float32, lanes last        44        84       465       896
    if dtype == "bfloat16" and has_tiles():
        return Storage(Layout(lanes_last=False), compact=True)
    return Storage(Layout.of(lanes), compact=False)


def _forward(
    cell: Equations,
    dtype: str,
    storage: Storage,
    x: tf.Tensor,
    states: States,
    kernel: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    bias: tf.Tensor,
) -> tuple[tf.Tensor, States, Any]:
    layout = storage.layout
    kept = _kept(cell, states, recurrent_kernel)
    bias_a, bias_r = cell.biases(bias)
    a = storage.enter(_product(dtype, x, kernel, bias_a))
    if bias_r is not None:
        bias_r = layout.turn(bias_r[None])
    factor = tf.cast(layout.turn(recurrent_kernel), dtype)
    first = tuple(map(layout.turn, states))
    last, all_states, others = forward_loop(cell, kept, storage, a, first, factor, bias_r)
    outputs = storage.leave(all_states[0])
    h = tf.concat([states[0][:, None], outputs[:, :-1]], 1)
    residuals = (x, h, first, all_states, others)
    return outputs, tuple(map(layout.turn, last)), residuals


def _backward(
    cell: Equations,
    dtype: str,
    storage: Storage,
    residuals: tuple[Any, ...],
    d_outputs: tf.Tensor,
    d_last: States,
    kernel: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    bias: tf.Tensor,
) -> tuple[Any, ...]:
    layout = storage.layout
    x, h, *of_forward = residuals
    # Transposed once, not in the loop.
    factor = tf.cast(layout.turn(tf.transpose(recurrent_kernel)), dtype)
    kept = _kept(cell, d_last, recurrent_kernel)
    d_outputs = storage.enter(d_outputs)
    d_last = tuple(map(layout.turn, d_last))
    d_states, gates = backward_loop(
        cell, kept, storage, d_outputs, *of_forward, d_last, factor
    )
    if storage.compact:
        gates = tuple(tf.bitcast(d, dtype) for d in gates)
    gates = tuple(map(storage.leave, gates))
    d_a, d_r = gates[0], gates[-1]
    d_x = _product(dtype, d_a, tf.transpose(kernel))
    d_kernel = _sum_over_time(dtype, x, d_a)
    d_recurrent = _sum_over_time(dtype, h, d_r)
    d_bias = _sum_over_rows(d_a)
    if bias.shape.rank == 2:
        d_bias = tf.stack([d_bias, _sum_over_rows(d_r)])
    return d_x, tuple(map(layout.turn, d_states)), d_kernel, d_recurrent, d_bias


def _kept(cell: Equations, states: States, recurrent_kernel: tf.Tensor) -> tuple[Kept, ...]:
    return kept_by(cell, len(states), *recurrent_kernel.shape)


def _second_order(
    cell: Equations,
    num_states: int,
    inputs_and_grads: tuple[tf.Tensor, ...],
    *grads: tf.Tensor,
) -> list[tf.Tensor]:
    """The gradients of the gradients, without XLA, in which TensorFlow has none of loops.

    Args:
        inputs_and_grads: what the gradients were computed from.
        grads: of the gradients.
    """
    inputs, given = inputs_and_grads[: -1 - num_states], inputs_and_grads[-1 - num_states :]
    x, states, weights = inputs[0], inputs[1 : 1 + num_states], inputs[1 + num_states :]
    with tf.GradientTape() as second:
        second.watch(inputs_and_grads)
        with tf.GradientTape() as first:
            first.watch(inputs)
            outputs, last = _plain_loop(cell, x, states, *weights)
        of_inputs = first.gradient([outputs, *last], inputs, given, "zero")
    return second.gradient(of_inputs, inputs_and_grads, grads, "zero")


def _plain_loop(
    cell: Equations,
    x: tf.Tensor,
    states: States,
    kernel: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    bias: tf.Tensor,
) -> tuple[tf.Tensor, States]:
    """The outputs and the last states by TensorFlow's own operations, in float32."""
    bias_a, bias_r = cell.biases(bias)
    a = _swap(_product("float32", x, kernel, bias_a))
    length = tf.shape(a)[0]
    outputs = tf.TensorArray("float32", length, element_shape=states[0].shape)

    def body(time: tf.Tensor, states: States, outputs: Any) -> Any:
        r = tf.matmul(states[0], recurrent_kernel)
        if bias_r is not None:
            r += bias_r
        states, _ = cell.forward(a[time], r, states, -1)
        return time + 1, tuple(states), outputs.write(time, states[0])

    _, last, outputs = tf.while_loop(
        lambda time, *_: time < length, body, (tf.constant(0), tuple(states), outputs)
    )
    return _swap(outputs.stack()), last


def _split(tensors: tuple[tf.Tensor, ...], parts: int) -> list[tuple[tf.Tensor, ...]]:
    """Each part's share of the lanes of all `tensors`."""
    return list(zip(*(tf.split(tensor, parts) for tensor in tensors), strict=True))


def _concat(shares: list[tuple[tf.Tensor, ...]]) -> list[tf.Tensor]:
    """Undo `_split`."""
    return [tf.concat(pieces, 0) for pieces in zip(*shares, strict=True)]


def _swap(x: tf.Tensor) -> tf.Tensor:
    """Between batch first and time first."""
    return tf.transpose(x, (1, 0, 2))


def _product(
    dtype: str, a: tf.Tensor, b: tf.Tensor, bias: tf.Tensor | None = None
) -> tf.Tensor:
    """`a @ b + bias` for an `a` of shape `(batch, time, features)`."""
    rows = tf.reshape(a, (-1, a.shape[-1]))
    if dtype == "float32":
        flat = tf.matmul(rows, b)
        if bias is not None:
            # Directly after the product, so that TensorFlow fuses them.
            flat = tf.nn.bias_add(flat, bias)
    else:
        flat = _rounded_product(tf.cast(rows, dtype), tf.cast(b, dtype), bias)
    return tf.reshape(flat, tf.concat([tf.shape(a)[:-1], tf.shape(b)[1:]], 0))


@compiled
def _rounded_product(
    a: tf.Tensor, b: tf.Tensor, bias: tf.Tensor | None = None
) -> tf.Tensor:
    sums = matmul(a.dtype.name, a, b)
    return sums if bias is None else sums + bias


def _sum_over_time(dtype: str, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """The sum over time and lanes of the outer products of `a` and `b`."""
    a, b = (tf.reshape(sequence, (-1, sequence.shape[-1])) for sequence in (a, b))
    if dtype == "float32":
        return tf.matmul(a, b, transpose_a=True)
    # XLA would fold the transposition into the product, and then not use the tiles.
    return _rounded_product(tf.transpose(tf.cast(a, dtype)), tf.cast(b, dtype))


def _sum_over_rows(x: tf.Tensor) -> tf.Tensor:
    """The sum over time and lanes, as a product: `tf.reduce_sum` takes 3 times as long."""
    rows = tf.reshape(x, (-1, x.shape[-1]))
    if rows.dtype == tf.float32:
        return tf.matmul(tf.ones((1, tf.shape(rows)[0])), rows)[0]
    # XLA multiplies a single row 20 times as slowly as two.
    return _rounded_product(tf.ones((2, tf.shape(rows)[0]), rows.dtype), rows)[0]
