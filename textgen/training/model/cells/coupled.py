"""Long short-term memory with coupled gates."""

from __future__ import annotations

from inspect import signature
from typing import Any

from textgen.training.backend.loaded import keras
from textgen.training.model.cells.lstm import LSTMEquations
from textgen.training.model.recurrent import CarriedState, WholeSequence

ops = keras.ops


@keras.saving.register_keras_serializable("textgen")
class CoupledLSTMCell(keras.layers.LSTMCell):
    """An LSTM cell whose input gate is 1 - forget gate (Greff et al. 2017, "CIFG").

    Gates f, g, o, which Keras calls f, c, o: c' = f c + (1 - f) g and h' = o tanh(c').
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create weights with three blocks of columns; the bias of f begins at 1."""
        for name, rows in (("kernel", input_shape[-1]), ("recurrent_kernel", self.units)):
            kind = name.removesuffix("_kernel")
            weight = self.add_weight(
                shape=(rows, 3 * self.units),
                name=name,
                initializer=getattr(self, f"{kind}_initializer"),
                regularizer=getattr(self, f"{kind}_regularizer"),
                constraint=getattr(self, f"{kind}_constraint"),
            )
            setattr(self, name, weight)
        self.bias = self._bias() if self.use_bias else None

    def _bias(self) -> Any:
        def first(shape: Any, *args: Any, **options: Any) -> Any:
            bias = self.bias_initializer(shape, *args, **options)
            is_forget = ops.arange(shape[0]) < self.units * self.unit_forget_bias
            return ops.where(is_forget, ops.ones_like(bias), bias)

        return self.add_weight(
            shape=(3 * self.units,),
            name="bias",
            initializer=first,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
        )

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        """One time step; returns the output and the next `[h, c]`."""
        h, c = states
        if training and self.dropout:
            inputs = inputs * _first(self.get_dropout_mask(inputs))
        if training and self.recurrent_dropout:
            h = h * _first(self.get_recurrent_dropout_mask(h))
        gates = ops.matmul(inputs, self.kernel) + ops.matmul(h, self.recurrent_kernel)
        if self.bias is not None:
            gates = gates + self.bias
        f, g, o = ops.split(gates, 3, axis=-1)
        f, o = self.recurrent_activation(f), self.recurrent_activation(o)
        c = f * c + (1 - f) * self.activation(g)
        h = o * self.activation(c)
        return h, [h, c]


def _first(masks: Any) -> Any:
    """One mask for all gates; with recurrent dropout, Keras' cell makes one for each."""
    return masks[0] if isinstance(masks, list) else masks


_ARGUMENTS = [n for n in signature(keras.layers.LSTMCell).parameters if n != "kwargs"]


class _WithCoupledCell(keras.layers.RNN):
    """Stands behind `keras.layers.LSTM` and replaces the cell that it makes."""

    def __init__(self, cell: Any, **options: Any) -> None:
        # Not by `get_config`, for which Keras loads TensorFlow whatever the backend is.
        given = {name: getattr(cell, name) for name in _ARGUMENTS}
        coupled = CoupledLSTMCell(
            **given, dtype=cell.dtype_policy, trainable=cell.trainable, name=cell.name
        )
        super().__init__(coupled, **options)


@keras.saving.register_keras_serializable("textgen")
class CoupledLSTM(WholeSequence, CarriedState, keras.layers.LSTM, _WithCoupledCell):
    """A coupled LSTM with the arguments of `keras.layers.LSTM`.

    As 1 - sigmoid(z) = sigmoid(-z), it is an LSTM whose input gate has the negated weights
    of the forget gate. So the kernels of the LSTM compute it.
    """

    step_equations = LSTMEquations()

    def __init__(self, *args: Any, **options: Any) -> None:
        # Keras would pass the three blocks to cuDNN as they are.
        super().__init__(*args, **{**options, "use_cudnn": False})

    def kernel_weight(self, weight: Any) -> Any:
        """The four blocks that an LSTM has, from the three of the cell."""
        f, g, o = ops.split(super().kernel_weight(weight), 3, axis=-1)
        return ops.concatenate([-f, f, g, o], axis=-1)
