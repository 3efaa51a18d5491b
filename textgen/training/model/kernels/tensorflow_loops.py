"""The two loops over time on TensorFlow, forward and backward, each one XLA program.

XLA's products of bfloat16 tensors run on the tiles of a processor that has them (AMX), and
add up in float32. Most of the time of a step then goes to memory and to the gates. Hence:

- Sequences stay `(batch, time, width)`, with a step as a slice of the middle axis, so that
  nothing is transposed.
- A state is stored once, as the sequence of outputs or of cell states. `backward_loop`
  computes again what it needs of it.
- The gates are stored one by one. Of slices of one row, XLA would read the number of the
  step from memory for every element, and could not use vectors. Their sequences lie
  together in one array, so that a single kernel stores them.
- With bfloat16 products on tiles (`Storage.compact`), the gates are stored as float16, and
  their gradients as bfloat16, to which the products round them anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla

from textgen.training.model.kernels.equations import Equations, Kept, States, kept_of
from textgen.training.model.kernels.layout import Layout

# XLA runs a program, or a loop body, of at most eight kernels in the calling thread. The
# kernels of a longer one go to a thread pool, where the parts wait for each other. So each
# program is one loop or one formula.
compiled = partial(tf.function, jit_compile=True, autograph=False)

Groups = tuple[list[tf.Tensor], ...]
"""Of a step: arrays of one shape and type, whose sequences are stored together."""


@dataclass(frozen=True)
class Storage:
    """How sequences are stored between the loops.

    Args:
        layout: of the arrays of a step.
        compact: whether gates and their gradients take two bytes a number.
    """

    layout: Layout
    compact: bool

    @property
    def time_axis(self) -> int:
        """`(batch, time, width)`, or with lanes last `(time, width, batch)`."""
        return 0 if self.layout.lanes_last else 1

    def enter(self, x: tf.Tensor) -> tf.Tensor:
        """From `(batch, time, width)` to a sequence of the loops."""
        return tf.transpose(x, (1, 2, 0)) if self.layout.lanes_last else x

    def leave(self, x: tf.Tensor) -> tf.Tensor:
        """Undo `enter`."""
        return tf.transpose(x, (2, 0, 1)) if self.layout.lanes_last else x

    def at(self, sequence: tf.Tensor, number: int, time: tf.Tensor) -> tf.Tensor:
        """A step of one of the sequences that lie together."""
        if self.time_axis == 0:
            return sequence[number, time]
        return sequence[number, :, time]

    def put(
        self, sequence: tf.Tensor, time: tf.Tensor, steps: list[tf.Tensor]
    ) -> tf.Tensor:
        """Sequences with one step replaced: in place, as nothing else reads them."""
        start = [0, 0, time, 0] if self.time_axis == 1 else [0, time, 0, 0]
        step = tf.expand_dims(tf.stack(steps), 1 + self.time_axis)
        return xla.dynamic_update_slice(sequence, step, tf.stack(start))

    def empty(self, steps: list[tf.Tensor], length: tf.Tensor) -> tf.Tensor:
        """Sequences for steps of the shape and type of `steps`."""
        shape = tf.shape(steps[0])
        axis = self.time_axis
        shape = tf.concat([[len(steps)], shape[:axis], [length], shape[axis:]], 0)
        return tf.zeros(shape, steps[0].dtype)


def kept_by(cell: Equations, num_states: int, units: int, width: int) -> tuple[Kept, ...]:
    """Where the arrays that a cell saves are stored, for gates of this width."""
    with tf.Graph().as_default():
        gates = tf.zeros((1, width))
        first = (tf.zeros((1, units)),) * num_states
        states, saved = cell.forward(gates, gates, first, -1)
        return kept_of(states, saved, units)


def matmul(dtype: str, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """A product of factors rounded to `dtype`, summed in float32; inside XLA only."""
    # `tf.matmul` would also round the sums.
    return tf.raw_ops.BatchMatMulV3(
        x=tf.cast(a, dtype), y=tf.cast(b, dtype), Tout=tf.float32
    )


@compiled
def forward_loop(
    cell: Equations,
    kept: tuple[Kept, ...],
    storage: Storage,
    a: tf.Tensor,
    states: States,
    factor: tf.Tensor,
    bias_r: tf.Tensor | None,
) -> tuple[States, tf.Tensor, tf.Tensor]:
    """Run all steps.

    Returns:
        the last states, all states, and what else is kept for `backward_loop`: the
        sequences of each lie together, along the first axis.
    """
    layout = storage.layout
    multiply = partial(matmul, factor.dtype.name)

    def step(time: tf.Tensor, states: States) -> tuple[States, Groups]:
        r = layout.product(multiply, states[0], factor)
        if bias_r is not None:
            r += bias_r
        states, saved = cell.forward(storage.at(a[None], 0, time), r, states, layout.axis)
        others = [
            piece
            for part, array in zip(kept, saved, strict=True)
            if part.state is None
            for piece in tf.split(array, part.pieces, layout.axis)
        ]
        if storage.compact:
            others = [tf.cast(piece, "float16") for piece in others]
        return states, ([*states], others)

    length = tf.shape(a)[storage.time_axis]
    last, (all_states, gates) = _scan(storage, step, states, length)
    return last, all_states, gates


@compiled
def backward_loop(
    cell: Equations,
    kept: tuple[Kept, ...],
    storage: Storage,
    d_outputs: tf.Tensor,
    first: States,
    all_states: tf.Tensor,
    gates: tf.Tensor,
    d_last: States,
    factor: tf.Tensor,
) -> tuple[States, tuple[tf.Tensor, ...]]:
    """Run all steps backward.

    Returns:
        the gradients of the first states, and of `a` and `r` of all steps, or of both in
        one if they are equal.
    """
    layout = storage.layout
    multiply = partial(matmul, factor.dtype.name)

    def step(time: tf.Tensor, d_states: States) -> tuple[States, Groups]:
        numbers = range(sum(part.pieces for part in kept if part.state is None))
        pieces = iter(tf.cast(storage.at(gates, n, time), "float32") for n in numbers)
        saved = tuple(
            tf.concat([next(pieces) for _ in range(part.pieces)], layout.axis)
            if part.state is None
            else storage.at(all_states, part.state, time)
            for part in kept
        )
        before = tuple(
            tf.where(time == 0, start, storage.at(all_states, n, tf.maximum(time - 1, 0)))
            for n, start in enumerate(first)
        )
        # A sequence of one step.
        _, saved = cell.outputs(tuple(s[None] for s in saved), before, layout.axis)
        d_h, *d_others = d_states
        d_h += storage.at(d_outputs[None], 0, time)
        d = cell.backward((d_h, *d_others), tuple(s[0] for s in saved), layout.axis)
        d_h, *d_others = d.states
        d_h += layout.product(multiply, d.r, factor)
        d_gates = [d.a] if d.a is d.r else [d.a, d.r]
        if storage.compact:
            d_gates = [_bits(tf.cast(part, factor.dtype)) for part in d_gates]
        return (d_h, *d_others), (d_gates,)

    length = tf.shape(d_outputs)[storage.time_axis]
    d_first, (d_gates,) = _scan(storage, step, d_last, length, reverse=True)
    return d_first, tuple(tf.unstack(d_gates))


def _bits(x: tf.Tensor) -> tf.Tensor:
    """The bits of a bfloat16 tensor: XLA would convert whole sequences of it to float32."""
    return tf.bitcast(x, tf.uint16)


def _scan(
    storage: Storage, step: Any, carry: States, length: tf.Tensor, reverse: bool = False
) -> tuple[States, tuple[tf.Tensor, ...]]:
    """Like `jax.lax.scan`: carry a state through time, and store what each step returns."""
    _, form = step(tf.constant(0), carry)  # traced for its shapes only; XLA drops it
    sequences = tuple(storage.empty(group, length) for group in form)

    def body(count: tf.Tensor, carry: States, sequences: tuple[tf.Tensor, ...]) -> Any:
        time = length - 1 - count if reverse else count
        carry, groups = step(time, carry)
        pairs = zip(sequences, groups, strict=True)
        return count + 1, tuple(carry), tuple(storage.put(s, time, g) for s, g in pairs)

    _, carry, sequences = tf.while_loop(
        lambda count, *_: count < length, body, (tf.constant(0), tuple(carry), sequences)
    )
    return carry, sequences
