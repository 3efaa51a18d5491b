"""The fast forward and backward pass over a whole sequence, one file per backend.

Keras' recurrent layers do everything once a time step on a CPU: the product with the
inputs, the product with the state, the gradients of the weights. Here only what is
truly sequential stays in the loop. The products with the inputs, and every weight
gradient, are one large matrix product each, before or after the loop.

Both backends have the same functions.

`whole_sequence(cell, product_dtype, x, states, kernel, recurrent_kernel, bias)` returns
outputs, `(batch, time, units)`, and the states after the last step:

    cell              the equations of a step
    product_dtype     what the factors of matrix products are rounded to, `float32` or
                      `bfloat16`; sums and all else are float32
    x                 `(batch, time, features)`
    states            the initial ones, each `(batch, units)`, `h` first
    kernel            `(features, gates * units)`
    recurrent_kernel  `(units, gates * units)`
    bias              as the cell has it

`product_loop(dtype, rows, units, width)` returns a compiled loop of the products that the
steps of a layer make, to be timed: `rows` lanes, gates `width` wide.
"""

from __future__ import annotations

from textgen.training.backend.keras import load_keras

if load_keras().backend.backend() == "jax":
    from textgen.training.model.kernels.jax import (
        has_device,
        is_worthwhile,
        product_loop,
        whole_sequence,
    )
else:
    from textgen.training.model.kernels.tensorflow import (
        has_device,
        is_worthwhile,
        product_loop,
        whole_sequence,
    )

__all__ = ["has_device", "is_worthwhile", "product_loop", "whole_sequence"]
