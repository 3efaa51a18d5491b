"""A network whose units are planted by hand, and a text that varies."""

from __future__ import annotations

import numpy as np

from textgen.checkpoint.format import Checkpoint
from textgen.config.model import ModelConfig
from textgen.inspecting.texts import Text
from textgen.text.reading.documents import Piece
from textgen.text.tokenizers.char import CharTokenizer

TOKENIZER = CharTokenizer("\n “”abcdeA1")
UNITS = 8
COUNTS, QUOTES = 3, 5
"""The unit that counts characters of the line, and the one that is 1 inside quotes."""


def planted(seed: int = 0) -> Checkpoint:
    """An LSTM of one layer: two units by hand, the others random."""
    size = TOKENIZER.vocab_size
    config = ModelConfig(
        vocab_size=size, num_layers=1, units=UNITS, embedding_dim=size, cell="lstm"
    )
    rng = np.random.default_rng(seed)
    weights = {
        name: rng.normal(0, 0.5, shape).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    weights["embedding"] = np.eye(size, dtype=np.float32)
    kernel = weights["layers.0.kernel"].reshape(size, 4, UNITS)
    bias = weights["layers.0.bias"].reshape(4, UNITS)
    recurrent = weights["layers.0.recurrent_kernel"].reshape(UNITS, 4, UNITS)
    end, opens, closes = TOKENIZER.encode("\n“”").tolist()
    for unit in (COUNTS, QUOTES):
        kernel[:, :, unit], recurrent[:, :, unit], bias[:, unit] = 0, 0, 0
    # Input, forget, cell: keep and add 0.01 at each character, but forget at line ends.
    bias[:3, COUNTS] = 20, 20, 0.01
    kernel[end, :2, COUNTS] = -40
    # Forget at quotation marks; take in 1 at the opening one.
    bias[:3, QUOTES] = -20, 20, 20
    kernel[opens, :2, QUOTES] = 40, -40
    kernel[closes, 1, QUOTES] = -40
    return Checkpoint(config, TOKENIZER, weights)


def varied_text(num_chars: int = 3000, seed: int = 1) -> str:
    """Lines and quotes of random lengths."""
    rng = np.random.default_rng(seed)
    text, quoted = "", False
    while len(text) < num_chars:
        text += "".join(rng.choice(list("abcdeA1 "), int(rng.integers(2, 30))))
        text += "”" if quoted else "“"
        quoted = not quoted
        if rng.random() < 0.5:
            text += "\n" + "a"
    return text[:num_chars]


def as_text(*documents: str) -> Text:
    return Text("a test", tuple(Piece(each, ends=True) for each in documents))
