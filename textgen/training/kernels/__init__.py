"""The fast forward and backward pass over a whole sequence, one file per backend.

Keras' recurrent layers do everything once a time step on a CPU: the product with the
inputs, the product with the state, the gradients of the weights. Here only what is
truly sequential stays in the loop. The products with the inputs, and every weight
gradient, are one large matrix product each, before or after the loop.
"""

from __future__ import annotations

from textgen.training.backend import load_keras

if load_keras().backend.backend() == "jax":
    from textgen.training.kernels.jax import (
        has_device,
        is_worthwhile,
        product_loop,
        whole_sequence,
    )
else:
    from textgen.training.kernels.tensorflow import (
        has_device,
        is_worthwhile,
        product_loop,
        whole_sequence,
    )

__all__ = ["has_device", "is_worthwhile", "product_loop", "whole_sequence"]
