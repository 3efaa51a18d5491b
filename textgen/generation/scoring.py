"""How well a model predicts a text: bits per character and its relatives.

The protocol is *continuous*: the model reads the whole text once, its state carried
from the first character to the last, and each character is predicted from all
before it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgen.errors import CheckpointError, CorpusError
from textgen.generation.network import Floats, Network
from textgen.text.corpus import normalize_text
from textgen.text.tokenizer import ByteTokenizer, CharTokenizer


@dataclass(frozen=True)
class Score:
    """What a model makes of a text; sums first, so that each mean divides once.

    Args:
        nats: surprise in total, in units of 1/ln(2) bits.
        num_chars: characters predicted, also for a model that reads bytes; each end
            of a document counts as one.
        num_bytes: the same text in UTF-8.
        num_unknown: characters that the model has never seen. They were predicted as
            the unknown token where there is one, and else left out of all counts.
        protocol: "continuous": the state was carried through the whole text.

    >>> Score(nats=100 * math.log(2), num_chars=50, num_bytes=80).bits_per_char
    2.0
    """

    nats: float
    num_chars: int
    num_bytes: int
    num_unknown: int = 0
    protocol: str = "continuous"

    @property
    def nats_per_char(self) -> float:
        """Mean surprise of a character, in nats: the loss of training."""
        return self.nats / self.num_chars

    @property
    def bits_per_char(self) -> float:
        """Mean surprise of a character, in bits."""
        return self.nats / (self.num_chars * math.log(2))

    @property
    def bits_per_byte(self) -> float:
        """Bits per byte of UTF-8: comparable across tokenizers and scripts."""
        return self.nats / (self.num_bytes * math.log(2))

    @property
    def perplexity(self) -> float:
        """Among how many equally likely characters the model seems to choose.

        >>> round(Score(nats=math.log(8), num_chars=1, num_bytes=1).perplexity, 6)
        8.0
        """
        try:
            return math.exp(self.nats_per_char)
        except OverflowError:
            return math.inf

    def to_dict(self) -> dict[str, Any]:
        """The figures for JSON.

        >>> sorted(Score(nats=2.0, num_chars=1, num_bytes=1).to_dict())
        ['bits_per_byte', 'bits_per_char', 'nats_per_char', 'num_chars', 'num_unknown',
         'perplexity', 'protocol']
        """
        return {
            "bits_per_char": self.bits_per_char,
            "bits_per_byte": self.bits_per_byte,
            "nats_per_char": self.nats_per_char,
            "perplexity": self.perplexity,
            "num_chars": self.num_chars,
            "num_unknown": self.num_unknown,
            "protocol": self.protocol,
        }


def score(
    network: Network,
    tokenizer: CharTokenizer | ByteTokenizer,
    documents: str | Iterable[str],
) -> Score:
    """Predict every character of a text from those before it.

    The first character is predicted after `tokenizer.start_id`. Where documents have
    an end token, it is predicted, too, and counts as the newline it stands for.

    Args:
        documents: one text, or several that follow each other.

    Raises:
        CorpusError: there is no character to predict.
        CheckpointError: the predictions are no numbers.

    >>> from textgen.config import ModelConfig
    >>> config = ModelConfig(vocab_size=4, num_layers=1, units=2, embedding_dim=3)
    >>> shapes = config.weight_shapes().items()
    >>> network = Network(config, {k: np.zeros(s, np.float32) for k, s in shapes})
    >>> score(network, CharTokenizer("abcd"), "abba").bits_per_char
    2.0
    """
    documents = [documents] if isinstance(documents, str) else list(documents)
    skips = tokenizer.unknown_id is None
    counts = _tally(tokenizer, documents)
    missing = {c: n for c, n in counts.items() if tokenizer.unknown_characters(c)}
    predicted = Counter(counts - Counter(missing) if skips else counts)
    _check_anything_to_score(counts, predicted)
    ids = tokenizer.encode_documents(documents, "skip" if skips else "token")
    if tokenizer.eod_id is None:
        ids = np.append(np.asarray(tokenizer.start_id, ids.dtype), ids)
    else:
        predicted["\n"] += len(documents)
    return Score(
        nats=_total_nats(network, ids),
        num_chars=predicted.total(),
        num_bytes=sum(n * _num_bytes(c) for c, n in predicted.items()),
        num_unknown=sum(missing.values()),
    )


def nats_of(logits: Floats, ids: Sequence[int] | NDArray[Any]) -> NDArray[np.float64]:
    """How surprising each id is to the logits in its row, in nats.

    Args:
        logits: `(time, vocab)`.
        ids: `(time,)`.

    Returns:
        `(time,)` float64: -log softmax, without overflow for logits of any size.

    >>> nats_of(np.array([[0.0, 0.0], [1e4, -1e4]], np.float32), [0, 1]).tolist()
    [0.6931471805599453, 20000.0]
    """
    shifted = logits - logits.max(axis=1, keepdims=True).astype(np.float64)
    log_sums = np.log(np.exp(shifted).sum(axis=1))
    nats: NDArray[np.float64] = log_sums - shifted[np.arange(len(ids)), ids]
    return nats


def _tally(
    tokenizer: CharTokenizer | ByteTokenizer, documents: Iterable[str]
) -> Counter[str]:
    counts: Counter[str] = Counter()
    for document in documents:
        counts.update(normalize_text(document, tokenizer.normalize))
    return counts


def _check_anything_to_score(counts: Counter[str], predicted: Counter[str]) -> None:
    if not counts:
        raise CorpusError("there is nothing to score: the text is empty. Add text.")
    if not predicted:
        raise CorpusError(
            f"there is nothing to score: the model has never seen any of the "
            f"{len(counts)} different characters of this text. Score a text in the "
            "script it was trained on."
        )


def _total_nats(network: Network, ids: NDArray[Any]) -> float:
    total, done = 0.0, 1
    for logits, _ in network.read_chunks(ids[:-1], network.initial_state()):
        total += float(nats_of(logits, ids[done : done + len(logits)]).sum())
        done += len(logits)
    if not math.isfinite(total):
        raise CheckpointError(
            f"the model's predictions add up to {total} nats. Its weights are damaged; "
            "use an earlier checkpoint."
        )
    return total


def _num_bytes(character: str) -> int:
    # A lone surrogate may be among what an unknown token stands for.
    return len(character.encode("utf-8", "surrogatepass"))
