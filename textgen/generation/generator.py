"""A trained model that writes: a prompt in, a stream of text out."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgen.config import ModelConfig, SamplingConfig, TextConfig
from textgen.errors import ConfigError
from textgen.generation.network import Floats, Network, State
from textgen.generation.sampling import Filter, make_filters, sample_id
from textgen.generation.scoring import Score, score
from textgen.text.corpus import cut_documents, normalize_text
from textgen.text.tokenizer import ByteTokenizer, CharTokenizer


class UnknownCharacterWarning(UserWarning):
    """Characters of a prompt were left out: the model has never seen them."""


class Generator:
    """A trained model that writes text, one character at a time.

    It holds no state between calls; several threads may use it.

    Args:
        config: the architecture.
        weights: float32 arrays as `config.weight_shapes()` describes them.
        tokenizer: the one the model was trained with.
        documents: what was one document in training, see `TextConfig`.

    Raises:
        ConfigError: tokenizer and model have vocabularies of different sizes.

    >>> config = ModelConfig(vocab_size=2, num_layers=1, units=2, embedding_dim=3)
    >>> shapes = config.weight_shapes().items()
    >>> weights = {name: np.zeros(shape, np.float32) for name, shape in shapes}
    >>> generator = Generator(config, weights, CharTokenizer("ab"))
    >>> generator.generate("a", length=8, seed=0)
    'baaabbbb'
    """

    def __init__(
        self,
        config: ModelConfig,
        weights: Mapping[str, Floats],
        tokenizer: CharTokenizer | ByteTokenizer,
        documents: str = "whole",
    ) -> None:
        if config.vocab_size != tokenizer.vocab_size:
            raise ConfigError(
                f"the model has vocab_size={config.vocab_size}, but its tokenizer has "
                f"{tokenizer.vocab_size} ids. Use the tokenizer it was trained with."
            )
        self._network = Network(config, weights)
        self._tokenizer = tokenizer
        self._documents = documents

    @classmethod
    def load(cls, path: str | Path | None = None) -> Generator:
        """Read a checkpoint; Keras is not needed.

        Args:
            path: a checkpoint, a run, the name of a run under `checkpoints/`, or None
                for the newest one there.

        Raises:
            CheckpointError: missing, damaged, or from a newer version.
        """
        # Here, so that a model made in memory needs no file formats.
        from textgen.checkpoint import load_checkpoint
        from textgen.run_directory import find_checkpoint

        saved = load_checkpoint(find_checkpoint(path))
        documents = saved.facts.get("text", {}).get("documents", "whole")
        return cls(saved.model, saved.weights, saved.tokenizer, documents)

    @property
    def config(self) -> ModelConfig:
        """The architecture."""
        return self._network.config

    @property
    def tokenizer(self) -> CharTokenizer | ByteTokenizer:
        """Text to ids and back."""
        return self._tokenizer

    @property
    def documents(self) -> str:
        """What was one document in training: "whole", "lines", "paragraphs", "files"."""
        return self._documents

    def stream(
        self,
        prompt: str = "",
        *,
        length: int = 500,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        stop: str | Iterable[str] = (),
        echo: bool = False,
        unknown: str = "skip",
    ) -> Iterator[str]:
        """Write text and hand over each character as soon as it is there.

        A model of many documents starts a new one with the prompt, and ends with it.

        Args:
            prompt: the text to go on from; it does not count towards `length`.
            length: new characters, at most.
            temperature: below 1 is safer, above 1 is wilder; 0 takes the likeliest.
            top_k: choose among this many likeliest characters.
            top_p: choose among the likeliest that have this share together.
            seed: the same seed gives the same text; None gives another each time.
            stop: a text, or several; the first to appear ends the stream, unseen.
            echo: hand over the prompt first.
            unknown: what becomes of prompt characters that the model never saw:
                "skip" (left out, with an `UnknownCharacterWarning`) or "error".

        Returns:
            Pieces of text, never empty, never half a character.

        Raises:
            ConfigError: an option makes no sense. Raised here, not at the first piece.
            TokenizerError: unknown characters, with `unknown="error"`.

        >>> config = ModelConfig(vocab_size=2, num_layers=1, units=2, embedding_dim=3)
        >>> shapes = config.weight_shapes().items()
        >>> weights = {name: np.zeros(shape, np.float32) for name, shape in shapes}
        >>> generator = Generator(config, weights, CharTokenizer("ab"))
        >>> list(generator.stream("a", length=4, seed=0, echo=True))
        ['a', 'b', 'a', 'a', 'a']
        """
        sampling = SamplingConfig(length, temperature, top_k, top_p)
        return self._open(prompt, sampling, seed, stop, echo, unknown)

    def generate(
        self,
        prompt: str = "",
        *,
        length: int = 500,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        stop: str | Iterable[str] = (),
        echo: bool = False,
        unknown: str = "skip",
    ) -> str:
        """The whole text that `stream` would write, with the same options.

        >>> config = ModelConfig(vocab_size=2, num_layers=1, units=2, embedding_dim=3)
        >>> shapes = config.weight_shapes().items()
        >>> weights = {name: np.zeros(shape, np.float32) for name, shape in shapes}
        >>> generator = Generator(config, weights, CharTokenizer("ab"))
        >>> generator.generate(length=8, seed=0, stop="bb")
        'baaa'
        """
        sampling = SamplingConfig(length, temperature, top_k, top_p)
        pieces = self._open(prompt, sampling, seed, stop, echo, unknown)
        return "".join(pieces)

    def score(self, text: str | Iterable[str], documents: str | None = None) -> Score:
        """How well the model predicts a text: bits per character.

        Args:
            text: one text, or several documents, which are taken as they are.
            documents: how one text is cut into documents: "whole", "lines",
                "paragraphs" or "files"; by default, as the training text was.

        Raises:
            ConfigError: another value of `documents`.
            CorpusError: there is no character to predict.

        >>> config = ModelConfig(vocab_size=2, num_layers=1, units=2, embedding_dim=3)
        >>> shapes = config.weight_shapes().items()
        >>> weights = {name: np.zeros(shape, np.float32) for name, shape in shapes}
        >>> Generator(config, weights, CharTokenizer("ab")).score("abba").bits_per_char
        1.0
        """
        kind = self._documents if documents is None else documents
        TextConfig(documents=kind)
        if isinstance(text, str):
            text = cut_documents([text], kind)
        return score(self._network, self._tokenizer, text)

    def _open(
        self,
        prompt: str,
        sampling: SamplingConfig,
        seed: int | None,
        stop: str | Iterable[str],
        echo: bool,
        unknown: str,
    ) -> Iterator[str]:
        """Check everything now; the work is done as the pieces are asked for."""
        _check_seed(seed)
        stops = self._stops(stop)
        ids = self._ids_to_read(prompt, unknown)
        # The unknown token stands for no character that could be written.
        never = self._tokenizer.unknown_id
        filters = make_filters(sampling, () if never is None else (never,))
        rng = np.random.default_rng(seed)
        pieces = self._pieces(ids, sampling.length, filters, rng)
        if stops:
            pieces = _until(pieces, stops)
        return chain([prompt], pieces) if echo and prompt else pieces

    def _pieces(
        self,
        ids: NDArray[Any],
        length: int,
        filters: Sequence[Filter],
        rng: np.random.Generator,
    ) -> Iterator[str]:
        if length == 0:
            return
        step, feed = self._network.step, self._tokenizer.stream_decoder().feed
        eod_id = self._tokenizer.eod_id
        logits, state = self._read(ids)
        while True:
            drawn = sample_id(logits[-1].astype(np.float64), filters, rng)
            # Broken bytes may give two characters at once.
            piece = feed(drawn)[:length]
            if piece:
                yield piece
                length -= len(piece)
            if drawn == eod_id or length == 0:
                return
            logits, state = step((drawn,), state)

    def _read(self, ids: NDArray[Any]) -> tuple[Floats, State]:
        """Read at least one id, keeping no more logits than needed."""
        state = self._network.initial_state()
        for chunk_logits, after in self._network.read_chunks(ids, state):
            logits, state = chunk_logits, after
        return logits, state

    def _ids_to_read(self, prompt: str, unknown: str) -> NDArray[Any]:
        """`(num_ids,)`: what the model reads before it writes; never empty."""
        if unknown not in ("skip", "error"):
            raise ConfigError(f"unknown={unknown!r} must be one of skip, error.")
        tokenizer = self._tokenizer
        ids = tokenizer.encode(prompt, unknown=unknown)
        missing = tokenizer.unknown_characters(prompt)
        if missing:
            names = ", ".join(f"{c!r} (U+{ord(c):04X})" for c in missing)
            message = f"left out of the prompt, as the model has never seen them: {names}"
            # The line that called `stream` or `generate`.
            warnings.warn(message, UnknownCharacterWarning, stacklevel=4)
        if tokenizer.eod_id is not None or not len(ids):
            return np.append(tokenizer.start_id, ids)
        return ids

    def _stops(self, stop: str | Iterable[str]) -> tuple[str, ...]:
        stops = (stop,) if isinstance(stop, str) else tuple(stop)
        if not all(stops):
            raise ConfigError(
                "stop='' is empty and would end every text at once. Leave it out."
            )
        # What the model writes is in its normal form; another would never be found.
        return tuple(normalize_text(text, self._tokenizer.normalize) for text in stops)


def _until(pieces: Iterator[str], stops: Sequence[str]) -> Iterator[str]:
    """Pass text on up to the first of `stops`, which may lie across pieces.

    Held back is only what may turn out to be the start of a stop text.
    """
    held = ""
    for piece in pieces:
        held += piece
        found = [at for at in (held.find(stop) for stop in stops) if at >= 0]
        if found:
            held = held[: min(found)]
            break
        safe = len(held) - _num_suspect(held, stops)
        if safe:
            yield held[:safe]
            held = held[safe:]
    if held:
        yield held


def _num_suspect(held: str, stops: Sequence[str]) -> int:
    """How many characters at the end of `held` may begin a stop text.

    >>> _num_suspect("the e", ["end", "the"])
    1
    """
    return max(
        size
        for stop in stops
        for size in range(min(len(held), len(stop) - 1) + 1)
        if held.endswith(stop[:size])
    )


def _check_seed(seed: object) -> None:
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool) and seed >= 0
    if seed is not None and not whole:
        raise ConfigError(
            f"seed={seed!r} must be a whole number of at least 0. Leave it out for "
            "another text each time."
        )
