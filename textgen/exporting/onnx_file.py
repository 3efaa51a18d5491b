"""A model as an ONNX file (extra `onnx`), for programs that know nothing of this package.

    ids (batch, time)           int64
    layers.0.h, ...             the states, (batch, ...); zeros before the first character
    logits (batch, time, vocab) of the character after each id
    next.layers.0.h, ...        the states after the last id

Its metadata hold `config.json`, `tokenizer.json` and `README.md`, as in a single file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx import TensorProto, checker, helper

from textgen.checkpoint.format import Checkpoint
from textgen.checkpoint.single_file import metadata_of
from textgen.errors import ConfigError
from textgen.exporting.onnx_graph import Graph
from textgen.exporting.onnx_layers import BATCH, KINDS, TIME, Building, connect
from textgen.model.architecture import layers
from textgen.version import __version__

OPSET, IR_VERSION = 17, 8
"""The first operator set with layer normalisation, and the format of the file."""

MOST_BYTES = 2**31 - 2**20
"""What a file of Protocol Buffers can hold, less what is not weights."""


def onnx_bytes(saved: Checkpoint, stored: Mapping[str, np.ndarray], card: str) -> bytes:
    """The content of the file.

    Args:
        stored: the weights, see `textgen.exporting.weights`.
        card: a description for people, in Markdown.

    Raises:
        ConfigError: the model has a layer that ONNX cannot express here, or is too large.
    """
    if sum(array.nbytes for array in stored.values()) > MOST_BYTES:
        raise ConfigError("the format onnx cannot hold more than 2 GB. Use textgen.")
    description = layers(saved.model)
    for layer in description:
        if type(layer) not in KINDS:
            kind = type(layer).__name__.lower()
            raise ConfigError(
                f"this model has a layer of the kind {kind} ({layer.name}), which the "
                "format onnx cannot hold. Use the format textgen."
            )
    graph = Graph()
    ids = graph.take("ids", (BATCH, TIME), TensorProto.INT64)
    ids = graph.one("Transpose", ids, perm=[1, 0])
    logits = connect(description, ids, Building(graph, stored))
    logits = graph.one("Transpose", logits, perm=[1, 0, 2])
    graph.give(logits, "logits", (BATCH, TIME, saved.model.vocab_size))
    model = _model(graph)
    metadata = metadata_of(saved.model, saved.tokenizer, saved.facts, card)
    helper.set_model_props(model, metadata)
    checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def _model(graph: Graph) -> Any:
    made = helper.make_graph(
        graph.nodes, "textgen", graph.inputs, graph.outputs, graph.initializers
    )
    return helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="textgen",
        producer_version=__version__,
    )
