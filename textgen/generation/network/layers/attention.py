"""Attention over what a layer put out for the last characters."""

from __future__ import annotations

import math

import numpy as np

from textgen.generation.network.layers.base import (
    BoundLayer,
    Floats,
    Outputs,
    Weights,
    traced_output,
)
from textgen.model import layers


class Attention:
    """Causal attention with one head, added to its input (Merity 2019, "SHA-RNN").

    q = (x Q + b) / sqrt(units)
    y = x + (sum over the last inputs m of softmax(q m) m) V

    The memory is a ring: the present input replaces the oldest one, so neither memory nor
    time grows with the text. The order of the inputs does not matter to the sum.
    """

    room = 0

    def __init__(self, layer: layers.Attention, weights: Weights) -> None:
        own = layer.own(weights)
        self.query, self.bias = own["query_kernel"], own["query_bias"]
        for each in (self.query, self.bias):
            each /= math.sqrt(layer.units)
        self.value = own["value_kernel"]
        self.size, self.state_size = layer.size, layer.state_size
        self.name = layer.weight_name("output")

    def bind(self, memory: Floats, outputs: Outputs) -> BoundLayer:
        """Use `memory` as the ring, followed by the count of inputs."""
        ring = memory[..., :-1].reshape(*memory.shape[:-1], self.size, -1)
        count = memory[..., -1:]
        step = self._step_one if ring.ndim == 2 else self._step_rows

        def read(x: Floats) -> Floats:
            return self._read(ring, count, x)

        trace = traced_output(self.name, read)
        return BoundLayer(step=lambda x: step(ring, count, x), read=read, trace=trace)

    def _step_one(self, ring: Floats, count: Floats, x: Floats) -> Floats:
        """One character of one text: `(units,)`."""
        ring[int(count[0]) % self.size] = x
        self._add(count, 1)
        seen = ring[: int(count[0])]
        shares = softmax(seen.dot(self._queries(x)))
        return x + shares.dot(seen).dot(self.value)

    def _step_rows(self, ring: Floats, count: Floats, x: Floats) -> Floats:
        """One character of each text: `(batch, units)`."""
        ring[np.arange(len(x)), count[:, 0].astype(int) % self.size] = x
        self._add(count, 1)
        scores = np.matmul(ring, self._queries(x)[:, :, np.newaxis])[:, :, 0]
        scores[np.arange(self.size) >= count] = -np.inf
        means = np.matmul(softmax(scores)[:, np.newaxis], ring)[:, 0]
        return x + means.dot(self.value)

    def _read(self, ring: Floats, count: Floats, x: Floats) -> Floats:
        """Many characters of one text: `(time, units)`."""
        done, time = int(count[0]), np.arange(len(x))
        before = min(done, self.size)
        # From the oldest to the newest.
        seen = np.concatenate([ring[np.arange(done - before, done) % self.size], x])
        scores = self._queries(x).dot(seen.T)
        age = before + time[:, np.newaxis] - np.arange(len(seen))
        scores[(age < 0) | (age >= self.size)] = -np.inf
        ring[(done + time[-self.size :]) % self.size] = x[-self.size :]
        self._add(count, len(x))
        return x + softmax(scores).dot(seen).dot(self.value)

    def _queries(self, x: Floats) -> Floats:
        queries: Floats = x.dot(self.query)
        queries += self.bias
        return queries

    def _add(self, count: Floats, number: int) -> None:
        """Count inputs; full rounds of the ring are left out, so that it stays exact."""
        count += number
        count -= np.maximum(count // self.size - 1, 0) * self.size


def softmax(scores: Floats) -> Floats:
    """Shares of 1 along the last axis; changes `scores`."""
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores
