"""A trained model that writes text."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen.config.arguments import check_instance, flag, one_text, several, several_texts
from textgen.config.model import ModelConfig
from textgen.config.sampling import SamplingConfig
from textgen.config.text import TextConfig
from textgen.errors import ConfigError
from textgen.generation.decoding.batch import Batch, batches
from textgen.generation.decoding.completing import shown_prompt
from textgen.generation.decoding.plan import make_plan
from textgen.generation.decoding.prompts import encode_prompts
from textgen.generation.decoding.sample import Sample
from textgen.generation.decoding.unknown import warn_of_unknown
from textgen.generation.network.layers.base import Floats
from textgen.generation.network.mixture import Mixture, check_same_tokenizer
from textgen.generation.network.network import Network
from textgen.generation.network.remembering import RememberingNetwork
from textgen.generation.settings import checked_counts, resolve_seed, sampling_config
from textgen.generation.showing import generator_html, generator_line
from textgen.streams import pieces_to_show
from textgen.text.reading.documents import text_pieces
from textgen.text.tokenizers.base import BaseTokenizer
from textgen.text.tokenizers.serialization import Tokenizer

if TYPE_CHECKING:
    from textgen.checkpoint.format import Checkpoint
    from textgen.generation.scoring.score import Score
    from textgen.generation.scoring.trace import Trace
    from textgen.ngrams.model import NgramModel
    from textgen.text.reading.documents import Piece


class Generator:
    """A trained model that writes text, one character at a time.

    It keeps no state between calls; several threads may share it.

    Args:
        config: the architecture.
        weights: float32 arrays as `config.weight_shapes()` describes them.
        tokenizer: the one the model was trained with.
        documents: what counted as a document in training, see `TextConfig`.
        ngrams: the n-gram memory of the training text, if it is to be used.
        memory_learns: whether that memory also learns from what is read and written.
        copy: whether to copy `weights`. Without a copy they are modified, and memory
            holds them once.

    Raises:
        ConfigError: tokenizer and model have vocabularies of different sizes, or a weight
            is missing or has another shape or type.

    >>> import numpy as np
    >>> from textgen.text.tokenizers.char import CharTokenizer
    >>> config = ModelConfig(vocab_size=2, num_layers=1, units=2, embedding_dim=3)
    >>> shapes = config.weight_shapes().items()
    >>> weights = {name: np.zeros(shape, np.float32) for name, shape in shapes}
    >>> generator = Generator(config, weights, CharTokenizer("ab"))
    >>> generator.generate("a", length=8, seed=0)
    'baaabbbb'
    >>> list(generator.stream("a", length=4, seed=0, echo=True))
    ['a', 'b', 'a', 'a', 'a']
    >>> [sample.text for sample in generator.samples("a", 2, length=4, seed=0)]
    ['baaa', 'bbbb']
    >>> generator.score("abba").bits_per_char
    1.0
    >>> Generator.mix([generator, generator], [0.7, 0.3]).score("abba").bits_per_char
    1.0
    """

    def __init__(
        self,
        config: ModelConfig,
        weights: Mapping[str, Floats],
        tokenizer: Tokenizer,
        documents: str = "whole",
        *,
        ngrams: NgramModel | None = None,
        memory_learns: bool = False,
        copy: bool = True,
    ) -> None:
        check_instance("config", config, ModelConfig)
        check_instance("tokenizer", tokenizer, BaseTokenizer)
        TextConfig(documents=documents)
        if config.vocab_size != tokenizer.vocab_size:
            raise ConfigError(
                f"the model has vocab_size={config.vocab_size}, but its tokenizer has "
                f"{tokenizer.vocab_size} ids. Use the tokenizer it was trained with."
            )
        network = Network(config, weights, copy=flag("copy", copy))
        self._network: Network | RememberingNetwork | Mixture = network
        if ngrams is not None:
            self._network = RememberingNetwork(network, ngrams, learns=memory_learns)
        elif flag("memory_learns", memory_learns):
            raise ConfigError(
                "no memory can learn: none is in use. Use a model that was trained with "
                "memory=8."
            )
        self._tokenizer = tokenizer
        self._documents = documents

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        *,
        memory: bool | None = None,
        memory_learns: bool = False,
    ) -> Generator:
        """Read a checkpoint; Keras is not needed.

        Args:
            path: a checkpoint, a run, the name of a run under `checkpoints/`, or None
                for the newest one there.
            memory: whether to use the n-gram memory; by default, if there is one.
            memory_learns: as for `Generator`.

        Raises:
            CheckpointError: missing, damaged, or from a newer version.
            ConfigError: an n-gram memory is asked for, but there is none.
        """
        # Here, so that a model built in memory needs no file formats.
        from textgen.checkpoint.format import load_checkpoint
        from textgen.checkpoint.runs import find_checkpoint

        saved = load_checkpoint(find_checkpoint(path))
        return cls.from_checkpoint(saved, memory=memory, memory_learns=memory_learns)

    @classmethod
    def from_checkpoint(
        cls,
        saved: Checkpoint,
        *,
        memory: bool | None = None,
        memory_learns: bool = False,
    ) -> Generator:
        """Use a checkpoint that has been read; its weights are modified."""
        from textgen.checkpoint.format import Checkpoint
        from textgen.checkpoint.ngram_file import ngrams_to_use

        check_instance("saved", saved, Checkpoint, "Read one with load_checkpoint.")
        documents = saved.facts.get("text", {}).get("documents", "whole")
        return cls(
            *(saved.model, saved.weights, saved.tokenizer, documents),
            ngrams=ngrams_to_use(saved.ngrams, memory),
            memory_learns=memory_learns,
            copy=False,
        )

    @classmethod
    def mix(cls, generators: Iterable[Generator], shares: Iterable[float]) -> Generator:
        """A generator that averages the probabilities of several models.

        Args:
            generators: trained with the same tokenizer.
            shares: the weight of each, above 0; only their ratios matter.

        Returns:
            A generator with the documents of the first.

        Raises:
            ConfigError: different tokenizers, or shares that do not fit.
        """
        each = several("generators", generators, "generators")
        for generator in each:
            check_instance("each of generators", generator, Generator)
            check_same_tokenizer(each[0].tokenizer, generator.tokenizer)
        networks = [generator._network for generator in each]
        mixture = Mixture(networks, several("shares", shares, "numbers"))
        mixed = copy.copy(each[0])
        mixed._network = mixture
        return mixed

    def __repr__(self) -> str:
        return generator_line(self)

    def _repr_html_(self) -> str:
        return generator_html(self)

    @property
    def config(self) -> ModelConfig:
        """The architecture."""
        return self._network.config

    @property
    def tokenizer(self) -> Tokenizer:
        """Text to ids and back."""
        return self._tokenizer

    @property
    def documents(self) -> str:
        """What counted as a document in training, for example "whole" or "lines"."""
        return self._documents

    def stream(
        self,
        prompt: str = "",
        *,
        seed: int | None = None,
        echo: bool = False,
        unknown: str = "skip",
        label: str | None = None,
        sampling: SamplingConfig | None = None,
        **settings: Any,
    ) -> Iterator[str]:
        """Write text and yield each character as soon as it is known.

        A model of many documents starts a new one with the prompt and stops at its end.

        Args:
            prompt: the text to continue or complete; it does not count towards `length`.
            seed: the same seed gives the same text; None gives another each time.
            echo: yield the prompt first.
            unknown: what happens to prompt characters the model has never seen: "skip"
                (left out, with an `UnknownCharacterWarning`) or "error".
            label: one of the labels of a model of labelled documents; None lets the
                model draw one.
            sampling: all settings as one object, instead of `settings`.
            **settings: fields of `SamplingConfig`: `length`, `temperature`, `top_p`, ...

        Returns:
            Pieces of text, never empty, never part of a character; in a notebook about ten
            a second. Beam search gives one; restricted text grows as its particles agree.

        Raises:
            ConfigError: an invalid setting. Raised here, not at the first piece.
            TokenizerError: unknown characters, with `unknown="error"`; an unknown label.
        """
        one_text("prompt", prompt)
        echo, config = flag("echo", echo), sampling_config(sampling, settings)
        begun = self._begin([prompt], config, seed, unknown, label)
        pieces = chain.from_iterable(batch.pieces() for batch in begun)
        shown = [shown_prompt(self._tokenizer, prompt)] if echo and prompt else []
        return pieces_to_show(chain(shown, pieces))

    def generate(
        self,
        prompt: str = "",
        *,
        seed: int | None = None,
        echo: bool = False,
        unknown: str = "skip",
        label: str | None = None,
        sampling: SamplingConfig | None = None,
        **settings: Any,
    ) -> str:
        """The whole text that `stream` yields, with the same options."""
        one_text("prompt", prompt)
        echo, config = flag("echo", echo), sampling_config(sampling, settings)
        begun = self._begin([prompt], config, seed, unknown, label)
        text = "".join(piece for batch in begun for piece in batch.pieces())
        return shown_prompt(self._tokenizer, prompt) + text if echo else text

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
        sampling: SamplingConfig | None = None,
        **settings: Any,
    ) -> Iterator[Sample]:
        """Write many texts at once, each with its own random stream.

        A text depends on `seed` and its number, not on the rest of its batch. Very rarely
        a character differs, since rounding depends on the number of rows of a product.

        Args:
            prompts: one or several.
            num_samples: texts for each prompt; with `beam_width`, that many of the best.
            seed: text number `n`, counted over all prompts, has the random stream
                `(seed, n)`; `generate(seed=seed)` is number 0. None draws a seed, which
                each sample holds.
            logprobs: record the log-probability of the text, and of this many of the
                most likely characters at each place; None records nothing.
            batch_size: texts that are generated in parallel.
            unknown, label, sampling, settings: as for `stream`.

        Returns:
            The samples in order, a batch at a time.

        Raises:
            ConfigError: an invalid setting.
            TokenizerError: as for `stream`.
        """
        config = sampling_config(sampling, settings)
        counts = checked_counts(config, logprobs, num_samples, batch_size)
        given = [prompts] if isinstance(prompts, str) else several_texts("prompts", prompts)
        begun = self._begin(given, config, seed, unknown, label, *counts)
        return (sample for batch in begun for sample in batch.samples())

    def score(
        self,
        text: str | Iterable[str] | Iterable[Piece],
        documents: str | None = None,
        *,
        window: int | None = None,
        label: str | None = None,
    ) -> Score:
        """How well the model predicts a text, in bits per character.

        Args:
            text: one text; several documents, not cut any further; or pieces (see
                `textgen.text.reading.documents`), for texts larger than memory. Prompts, up
                to U+FDD0, are read but not counted.
            documents: how one text is cut: "whole", "lines", "paragraphs", "files" or
                "records" (the last two do not cut it); by default, as in training.
            window: restart the model every `window` characters, with the one character
                before as its only context; by default it reads from start to end.
            label: read before every document, for a model that has labels.

        Raises:
            ConfigError: other `documents`, a window below 1, no label, or no completion.
            TokenizerError: an unknown label.
            CorpusError: there is no character to predict.
        """
        kind = self._documents if documents is None else documents
        TextConfig(documents=kind)
        if isinstance(text, str):
            text = text_pieces(text, kind)
        # Here, so that the first character does not wait for scoring to load.
        from textgen.generation.scoring.score import score

        return score(self._network, self._tokenizer, text, window=window, label=label)

    def classify(self, text: str) -> dict[str, float]:
        """The probability of each label for a complete document; the highest comes first.

        Raises:
            ConfigError: the model was trained on documents without labels.
        """
        from textgen.generation.scoring.labels import classify

        return classify(self._network, self._tokenizer, one_text("text", text))

    def trace(self, text: str, *, label: str | None = None) -> Trace:
        """Read a text as `score` does and record every gate and state; see `Trace`.

        Raises:
            ConfigError, CorpusError, TokenizerError: as `score`; also of a mixture.
        """
        from textgen.generation.scoring.trace import trace

        pieces = text_pieces(one_text("text", text), self._documents)
        return trace(self._network, self._tokenizer, pieces, label)

    def encode(self, texts: Iterable[str]) -> Floats:
        """Each text as a vector: the last layer's state h after reading it.

        Returns:
            `(num_texts, units)`, in the order of `texts`.

        Raises:
            ConfigError: one text instead of several, or a mixture of models.
        """
        from textgen.generation.scoring.vectors import encode

        return encode(self._network, self._tokenizer, texts)

    def similarity(self, a: str, b: str) -> float:
        """How alike two texts are to the model: the cosine of their vectors.

        Raises:
            ConfigError: a zero or non-finite vector, or a mixture of models.
        """
        from textgen.generation.scoring.vectors import similarity

        return similarity(*self.encode([one_text("a", a), one_text("b", b)]))

    def _begin(
        self,
        prompts: Sequence[str],
        config: SamplingConfig,
        seed: int | None,
        unknown: str,
        label: str | None,
        num_logprobs: int | None = None,
        num_samples: int = 1,
        batch_size: int = 1,
    ) -> Iterator[Batch]:
        """Check everything now; the model reads the prompts batch by batch."""
        plan = make_plan(self._tokenizer, config, num_logprobs)
        encoded, left_out = encode_prompts(self._tokenizer, prompts, unknown, label)
        warn_of_unknown(self._tokenizer, config, left_out)
        return batches(
            self._network, plan, encoded, resolve_seed(seed), num_samples, batch_size
        )
