"""Recurrent layers, whatever their cell."""

from __future__ import annotations

from typing import Any

from textgen.model import layers
from textgen.training.backend.floats import DTYPE
from textgen.training.backend.loaded import keras
from textgen.training.model.cells.coupled import CoupledLSTM
from textgen.training.model.cells.gru import GRU
from textgen.training.model.cells.lstm import LSTM
from textgen.training.model.cells.rnn import SimpleRNN
from textgen.training.model.layers.base import Building

CELLS: dict[str, Any] = {
    "lstm": LSTM,
    "gru": GRU,
    "rnn": SimpleRNN,
    "coupled": CoupledLSTM,
}
"""The Keras layer of every cell of `textgen.model.cells`."""


def recurrent(layer: layers.Recurrent, x: Any, building: Building) -> Any:
    """Run the cell over the sequence."""
    # Only the kernels of this package round the factors of products.
    rounded = {"product_dtype": building.compute_dtype} if layer.has_kernel else {}
    return CELLS[layer.cell](
        layer.units,
        return_sequences=True,
        stateful=building.stateful,
        kernel_initializer=building.glorot(),
        recurrent_initializer=keras.initializers.Orthogonal(seed=next(building.seeds)),
        recurrent_dropout=layer.dropout,
        weight_drop=layer.weight_drop,
        seed=next(building.seeds),
        kernel_regularizer=building.penalty(),
        recurrent_regularizer=building.penalty(),
        name=layer.name,
        dtype=DTYPE,
        **rounded,
    )(x)
