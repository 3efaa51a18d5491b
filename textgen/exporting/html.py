"""The page with the model inside it: one HTML file that writes without a server."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from textgen.checkpoint.format import Checkpoint
from textgen.config.model import ModelConfig
from textgen.errors import ConfigError
from textgen.exporting.bundle import bundled
from textgen.model import layers as kinds
from textgen.model.architecture import layers
from textgen.page import source
from textgen.reporting.page import json_for_page
from textgen.version import __version__

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:; "
    "worker-src blob:; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)
"""What a browser lets the page do: nothing leads to any host."""

STYLE = '<link rel="stylesheet" href="style.css">'
SCRIPT = '<script type="module" src="main.js"></script>'
HEAD = '<meta charset="utf-8">'

KINDS = (
    *(kinds.Embedding, kinds.Convolution, kinds.Recurrent, kinds.Attention),
    *(kinds.Normalization, kinds.Residual, kinds.Projection, kinds.Output),
)
"""Layers that `textgen/page/engine/layers.js` computes."""


def model_page(
    saved: Checkpoint, name: str, weights: Mapping[str, np.ndarray], card: str
) -> str:
    """The page.

    Args:
        name: of the model.
        weights: as they are stored, see `textgen.exporting.weights`.
        card: its description, in Markdown.

    Raises:
        ConfigError: the model has a layer that the page cannot compute.
    """
    from safetensors.numpy import save

    model = {
        "name": name,
        "version": __version__,
        "card": card,
        "layers": list(described_layers(saved.model)),
        "tokenizer": saved.tokenizer.to_dict(),
    }
    arrays = {key: np.asarray(array, order="C") for key, array in weights.items()}
    file = base64.b64encode(save(arrays)).decode()
    inside = (
        f'<script type="application/json" id="model">{json_for_page(model)}</script>\n'
        f'<script type="text/plain" id="weights">{file}</script>\n'
        f'<script type="text/plain" id="engine">{_worker()}</script>\n'
        f"<script>{bundled('main.js', source)};</script>"
    )
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    page = source("index.html")
    for part, new in (
        (HEAD, f"{HEAD}\n{policy}"),
        (STYLE, f"<style>\n{source('style.css')}</style>"),
        (SCRIPT, inside),
    ):
        assert page.count(part) == 1, part
        page = page.replace(part, new)
    return page


def _worker() -> str:
    return f"({bundled('engine/worker.js', source)}).serve(self);"


def described_layers(config: ModelConfig) -> Iterator[dict[str, Any]]:
    """The layers as the engine of the page reads them.

    Raises:
        ConfigError: one is of a kind that the engine does not know.
    """
    # A layer of training alone puts out what the layer before it does.
    same_as: dict[str, str] = {}
    last = ""
    for layer in layers(config):
        if isinstance(layer, kinds.Dropout):
            same_as[layer.name] = last
            continue
        if not isinstance(layer, KINDS):
            kind = type(layer).__name__.lower()
            raise ConfigError(
                f"this model has a layer of the kind {kind} ({layer.name}), which the "
                "format html cannot hold. Use the format textgen."
            )
        last = layer.name
        sources = tuple(same_as.get(each, each) for each in layer.sources)
        yield {
            "kind": type(layer).__name__,
            **asdict(replace(layer, sources=sources)),
            "weights": {own: layer.weight_name(own) for own in layer.shapes},
            **_sizes(layer, config),
        }


def _sizes(layer: kinds.Layer, config: ModelConfig) -> dict[str, int]:
    """Sizes that follow from the network, not from the description of the layer."""
    if isinstance(layer, kinds.Residual):
        return {"width": config.units}
    return {"outputs": layer.vocab_size} if isinstance(layer, kinds.Output) else {}
