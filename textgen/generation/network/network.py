"""The forward pass in NumPy: from one character to the logits of the next.

The equations of every layer are in `layers` and `cells`. Four things make them fast:

* A table look-up replaces the first layer's product with its input (`LookedUp`).
* One `tanh` serves all gates of a cell at once (`CellWeights`).
* Each step works in place, in buffers that are allocated once; at batch size 1 they are
  plain vectors.
* A layer's input and its last output are adjacent in memory, as are the matrices they are
  multiplied by, so that one product replaces two (`JoinedCell`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from textgen.config.arguments import check_instance, described
from textgen.config.model import ModelConfig
from textgen.errors import ConfigError
from textgen.generation.network.layers.base import (
    BoundLayer,
    Floats,
    Ids,
    Layer,
    Outputs,
    Recorded,
    State,
    Weights,
)
from textgen.generation.network.layers.kinds import make_layers
from textgen.memory import check_fits, memory_errors
from textgen.model.architecture import layers
from textgen.wording import count_of

CHUNK_CHARS = 512
"""Characters that `Network.read_chunks` passes through a layer at once."""

LARGE_STATE = 2**26
"""Bytes above which the limit of memory is looked up, which takes half a millisecond."""

LESS_STATE = "Ask for fewer at once, or use a model with a smaller `attention`."


class Network:
    """A trained network, ready to predict.

    The state is a value: a method returns a new one and leaves the old one as it is, so
    several continuations can start from it. Several threads may use one network; it can
    be copied, and pickled for another process.

    Args:
        config: the architecture.
        weights: float32 arrays with the names and shapes of
            `config.weight_shapes()`.
        copy: whether to copy the arrays. Without a copy they are scaled in place; if a
            layer's two kernels are adjacent in memory, as `load_checkpoint` reads them,
            nothing is held twice.

    Raises:
        ConfigError: a weight is missing, or has another shape or type.

    >>> config = ModelConfig(vocab_size=4, num_layers=1, units=2, embedding_dim=3)
    >>> shapes = config.weight_shapes().items()
    >>> network = Network(config, {k: np.zeros(s, np.float32) for k, s in shapes})
    >>> network.initial_state(batch_size=5).shape
    (5, 4)
    >>> logits, state = network.step([3], network.initial_state())
    >>> logits
    array([[0., 0., 0., 0.]], dtype=float32)
    >>> chunks = network.read_chunks([0, 1] * 300, network.initial_state())
    >>> [len(logits) for logits, state in chunks]
    [512, 88]
    """

    def __init__(self, config: ModelConfig, weights: Weights, *, copy: bool = True) -> None:
        _check_weights(config, weights)
        self.config = config
        if copy:
            weights = {name: array.copy() for name, array in weights.items()}
        self._layers = make_layers(layers(config), weights)
        self._state_size = sum(layer.state_size for layer, _ in self._layers)
        # NumPy lets other threads run during a product: each has its own buffers.
        self._buffers = threading.local()

    def __getstate__(self) -> dict[str, Any]:
        """What is copied and pickled: everything but the buffers of this process."""
        return {k: v for k, v in self.__dict__.items() if k != "_buffers"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._buffers = threading.local()

    def initial_state(self, batch_size: int = 1) -> State:
        """The state before the first character: zeros."""
        return np.zeros((batch_size, self._state_size), np.float32)

    def step(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """Read one character in each row of a batch.

        Args:
            ids: `(batch,)` integers below `vocab_size`.
            state: `(batch, state_size)`; left as it is.

        Returns:
            Logits `(batch, vocab_size)` of the next character, and the new state.

        Raises:
            ValueError: the state is for another batch size.
        """
        batch_size = len(ids)
        work = self._workspace(state, batch_size)
        x: Any = ids[0] if batch_size == 1 else np.asarray(ids)
        for step, names in work.steps:
            x = step(x)
            for name in names:
                work.outputs[name] = x
        return (x[np.newaxis] if batch_size == 1 else x), work.state()

    def read_chunks(
        self, ids: Ids, state: State, recorded: Recorded | None = None
    ) -> Iterator[tuple[Floats, State]]:
        """Read one text of any length in bounded memory, much faster than with `step`.

        Args:
            ids: `(time,)` integers below `vocab_size`.
            state: `(1, state_size)`; left as it is.
            recorded: gets the gates and states of each chunk by the names of weights, for
                example `layers.0.forget` and `layers.0.c`, and the outputs of
                convolution and attention. Row t is what reading `ids[t]` led to.

        Yields:
            For at most `CHUNK_CHARS` characters at a time: logits `(time, vocab_size)`,
            of which row t predicts the character after `ids[t]`, and the state after the
            last character.

        Raises:
            ValueError: the state is for a batch size other than 1.
        """
        ids = np.asarray(ids)
        for start in range(0, len(ids), CHUNK_CHARS):
            work = self._workspace(state, batch_size=1)
            x: Any = ids[start : start + CHUNK_CHARS]
            for layer, names in work.layers:
                if recorded is None or layer.trace is None:
                    x = layer.read(x)
                else:
                    x = layer.trace(x, recorded)
                work.outputs.update(dict.fromkeys(names, x))
            state = work.state()
            yield x, state

    def _workspace(self, state: State, batch_size: int) -> _Workspace:
        """This thread's buffers, with `state` in them."""
        work: _Workspace | None = getattr(self._buffers, "work", None)
        if work is None or work.batch_size != batch_size:
            texts = f"{count_of(batch_size, 'text')} at once"
            # The buffers, and the state that is returned.
            needed = 2 * batch_size * self._state_size * np.float32().nbytes
            if needed > LARGE_STATE:
                check_fits(needed, f"{texts} take", LESS_STATE)
            with memory_errors(f"to write or read {texts}", "Ask for fewer at once."):
                work = _Workspace(self._layers, batch_size)
            self._buffers.work = work
        # Assigning would silently spread one row over a whole batch.
        expected = batch_size, self._state_size
        if state.shape != expected:
            raise ValueError(
                f"a state of shape {state.shape} does not fit, {expected} was "
                f"expected. Start from initial_state(batch_size={batch_size})."
            )
        work.load(state)
        return work


def _check_weights(config: ModelConfig, weights: Weights) -> None:
    check_instance("weights", weights, Mapping)
    for name, shape in config.weight_shapes().items():
        found = weights.get(name)
        if not isinstance(found, np.ndarray) or _form(found) != (shape, np.float32):
            raise ConfigError(
                f"weights[{name!r}] must be an array of float32 with shape {shape}, not "
                f"{described(found)}. Use the weights of this configuration."
            )


def _form(array: Floats) -> tuple[Any, Any]:
    return array.shape, array.dtype


class _Workspace:
    """The buffers of one thread for one batch size."""

    def __init__(self, layers: Sequence[tuple[Layer, list[str]]], batch_size: int) -> None:
        self.batch_size = batch_size
        self.outputs: Outputs = {}
        # Views of the states of all layers that carry one.
        self._states: list[Floats] = []
        self._places: list[slice] = []
        self._current: State | None = None
        self.layers = [(self._bound(layer), names) for layer, names in layers]
        self.steps = [(layer.step, names) for layer, names in self.layers]

    def _bound(self, layer: Layer) -> BoundLayer:
        memory = np.zeros((self.batch_size, layer.room + layer.state_size), np.float32)
        if layer.state_size:
            start = self._places[-1].stop if self._places else 0
            self._places.append(slice(start, start + layer.state_size))
            self._states.append(memory[:, layer.room :])
        # Products of plain vectors cost less than those of matrices with one row.
        return layer.bind(memory[0] if self.batch_size == 1 else memory, self.outputs)

    def load(self, state: State) -> None:
        """Give every layer its part of a state."""
        # Usually a step continues from the last one, whose state is here already.
        is_here, self._current = state is self._current, None
        if is_here:
            return
        for own, place in zip(self._states, self._places, strict=True):
            own[...] = state[:, place]

    def state(self) -> State:
        """A copy of the layers' current state."""
        self._current = np.concatenate(self._states, axis=1)
        # If it could change, it would not be known whether it is still here.
        self._current.flags.writeable = False
        return self._current
