"""The slow twin of a network: the textbook's equations, one character, float64."""

from __future__ import annotations

import numpy as np

from textgen.config.model import ModelConfig


def sigmoid(a: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-a)))


def twin_cell(
    kind: str, x: np.ndarray, kept: list[np.ndarray], w: dict[str, np.ndarray], name: str
) -> list[np.ndarray]:
    kernel, recurrent = w[f"{name}.kernel"], w[f"{name}.recurrent_kernel"]
    bias = w[f"{name}.bias"]
    h = kept[0]
    if kind == "rnn":
        return [np.tanh(x @ kernel + h @ recurrent + bias)]
    if kind == "lstm":
        i, f, c, o = np.split(x @ kernel + h @ recurrent + bias, 4)
        cell = sigmoid(f) * kept[1] + sigmoid(i) * np.tanh(c)
        return [sigmoid(o) * np.tanh(cell), cell]
    if kind == "coupled":
        f, c, o = np.split(x @ kernel + h @ recurrent + bias, 3)
        cell = sigmoid(f) * kept[1] + (1 - sigmoid(f)) * np.tanh(c)
        return [sigmoid(o) * np.tanh(cell), cell]
    x_z, x_r, x_h = np.split(x @ kernel + bias[0], 3)
    h_z, h_r, h_h = np.split(h @ recurrent + bias[1], 3)
    z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
    return [z * h + (1 - z) * np.tanh(x_h + r * h_h)]


def twin_convolution(
    config: ModelConfig, embedded: list[np.ndarray], w: dict[str, np.ndarray]
) -> np.ndarray:
    if not config.conv:
        return embedded[-1]
    newest_first = [*embedded[::-1], *[np.zeros(config.embedding_dim)] * config.conv]
    seen = np.concatenate(newest_first[: config.conv])
    sums = seen @ w["convolution.kernel"] + w["convolution.bias"]
    return embedded[-1] + np.maximum(sums, 0)


def twin_attention(memory: list[np.ndarray], w: dict[str, np.ndarray]) -> np.ndarray:
    x, keys = memory[-1], np.array(memory)
    query = x @ w["attention.query_kernel"] + w["attention.query_bias"]
    shares = np.exp(keys @ query / np.sqrt(len(x)))
    return x + shares @ keys / shares.sum() @ w["attention.value_kernel"]


def twin_logits(
    config: ModelConfig, weights: dict[str, np.ndarray], ids: list[int]
) -> np.ndarray:
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    num_vectors = 2 if config.cell in ("lstm", "coupled") else 1
    kept = [[np.zeros(config.units)] * num_vectors for _ in range(config.num_layers)]
    rows: list[np.ndarray] = []
    embedded: list[np.ndarray] = []
    memory: list[np.ndarray] = []
    for one in ids:
        embedded.append(w["embedding"][one])
        x, total = twin_convolution(config, embedded, w), np.zeros(config.units)
        for layer in range(config.num_layers):
            name = f"layers.{layer}"
            kept[layer] = twin_cell(config.cell, x, kept[layer], w, name)
            y = kept[layer][0]
            if config.layer_norm:
                y = (y - y.mean()) / np.sqrt(y.var() + 1e-3)
                y = y * w[f"{name}.norm_scale"] + w[f"{name}.norm_offset"]
            x = x + y if config.residual and x.shape == y.shape else y
            if layer == 0 and config.attention:
                memory.append(x)
                x = twin_attention(memory[-config.attention :], w)
            total = total + x
        if config.sum_layers:
            x = total
        if "projection.kernel" in w:
            x = x @ w["projection.kernel"]
        matrix = w["embedding"].T if config.tie_embeddings else w["output.kernel"]
        rows.append(x @ matrix + w["output.bias"])
    return np.array(rows)
