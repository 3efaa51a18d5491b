"""Hand-made models whose text is known in advance, and random ones."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from textgen.config.model import ModelConfig
from textgen.generation.generator import Generator
from textgen.generation.network.network import Network
from textgen.generation.network.remembering import RememberingNetwork
from textgen.generation.sampling.filters import log_softmax
from textgen.ngrams.counting import count_ngrams
from textgen.ngrams.model import NgramModel
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer

Tokenizer = CharTokenizer | ByteTokenizer
ABC = CharTokenizer("\nabc")
LETTERS = CharTokenizer("\nabcdefgh")


def chain_model(
    tokenizer: Tokenizer, successors: Mapping[int, int], **options: Any
) -> Generator:
    """A model that always writes the given successor of the character it read last."""
    return Generator(*chain_weights(tokenizer.vocab_size, successors), tokenizer, **options)


def chain_weights(
    size: int, successors: Mapping[int, int]
) -> tuple[ModelConfig, dict[str, np.ndarray]]:
    """The configuration and the weights of such a model."""
    config = ModelConfig(
        vocab_size=size, cell="rnn", num_layers=1, units=size, embedding_dim=size
    )
    weights = {k: np.zeros(s, np.float32) for k, s in config.weight_shapes().items()}
    # tanh(20) is 1: the layer hands on which character it sees, and nothing else.
    weights["embedding"] = np.eye(size, dtype=np.float32)
    weights["layers.0.kernel"] = np.eye(size, dtype=np.float32) * 20
    for before, after in successors.items():
        weights["output.kernel"][before, after] = 1000
    return config, weights


def writes(text: str, tokenizer: Tokenizer = LETTERS) -> Generator:
    """A model that writes a text of different characters, after a newline, for ever."""
    ids = [tokenizer.start_id, *tokenizer.encode(text).tolist()]
    return chain_model(tokenizer, dict(pairwise(ids)) | {ids[-1]: ids[1]})


def random_model(tokenizer: Tokenizer, scale: float = 0.8, **options: Any) -> Generator:
    config = ModelConfig(
        vocab_size=tokenizer.vocab_size, units=6, embedding_dim=5, **options
    )
    rng = np.random.default_rng(0)
    weights = {
        name: (rng.standard_normal(shape) * scale).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    return Generator(config, weights, tokenizer)


def read_whole(network: Network, ids: Any, state: np.ndarray) -> tuple[Any, np.ndarray]:
    """The logits `(time, vocab_size)` of a text, and the state after it."""
    logits, states = zip(*network.read_chunks(ids, state), strict=True)
    return np.concatenate(logits), states[-1]


def remembering(
    generator: Generator, text: str, weight: float, *, learns: bool = False
) -> Generator:
    """A model, whose network gets a memory of a text."""
    network, tokenizer = generator._network, generator.tokenizer
    assert isinstance(network, Network)
    ids = tokenizer.encode_documents([text])
    tables = count_ngrams(ids, tokenizer.vocab_size, 5, boundary=tokenizer.eod_id)
    ngrams = NgramModel(tables, weight)
    generator._network = RememberingNetwork(network, ngrams, learns=learns)
    return generator


def log_probability(generator: Generator, prompt: str, ids: list[int]) -> float:
    """Of `ids` after a prompt, in nats, from reading all at once."""
    network: Any = generator._network
    tokenizer = generator.tokenizer
    begin = [0] if tokenizer.eod_id == 0 else []
    start = [*begin, *tokenizer.encode(prompt).tolist()]
    rows, _ = read_whole(network, [*start, *ids], network.initial_state())
    expected = log_softmax(rows[len(start) - 1 : -1].astype(np.float64))
    return float(expected[np.arange(len(ids)), ids].sum())
