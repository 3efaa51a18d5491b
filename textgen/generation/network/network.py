"""The forward pass in NumPy: one character in, the chances of the next one out.

Here the equations of every cell stand in plain sight. Four things make them
fast without hiding them:

* A character selects a row of `embedding @ kernel + bias`, so the first layer's
  input product is a table look-up.
* `sigmoid(a) = tanh(a / 2) / 2 + 1 / 2`: the inner half is folded into the weights
  of the sigmoid gates, and one `tanh` then serves all gates at once.
* Each step works in place, in buffers that are made once; at batch size 1 they are
  plain vectors.
* A layer's input and its own last output lie side by side, as do the matrices they are
  multiplied by, so that one product takes the place of two.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from textgen.config.model import GATES, ModelConfig

Floats: TypeAlias = NDArray[np.float32]
Ids: TypeAlias = Sequence[int] | NDArray[Any]
State: TypeAlias = Floats
"""What a network remembers: `(num_layers, vectors, batch, units)`.

A GRU and an RNN have one vector per layer, their output h; an LSTM has two, h and c.
"""

CHUNK_CHARS = 512
"""Characters that `Network.read` takes through a layer at once."""

MAX_TABLE_BYTES = 32 * 2**20
"""Size up to which the first layer's input products are computed in advance."""

NORM_EPSILON = 1e-3
"""Keras' default; keeps layer normalisation finite when all units agree."""

LINEAR_GATES = ("cell", "candidate", "hidden")
"""Gates that pass through tanh; all others pass through the sigmoid."""


class Network:
    """A trained stack of recurrent layers, ready to predict.

    The state is a value: a method reads the one it is given and returns a new one.
    The old one stays valid, so several continuations can start from it. Several
    threads may use one network.

    Args:
        config: the architecture.
        weights: float32 arrays with the names and shapes of
            `config.weight_shapes()`.
        copy: whether the arrays stay as they are. Without a copy they are scaled in
            place, and if a layer's two kernels lie side by side in memory, as
            `load_checkpoint` reads them, nothing is held twice.

    >>> config = ModelConfig(vocab_size=4, num_layers=1, units=2, embedding_dim=3)
    >>> shapes = config.weight_shapes().items()
    >>> network = Network(config, {k: np.zeros(s, np.float32) for k, s in shapes})
    >>> logits, state = network.step([3], network.initial_state())
    >>> logits
    array([[0., 0., 0., 0.]], dtype=float32)
    """

    def __init__(
        self, config: ModelConfig, weights: Mapping[str, Floats], *, copy: bool = True
    ) -> None:
        self.config = config
        self._embedding = weights["embedding"]
        self._layers = [
            _Layer(config, weights, number, copy=copy)
            for number in range(config.num_layers)
        ]
        self._projection = weights.get("projection.kernel")
        tied = config.tie_embeddings
        self._output_kernel = self._embedding.T if tied else weights["output.kernel"]
        self._output_bias = weights["output.bias"]
        self._table = self._make_table()
        # NumPy lets other threads run during a product: each has its own buffers.
        self._buffers = threading.local()

    def initial_state(self, batch_size: int = 1) -> State:
        """The state of a network that has read nothing: zeros.

        >>> config = ModelConfig(vocab_size=4, num_layers=1, units=2, embedding_dim=3)
        >>> shapes = config.weight_shapes().items()
        >>> network = Network(config, {k: np.zeros(s, np.float32) for k, s in shapes})
        >>> network.initial_state(batch_size=5).shape
        (1, 2, 5, 2)
        """
        vectors = CELLS[self.config.cell].num_vectors
        shape = (self.config.num_layers, vectors, batch_size, self.config.units)
        return np.zeros(shape, np.float32)

    def step(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """Read one character in each row of a batch.

        Args:
            ids: `(batch,)` integers below `vocab_size`.
            state: `(num_layers, vectors, batch, units)`; left as it is.

        Returns:
            Logits `(batch, vocab_size)` of the next character, and the new state.

        Raises:
            ValueError: the state is for another batch size.

        >>> config = ModelConfig(vocab_size=4, num_layers=1, units=2, embedding_dim=3)
        >>> shapes = config.weight_shapes().items()
        >>> network = Network(config, {k: np.ones(s, np.float32) for k, s in shapes})
        >>> logits, state = network.step([0, 1, 2], network.initial_state(3))
        >>> logits.shape, state.shape
        ((3, 4), (1, 2, 3, 2))
        """
        batch_size = len(ids)
        work = self._work_on(state, batch_size)
        one = batch_size == 1
        x = self._embedding[ids[0]] if one else self._embedding.take(ids, axis=0)
        projected = self._project_first(ids[0] if one else np.asarray(ids), x)
        for layer, cell in zip(self._layers, work.cells, strict=True):
            y = cell.step_from(x) if layer.number else cell.step(projected)
            x = layer.finish(x, y)
        logits = self._predict(x)
        return (logits[np.newaxis] if one else logits), work.state()

    def read(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """Read one text, much faster than with as many calls of `step`.

        Args:
            ids: `(time,)` integers below `vocab_size`.
            state: `(num_layers, vectors, 1, units)`; left as it is.

        Returns:
            Logits `(time, vocab_size)`; row t predicts what follows `ids[t]`. And
            the state after the last character.

        Raises:
            ValueError: the state is for a batch size other than 1.

        >>> config = ModelConfig(vocab_size=4, num_layers=1, units=2, embedding_dim=3)
        >>> shapes = config.weight_shapes().items()
        >>> network = Network(config, {k: np.ones(s, np.float32) for k, s in shapes})
        >>> logits, state = network.read([0, 1, 2], network.initial_state())
        >>> logits.shape, state.shape
        ((3, 4), (1, 2, 1, 2))
        """
        parts = [np.empty((0, self.config.vocab_size), np.float32)]
        for logits, after in self.read_chunks(ids, state):
            parts.append(logits)
            state = after
        return np.concatenate(parts), state.copy()

    def read_chunks(self, ids: Ids, state: State) -> Iterator[tuple[Floats, State]]:
        """Read one text of any length in bounded memory.

        Yields what `read` returns, for at most `CHUNK_CHARS` characters at a time.

        >>> config = ModelConfig(vocab_size=4, num_layers=1, units=2, embedding_dim=3)
        >>> shapes = config.weight_shapes().items()
        >>> network = Network(config, {k: np.ones(s, np.float32) for k, s in shapes})
        >>> chunks = network.read_chunks([0, 1] * 300, network.initial_state())
        >>> [len(logits) for logits, state in chunks]
        [512, 88]
        """
        ids = np.asarray(ids)
        for start in range(0, len(ids), CHUNK_CHARS):
            logits, state = self._read_chunk(ids[start : start + CHUNK_CHARS], state)
            yield logits, state

    def _read_chunk(self, ids: NDArray[Any], state: State) -> tuple[Floats, State]:
        work = self._work_on(state, batch_size=1)
        x = self._embedding[ids]
        projected = self._project_first(ids, x)
        for layer, cell in zip(self._layers, work.cells, strict=True):
            if layer.number:
                projected = layer.project(x)
            outputs = np.empty((len(ids), self.config.units), np.float32)
            for time, row in enumerate(projected):
                outputs[time] = cell.step(row)
            x = layer.finish(x, outputs)
        return self._predict(x), work.state()

    def _make_table(self) -> Floats | None:
        gate_width = self.config.num_gates * self.config.units
        # A vocabulary of very many signs would not pay for the memory.
        if 4 * self.config.vocab_size * gate_width > MAX_TABLE_BYTES:
            return None
        return self._layers[0].project(self._embedding)

    def _project_first(self, ids: Any, x: Floats) -> Floats:
        if self._table is None:
            return self._layers[0].project(x)
        projected: Floats = self._table[ids]
        return projected

    def _predict(self, x: Floats) -> Floats:
        if self._projection is not None:
            x = x.dot(self._projection)
        logits: Floats = x.dot(self._output_kernel)
        logits += self._output_bias
        return logits

    def _work_on(self, state: State, batch_size: int) -> _Workspace:
        work: _Workspace | None = getattr(self._buffers, "work", None)
        if work is None or work.vectors.shape[2] != batch_size:
            work = _Workspace(self._layers, self.initial_state(batch_size).shape)
            self._buffers.work = work
        # copyto would silently spread one row over a whole batch.
        if state.shape != work.vectors.shape:
            raise ValueError(
                f"a state of shape {state.shape} does not fit, {work.vectors.shape} was "
                f"expected. Start from initial_state(batch_size={batch_size})."
            )
        np.copyto(work.vectors, state)
        return work


class _Layer:
    """One layer's weights, and all it computes that is not recurrent."""

    def __init__(
        self,
        config: ModelConfig,
        weights: Mapping[str, Floats],
        number: int,
        *,
        copy: bool,
    ) -> None:
        name = f"layers.{number}"
        self.halves = halves = _halves(config)
        self.number = number
        self.cell = config.cell

        def halved(weight: Floats) -> Floats:
            return np.multiply(weight, halves, out=None if copy else weight)

        kernels = (weights[f"{name}.kernel"], weights[f"{name}.recurrent_kernel"])
        self.both_kernels = halved(_stacked(*kernels))
        # Views: nothing is held twice.
        self.kernel, self.recurrent_kernel = np.split(self.both_kernels, [len(kernels[0])])
        # A GRU has a second bias, which its cell adds.
        biases = np.atleast_2d(halved(weights[f"{name}.bias"]))
        self.bias, self.recurrent_bias = biases[0], biases[-1]
        self.norm_scale = weights.get(f"{name}.norm_scale")
        self.norm_offset = weights.get(f"{name}.norm_offset")
        self.is_residual = config.is_residual(number)
        self.average = np.full((config.units, 1), 1 / config.units, np.float32)

    def project(self, x: Floats) -> Floats:
        """The gates' share of the input: `(..., inputs)` to `(..., gates * units)`."""
        projected: Floats = x.dot(self.kernel)
        projected += self.bias
        return projected

    def finish(self, x: Floats, y: Floats) -> Floats:
        """From the cell's output `y` to the layer's: `(..., units)`."""
        if self.norm_scale is not None and self.norm_offset is not None:
            y = _normalize(y, self.average)
            y *= self.norm_scale
            y += self.norm_offset
        return x + y if self.is_residual else y


def _normalize(y: Floats, average: Floats) -> Floats:
    """Layer normalisation (Ba, Kiros & Hinton 2016), before scale and offset.

    (y - mean(y)) / sqrt(var(y) + epsilon)     over the units of `(..., units)`
    """
    # A product with a column of 1/units is the mean, and faster than `mean`.
    centred: Floats = y - y.dot(average)
    variance = np.square(centred).dot(average)
    centred /= np.sqrt(variance + NORM_EPSILON)
    return centred


def _stacked(kernel: Floats, recurrent_kernel: Floats) -> Floats:
    """`(inputs + units, gates * units)`, without a copy where they lie so already."""
    whole, rows = kernel.base, len(kernel)
    if whole is not None and whole is recurrent_kernel.base:
        upper, lower = whole[:rows], whole[rows:]
        if _are_same(kernel, upper) and _are_same(recurrent_kernel, lower):
            return whole
    return np.concatenate([kernel, recurrent_kernel])


def _are_same(one: Floats, other: Floats) -> bool:
    """Whether two arrays are the same numbers in the same memory."""
    return one.__array_interface__ == other.__array_interface__


def _halves(config: ModelConfig) -> Floats:
    """`(gates * units,)`: 1/2 where a sigmoid follows, 1 where a tanh follows."""
    gates = [1.0 if gate in LINEAR_GATES else 0.5 for gate in GATES[config.cell]]
    return np.repeat(np.array(gates, np.float32), config.units)


class _Cell(Protocol):
    """A recurrent cell at work on its layer's part of a workspace."""

    num_vectors: int

    def __init__(self, layer: _Layer, memory: Floats) -> None:
        """`memory` is `(..., 1 + num_vectors, units)`: input, h and what else there is."""

    def step(self, projected: Floats) -> Floats:
        """Move `memory` on by one character; the result is a view of it."""

    def step_from(self, x: Floats) -> Floats:
        """The same from an input as wide as the layer, before its projection."""


class _LSTM:
    """Long short-term memory (Hochreiter & Schmidhuber 1997; f: Gers et al. 2000).

    i, f, o = sigmoid(x K + h R + b)      each with its own block of K, R and b
    g = tanh(x K + h R + b)
    c <- f * c + i * g
    h <- o * tanh(c)
    """

    num_vectors = 2

    def __init__(self, layer: _Layer, memory: Floats) -> None:
        self.x, h, c = np.moveaxis(memory, -2, 0)
        self.joined = _joined(memory)
        self.both_kernels, self.bias = layer.both_kernels, layer.bias
        gates = np.empty((*h.shape[:-1], 4 * h.shape[-1]), np.float32)
        i, f, g, o = np.split(gates, 4, axis=-1)
        # Spread to full size: NumPy adds equal shapes fastest.
        scale = np.broadcast_to(layer.halves, gates.shape).copy()
        self.recurrent_kernel, self.h, self.gates = layer.recurrent_kernel, h, gates
        self.kept: tuple[Floats, ...] = (h, c, gates, i, f, g, o, scale, 1 - scale)

    def step(self, projected: Floats) -> Floats:
        self.h.dot(self.recurrent_kernel, self.gates)
        return self._finish(projected)

    def step_from(self, x: Floats) -> Floats:
        self.x[...] = x
        self.joined.dot(self.both_kernels, self.gates)
        return self._finish(self.bias)

    def _finish(self, rest: Floats) -> Floats:
        h, c, gates, i, f, g, o, scale, shift = self.kept
        gates += rest
        np.tanh(gates, gates)
        gates *= scale
        gates += shift
        c *= f
        g *= i
        c += g
        np.tanh(c, h)
        h *= o
        return h


class _GRU:
    """Gated recurrent unit (Cho et al. 2014), the reset gate after the product.

    This is the form that cuDNN and Keras compute; it needs a second bias d.

    z, r = sigmoid(x K + b + h R + d)     each with its own block of K, R, b and d
    g = tanh(x K + b + r * (h R + d))
    h <- z * h + (1 - z) * g
    """

    num_vectors = 1

    def __init__(self, layer: _Layer, memory: Floats) -> None:
        _, h = np.moveaxis(memory, -2, 0)
        self.project = layer.project
        self.two = 2 * h.shape[-1]
        recurrent = np.empty((*h.shape[:-1], 3 * h.shape[-1]), np.float32)
        zr, g = recurrent[..., : self.two], recurrent[..., self.two :]
        z, r = np.split(zr, 2, axis=-1)
        half = np.full_like(zr, 0.5)
        kernel, bias = layer.recurrent_kernel, layer.recurrent_bias
        self.kept: tuple[Floats, ...] = (kernel, bias, h, recurrent, zr, z, r, g, half)

    def step(self, projected: Floats) -> Floats:
        recurrent_kernel, bias, h, recurrent, zr, z, r, g, half = self.kept
        h.dot(recurrent_kernel, recurrent)
        recurrent += bias
        zr += projected[..., : self.two]
        np.tanh(zr, zr)
        zr *= half
        zr += half
        g *= r
        g += projected[..., self.two :]
        np.tanh(g, g)
        # z * h + (1 - z) * g, with one product less.
        h -= g
        h *= z
        h += g
        return h

    def step_from(self, x: Floats) -> Floats:
        # The reset gate stands between the two products, so they stay apart.
        return self.step(self.project(x))


class _RNN:
    """The simple recurrent network (Elman 1990).

    h <- tanh(x K + h R + b)
    """

    num_vectors = 1

    def __init__(self, layer: _Layer, memory: Floats) -> None:
        self.x, self.h = np.moveaxis(memory, -2, 0)
        self.joined = _joined(memory)
        self.sums = np.empty_like(self.h)
        self.layer = layer

    def step(self, projected: Floats) -> Floats:
        self.h.dot(self.layer.recurrent_kernel, self.sums)
        return self._finish(projected)

    def step_from(self, x: Floats) -> Floats:
        self.x[...] = x
        self.joined.dot(self.layer.both_kernels, self.sums)
        return self._finish(self.layer.bias)

    def _finish(self, rest: Floats) -> Floats:
        self.sums += rest
        return np.tanh(self.sums, self.h)


CELLS: dict[str, type[_Cell]] = {"lstm": _LSTM, "gru": _GRU, "rnn": _RNN}


def _joined(memory: Floats) -> Floats:
    """A layer's input and its h as one: a view `(..., 2 * units)` of its memory."""
    joined: Floats = memory[..., :2, :].reshape(*memory.shape[:-2], -1)
    return joined


class _Workspace:
    """The buffers of one thread for one batch size.

    Args:
        shape: of the state, `(num_layers, vectors, batch, units)`.
    """

    def __init__(self, layers: list[_Layer], shape: tuple[int, ...]) -> None:
        num_layers, num_vectors, batch_size, units = shape
        # In front of each layer's vectors lies its input.
        memory = np.zeros((num_layers, batch_size, 1 + num_vectors, units), np.float32)
        # The same in the order of a state.
        self.vectors = np.moveaxis(memory[:, :, 1:], 2, 1)
        # Products of plain vectors cost less than those of matrices with one row.
        parts = memory[:, 0] if batch_size == 1 else memory
        self.cells = [
            CELLS[layer.cell](layer, part)
            for layer, part in zip(layers, parts, strict=True)
        ]

    def state(self) -> State:
        """What the cells remember now, as a value."""
        return self.vectors.copy()
