"""How well a model predicts a text: bits per character and related measures.

There are two protocols. *Continuous*: the model reads the whole text once, carrying its
state, and predicts each character from all characters before it. *Windowed*, for
comparison with models of limited context: the text is cut into blocks of N characters,
and each block is predicted from a cold start, after the one character before it.

    x   the character before the block, then the block without its last
    y   the block

Texts of any size are scored in bounded memory.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from textgen.config.arguments import plain, whole_number
from textgen.config.fields import MOST
from textgen.errors import CheckpointError, ConfigError, CorpusError
from textgen.generation.scoring.protocols import (
    NUM_ROWS,
    Continuous,
    Model,
    Nats,
    Windowed,
    num_parts,
)
from textgen.generation.scoring.segments import (
    END,
    FIRST_LABEL,
    SEGMENT_CHARS,
    Documents,
    Segment,
    segments,
)
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.wording import count_of, shown

MAX_WINDOWED_CHARS = 1 << 17
"""The most characters in all windows of a batch."""


@dataclass(frozen=True, repr=False)
class Score:
    """How well a model predicts a text; holds sums, from which the means follow.

    Args:
        nats: total surprise, in units of 1/ln(2) bits.
        num_chars: characters predicted, even if the model reads bytes; the end of a
            document counts as one.
        num_bytes: size of the same text in UTF-8.
        num_unknown: characters that the model has never seen: predicted as the unknown
            token if there is one, and otherwise left out of all counts.
        protocol: "continuous": the state was carried through the whole text;
            "windowed": a cold start every `window` characters; "dynamic": the model
            learned while it read.
        window: characters between cold starts, or None.

    >>> Score(nats=100 * math.log(2), num_chars=50, num_bytes=80).bits_per_char
    2.0
    """

    nats: float
    num_chars: int
    num_bytes: int
    num_unknown: int = 0
    protocol: str = "continuous"
    window: int | None = None

    def __post_init__(self) -> None:
        nats = plain(self.nats)
        if not isinstance(nats, int | float) or not abs(nats) <= sys.float_info.max:
            raise ConfigError(f"nats={shown(nats)} must be a finite number.")
        object.__setattr__(self, "nats", float(nats))
        least = {"num_chars": 1, "num_bytes": 1, "num_unknown": 0}
        for name, number in least.items():
            count = whole_number(name, getattr(self, name), number, most=MOST)
            object.__setattr__(self, name, count)

    def __repr__(self) -> str:
        """The means, which can be compared, before the counts they are taken over."""
        protocol = self.protocol if self.window is None else f"window={self.window}"
        return (
            f"<Score: {self.bits_per_char:.4f} bits per character, "
            f"{self.bits_per_byte:.4f} per byte, perplexity {self.perplexity:.3f}, "
            f"{count_of(self.num_chars, 'character')}, {protocol}>"
        )

    @property
    def nats_per_char(self) -> float:
        """Mean surprise per character in nats: the training loss."""
        return self.nats / self.num_chars

    @property
    def bits_per_char(self) -> float:
        """Mean surprise per character in bits."""
        return self.nats / (self.num_chars * math.log(2))

    @property
    def bits_per_byte(self) -> float:
        """Bits per byte of UTF-8: comparable across tokenizers and scripts."""
        return self.nats / (self.num_bytes * math.log(2))

    @property
    def perplexity(self) -> float:
        """The number of equally likely characters that would surprise the model as much.

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
        ['bits_per_byte', 'bits_per_char', 'nats_per_char', 'num_bytes', 'num_chars',
         'num_unknown', 'perplexity', 'protocol', 'window']
        """
        means = ("bits_per_char", "bits_per_byte", "nats_per_char", "perplexity")
        counts = ("num_chars", "num_bytes", "num_unknown", "protocol", "window")
        return {name: getattr(self, name) for name in (*means, *counts)}


class Surprise(NamedTuple):
    """The surprise of one character of a text.

    Args:
        character: from the text in normal form; a newline for the end of a document.
        bits: -log2 of its probability; None if the model could not predict it.
        ends_document: whether it is the end of a document.
        is_unknown: whether the model has never seen it; its bits are then None, or those
            of the unknown token.
    """

    character: str
    bits: float | None
    ends_document: bool = False
    is_unknown: bool = False


def score(
    network: Model,
    tokenizer: Tokenizer,
    documents: Documents,
    *,
    window: int | None = None,
    label: str | None = None,
) -> Score:
    """Predict every character of a text from those before it.

    The first character is predicted after `tokenizer.start_id`. The end token of a
    document, if there is one, is predicted as well and counts as a newline. A label is
    read but not counted.

    Args:
        documents: one text; several that follow each other; or pieces of them.
        window: as for `Generator.score`; counts characters even if the model reads bytes.
        label: read before every document; by default each document has its own.

    Raises:
        CheckpointError: the predictions are not finite.
        ConfigError, CorpusError, TokenizerError: as for `Generator.score`.

    >>> from textgen.config.model import ModelConfig
    >>> from textgen.generation.network.network import Network
    >>> from textgen.text.tokenizers.char import CharTokenizer
    >>> config = ModelConfig(vocab_size=4, num_layers=1, units=2, embedding_dim=3)
    >>> shapes = config.weight_shapes().items()
    >>> network = Network(config, {k: np.zeros(s, np.float32) for k, s in shapes})
    >>> score(network, CharTokenizer("abcd"), "abba").bits_per_char
    2.0
    >>> found = surprises(network, CharTokenizer("abcd"), "b?a")
    >>> [(character, bits) for character, bits, *_ in found]
    [('b', 2.0), ('?', None), ('a', 2.0)]
    """
    return score_parts(network, tokenizer, documents, window=window, label=label)[0]


def score_parts(
    network: Model,
    tokenizer: Tokenizer,
    documents: Documents,
    *,
    window: int | None = None,
    label: str | None = None,
) -> list[Score]:
    """As `score`, and from the same reading the scores of the parts of the model.

    Returns:
        The score; with an n-gram memory that does not learn also those of the network
        alone and of the n-grams alone.
    """
    totals = [ScoreAccumulator() for _ in range(num_parts(network))]
    for segment, parts in _predicted(network, tokenizer, documents, window, label):
        for total, nats in zip(totals, parts, strict=True):
            total.add(segment, float(nats.sum()))
    return [total.score(window=window) for total in totals]


def surprises(
    network: Model,
    tokenizer: Tokenizer,
    documents: Documents,
    *,
    window: int | None = None,
    label: str | None = None,
    total: ScoreAccumulator | None = None,
) -> Iterator[Surprise]:
    """The surprise of each character of a text, in order.

    The bits add up to those of `score`, which takes the same arguments and raises the
    same errors; an error for a text without predictable characters comes at the end.

    Args:
        total: accumulates the score of the characters yielded.
    """
    parts = _predicted(network, tokenizer, documents, window, label)
    return _surprises(parts, ScoreAccumulator() if total is None else total)


class ScoreAccumulator:
    """Adds up the surprise of a text, segment by segment.

    >>> from textgen.text.tokenizers.byte import ByteTokenizer
    >>> total = ScoreAccumulator()
    >>> for segment in segments(ByteTokenizer(), "né"):
    ...     total.add(segment, nats=3.0)
    >>> total.score()
    <Score: 2.1640 bits per character, 1.4427 per byte, perplexity 4.482, 2 characters,
     continuous>
    """

    def __init__(self) -> None:
        self._nats = 0.0
        self._num_chars = 0
        self._num_bytes = 0
        self._num_unknown = 0
        self._has_predicted_text = False
        self._left_out: set[int] = set()

    def add(self, segment: Segment, nats: float) -> None:
        """Add a segment.

        Args:
            nats: surprise of all ids that count (`segment.is_counted`).

        Raises:
            CheckpointError: `nats` is not finite.
        """
        predicted = segment.codes[segment.is_predicted]
        if not math.isfinite(nats):
            raise CheckpointError(
                f"the model's predictions add up to {nats} nats. Its weights are damaged; "
                "use an earlier checkpoint."
            )
        self._nats += nats
        self._num_chars += len(predicted)
        self._num_bytes += int(_num_bytes(predicted).sum())
        self._num_unknown += int(segment.unknown.sum())
        self._has_predicted_text |= bool((predicted < END).any())
        if not self._has_predicted_text:
            self._left_out.update(segment.codes[segment.unknown].tolist())

    def score(self, protocol: str | None = None, *, window: int | None = None) -> Score:
        """The score of all segments added so far.

        Args:
            protocol: how they were predicted, see `Score`; by default "continuous", or
                "windowed" if there is a window.

        Raises:
            CorpusError: no character was predicted, apart from ends of documents.
        """
        if not self._has_predicted_text:
            raise _nothing_to_score(len(self._left_out))
        return Score(
            self._nats,
            self._num_chars,
            self._num_bytes,
            self._num_unknown,
            protocol or ("continuous" if window is None else "windowed"),
            window,
        )


def _nothing_to_score(num_unknown: int) -> CorpusError:
    if not num_unknown:
        return CorpusError("there is nothing to score: the text is empty. Add text.")
    return CorpusError(
        f"there is nothing to score: the model has never seen any of the {num_unknown} "
        "different characters of this text. Score a text in the script it was trained on."
    )


def _num_bytes(codes: NDArray[Any]) -> NDArray[Any]:
    """`(num_codes,)`: UTF-8 bytes of each; the end of a document counts as a newline."""
    lengths: NDArray[Any] = np.searchsorted([0x80, 0x800, 0x10000], codes, side="right") + 1
    return np.where(codes == END, 1, lengths)


def _surprises(
    parts: Iterable[tuple[Segment, Nats]], total: ScoreAccumulator
) -> Iterator[Surprise]:
    for segment, (nats, *_) in parts:
        total.add(segment, float(nats.sum()))
        bits = segment.per_character(nats / math.log(2))
        columns = (segment.codes, bits, segment.widths, segment.unknown)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for code, cost, width, is_unknown in rows:
            if code < FIRST_LABEL:
                character = "\n" if code == END else chr(code)
                yield Surprise(character, cost if width else None, code == END, is_unknown)
    # Raises if nothing was predicted.
    total.score()


def _predicted(
    network: Model,
    tokenizer: Tokenizer,
    documents: Documents,
    window: int | None,
    label: str | None,
) -> Iterator[tuple[Segment, Nats]]:
    """Each segment with the `(num_parts, num_ids)` surprise of its ids that are counted."""
    reader: Continuous | Windowed
    if window is None:
        reader, size = Continuous(network, tokenizer.start_id), SEGMENT_CHARS
    else:
        # More characters than any text has are as good as MOST.
        window = min(whole_number("window", window, 1, _NO_WINDOW), MOST)
        reader = Windowed(network, tokenizer.start_id, window)
        size = min(NUM_ROWS * window, MAX_WINDOWED_CHARS)
    parts = segments(tokenizer, documents, label=label, size=size)
    return ((part, reader.nats(part) * part.is_counted) for part in parts)


_NO_WINDOW = "Leave it out to carry the state through the whole text."
