"""What happens inside a network while it reads: every gate and state at every character."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgen.errors import ConfigError, CorpusError
from textgen.generation.network.layers.base import Floats, Recorded
from textgen.generation.network.mixture import Mixture
from textgen.generation.network.network import CHUNK_CHARS
from textgen.generation.scoring.protocols import Model, nats_of
from textgen.generation.scoring.segments import (
    END,
    FIRST_LABEL,
    IN_PROMPT,
    Documents,
    segments,
)
from textgen.memory import check_fits, memory_errors
from textgen.model.cells import CELLS
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.text.unicode.code_points import SEPARATOR
from textgen.wording import count_of, few

LESS_TEXT = "Trace a shorter text."


@dataclass(frozen=True)
class Trace:
    """The inside of a network at each id of a text, which is one row of every array.

    With bytes a character has several rows, and a character that was left out has none.

    Args:
        cell: the kind of cell, a key of `textgen.model.cells.CELLS`.
        ids: `(time,)` the ids read.
        codes: `(time,)` code point of the character that an id belongs to; 0x110000 for
            the end of a document, and above that for labels; prompts have 1 << 21 added.
        bits: `(time,)` how much each id surprised the model, before it was read; 0 for
            labels and prompts, which do not count.
        logits: `(time, vocab_size)` the prediction before an id was read; log-probabilities
            with an n-gram memory.
        values: `(time, units)` gates after their activation and states, after an id was
            read, by the names of weights: `layers.0.forget`, `layers.0.c`. Also the
            outputs `(time, width)` of convolution and attention; not the shares of
            attention, nor the outputs of norms, sums and projections, which follow.

    >>> from textgen.config.model import ModelConfig
    >>> from textgen.generation.network.network import Network
    >>> from textgen.text.tokenizers.char import CharTokenizer
    >>> config = ModelConfig(vocab_size=2, num_layers=1, units=3, embedding_dim=3)
    >>> shapes = config.weight_shapes().items()
    >>> network = Network(config, {k: np.zeros(s, np.float32) for k, s in shapes})
    >>> found = trace(network, CharTokenizer("ab"), "abba")
    >>> found
    <Trace: 4 rows of layers.0.input, layers.0.forget, layers.0.cell, layers.0.output,
     layers.0.h, layers.0.c>
    >>> found.values["layers.0.forget"][0].tolist()
    [0.5, 0.5, 0.5]
    """

    cell: str
    ids: NDArray[np.int64]
    codes: NDArray[np.int64]
    bits: NDArray[np.float64]
    logits: Floats
    values: Mapping[str, Floats]

    def __repr__(self) -> str:
        rows, names = count_of(len(self.ids), "row"), few(list(self.values), most=8)
        return f"<Trace: {rows} of {names}>"

    @property
    def characters(self) -> list[str]:
        """The character of each row; a newline for an end or separator, no label."""
        return [character_of(code) for code in self.codes.tolist()]

    @property
    def num_layers(self) -> int:
        """Recurrent layers."""
        return sum(name.endswith(".h") for name in self.values)

    def gates(self, layer: int) -> dict[str, Floats]:
        """The gates of a recurrent layer, counted from 0, by their names in `CELLS`."""
        return {
            name: self.values[f"layers.{layer}.{name}"] for name in CELLS[self.cell].gates
        }

    def states(self, layer: int) -> dict[str, Floats]:
        """The states of a recurrent layer, counted from 0: h, and c of an LSTM."""
        names = CELLS[self.cell].states
        return {name: self.values[f"layers.{layer}.{name}"] for name in names}


def are_labels(codes: NDArray[Any]) -> NDArray[np.bool_]:
    """Which codes of `Trace` or of `Segment` are labels, which are no characters."""
    found: NDArray[np.bool_] = (codes >= FIRST_LABEL) & (codes < IN_PROMPT)
    return found


def character_of(code: int) -> str:
    """The character of a code of `Trace`.

    >>> [character_of(code) for code in (97, 0x110000, 0x110001, 97 + (1 << 21))]
    ['a', '\\n', '', 'a']
    >>> character_of(ord(SEPARATOR) + (1 << 21))
    '\\n'
    """
    if code == ord(SEPARATOR) + IN_PROMPT:
        # As `shown_prompt` shows it; outside of a prompt it is a character.
        return "\n"
    code &= ~IN_PROMPT
    return "\n" if code == END else chr(code) if code < END else ""


def trace(
    network: Model, tokenizer: Tokenizer, documents: Documents, label: str | None = None
) -> Trace:
    """Read a text as scoring does, and record what happens.

    Raises:
        ConfigError: a mixture of models, or no label for a model that has labels.
        CorpusError: there is no character to read.
        OutOfMemoryError: the text is too long; `trace_chunks` needs little memory.
    """
    with memory_errors("to trace a text", LESS_TEXT):
        return joined(_within_memory(trace_chunks(network, tokenizer, documents, label)))


def trace_chunks(
    network: Model, tokenizer: Tokenizer, documents: Documents, label: str | None = None
) -> Iterator[Trace]:
    """The same for a text of any size, in parts of at most `CHUNK_CHARS` rows."""
    if isinstance(network, Mixture):
        raise ConfigError(
            "a mixture of models has no gates of its own. Trace one of the models."
        )
    state = network.initial_state(1)
    ((before, state),) = network.read_chunks([tokenizer.start_id], state)
    for segment in segments(tokenizer, documents, label=label):
        codes = np.repeat(segment.codes, segment.widths).astype(np.int64)
        for start in range(0, len(codes), CHUNK_CHARS):
            part = slice(start, start + CHUNK_CHARS)
            ids, own = segment.ids[part].astype(np.int64), codes[part]
            recorded: Recorded = {}
            ((after, state),) = network.read_chunks(ids, state, recorded)
            logits = np.concatenate([before, after[:-1]])
            before = after[-1:]
            bits = nats_of(logits, ids) / np.log(2) * (own < FIRST_LABEL)
            yield Trace(network.config.cell, ids, own, bits, logits, recorded)


def _within_memory(chunks: Iterator[Trace]) -> Iterator[Trace]:
    held = 0
    for chunk in chunks:
        # Twice, since the parts are joined at the end.
        arrays = (chunk.logits, *chunk.values.values())
        held += 2 * sum(array.nbytes for array in arrays)
        check_fits(held, "the gates and states of this text take", LESS_TEXT)
        yield chunk


def joined(chunks: Iterable[Trace]) -> Trace:
    """The trace of a text from those of its parts.

    Raises:
        CorpusError: there are none.
    """
    parts = list(chunks)
    if not parts:
        raise CorpusError("there is nothing to trace: no character of the text is known.")
    values = {
        n: np.concatenate([part.values[n] for part in parts]) for n in parts[0].values
    }
    return Trace(
        parts[0].cell,
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.bits for part in parts]),
        np.concatenate([part.logits for part in parts]),
        values,
    )
