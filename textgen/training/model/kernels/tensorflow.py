"""The whole sequence on TensorFlow: compiled by XLA, the lanes distributed over cores."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import tensorflow as tf

from textgen.cores import num_cores
from textgen.training.backend.process import num_shares
from textgen.training.model.kernels.equations import Equations, States, shift_right
from textgen.training.model.kernels.layout import Layout


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
    layout = Layout.of(lanes // parts if lanes else None)
    forward = partial(_forward, cell, product_dtype, layout)
    backward = partial(_backward, cell, product_dtype, layout)

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
    layout = Layout.of(lanes)
    matmul = partial(_matmul, dtype)
    factor = layout.turn(tf.cast(tf.fill((units, width), 1 / units), dtype))

    @_compiled
    def run(h: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
        def step(count: tf.Tensor, h: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            gates = layout.product(matmul, h, factor)
            return count + 1, tf.split(gates, width // units, layout.axis)[0]

        return tf.while_loop(lambda count, _: count < 100, step, (tf.constant(0), h))[1]

    h = layout.turn(tf.ones((lanes, units)))
    run(h, factor).numpy()
    return lambda: run(h, factor).numpy()


def _forward(
    cell: Equations,
    dtype: str,
    layout: Layout,
    x: tf.Tensor,
    states: States,
    kernel: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    bias: tf.Tensor,
    *,
    compiled: bool = True,
) -> tuple[tf.Tensor, States, Any]:
    loop, finish = _forward_loop, _outputs
    if not compiled:
        loop, finish = loop.python_function, finish.python_function
    x = _swap(x)
    bias_a, bias_r = cell.biases(bias)
    a = layout.turn(_product(dtype, x, kernel, bias_a))
    if bias_r is not None:
        bias_r = layout.turn(bias_r[None])
    factor = tf.cast(layout.turn(recurrent_kernel), dtype)
    first = tuple(map(layout.turn, states))
    last, saved = loop(cell, dtype, layout, a, first, factor, bias_r)
    outputs, saved = finish(cell, layout, saved, first)
    outputs = layout.turn(outputs)
    residuals = (x, shift_right(states[0], outputs), saved)
    return _swap(outputs), tuple(map(layout.turn, last)), residuals


def _backward(
    cell: Equations,
    dtype: str,
    layout: Layout,
    residuals: tuple[Any, ...],
    d_outputs: tf.Tensor,
    d_last: States,
    kernel: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    bias: tf.Tensor,
) -> tuple[Any, ...]:
    x, h, saved = residuals
    # Transposed once, not in the loop.
    factor = tf.cast(layout.turn(tf.transpose(recurrent_kernel)), dtype)
    d_outputs = layout.turn(_swap(d_outputs))
    d_last = tuple(map(layout.turn, d_last))
    d_states, gates = _backward_loop(cell, dtype, layout, d_outputs, saved, d_last, factor)
    gates = tuple(map(layout.turn, gates))
    d_a, d_r = gates[0], gates[-1]
    d_x = _swap(_product(dtype, d_a, tf.transpose(kernel)))
    d_kernel = _sum_over_time(dtype, x, d_a)
    d_recurrent = _sum_over_time(dtype, h, d_r)
    d_bias = _sum_over_rows(d_a)
    if bias.shape.rank == 2:
        d_bias = tf.stack([d_bias, _sum_over_rows(d_r)])
    return d_x, tuple(map(layout.turn, d_states)), d_kernel, d_recurrent, d_bias


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
            outputs, last, _ = _forward(
                cell, "float32", Layout.of(None), x, states, *weights, compiled=False
            )
        of_inputs = first.gradient([outputs, *last], inputs, given, "zero")
    return second.gradient(of_inputs, inputs_and_grads, grads, "zero")


# XLA runs a program, or a loop body, of at most eight kernels in the calling thread. The
# kernels of a longer one go to a thread pool, where the parts wait for each other. So each
# program below is one loop or one formula; the large products are TensorFlow's own, which
# are also faster.
_compiled = partial(tf.function, jit_compile=True, autograph=False)


@_compiled
def _forward_loop(
    cell: Equations,
    dtype: str,
    layout: Layout,
    a: tf.Tensor,
    states: States,
    factor: tf.Tensor,
    bias_r: tf.Tensor | None,
) -> tuple[States, tuple[tf.Tensor, ...]]:
    matmul = partial(_matmul, dtype)

    def step(states: States, inputs: tuple[tf.Tensor]) -> tuple[States, Any]:
        r = layout.product(matmul, states[0], factor)
        if bias_r is not None:
            r += bias_r
        return cell.forward(inputs[0], r, states, layout.axis)

    return _scan(step, states, (a,))


@_compiled
def _outputs(
    cell: Equations, layout: Layout, saved: tuple[tf.Tensor, ...], first: States
) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
    return cell.outputs(saved, first, layout.axis)


@_compiled
def _backward_loop(
    cell: Equations,
    dtype: str,
    layout: Layout,
    d_outputs: tf.Tensor,
    saved: tuple[tf.Tensor, ...],
    d_states: States,
    factor: tf.Tensor,
) -> tuple[States, tuple[tf.Tensor, ...]]:
    matmul = partial(_matmul, dtype)

    def step(d_states: States, inputs: Any) -> tuple[States, Any]:
        d_output, saved = inputs
        d_h, *others = d_states
        d = cell.backward((d_h + d_output, *others), saved, layout.axis)
        d_h, *others = d.states
        d_h += layout.product(matmul, d.r, factor)
        return (d_h, *others), (d.a,) if d.a is d.r else (d.a, d.r)

    return _scan(step, d_states, (d_outputs, saved), reverse=True)


def _scan(step: Any, carry: States, inputs: Any, reverse: bool = False) -> Any:
    """Like `jax.lax.scan`: carry a state along the first axis, and stack the outputs."""
    length = tf.shape(tf.nest.flatten(inputs)[0])[0]

    def at(time: tf.Tensor) -> Any:
        return tf.nest.map_structure(lambda sequence: sequence[time], inputs)

    _, form = step(carry, at(0))  # traced for its shapes only; XLA drops it
    stacks = tuple(
        tf.TensorArray(part.dtype, length, element_shape=part.shape)
        for part in tf.nest.flatten(form)
    )

    def body(count: tf.Tensor, carry: States, stacks: Any) -> Any:
        time = length - 1 - count if reverse else count
        carry, outputs = step(carry, at(time))
        outputs = tf.nest.flatten(outputs)
        stacks = tuple(s.write(time, o) for s, o in zip(stacks, outputs, strict=True))
        return count + 1, tuple(carry), stacks

    _, carry, stacks = tf.while_loop(
        lambda count, *_: count < length, body, (tf.constant(0), tuple(carry), stacks)
    )
    outputs = tf.nest.pack_sequence_as(form, [stack.stack() for stack in stacks])
    return carry, outputs


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
    """`a @ b + bias` for an `a` of shape `(time, batch, features)`."""
    flat = _large_matmul(dtype, tf.reshape(a, (-1, a.shape[-1])), b)
    if bias is not None:
        # Directly after the product, so that TensorFlow fuses them.
        flat = tf.nn.bias_add(flat, bias)
    return tf.reshape(flat, tf.concat([tf.shape(a)[:-1], tf.shape(b)[1:]], 0))


def _sum_over_time(dtype: str, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """The sum over time and lanes of the outer products of `a` and `b`."""
    a, b = (tf.reshape(sequence, (-1, sequence.shape[-1])) for sequence in (a, b))
    return _large_matmul(dtype, a, b, transpose_a=True)


def _sum_over_rows(x: tf.Tensor) -> tf.Tensor:
    """The sum over time and lanes, as a product: `tf.reduce_sum` takes 3 times as long."""
    rows = tf.reshape(x, (-1, x.shape[-1]))
    return tf.matmul(tf.ones((1, tf.shape(rows)[0])), rows)[0]


def _large_matmul(
    dtype: str, a: tf.Tensor, b: tf.Tensor, transpose_a: bool = False
) -> tf.Tensor:
    if dtype == "float32":
        return tf.matmul(a, b, transpose_a=transpose_a)
    return _compiled_matmul(dtype, a, b, transpose_a)


def _matmul(dtype: str, a: tf.Tensor, b: tf.Tensor, transpose_a: bool = False) -> tf.Tensor:
    """A product of factors rounded to `dtype`, summed in float32; inside XLA only."""
    # `tf.matmul` would also round the sums.
    return tf.raw_ops.BatchMatMulV3(
        x=tf.cast(a, dtype), y=tf.cast(b, dtype), Tout=tf.float32, adj_x=transpose_a
    )


_compiled_matmul = _compiled(_matmul)
