"""Descriptions of layers: their settings, and the names and shapes of their weights.

A description holds no arrays and computes nothing. Two tables map the classes here to their
implementations: `textgen.training.model.layers.kinds` for Keras and
`textgen.generation.network.layers.kinds` for NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

from textgen.model.cells import CELLS, Cell

Shape = tuple[int, ...]
T = TypeVar("T")


@dataclass(frozen=True)
class Layer:
    """One layer of a network; it reads the output of the layer before it.

    Args:
        name: unique in the network; the name of its Keras layer.
        block: prefix of its weights' names, and its heading in `textgen info`.
        sources: names of earlier layers whose outputs it reads as well.
    """

    name: str
    block: str
    sources: tuple[str, ...] = field(default=(), kw_only=True)

    stacked: ClassVar[tuple[str, ...]] = ()
    """Weights to store in one array, one below the other: one product serves both."""

    @property
    def shapes(self) -> dict[str, Shape]:
        """Shape of each weight by its name without the block, in storage order."""
        return {}

    @property
    def parts(self) -> dict[str, Shape]:
        """The weights as `textgen info` lists them."""
        return self.shapes

    @property
    def states(self) -> dict[str, Shape]:
        """Shape of each array that it carries from character to character, for one text."""
        return {}

    @property
    def state_size(self) -> int:
        """Numbers that it carries from character to character, for one text."""
        return sum(map(math.prod, self.states.values()))

    @property
    def num_products(self) -> int:
        """Multiplications in the matrix products of one character, while training."""
        return 0

    @property
    def num_kept(self) -> int:
        """Numbers that training keeps of one character for the gradients, at least."""
        return 0

    def weight_name(self, name: str) -> str:
        """The name of a weight in a checkpoint.

        >>> Embedding("embedding", "", 65, 8).weight_name("embedding")
        'embedding'
        >>> Normalization("norm_1", "layers.1", 8).weight_name("norm_scale")
        'layers.1.norm_scale'
        """
        return f"{self.block}.{name}" if self.block else name

    def own(self, weights: Mapping[str, T]) -> dict[str, T]:
        """This layer's share of a network's weights, by their names without the block."""
        return {name: weights[self.weight_name(name)] for name in self.shapes}


@dataclass(frozen=True)
class Embedding(Layer):
    """Ids to vectors: row `id` of a matrix."""

    vocab_size: int
    width: int

    @property
    def shapes(self) -> dict[str, Shape]:
        """One row for each id."""
        return {"embedding": (self.vocab_size, self.width)}


@dataclass(frozen=True)
class Convolution(Layer):
    """A causal convolution over the last `size` characters, added to its input.

    Args:
        width: of the input and the output.
        size: characters that one output sees, the present one included.
    """

    width: int
    size: int

    @property
    def shapes(self) -> dict[str, Shape]:
        """One matrix; its blocks of rows are for the present input, the one before, ..."""
        return {"kernel": (self.size * self.width, self.width), "bias": (self.width,)}

    @property
    def states(self) -> dict[str, Shape]:
        """The inputs before the present one."""
        return {"inputs": (self.size - 1, self.width)}

    @property
    def num_products(self) -> int:
        """Those with the matrix."""
        return self.size * self.width * self.width

    @property
    def num_kept(self) -> int:
        """The inputs that one output sees."""
        return self.size * self.width


@dataclass(frozen=True)
class Recurrent(Layer):
    """A recurrent cell, read from left to right.

    Args:
        cell: a key of `CELLS`.
        inputs: width of the input.
        units: width of its state and output.
        dropout: share of the state dropped between time steps, in training only.
        weight_drop: share of the matrix for the state set to zero in training.
    """

    cell: str
    inputs: int
    units: int
    dropout: float = 0.0
    weight_drop: float = 0.0

    stacked: ClassVar[tuple[str, ...]] = ("kernel", "recurrent_kernel")

    @property
    def gates(self) -> tuple[str, ...]:
        """Names of the blocks in each weight, left to right."""
        return self._cell.gates

    @property
    def gate_width(self) -> int:
        """Columns of a kernel, which holds all gates."""
        return len(self.gates) * self.units

    @property
    def has_kernel(self) -> bool:
        """Whether this package's kernels can train it on a CPU."""
        return self._cell.kernel is not None and not self.dropout

    @property
    def kernel_width(self) -> int:
        """Columns of each matrix in training, where a kernel may compute more gates."""
        cell = CELLS[self._cell.kernel] if self._cell.kernel else self._cell
        return len(cell.gates) * self.units

    @property
    def shapes(self) -> dict[str, Shape]:
        """A matrix for the input, one for the state, and the bias."""
        rows = (self._cell.num_biases,) if self._cell.num_biases > 1 else ()
        return {
            "kernel": (self.inputs, self.gate_width),
            "recurrent_kernel": (self.units, self.gate_width),
            "bias": (*rows, self.gate_width),
        }

    @property
    def states(self) -> dict[str, Shape]:
        """The vectors of its cell."""
        return dict.fromkeys(self._cell.states, (self.units,))

    @property
    def num_products(self) -> int:
        """Those with the matrices of input and state."""
        return self.kernel_width * (self.inputs + self.units)

    @property
    def num_kept(self) -> int:
        """The gates."""
        return self.kernel_width

    @property
    def parts(self) -> dict[str, Shape]:
        """Each weight gate by gate."""
        return {
            f"{gate}.{name}": (*shape[:-1], self.units)
            for gate in self.gates
            for name, shape in self.shapes.items()
        }

    @property
    def _cell(self) -> Cell:
        return CELLS[self.cell]


@dataclass(frozen=True)
class Attention(Layer):
    """Causal attention with one head over the last `size` inputs, added to the present one.

    After the SHA-RNN (Merity 2019), the inputs themselves are the keys and the values, so
    that one memory serves both. A matrix for the keys would only be a factor of that for
    the queries, and one for the values may as well be applied to their mean.

    Args:
        units: width of the input and the output.
        size: inputs that one output sees, the present one included.
    """

    units: int
    size: int

    @property
    def shapes(self) -> dict[str, Shape]:
        """A matrix and a bias for the query, and a matrix for the mean of the values."""
        square = self.units, self.units
        return {
            "query_kernel": square,
            "query_bias": (self.units,),
            "value_kernel": square,
        }

    @property
    def states(self) -> dict[str, Shape]:
        """The last inputs, and a number that tells how many of them there are."""
        return {"memory": (self.size, self.units), "count": (1,)}

    @property
    def num_products(self) -> int:
        """Those with both matrices, with the keys and with the values."""
        return 2 * self.units * (self.units + self.size)

    @property
    def num_kept(self) -> int:
        """The weights of the mean, and their gradients."""
        return 2 * self.size


@dataclass(frozen=True)
class Normalization(Layer):
    """Layer normalisation (Ba, Kiros & Hinton 2016) over the units.

    Args:
        epsilon: added to the variance; keeps the result finite if all units are equal.
    """

    units: int
    epsilon: float = 1e-3

    @property
    def shapes(self) -> dict[str, Shape]:
        """One scale and one offset for each unit."""
        return {"norm_scale": (self.units,), "norm_offset": (self.units,)}


@dataclass(frozen=True)
class Dropout(Layer):
    """Dropout with one mask for all time steps (Gal & Ghahramani 2016); training only."""

    rate: float


@dataclass(frozen=True)
class Residual(Layer):
    """Add the outputs of `sources`, of the same width, to that of the layer before."""


@dataclass(frozen=True)
class Projection(Layer):
    """A matrix without bias."""

    inputs: int
    outputs: int

    @property
    def shapes(self) -> dict[str, Shape]:
        """The matrix."""
        return {"kernel": (self.inputs, self.outputs)}

    @property
    def num_products(self) -> int:
        """Those with the matrix."""
        return self.inputs * self.outputs


@dataclass(frozen=True)
class Output(Layer):
    """A matrix and a bias, to logits.

    Args:
        tied_to: name of the embedding whose transposed matrix it uses (Press & Wolf
            2017; Inan et al. 2017), or None for a matrix of its own.
    """

    inputs: int
    vocab_size: int
    tied_to: str | None = None

    @property
    def shapes(self) -> dict[str, Shape]:
        """The matrix, unless tied, and the bias."""
        bias: dict[str, Shape] = {"bias": (self.vocab_size,)}
        own: dict[str, Shape] = {"kernel": (self.inputs, self.vocab_size)}
        return bias if self.tied_to else own | bias

    @property
    def num_products(self) -> int:
        """Those with the matrix, its own or not."""
        return self.inputs * self.vocab_size
