"""Mix-ins that make Keras' recurrent layers fast on a CPU and let them carry their state.

A sequence runs through `textgen.training.model.kernels` wherever they are of use; elsewhere
(TensorFlow and JAX on a GPU) Keras uses cuDNN.
"""

from __future__ import annotations

from typing import Any

from textgen.training.backend.loaded import keras
from textgen.training.model.carrying import CarriesState
from textgen.training.model.dropping import DropsWeights
from textgen.training.model.kernels import is_worthwhile, whole_sequence
from textgen.training.model.kernels.equations import Equations


class CarriedState(CarriesState, DropsWeights):
    """Mix-in for a `keras.layers.RNN`: its state is a tracked, untrained weight.

    In training, its recurrent kernel may be dropped in part; see `DropsWeights`.
    """

    def _create_state_variables(self: Any, batch_size: int) -> None:
        # Keras calls this from `build` when `stateful` is set.
        self.create_states(batch_size, [(size,) for size in self.state_size])

    def call(
        self: Any,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
    ) -> Any:
        """Run the layer, unless `export` on JAX has made the batch size a variable."""
        self.check_lanes(sequences)
        if initial_state is None and self.states:
            initial_state = [state.value for state in self.states]
        with self.dropped_weights(training):
            return super().call(  # type: ignore[misc]
                sequences, initial_state=initial_state, mask=mask, training=training
            )


class WholeSequence:
    """Mix-in for `keras.layers.LSTM` and `GRU`: the kernel, where the device has one.

    Keras handles everything else itself: calls on a GPU, except on PyTorch; masks; dropout
    inside the layer while training; other activations; `use_bias=False`,
    `reset_after=False`, `go_backwards`, `unroll`; types other than float32; and, on
    TensorFlow, calls outside `tf.function` and modes for debugging. Dropout and
    normalisation in separate layers make no difference.

    Args:
        product_dtype: type that the kernel rounds the factors of matrix products to,
            `float32` or `bfloat16`; see `textgen.training.model.kernels`.
    """

    step_equations: Equations
    stateful: bool

    def __init__(self: Any, *args: Any, product_dtype: str = "float32", **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.product_dtype = product_dtype

    def get_config(self: Any) -> dict[str, Any]:
        """The arguments to construct an equal layer."""
        return {**super().get_config(), "product_dtype": self.product_dtype}  # type: ignore[misc]

    def inner_loop(
        self: Any, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> tuple[Any, Any, list[Any]]:
        """Run all time steps; Keras calls this from `call`."""
        if mask is not None or not self.fits_kernel(training):
            return super().inner_loop(  # type: ignore[misc]
                sequences, initial_state, mask, training=training
            )
        outputs, states = self.run_kernel(whole_sequence, sequences, initial_state)
        return outputs[:, -1], outputs, list(states)

    def run_kernel(self: Any, kernel: Any, sequences: Any, states: Any) -> tuple[Any, Any]:
        """Call a function with the arguments of `whole_sequence`."""
        cell = self.cell
        weights = map(self.kernel_weight, (cell.kernel, cell.recurrent_kernel, cell.bias))
        return kernel(
            self.step_equations, self.product_dtype, sequences, tuple(states), *weights
        )

    def kernel_weight(self, weight: Any) -> Any:
        """A weight of the cell as the kernel takes it."""
        return keras.ops.convert_to_tensor(weight)

    def fits_kernel(self: Any, training: bool) -> bool:
        """Whether a call without a mask runs through the kernel."""
        cell = self.cell
        return (
            is_worthwhile()
            and cell.activation is keras.activations.tanh
            and cell.recurrent_activation is keras.activations.sigmoid
            and cell.use_bias
            and getattr(cell, "reset_after", True)
            and not (training and (self.dropout or self.recurrent_dropout))
            and not (self.go_backwards or self.unroll)
            and self.compute_dtype == "float32"
        )
