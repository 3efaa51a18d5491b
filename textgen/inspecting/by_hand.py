"""One unit at one character through the equations, with its real numbers, in float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textgen.config.model import ModelConfig
from textgen.generation.network.layers.base import Weights
from textgen.generation.scoring.trace import Trace
from textgen.model.architecture import recurrent_layers


@dataclass(frozen=True)
class GateByHand:
    """A gate of one unit.

    Args:
        from_input: the input times its column of the kernel.
        from_state: the last h times its column of the recurrent kernel; in the candidate
            of a GRU with its bias, and times the reset gate.
        bias: what is added to both.
        value: after `function`, "sigmoid" or "tanh".
    """

    gate: str
    from_input: float
    from_state: float
    bias: float
    function: str
    value: float

    @property
    def total(self) -> float:
        """What the function is applied to."""
        return self.from_input + self.from_state + self.bias


@dataclass(frozen=True)
class ByHand:
    """One time step of a unit of the first layer.

    Args:
        before, after: its states before and after the character.
        recorded: its states after the character as the network had them, in float32.
    """

    cell: str
    row: int
    unit: int
    gates: tuple[GateByHand, ...]
    before: Mapping[str, float]
    after: Mapping[str, float]
    recorded: Mapping[str, float]


def by_hand(
    config: ModelConfig, weights: Weights, trace: Trace, row: int, unit: int
) -> ByHand:
    """Follow one unit of the first layer through row `row` of a trace.

    Args:
        weights: as in the checkpoint, not scaled for speed.
        row: at least 1, as the states before it are needed.
        unit: counted from 0.
    """
    layer = recurrent_layers(config)[0]
    own = {name: array.astype(np.float64) for name, array in layer.own(weights).items()}
    x = _input(config, weights, trace, row)
    states = {name: values.astype(np.float64) for name, values in trace.states(0).items()}
    h = states["h"][row - 1]
    before = {name: float(values[row - 1, unit]) for name, values in states.items()}
    biases = np.atleast_2d(own["bias"])
    sums = {}
    for number, gate in enumerate(layer.gates):
        column = number * layer.units + unit
        products = x @ own["kernel"][:, column], h @ own["recurrent_kernel"][:, column]
        sums[gate] = [*map(float, products), *biases[:, column].tolist()]
    gates = _gates(config.cell, sums)
    after = _states(config.cell, {gate.gate: gate.value for gate in gates}, before)
    recorded = {name: float(values[row, unit]) for name, values in states.items()}
    return ByHand(config.cell, row, unit, gates, before, after, recorded)


def _input(
    config: ModelConfig, weights: Weights, trace: Trace, row: int
) -> NDArray[np.float64]:
    """What the first recurrent layer reads."""
    if config.conv:
        return trace.values["convolution.output"][row].astype(np.float64)
    vector: NDArray[np.float64] = weights["embedding"][trace.ids[row]].astype(np.float64)
    return vector


def _gates(cell: str, sums: Mapping[str, list[float]]) -> tuple[GateByHand, ...]:
    found: dict[str, GateByHand] = {}
    for gate, (from_input, from_state, *biases) in sums.items():
        function = "tanh" if gate in ("cell", "candidate", "hidden") else "sigmoid"
        bias = sum(biases)
        if cell == "gru" and gate == "candidate":
            bias, inner = biases
            from_state = found["reset"].value * (from_state + inner)
        total = from_input + from_state + bias
        value = np.tanh(total) if function == "tanh" else np.tanh(total / 2) / 2 + 0.5
        found[gate] = GateByHand(gate, from_input, from_state, bias, function, float(value))
    return tuple(found.values())


def _states(
    cell: str, gates: Mapping[str, float], before: Mapping[str, float]
) -> dict[str, float]:
    """LSTM (Hochreiter & Schmidhuber 1997; Gers et al. 2000), GRU (Cho et al. 2014)."""
    if cell == "rnn":
        return {"h": gates["hidden"]}
    if cell == "gru":
        z = gates["update"]
        return {"h": z * before["h"] + (1 - z) * gates["candidate"]}
    i = gates.get("input", 1 - gates["forget"])
    c = gates["forget"] * before["c"] + i * gates["cell"]
    return {"h": gates["output"] * float(np.tanh(c)), "c": c}
