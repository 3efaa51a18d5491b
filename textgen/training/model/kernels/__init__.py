"""Fast forward and backward passes over a whole sequence, a file or two per backend.

Keras' recurrent layers compute everything once per time step: the product with the
inputs, the product with the state, the gradients of the weights. Here the loop contains
only what is sequential. The product with the inputs, and each weight gradient, is one
large matrix product before or after the loop (in `jax_tiles`, one of a block of steps).
PyTorch has such a function of its own.

The file named like a backend has these functions.

`whole_sequence(cell, product_dtype, x, states, kernel, recurrent_kernel, bias)` returns
outputs, `(batch, time, units)`, and the states after the last step:

    cell              the equations of a step
    product_dtype     the type that factors of matrix products are rounded to, `float32` or
                      `bfloat16`; sums and everything else are float32, except on
                      PyTorch, which also rounds gates and outputs, and with AMX on
                      TensorFlow and JAX, where gates rounded to float16 serve for the
                      backward pass
    x                 `(batch, time, features)`
    states            the initial ones, each `(batch, units)`, `h` first
    kernel            `(features, gates * units)`
    recurrent_kernel  `(units, gates * units)`
    bias              of the shape that the cell defines

Gradients of any order are right: TensorFlow computes those beyond the first without the
kernel, PyTorch by a loop of its own. JAX has no forward-mode derivatives (`jax.jvp`,
`jax.hessian`) of it; nested `jax.grad` and `jax.jacrev` work.

`has_device()` says whether the kernel is of use on this device, `has_type(dtype)` whether
it has products of this type there, `debugging_mode()` which mode for debugging is on,
`is_worthwhile()` whether the current call should use the kernel.

`product_loop(dtype, rows, units, width)` returns a compiled loop of the products of a
layer's steps, for timing: `rows` lanes, gates `width` wide. PyTorch's runs whole steps
with their gradients.
"""

from __future__ import annotations

from textgen.training.backend.loaded import keras

if keras.backend.backend() == "torch":
    from textgen.training.model.kernels.torch import (
        debugging_mode,
        has_device,
        has_type,
        is_worthwhile,
        product_loop,
        whole_sequence,
    )
elif keras.backend.backend() == "jax":
    from textgen.training.model.kernels.jax import (
        debugging_mode,
        has_device,
        has_type,
        is_worthwhile,
        product_loop,
        whole_sequence,
    )
else:
    from textgen.training.model.kernels.tensorflow import (
        debugging_mode,
        has_device,
        has_type,
        is_worthwhile,
        product_loop,
        whole_sequence,
    )

__all__ = [
    "debugging_mode",
    "has_device",
    "has_type",
    "is_worthwhile",
    "product_loop",
    "whole_sequence",
]
