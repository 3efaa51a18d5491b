"""How well a model predicts a text: bits per character and its relatives.

There are two protocols. *Continuous*: the model reads the whole text once, its state
carried from the first character to the last, and each character is predicted from all
before it. *Windowed*, for comparison with models of limited context: the text is cut
into blocks of N characters, and each is predicted from a cold start, knowing only the
one character before the block.

    x   the character before the block, then the block without its last
    y   the block

Texts of any size are scored in the same memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from textgen.errors import CheckpointError, ConfigError, CorpusError
from textgen.generation.scoring.protocols import NUM_ROWS, Continuous, Model, Nats, Windowed
from textgen.generation.scoring.segments import (
    END,
    FIRST_LABEL,
    SEGMENT_CHARS,
    Documents,
    Segment,
    segments,
)
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.wording import is_whole_number

MAX_WINDOWED_CHARS = 1 << 17
"""Characters that all of them hold together, at most."""


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
        protocol: "continuous": the state was carried through the whole text;
            "windowed": there was a cold start every `window` characters; "dynamic":
            the model learned while it read.
        window: characters between cold starts, or None where there was one start only.

    >>> Score(nats=100 * math.log(2), num_chars=50, num_bytes=80).bits_per_char
    2.0
    """

    nats: float
    num_chars: int
    num_bytes: int
    num_unknown: int = 0
    protocol: str = "continuous"
    window: int | None = None

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
        ['bits_per_byte', 'bits_per_char', 'nats_per_char', 'num_bytes', 'num_chars',
         'num_unknown', 'perplexity', 'protocol', 'window']
        """
        return {
            "bits_per_char": self.bits_per_char,
            "bits_per_byte": self.bits_per_byte,
            "nats_per_char": self.nats_per_char,
            "perplexity": self.perplexity,
            "num_chars": self.num_chars,
            "num_bytes": self.num_bytes,
            "num_unknown": self.num_unknown,
            "protocol": self.protocol,
            "window": self.window,
        }


class Surprise(NamedTuple):
    """What one character of a text cost.

    Args:
        character: as it stands in the text in normal form; a newline for the end of a
            document.
        bits: how surprising it was; None where the model could not predict it.
        ends_document: whether it stands for the end of a document.
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

    The first character is predicted after `tokenizer.start_id`. Where documents have
    an end token, it is predicted, too, and counts as the newline it stands for. A label
    is read, and never counted.

    Args:
        network: one, or several mixed.
        documents: one text, or several that follow each other, or pieces of them as
            `textgen.text.reading.documents` gives: then the text may be larger than memory.
        window: None to read on from start to end, or the number of characters after
            which the model starts anew, with the one character before as all it knows.
            For a model that reads bytes it counts characters, too.
        label: of every document, for a model that has labels; by default each brings
            its own.

    Raises:
        ConfigError: `window` is no whole number of at least 1; the model has labels, but
            a document has none.
        TokenizerError: a label that the model does not know.
        CorpusError: there is no character to predict.
        CheckpointError: the predictions are no numbers.

    >>> from textgen.config.model import ModelConfig
    >>> from textgen.generation.network.network import Network
    >>> from textgen.text.tokenizers.char import CharTokenizer
    >>> config = ModelConfig(vocab_size=4, num_layers=1, units=2, embedding_dim=3)
    >>> shapes = config.weight_shapes().items()
    >>> network = Network(config, {k: np.zeros(s, np.float32) for k, s in shapes})
    >>> score(network, CharTokenizer("abcd"), "abba").bits_per_char
    2.0
    """
    tally = Tally()
    for segment, nats in _predicted(network, tokenizer, documents, window, label):
        tally.add(segment, float(nats.sum()))
    return tally.score(window=window)


def surprises(
    network: Model,
    tokenizer: Tokenizer,
    documents: Documents,
    *,
    window: int | None = None,
    label: str | None = None,
    tally: Tally | None = None,
) -> Iterator[Surprise]:
    """How surprising each character of a text is, in its order.

    The bits add up to those of `score`, which takes the same arguments and raises the
    same errors; that nothing could be predicted shows only at the end.

    Args:
        tally: counts along, so that it holds the score in the end.

    >>> from textgen.config.model import ModelConfig
    >>> from textgen.generation.network.network import Network
    >>> from textgen.text.tokenizers.char import CharTokenizer
    >>> config = ModelConfig(vocab_size=2, num_layers=1, units=2, embedding_dim=3)
    >>> shapes = config.weight_shapes().items()
    >>> network = Network(config, {k: np.zeros(s, np.float32) for k, s in shapes})
    >>> [(c, bits) for c, bits, *_ in surprises(network, CharTokenizer("ab"), "b?a")]
    [('b', 1.0), ('?', None), ('a', 1.0)]
    """
    parts = _predicted(network, tokenizer, documents, window, label)
    return _surprises(parts, Tally() if tally is None else tally)


class Tally:
    """Adds up what the segments of a text cost; whoever predicts them, counts them so.

    >>> from textgen.text.tokenizers.byte import ByteTokenizer
    >>> tally = Tally()
    >>> for segment in segments(ByteTokenizer(), "né"):
    ...     tally.add(segment, nats=3.0)
    >>> tally.score()
    Score(nats=3.0, num_chars=2, num_bytes=3, num_unknown=0, protocol='continuous',
          window=None)
    """

    def __init__(self) -> None:
        self._nats = 0.0
        self._num_chars = 0
        self._num_bytes = 0
        self._num_unknown = 0
        self._has_predicted_text = False
        self._left_out: set[int] = set()

    def add(self, segment: Segment, nats: float) -> None:
        """Count a segment and its surprise.

        Args:
            nats: of all ids that count (`segment.is_counted`).

        Raises:
            CheckpointError: `nats` is no finite number.
        """
        predicted = segment.codes[segment.is_predicted]
        self._nats += _checked(nats)
        self._num_chars += len(predicted)
        self._num_bytes += int(_num_bytes(predicted).sum())
        self._num_unknown += int(segment.unknown.sum())
        self._has_predicted_text |= bool((predicted < END).any())
        if not self._has_predicted_text:
            self._left_out.update(segment.codes[segment.unknown].tolist())

    def score(self, protocol: str | None = None, *, window: int | None = None) -> Score:
        """The score of everything added so far.

        Args:
            protocol: how it was predicted, see `Score`; by default "continuous", or
                "windowed" where there is a window.

        Raises:
            CorpusError: no character was predicted, ends of documents apart.
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


def _checked(nats: float) -> float:
    if not math.isfinite(nats):
        raise CheckpointError(
            f"the model's predictions add up to {nats} nats. Its weights are damaged; "
            "use an earlier checkpoint."
        )
    return nats


def _nothing_to_score(num_unknown: int) -> CorpusError:
    if not num_unknown:
        return CorpusError("there is nothing to score: the text is empty. Add text.")
    return CorpusError(
        f"there is nothing to score: the model has never seen any of the {num_unknown} "
        "different characters of this text. Score a text in the script it was trained on."
    )


def _num_bytes(codes: NDArray[Any]) -> NDArray[Any]:
    """`(num_codes,)`: bytes of each in UTF-8; the end of a document is a newline."""
    lengths: NDArray[Any] = np.searchsorted([0x80, 0x800, 0x10000], codes, side="right") + 1
    return np.where(codes == END, 1, lengths)


def _surprises(parts: Iterable[tuple[Segment, Nats]], tally: Tally) -> Iterator[Surprise]:
    for segment, nats in parts:
        tally.add(segment, float(nats.sum()))
        bits = segment.per_character(nats / math.log(2))
        columns = (segment.codes, bits, segment.widths, segment.unknown)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for code, cost, width, is_unknown in rows:
            if code < FIRST_LABEL:
                character = "\n" if code == END else chr(code)
                yield Surprise(character, cost if width else None, code == END, is_unknown)
    # Refuses a text of which nothing was predicted.
    tally.score()


def _predicted(
    network: Model,
    tokenizer: Tokenizer,
    documents: Documents,
    window: int | None,
    label: str | None,
) -> Iterator[tuple[Segment, Nats]]:
    """Each segment with the surprise of its `(num_ids,)` ids, 0 for those not counted."""
    reader: Continuous | Windowed
    if window is None:
        reader, size = Continuous(network, tokenizer.start_id), SEGMENT_CHARS
    else:
        _check_window(window)
        reader = Windowed(network, tokenizer.start_id, window)
        size = min(NUM_ROWS * window, MAX_WINDOWED_CHARS)
    parts = segments(tokenizer, documents, label=label, size=size)
    return ((part, reader.nats(part) * part.is_counted) for part in parts)


def _check_window(window: Any) -> None:
    if not is_whole_number(window, least=1):
        raise ConfigError(
            f"window={window!r} must be a whole number of at least 1. Leave it out to "
            "carry the state through the whole text."
        )
