"""The whole sequence on JAX: `lax.scan` between large products, with its own gradient."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from textgen.training.backend.devices import seen_share
from textgen.training.backend.loaded import keras
from textgen.training.backend.process import has_tiles
from textgen.training.model.kernels import jax_tiles
from textgen.training.model.kernels.equations import Equations, States, shift_right
from textgen.training.model.kernels.layout import Layout


def has_device() -> bool:
    """Whether this kernel is faster on this device than Keras' layers: only on a CPU."""
    return jax.default_backend() == "cpu"


def has_type(dtype: str) -> bool:
    """Whether products of this type can be computed: XLA can compute them all."""
    return True


def debugging_mode() -> str | None:
    """The option that switched on a mode of JAX for debugging; None without one."""
    config: Any = jax.config  # mypy does not see its options
    return "jax_disable_jit" if config.jax_disable_jit else None


def is_worthwhile() -> bool:
    """Whether the current call should use this kernel."""
    return has_device()


def whole_sequence(
    cell: Equations,
    product_dtype: str,
    x: Any,
    states: States,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
) -> tuple[Any, States]:
    """Run a recurrent cell over a sequence; see `textgen.training.model.kernels`."""
    run = _run_on_tiles if is_for_tiles(product_dtype) else _run
    return run(cell, product_dtype, x, states, kernel, recurrent_kernel, bias)


def is_for_tiles(dtype: str) -> bool:
    """Whether products of this type run as `jax_tiles` has them."""
    # Milliseconds of an LSTM's forward and backward pass, on one core with tiles:
    #
    #     lanes, time, features, units   32,100,512,512   64,100,65,512   25,50,128,128
    #     loops between large products              154             243             6.8
    #     loops for tiles                           123             145             5.4
    return dtype == "bfloat16" and has_tiles()


def product_loop(dtype: str, rows: int, units: int, width: int) -> Callable[[], Any]:
    """Compile a loop of a layer's products; see `textgen.training.model.kernels`."""
    lanes = _lanes_of_a_device(rows)
    layout = Layout.of(lanes)
    matmul = partial(_matmul, dtype)
    factor = layout.turn(jnp.full((units, width), 1 / units, dtype))

    @jax.jit
    def run(h: Any) -> Any:
        def step(_: int, h: Any) -> Any:
            gates = layout.product(matmul, h, factor)
            return jnp.split(gates, width // units, layout.axis)[0]

        return lax.fori_loop(0, 100, step, h)

    # Named, because it is float64 by default with `jax_enable_x64`.
    h = layout.turn(jnp.ones((lanes, units), jnp.float32))
    run(h).block_until_ready()
    return lambda: run(h).block_until_ready()


def _lanes_of_a_device(batch_size: int) -> int:
    """A device's share of the lanes; see `textgen.training.backend.devices`."""
    distribution = None if seen_share() else keras.distribution.distribution()
    return batch_size // (distribution.device_mesh.devices.size if distribution else 1)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _run(cell: Equations, dtype: str, *args: Any) -> tuple[Any, States]:
    outputs, last, _ = _forward(cell, dtype, *args)
    return outputs, last


def _forward(
    cell: Equations,
    dtype: str,
    x: Any,
    states: States,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
) -> tuple[Any, States, Any]:
    # Time and lanes stay separate axes in every product: merging them would gather the
    # lanes of all devices.
    layout = Layout.of(_lanes_of_a_device(x.shape[0]))
    matmul = partial(_matmul, dtype)
    x = _swap(x)
    bias_a, bias_r = cell.biases(bias)
    a = layout.turn(_product(dtype, x, kernel, [2], [0]) + bias_a)
    if bias_r is not None:
        bias_r = layout.turn(bias_r[None])
    factor = layout.turn(recurrent_kernel).astype(dtype)

    def step(states: States, a: Any) -> tuple[States, Any]:
        r = layout.product(matmul, states[0], factor)
        return cell.forward(a, r if bias_r is None else r + bias_r, states, layout.axis)

    first = tuple(map(layout.turn, states))
    last, saved = lax.scan(step, first, a)
    outputs, saved = cell.outputs(saved, first, layout.axis)
    outputs = layout.turn(outputs)
    residuals = (x, shift_right(states[0], outputs), saved, kernel, recurrent_kernel, bias)
    return _swap(outputs), tuple(map(layout.turn, last)), residuals


def _forward_rule(
    cell: Equations, dtype: str, *args: Any
) -> tuple[tuple[Any, States], tuple[Any, ...]]:
    outputs, last, residuals = _forward(cell, dtype, *args)
    return (outputs, last), residuals


def _backward(
    cell: Equations, dtype: str, residuals: tuple[Any, ...], grads: tuple[Any, States]
) -> tuple[Any, ...]:
    x, h, saved, kernel, recurrent_kernel, bias = residuals
    d_outputs, d_last = grads
    layout = Layout.of(_lanes_of_a_device(x.shape[1]))
    matmul = partial(_matmul, dtype)
    # Transposed and rounded outside the loop.
    factor = layout.turn(recurrent_kernel.T).astype(dtype)

    def step(d_states: States, inputs: Any) -> tuple[States, Any]:
        d_output, saved = inputs
        d_h, *others = d_states
        d = cell.backward((d_h + d_output, *others), saved, layout.axis)
        d_h, *others = d.states
        d_h = d_h + layout.product(matmul, d.r, factor)
        return (d_h, *others), (d.a,) if d.a is d.r else (d.a, d.r)

    d_last = tuple(map(layout.turn, d_last))
    inputs = (layout.turn(_swap(d_outputs)), saved)
    d_states, gates = lax.scan(step, d_last, inputs, reverse=True)
    gates = tuple(map(layout.turn, gates))
    d_states = tuple(map(layout.turn, d_states))
    d_a, d_r = gates[0], gates[-1]
    d_x = _swap(_product(dtype, d_a, kernel, [2], [1]))
    d_kernel = _product(dtype, x, d_a, [0, 1], [0, 1])
    d_recurrent = _product(dtype, h, d_r, [0, 1], [0, 1])
    d_bias = d_a.sum((0, 1))
    if bias.ndim == 2:
        d_bias = jnp.stack([d_bias, d_r.sum((0, 1))])
    return d_x, d_states, d_kernel, d_recurrent, d_bias


_run.defvjp(_forward_rule, _backward)


def _run_on_tiles(cell: Equations, dtype: str, *args: Any) -> tuple[Any, States]:
    results, _ = _forward_on_tiles(cell, dtype, *args)
    return results


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _forward_on_tiles(
    cell: Equations, dtype: str, *args: Any
) -> tuple[tuple[Any, States], Any]:
    layout = Layout.of(_lanes_of_a_device(args[0].shape[0]))
    return jax_tiles.forward(cell, layout, *args)


def _forward_on_tiles_rule(cell: Equations, dtype: str, *args: Any) -> tuple[Any, Any]:
    # This call, too, may be differentiated, and not what is inside: bits have no gradients.
    found = _forward_on_tiles(cell, dtype, *args)
    return found, (args, found[1])


def _backward_on_tiles(
    cell: Equations, dtype: str, residuals: tuple[Any, ...], grads: tuple[Any, Any]
) -> tuple[Any, ...]:
    return _gradients_on_tiles(cell, dtype, *residuals, grads[0])


_forward_on_tiles.defvjp(_forward_on_tiles_rule, _backward_on_tiles)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _gradients_on_tiles(
    cell: Equations,
    dtype: str,
    args: tuple[Any, ...],
    residuals: Any,
    grads: tuple[Any, States],
) -> tuple[Any, ...]:
    lanes = _lanes_of_a_device(args[0].shape[0])
    return jax_tiles.backward(cell, Layout.of(lanes), lanes, residuals, *grads, *args[2:])


def _gradients_rule(
    cell: Equations, dtype: str, *args: Any
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    return _gradients_on_tiles(cell, dtype, *args), args


def _second_order(
    cell: Equations, dtype: str, given: tuple[Any, ...], grads: tuple[Any, ...]
) -> tuple[Any, ...]:
    """The gradients of the gradients, by `_run`, from the arguments alone."""
    args, residuals, of_results = given

    def gradients(args: tuple[Any, ...], grads: Any) -> tuple[Any, ...]:
        return jax.vjp(partial(_run, cell, dtype), *args)[1](grads)

    d_args, d_grads = jax.vjp(gradients, args, of_results)[1](grads)
    return d_args, jax.tree.map(_no_gradient, residuals), d_grads


_gradients_on_tiles.defvjp(_gradients_rule, _second_order)


def _no_gradient(x: Any) -> Any:
    is_float = jnp.issubdtype(x.dtype, jnp.floating)
    return jnp.zeros_like(x) if is_float else np.zeros(x.shape, jax.dtypes.float0)


def _swap(x: Any) -> Any:
    """Between batch first and time first."""
    return jnp.swapaxes(x, 0, 1)


def _matmul(dtype: str, a: Any, b: Any) -> Any:
    return _product(dtype, a, b, [1], [0])


def _product(dtype: str, a: Any, b: Any, axes_a: list[int], axes_b: list[int]) -> Any:
    """A product over the given axes, of factors rounded to `dtype`, summed in float32."""
    return lax.dot_general(
        a.astype(dtype),
        b.astype(dtype),
        ((axes_a, axes_b), ((), ())),
        preferred_element_type=jnp.float32,
    )
