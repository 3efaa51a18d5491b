"""What the layers of a Keras model share, and what each kind of them provides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from textgen.training.backend.loaded import keras


@dataclass
class Building:
    """What the layers of one model share while it is being built.

    Args:
        seeds: one for each random choice.
        l1: strength of the penalty on matrices; 0 for none.
        stateful: whether recurrent layers carry their state from call to call.
        compute_dtype: see `build_model`.
        outputs: output tensors of the layers so far, by layer name.
        embeddings: Keras layers that an output may be tied to, by layer name.
    """

    seeds: Iterator[int]
    l1: float
    stateful: bool
    compute_dtype: str
    outputs: dict[str, Any] = field(default_factory=dict)
    embeddings: dict[str, Any] = field(default_factory=dict)

    def penalty(self) -> Any:
        """A regularizer for a matrix, or None."""
        return keras.regularizers.L1(self.l1) if self.l1 else None

    def glorot(self) -> Any:
        """Initial values of a matrix (Glorot & Bengio 2010), from the next seed."""
        return keras.initializers.GlorotUniform(next(self.seeds))


class Kind(NamedTuple):
    """How Keras represents a kind of layer.

    Args:
        build: takes a description, the input tensor and the `Building`; returns the output
            tensor. The Keras layer has the description's name.
        variables: for each weight of the description, the attribute of the Keras layer
            that holds it.
    """

    build: Callable[[Any, Any, Building], Any]
    variables: Mapping[str, str] = {}
