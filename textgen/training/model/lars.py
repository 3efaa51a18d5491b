"""LARS, an optimizer for large batches, which Keras does not have."""

from __future__ import annotations

from typing import Any

from textgen.training.backend.loaded import keras

ops = keras.ops


@keras.saving.register_keras_serializable("textgen")
class LARS(keras.optimizers.Optimizer):
    """Layer-wise adaptive rate scaling (You, Gitman & Ginsburg 2017).

    For a matrix w and its gradient g, whatever the scale of g:

        local <- trust * |w| / (|g| + decay * |w|)
        m <- momentum * m + rate * local * (g + decay * w)
        w <- w - m

    A step thus moves every matrix by the same share of its norm. What is excluded from
    weight decay, such as biases and norms, has `local = 1` and no decay.

    Args:
        learning_rate: the global rate. The share of a step is `trust_coefficient` times
            this; with momentum, many steps in one direction move 1 / (1 - momentum) times
            as far.
        **options: as for every optimizer of Keras.

    >>> import numpy as np
    >>> weights = keras.Variable(np.full((2, 2), 3.0, "float32"))
    >>> optimizer = LARS(learning_rate=10.0, trust_coefficient=0.01)
    >>> optimizer.build([weights])
    >>> optimizer.apply([ops.ones((2, 2))])
    >>> print(ops.convert_to_numpy(weights))
    [[2.7 2.7]
     [2.7 2.7]]
    """

    def __init__(
        self,
        learning_rate: float,
        momentum: float = 0.9,
        trust_coefficient: float = 0.001,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **options)
        self.momentum = momentum
        self.trust_coefficient = trust_coefficient

    def build(self, variables: list[Any]) -> None:
        """Make a momentum of zeros for each variable."""
        if not self.built:
            super().build(variables)
            self._momentums = self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable and its momentum."""
        gradient = ops.cast(gradient, variable.dtype)
        rate = ops.cast(learning_rate, variable.dtype)
        if self._use_weight_decay(variable):
            decay = self.weight_decay or 0.0
            # Not `*=`: on PyTorch, that would change the rate of the next variable, too.
            rate = rate * self._local_rate(variable, gradient, decay)
            gradient = gradient + decay * variable
        momentum = self._momentums[self._get_variable_index(variable)]
        self.assign(momentum, self.momentum * momentum + rate * gradient)
        self.assign_sub(variable, momentum)

    def _local_rate(self, variable: Any, gradient: Any, decay: float) -> Any:
        """1 where one of the norms is 0: weights of zeros could never move."""
        norm = ops.norm(ops.reshape(variable, (-1,)))
        steepness = ops.norm(ops.reshape(gradient, (-1,)))
        is_scaled = ops.logical_and(norm > 0, steepness > 0)
        total = ops.where(is_scaled, steepness + decay * norm, 1.0)
        return ops.where(is_scaled, self.trust_coefficient * norm / total, 1.0)

    def _apply_weight_decay(self, variables: list[Any]) -> None:
        """Nothing: here decay is part of the gradient, and of the local rate."""

    def get_config(self) -> dict[str, Any]:
        """The arguments to construct an equal optimizer."""
        own = {"momentum": self.momentum, "trust_coefficient": self.trust_coefficient}
        return {**super().get_config(), **own}
