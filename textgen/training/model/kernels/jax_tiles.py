"""The whole sequence on JAX with bfloat16 products on the tiles of a processor (AMX).

The products of a step are so fast there that most of the time goes to memory and to the
gates. Hence, other than in `textgen.training.model.kernels.jax`:

- The product with the inputs, and that for their gradients, is in the loop: its result is
  still in the cache when it is used.
- The gates are stored one by one, as float16. XLA does not vectorize the formula of a
  slice of one array of gates, or of an array of gates that is put together.
- The gradients of the gates are rounded to bfloat16 once, for all products, and turned
  into gradients of the weights a block of steps at a time. The sums are float32.

What is rounded: to bfloat16 the factors of all products, and of the gradients of the
biases those of the gates; to float16 the gates that the backward pass takes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from textgen.training.model.kernels.equations import Equations, Kept, States, kept_of
from textgen.training.model.kernels.layout import Layout

# Steps times lanes in a block. With 512 units, XLA's products over 640 of them run at 750
# to 900 GFLOP/s on one core, those over 1600 at 640, those over 6400 at 400 to 570.
BLOCK = 640


class Residuals(NamedTuple):
    """What the backward pass takes from the forward pass.

    Args:
        x: the inputs, `(time, batch, features)`, bfloat16.
        h: each `h` as the products took it: before a step, bits of bfloat16.
        first: the states before the first step, in the layout of the loop.
        states: the states after each step.
        pieces: all other arrays that were saved, bits of float16.
    """

    x: Any
    h: Any
    first: States
    states: States
    pieces: tuple[Any, ...]


def forward(
    cell: Equations,
    layout: Layout,
    x: Any,
    states: States,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
) -> tuple[tuple[Any, States], Residuals]:
    """Outputs and last states, and what `backward` needs."""
    kept = _kept(cell, states, recurrent_kernel)
    biases = [None if b is None else layout.turn(b[None]) for b in cell.biases(bias)]
    factor_x, factor_h = (_rounded(layout, each) for each in (kernel, recurrent_kernel))
    bits_x = jnp.swapaxes(_bits(x, jnp.bfloat16), 0, 1)

    def step(states: States, bits_x: Any) -> tuple[States, Any]:
        h = states[0].astype(jnp.bfloat16)
        a = layout.product(_matmul, _floats(bits_x, jnp.bfloat16), factor_x) + biases[0]
        r = layout.product(_matmul, h, factor_h)
        r = r if biases[1] is None else r + biases[1]
        states, saved = cell.forward(a, r, states, layout.axis)
        pieces = tuple(
            _bits(piece, jnp.float16)
            for part, array in zip(kept, saved, strict=True)
            if part.state is None
            for piece in jnp.split(array, part.pieces, layout.axis)
        )
        return states, (_bits(h, jnp.bfloat16), states, pieces)

    first = tuple(map(layout.turn, states))
    last, (h, all_states, pieces) = lax.scan(step, first, layout.turn(bits_x))
    outputs = jnp.swapaxes(layout.turn(all_states[0]), 0, 1)
    x = _floats(bits_x, jnp.bfloat16)
    return (outputs, tuple(map(layout.turn, last))), Residuals(
        x, h, first, all_states, pieces
    )


def backward(
    cell: Equations,
    layout: Layout,
    lanes: int,
    residuals: Residuals,
    d_outputs: Any,
    d_last: States,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
) -> tuple[Any, ...]:
    """The gradients of `x`, the first states and the weights.

    Args:
        lanes: of one device.
    """
    step = _backward_step(cell, layout, residuals, kernel, recurrent_kernel)

    def block(carry: Any, inputs: Any) -> tuple[Any, Any]:
        (d_states, sums), (x, h, inputs) = carry, inputs
        d_states, (d_x, gates) = lax.scan(step, d_states, inputs, reverse=True)
        h = _floats(layout.turn(h), jnp.bfloat16)
        gates = [_floats(each, jnp.bfloat16) for each in gates]
        # XLA multiplies by a single column much more slowly than by two.
        ones = jnp.ones((*x.shape[:2], 2), jnp.bfloat16)
        parts = [
            _sum_over_steps(layout, gates[0], x),
            _sum_over_steps(layout, gates[-1], h),
        ]
        parts += [_sum_over_steps(layout, each, ones)[:, 0] for each in gates]
        return (d_states, [s + part for s, part in zip(sums, parts, strict=True)]), d_x

    time = len(residuals.x)
    d_outputs = layout.turn(jnp.swapaxes(d_outputs, 0, 1))
    inputs = (jnp.arange(time), d_outputs, residuals.pieces)
    weights = (kernel.T, recurrent_kernel.T, *(bias if bias.ndim == 2 else [bias]))
    carry = (tuple(map(layout.turn, d_last)), [jnp.zeros_like(each) for each in weights])
    (d_states, sums), d_x = _scan_blocks(
        block, carry, (residuals.x, residuals.h, inputs), max(1, BLOCK // lanes)
    )
    # Else XLA would fold the transpositions into the products, and have none for the tiles.
    d_kernel, d_recurrent, *d_biases = lax.optimization_barrier(sums)
    return (
        jnp.swapaxes(layout.turn(d_x), 0, 1),
        tuple(map(layout.turn, d_states)),
        d_kernel.T,
        d_recurrent.T,
        jnp.stack(d_biases) if bias.ndim == 2 else d_biases[0],
    )


def _backward_step(
    cell: Equations,
    layout: Layout,
    residuals: Residuals,
    kernel: Any,
    recurrent_kernel: Any,
) -> Any:
    """The function of one step, from `(d_states, (time, d_output, pieces))`.

    It returns the gradients before the step, and those of `x` and of `a` and `r`, or of
    both in one if they are equal; the latter as bits of bfloat16.
    """
    kept = _kept(cell, residuals.first, recurrent_kernel)
    factor_x, factor_h = (_rounded(layout, each.T) for each in (kernel, recurrent_kernel))
    units = len(recurrent_kernel)

    def step(d_states: States, inputs: Any) -> tuple[States, Any]:
        time, d_output, bits = inputs
        pieces = iter(_floats(each, jnp.float16).astype(jnp.float32) for each in bits)
        saved = tuple(
            jnp.concatenate([next(pieces) for _ in range(part.pieces)], layout.axis)
            if part.state is None
            else _at(residuals.states[part.state], time)
            for part in kept
        )
        before = tuple(
            jnp.where(time == 0, start, _at(states, jnp.maximum(time - 1, 0)))
            for start, states in zip(residuals.first, residuals.states, strict=True)
        )
        # A sequence of one step.
        _, saved = cell.outputs(tuple(s[None] for s in saved), before, layout.axis)
        d_h, *others = d_states
        d = cell.backward(
            (d_h + d_output, *others), tuple(s[0] for s in saved), layout.axis
        )
        d_h, *others = d.states
        both = (d.a,) if d.a is d.r else (d.a, d.r)
        gates = [_in_one(layout, each, each.shape[layout.axis] // units) for each in both]
        d_a, d_r = (_floats(each, jnp.bfloat16) for each in (gates[0], gates[-1]))
        d_x = layout.product(_matmul, d_a, factor_x)
        d_h = d_h + layout.product(_matmul, d_r, factor_h)
        return (d_h, *others), (d_x, gates)

    return step


def _in_one(layout: Layout, gates: Any, number: int) -> Any:
    """The bits of all gates in one array, of which each is computed separately."""
    pieces = [_bits(each, jnp.bfloat16) for each in jnp.split(gates, number, layout.axis)]
    return jnp.concatenate(lax.optimization_barrier(pieces), layout.axis)


def _sum_over_steps(layout: Layout, gates: Any, x: Any) -> Any:
    """The sum over steps and lanes of the outer products, `(gates, width of x)`."""
    # Time and lanes stay separate axes: merging them would gather the lanes of all devices.
    lanes = 2 if layout.lanes_last else 1
    return _product(gates, x, [0, lanes], [0, 1])


def _scan_blocks(block: Any, carry: Any, inputs: Any, most: int) -> tuple[Any, Any]:
    """Call `block` with at most so many steps at a time, the last ones first."""
    time = len(jax.tree.leaves(inputs)[0])
    if time <= most:
        return block(carry, inputs)
    steps = -(-time // -(-time // most))
    whole = time // steps * steps
    rest = []
    if whole < time:
        carry, found = block(carry, jax.tree.map(lambda each: each[whole:], inputs))
        rest = [found]
    blocks = jax.tree.map(
        lambda each: each[:whole].reshape(-1, steps, *each.shape[1:]), inputs
    )
    carry, found = lax.scan(block, carry, blocks, reverse=True)
    return carry, jnp.concatenate([found.reshape(whole, *found.shape[2:]), *rest])


def _kept(cell: Equations, states: States, recurrent_kernel: Any) -> tuple[Kept, ...]:
    """Where the arrays that a cell saves are stored."""
    units, width = recurrent_kernel.shape
    kept: list[Kept] = []

    def trace(gates: Any, first: States) -> None:
        after, saved = cell.forward(gates, gates, first, -1)
        kept.extend(kept_of(after, saved, units))

    gates, state = (jax.ShapeDtypeStruct((1, n), jnp.float32) for n in (width, units))
    jax.eval_shape(trace, gates, (state,) * len(states))
    return tuple(kept)


def _at(sequence: Any, time: Any) -> Any:
    return lax.dynamic_index_in_dim(sequence, time, keepdims=False)


def _rounded(layout: Layout, weight: Any) -> Any:
    return layout.turn(weight).astype(jnp.bfloat16)


def _bits(x: Any, dtype: Any) -> Any:
    """Rounded, as bits: XLA would convert whole sequences to float32 to store one step."""
    return lax.bitcast_convert_type(x.astype(dtype), jnp.uint16)


def _floats(bits: Any, dtype: Any) -> Any:
    """Undo `_bits`."""
    return lax.bitcast_convert_type(bits, dtype)


def _matmul(a: Any, b: Any) -> Any:
    return _product(a, b, [1], [0])


def _product(a: Any, b: Any, axes_a: list[int], axes_b: list[int]) -> Any:
    """A product over the given axes, summed in float32."""
    axes = ((axes_a, axes_b), ((), ()))
    return lax.dot_general(a, b, axes, preferred_element_type=jnp.float32)
