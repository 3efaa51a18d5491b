"""Remember a symbol over noise: where the gradient vanishes, and which cell keeps it.

    KERAS_BACKEND=torch python examples/recall.py    needs keras-textgen[examples,torch]

A sequence is one of eight symbols, 10 to 400 characters of noise, and a question, whose
answer is the symbol (the latching problem of Bengio, Simard & Frasconi 1994). A plain
recurrent network, a GRU, an LSTM, and an LSTM whose forget gate starts with the bias 0
instead of 1 get the same training. PyTorch gives the gradients.
"""

from __future__ import annotations

from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import torch
from example import Example, percent, run, table

import textgen

NUM_SYMBOLS = 8
QUESTION = 2 * NUM_SYMBOLS
"""Ids: eight symbols, eight characters of noise, the question."""
UNITS = 32
SMALLEST = 1e-16
ROWS = {
    "rnn": ("rnn", None),
    "gru": ("gru", None),
    "lstm": ("lstm", None),
    "lstm, forget bias 0": ("lstm", 0.0),
}
"""Cell and forget bias; None leaves that of Keras, 1 for an LSTM."""
Curves = dict[str, tuple[list[float], list[float], list[float]]]
"""Of each row, by distance: recalled, and the gradient untrained and trained."""


def main(arguments: list[str] | None = None) -> None:
    """Train the four networks, measure both curves, draw them, and write the page."""
    example = Example("recall", __doc__ or "", arguments)
    if (backend := keras.backend.backend()) != "torch":
        raise textgen.TextgenError(f"Keras runs on {backend}. Set KERAS_BACKEND=torch.")
    torch.set_flush_denormal(True)  # Vanished gradients would slow a CPU down.
    distances = [4, 8, 16] if example.quick else [10, 20, 50, 100, 200, 400]
    curves: Curves = {}
    for name, (cell, forget_bias) in ROWS.items():
        network = built(cell, forget_bias)
        untrained = [gradient(network, distance) for distance in distances]
        train(network, distances, steps=120 if example.quick else 800)
        trained = [gradient(network, distance) for distance in distances]
        recalled = [accuracy(network, distance) for distance in distances]
        curves[name] = recalled, untrained, trained
    draw(distances, curves, example.picture())
    at = len(distances) // 2
    header = [f"over {distances[at]} characters", "recalled", "gradient", "after training"]
    rows = [
        [name, percent(recalled[at]), power(untrained[at]), power(trained[at])]
        for name, (recalled, untrained, trained) in curves.items()
    ]
    example.show(table(header, *rows))


def built(cell: str, forget_bias: float | None) -> keras.Model:
    """An untrained network of the package, with one recurrent layer."""
    config = textgen.ModelConfig(QUESTION + 1, cell, 1, UNITS, embedding_dim=16)
    network = textgen.build_model(config)
    if forget_bias is not None:
        bias = np.repeat([0, forget_bias, 0, 0], UNITS)
        network.get_layer("layer_0").cell.bias.assign(bias)
    return network


def sequences(rng: np.random.Generator, num: int, distance: int) -> np.ndarray:
    """Ids `(num, distance + 2)`: a symbol, `distance` of noise, and the question."""
    ids = rng.integers(NUM_SYMBOLS, 2 * NUM_SYMBOLS, (num, distance + 2), np.int32)
    ids[:, 0] = rng.integers(NUM_SYMBOLS, size=num)
    ids[:, -1] = QUESTION
    return ids


def train(network: keras.Model, distances: list[int], steps: int) -> None:
    """Adam on batches of one distance each, whose logarithm is uniform."""
    rng = np.random.default_rng(0)
    answer = keras.Model(network.input, network.output[:, -1])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    answer.compile(keras.optimizers.Adam(0.003, global_clipnorm=1.0), loss)
    ends = np.log([distances[0], distances[-1]])
    for _ in range(steps):
        ids = sequences(rng, 32, round(np.exp(rng.uniform(*ends))))
        answer.train_on_batch(ids, ids[:, 0])


def accuracy(network: keras.Model, distance: int) -> float:
    """The share of 500 new sequences whose symbol is the likeliest answer."""
    ids = sequences(np.random.default_rng(1), 500, distance)
    with torch.no_grad():
        answers = keras.ops.convert_to_numpy(network(ids)[:, -1]).argmax(axis=1)
    return float(np.mean(answers == ids[:, 0]))


def gradient(network: keras.Model, distance: int) -> float:
    """Norm of the loss's gradient at the state after the symbol, over that before the
    question, because all gradients shrink with the loss: median of 100 sequences."""
    ids = torch.as_tensor(sequences(np.random.default_rng(2), 100, distance))
    layer = network.get_layer("layer_0")
    x = network.get_layer("embedding")(ids)
    *_, states = layer.inner_loop(x[:, :1], layer.get_initial_state(len(ids)), None)
    first = [state.detach().requires_grad_() for state in states]
    *_, last = layer.inner_loop(x[:, 1:-1], first, None)
    _, outputs, _ = layer.inner_loop(x[:, -1:], last, None)
    # In float64, because a softmax that is sure of its answer has no gradient in float32.
    logits = network.get_layer("output")(outputs[:, -1]).double()
    loss = torch.nn.functional.cross_entropy(logits, ids[:, 0].long(), reduction="sum")
    grads = torch.autograd.grad(loss, [*first, *last])
    parts = grads[: len(first)], grads[len(first) :]
    early, late = (torch.cat(states, dim=-1).norm(dim=-1) for states in parts)
    return float((early / late).median())


def power(norm: float) -> str:
    """As in 4e-05; the squares of norms much smaller than the limit underflow."""
    return f"{norm:.0e}" if norm >= SMALLEST else f"below {SMALLEST}"


def draw(distances: list[int], curves: Curves, path: Path) -> None:
    """Accuracy, and the gradient that arrives, by distance."""
    figure, (left, right) = plt.subplots(ncols=2, figsize=(8, 3.6))
    for name, (recalled, untrained, trained) in curves.items():
        (line,) = left.plot(distances, recalled, "o-", markersize=3, label=name)
        for norms, style in ((untrained, "o:"), (trained, "o-")):
            shown = np.maximum(norms, 1e-40)  # Zero has no logarithm.
            right.plot(distances, shown, style, markersize=3, color=line.get_color())
    left.axhline(1 / NUM_SYMBOLS, color="0.6", linewidth=0.8)
    left.set(ylim=(0, 1.03), title="symbol recalled (grey: chance)")
    right.set(yscale="log", ylim=(SMALLEST, 10), title="gradient (dotted: untrained)")
    for axes in (left, right):
        axes.set(xscale="log", xlabel="distance in characters")
        axes.set_xticks(distances, distances)
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, ncols=len(ROWS), loc="lower center")
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    run(main)
