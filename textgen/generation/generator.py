"""A trained model that writes: a prompt in, a stream of text out."""

from __future__ import annotations

import copy
import secrets
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from textgen.config.fields import from_dict
from textgen.config.model import ModelConfig
from textgen.config.sampling import SamplingConfig, check_setting
from textgen.config.text import TextConfig
from textgen.errors import ConfigError
from textgen.generation.decoding.beam import search
from textgen.generation.decoding.loop import write
from textgen.generation.decoding.plan import Plan
from textgen.generation.decoding.sample import Sample
from textgen.generation.decoding.text import Text
from textgen.generation.network.mixture import Mixture
from textgen.generation.network.network import Floats, Network, State
from textgen.generation.patterns.automaton import make_automaton
from textgen.generation.patterns.characters import permitted_ids
from textgen.generation.sampling.fast import make_choosers
from textgen.generation.sampling.filters import draw
from textgen.generation.sampling.penalties import make_penalties
from textgen.text.reading.corpus import cut_documents, normalize_text
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.wording import list_of

if TYPE_CHECKING:
    from textgen.generation.scoring.score import Score
    from textgen.text.reading.documents import Piece


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
        copy: whether `weights` stay as they are; without a copy they are changed, and
            the memory holds them once.

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
        *,
        copy: bool = True,
    ) -> None:
        if config.vocab_size != tokenizer.vocab_size:
            raise ConfigError(
                f"the model has vocab_size={config.vocab_size}, but its tokenizer has "
                f"{tokenizer.vocab_size} ids. Use the tokenizer it was trained with."
            )
        self._network: Network | Mixture = Network(config, weights, copy=copy)
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
        from textgen.checkpoint.format import load_checkpoint
        from textgen.checkpoint.runs import find_checkpoint

        saved = load_checkpoint(find_checkpoint(path))
        documents = saved.facts.get("text", {}).get("documents", "whole")
        return cls(saved.model, saved.weights, saved.tokenizer, documents, copy=False)

    @classmethod
    def mix(cls, generators: Sequence[Generator], shares: Sequence[float]) -> Generator:
        """Several models that write together: their chances are averaged.

        Args:
            generators: trained with one tokenizer.
            shares: one for each, above 0; only their ratios matter.

        Returns:
            A generator with the documents of the first.

        Raises:
            ConfigError: other tokenizers, or shares that do not fit.

        >>> config = ModelConfig(vocab_size=2, num_layers=1, units=2, embedding_dim=3)
        >>> shapes = config.weight_shapes().items()
        >>> weights = {name: np.zeros(shape, np.float32) for name, shape in shapes}
        >>> generator = Generator(config, weights, CharTokenizer("ab"))
        >>> mixed = Generator.mix([generator, generator], [0.7, 0.3])
        >>> mixed.score("abba").bits_per_char
        1.0
        """
        for other in generators[1:]:
            _check_same_tokenizer(generators[0].tokenizer, other.tokenizer)
        networks: list[Network] = []
        for generator in generators:
            if not isinstance(generator._network, Network):
                raise ConfigError("a mixture cannot be mixed again. Mix all at once.")
            networks.append(generator._network)
        mixture = Mixture(networks, shares)
        mixed = copy.copy(generators[0])
        mixed._network = mixture
        return mixed

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
        seed: int | None = None,
        echo: bool = False,
        unknown: str = "skip",
        label: str | None = None,
        **settings: Any,
    ) -> Iterator[str]:
        """Write text and hand over each character as soon as it is there.

        A model of many documents starts a new one with the prompt, and ends with it.

        Args:
            prompt: the text to go on from, of any length; it does not count towards
                `length`.
            seed: the same seed gives the same text; None gives another each time.
            echo: hand over the prompt first.
            unknown: what becomes of prompt characters that the model never saw:
                "skip" (left out, with an `UnknownCharacterWarning`) or "error".
            label: what the text is to be like, of those that a model of labelled
                documents knows; None leaves the choice to the model.
            **settings: fields of `SamplingConfig`, such as `length`, `temperature`,
                `top_p`, `stop`, `pattern`.

        Returns:
            Pieces of text, never empty, never half a character. Beam search gives one.

        Raises:
            ConfigError: a setting makes no sense. Raised here, not at the first piece.
            TokenizerError: unknown characters, with `unknown="error"`, or an unknown
                label.

        >>> config = ModelConfig(vocab_size=2, num_layers=1, units=2, embedding_dim=3)
        >>> shapes = config.weight_shapes().items()
        >>> weights = {name: np.zeros(shape, np.float32) for name, shape in shapes}
        >>> generator = Generator(config, weights, CharTokenizer("ab"))
        >>> list(generator.stream("a", length=4, seed=0, echo=True))
        ['a', 'b', 'a', 'a', 'a']
        """
        plan = self._plan(settings)
        starts = self._starts([prompt], unknown, label)
        pieces = self._pieces(plan, starts, checked_seed(seed))
        return chain([prompt], pieces) if echo and prompt else pieces

    def generate(
        self,
        prompt: str = "",
        *,
        seed: int | None = None,
        echo: bool = False,
        unknown: str = "skip",
        label: str | None = None,
        **settings: Any,
    ) -> str:
        """The whole text that `stream` would write, with the same options.

        >>> config = ModelConfig(vocab_size=2, num_layers=1, units=2, embedding_dim=3)
        >>> shapes = config.weight_shapes().items()
        >>> weights = {name: np.zeros(shape, np.float32) for name, shape in shapes}
        >>> generator = Generator(config, weights, CharTokenizer("ab"))
        >>> generator.generate(length=8, seed=0, pattern="(ab)+")
        'abababab'
        """
        plan = self._plan(settings)
        starts = self._starts([prompt], unknown, label)
        text = "".join(self._pieces(plan, starts, checked_seed(seed)))
        return prompt + text if echo else text

    def samples(
        self,
        prompts: str | Iterable[str] = "",
        num_samples: int = 1,
        *,
        seed: int | None = None,
        unknown: str = "skip",
        label: str | None = None,
        logprobs: int | None = None,
        batch_size: int = 64,
        **settings: Any,
    ) -> Iterator[Sample]:
        """Write many texts at once, each with a random stream of its own.

        A text depends on `seed` and its number, not on what is written beside it; but
        the last bits of a matrix product may depend on the number of its rows, and so,
        very rarely, a character.

        Args:
            prompts: one, or several.
            num_samples: texts for each prompt; with `beam_width`, the best so many.
            seed: text number `n`, counted over all prompts, begins with `(seed, n)`;
                `generate(seed=seed)` is number 0. None takes a seed of its own, which
                the samples name.
            logprobs: note the log-probability of the text, and of this many of the
                likeliest characters at each place; None notes nothing.
            batch_size: texts that are written side by side.
            unknown, label, settings: as for `stream`.

        Returns:
            The samples in order. Those of one batch come together.

        Raises:
            ConfigError: a setting makes no sense.
            TokenizerError: as for `stream`.

        >>> config = ModelConfig(vocab_size=2, num_layers=1, units=2, embedding_dim=3)
        >>> shapes = config.weight_shapes().items()
        >>> weights = {name: np.zeros(shape, np.float32) for name, shape in shapes}
        >>> generator = Generator(config, weights, CharTokenizer("ab"))
        >>> [s.text for s in generator.samples("a", 2, length=4, seed=0)]
        ['baaa', 'bbbb']
        """
        check_setting("num_samples", num_samples)
        check_setting("batch_size", batch_size)
        if logprobs is not None:
            check_setting("logprobs", logprobs)
        plan = replace(self._plan(settings), num_logprobs=logprobs)
        width = plan.config.beam_width
        if width is not None and num_samples > width:
            raise ConfigError(
                f"beam_width={width} keeps no more than {width} texts, but "
                f"num_samples={num_samples}. Raise --beam-width."
            )
        prompts = [prompts] if isinstance(prompts, str) else list(prompts)
        starts = self._starts(prompts, unknown, label)
        seed = checked_seed(seed)
        if width is not None:
            return self._searched(plan, starts, seed, num_samples)
        copies = [start for start in starts for _ in range(num_samples)]
        return self._written(plan, copies, seed, batch_size)

    def score(
        self,
        text: str | Iterable[str] | Iterable[Piece],
        documents: str | None = None,
        *,
        window: int | None = None,
        label: str | None = None,
    ) -> Score:
        """How well the model predicts a text: bits per character.

        Args:
            text: one text, or several documents, which are taken as they are, or the
                pieces of `textgen.text.reading.documents`, for texts larger than memory.
            documents: how one text is cut into documents: "whole", "lines",
                "paragraphs", "files" or "records" (the last two leave it as it is); by
                default, as the training text was.
            window: characters after which the model starts anew, knowing only the one
                before; by default it reads on from start to end.
            label: what every document is read after, for a model that has labels.

        Raises:
            ConfigError: another value of `documents`, a window below 1, or no label.
            TokenizerError: a label that the model does not know.
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
        # Here, so that the first character does not wait for what judges texts.
        from textgen.generation.scoring.score import score

        return score(self._network, self._tokenizer, text, window=window, label=label)

    def encode(self, texts: Iterable[str]) -> Floats:
        """Each text as a vector: the last layer's state h when the model has read it.

        Args:
            texts: several, of any lengths.

        Returns:
            `(num_texts, units)`, in the order of `texts`.

        Raises:
            ConfigError: one text instead of several, or several models.

        >>> config = ModelConfig(vocab_size=2, num_layers=1, units=2, embedding_dim=3)
        >>> shapes = config.weight_shapes().items()
        >>> weights = {name: np.zeros(shape, np.float32) for name, shape in shapes}
        >>> Generator(config, weights, CharTokenizer("ab")).encode(["abba", ""]).tolist()
        [[0.0, 0.0], [0.0, 0.0]]
        """
        from textgen.generation.scoring.vectors import encode

        return encode(self._network, self._tokenizer, texts)

    def similarity(self, a: str, b: str) -> float:
        """How alike two texts are to the model: the cosine between their vectors.

        Raises:
            ConfigError: a vector of no length or of no numbers, or several models.

        >>> config = ModelConfig(vocab_size=2, num_layers=1, units=2, embedding_dim=3)
        >>> shapes = config.weight_shapes().items()
        >>> weights = {name: np.ones(shape, np.float32) for name, shape in shapes}
        >>> round(Generator(config, weights, CharTokenizer("ab")).similarity("a", "b"), 3)
        1.0
        """
        from textgen.generation.scoring.vectors import similarity

        return similarity(*self.encode([a, b]))

    def _plan(self, settings: Mapping[str, Any]) -> Plan:
        """Check every setting now; the work is done as the text is asked for."""
        config = from_dict(SamplingConfig, settings)
        tokenizer = self._tokenizer
        if config.until == "document" and tokenizer.eod_id is None:
            raise ConfigError(
                "this model knows no documents: it was trained on one whole text. Leave "
                "out until='document', or train with --documents."
            )
        bans = np.where(permitted_ids(tokenizer, config.allow, config.forbid), 0, -np.inf)
        # They stand for no character that could be written.
        special = (tokenizer.unknown_id, *tokenizer.label_ids)
        bans[[each for each in special if each is not None]] = -np.inf
        # What the model writes is in its normal form; another would never be found.
        stops = tuple(normalize_text(text, tokenizer.normalize) for text in config.stop)
        breakers = frozenset(tokenizer.encode(config.dry_breakers, "skip").tolist())
        return Plan(
            config,
            tokenizer,
            bans,
            make_choosers(config),
            make_penalties(config, breakers),
            stops,
            make_automaton(tokenizer, config),
        )

    def _starts(
        self, prompts: Sequence[str], unknown: str, label: str | None
    ) -> list[_Start]:
        """What each text begins with."""
        if unknown not in ("skip", "error"):
            raise ConfigError(f"unknown={unknown!r} must be one of skip, error.")
        tokenizer = self._tokenizer
        missing = dict.fromkeys(
            c for prompt in prompts for c in tokenizer.unknown_characters(prompt)
        )
        if missing and unknown == "skip":
            names = list_of(list(missing))
            message = f"left out of the prompt, as the model has never seen them: {names}"
            # The line that called `stream` or one of its sisters.
            warnings.warn(message, UnknownCharacterWarning, stacklevel=3)
        chosen = () if label is None else (tokenizer.label_id(label),)
        return [
            _Start(prompt, tuple(tokenizer.encode(prompt, unknown).tolist()), chosen)
            for prompt in prompts
        ]

    def _pieces(self, plan: Plan, starts: Sequence[_Start], seed: int) -> Iterator[str]:
        """One text, as it comes."""
        if plan.config.beam_width is not None:
            texts = (sample.text for sample in self._searched(plan, starts, seed, 1))
            yield from (text for text in texts if text)
            return
        for _, piece in write(self._network, *self._begin(plan, starts, seed, 0)):
            yield piece

    def _written(
        self, plan: Plan, starts: Sequence[_Start], seed: int, batch_size: int
    ) -> Iterator[Sample]:
        for first in range(0, len(starts), batch_size):
            batch = starts[first : first + batch_size]
            texts, logits, state = self._begin(plan, batch, seed, first)
            for _ in write(self._network, texts, logits, state):
                pass
            yield from (text.sample() for text in texts)

    def _searched(
        self, plan: Plan, starts: Sequence[_Start], seed: int, count: int
    ) -> Iterator[Sample]:
        for place, start in enumerate(starts):
            (text,), logits, state = self._begin(plan, [start], seed, place * count)
            yield from search(self._network, text, logits, state)[:count]

    def _begin(
        self, plan: Plan, starts: Sequence[_Start], seed: int, first: int
    ) -> tuple[list[Text], Floats, State]:
        """Read what the texts begin with; equal beginnings are read once.

        Args:
            first: the number of the first text.
        """
        read: dict[tuple[int, ...], _Read] = {}
        texts, logits, states = [], [], []
        for number, start in enumerate(starts, first):
            rng = np.random.default_rng((seed, number))
            opening = self._opening(start, rng, read)
            ids = (*opening, *start.ids)
            if ids not in read:
                read[ids] = self._read(ids)
            # Equal texts share one row of ids, which may be long.
            ids, text_logits, state = read[ids]
            label = self._label_of(opening)
            texts.append(Text(plan, start.prompt, ids, seed, number, rng, label))
            logits.append(text_logits)
            states.append(state)
        return texts, np.concatenate(logits), np.concatenate(states, axis=2)

    def _label_of(self, opening: tuple[int, ...]) -> str | None:
        label_ids = self._tokenizer.label_ids
        return self._tokenizer.labels[label_ids.index(opening[-1])] if label_ids else None

    def _opening(
        self,
        start: _Start,
        rng: np.random.Generator,
        read: dict[tuple[int, ...], _Read],
    ) -> tuple[int, ...]:
        """The ids before the prompt; the model draws a label where none was chosen."""
        tokenizer = self._tokenizer
        if tokenizer.eod_id is None:
            return () if start.ids else (tokenizer.start_id,)
        if start.label or not tokenizer.label_ids:
            return (tokenizer.eod_id, *start.label)
        opening = (tokenizer.eod_id,)
        if opening not in read:
            read[opening] = self._read(opening)
        labels = list(tokenizer.label_ids)
        chances = read[opening].logits[:, labels].astype(np.float64)
        (drawn,) = draw(chances, rng.random(1))
        return (*opening, labels[drawn])

    def _read(self, ids: tuple[int, ...]) -> _Read:
        """Read at least one id."""
        state = self._network.initial_state()
        for chunk_logits, after in self._network.read_chunks(ids, state):
            logits, state = chunk_logits, after
        return _Read(ids, logits[-1:], state)


class _Read(NamedTuple):
    """Ids that were read, logits `(1, vocab)` of the next one, and the state."""

    ids: tuple[int, ...]
    logits: Floats
    state: State


@dataclass(frozen=True)
class _Start:
    """A prompt, its ids, and the id of the label chosen for it, if any."""

    prompt: str
    ids: tuple[int, ...]
    label: tuple[int, ...]


def checked_seed(seed: int | None) -> int:
    """The seed itself, or a fresh one for None.

    Raises:
        ConfigError: not a whole number of at least 0.

    >>> checked_seed(7)
    7
    """
    if seed is None:
        return secrets.randbits(32)
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool) and seed >= 0
    if not whole:
        raise ConfigError(
            f"seed={seed!r} must be a whole number of at least 0. Leave it out for "
            "another text each time."
        )
    return int(seed)


def _check_same_tokenizer(one: Tokenizer, other: Tokenizer) -> None:
    if one == other:
        return
    ours, theirs = one.to_dict(), other.to_dict()
    names = [name for name in ours if ours[name] != theirs.get(name)]
    what = f"they differ in {', '.join(names)}"
    if isinstance(one, CharTokenizer) and isinstance(other, CharTokenizer):
        only_one = sorted(set(one.characters) ^ set(other.characters))
        if only_one:
            what = f"only one knows {', '.join(map(repr, only_one[:5]))}"
    raise ConfigError(
        f"models with different tokenizers cannot be mixed: {what}. Train both on texts "
        "with the same characters and labels, and with the same --tokenizer, --normalize "
        "and --documents."
    )
