"""The sampling settings, compiled before the first character."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from textgen.config.sampling import SamplingConfig
from textgen.errors import ConfigError
from textgen.generation.network.layers.base import Floats, Ids, State
from textgen.generation.patterns.automaton import Automaton
from textgen.generation.patterns.characters import permitted_ids
from textgen.generation.patterns.compile import make_automaton
from textgen.generation.sampling.fast import Sampler, make_samplers
from textgen.generation.sampling.filters import Logits
from textgen.generation.sampling.penalties import Penalty, make_penalties
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.text.unicode.normal_form import normalize_text


class Model(Protocol):
    """The interface of a network or a mixture of networks."""

    def initial_state(self, batch_size: int = 1) -> State:
        """The state before the first character: zeros."""

    def step(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """Read one character in each row of a batch."""

    def read_chunks(self, ids: Ids, state: State) -> Iterator[tuple[Floats, State]]:
        """Read one text of any length."""


@dataclass(frozen=True)
class Plan:
    """What all texts of one call share.

    Args:
        mask: `(vocab,)` float64, minus infinity for ids that are never written, else 0.
        writable: `(vocab,)` float64, the same, but without `allow` and `forbid`.
        samplers: one for each temperature; they alternate, one character each.
        stops: stop texts in the tokenizer's normal form.
        num_logprobs: how many of the most likely ids are recorded beside each id
            written; None records nothing.
    """

    config: SamplingConfig
    tokenizer: Tokenizer
    mask: Logits
    writable: Logits
    samplers: tuple[Sampler, ...]
    penalties: tuple[Penalty, ...] = ()
    stops: tuple[str, ...] = ()
    automaton: Automaton | None = None
    num_logprobs: int | None = None

    @property
    def depends_on_text(self) -> bool:
        """Whether the ids that may follow depend on the text so far."""
        return bool(self.penalties or self.automaton or self.config.min_length)


def make_plan(
    tokenizer: Tokenizer, config: SamplingConfig, num_logprobs: int | None = None
) -> Plan:
    """Compile the settings for a model's tokenizer.

    Raises:
        ConfigError: the settings do not fit this model.

    >>> from textgen.text.tokenizers.char import CharTokenizer
    >>> make_plan(CharTokenizer("abc"), SamplingConfig(forbid="b")).mask.tolist()
    [0.0, -inf, 0.0]
    """
    if config.until == "document" and tokenizer.eod_id is None:
        raise ConfigError(
            "this model has no end of document: it was trained on one whole text. Leave "
            "out until='document', or train with `documents`."
        )
    automaton = make_automaton(tokenizer, config)
    # Settings that cannot be used at all have been refused.
    mask = _mask(tokenizer, config)
    breakers = frozenset(tokenizer.encode(config.dry_breakers, "skip").tolist())
    return Plan(
        config,
        tokenizer,
        mask,
        _mask(tokenizer, SamplingConfig()),
        make_samplers(config),
        make_penalties(config, breakers),
        # The text is written in normal form, so a stop text in another is never found.
        tuple(normalize_text(text, tokenizer.normalize) for text in config.stop),
        automaton,
        num_logprobs,
    )


def _mask(tokenizer: Tokenizer, config: SamplingConfig) -> Logits:
    permitted = permitted_ids(tokenizer, config.allow, config.forbid)
    # None of them has a character.
    special = (tokenizer.unknown_id, *tokenizer.read_only_ids)
    permitted[[each for each in special if each is not None]] = False
    return np.where(permitted, 0.0, -np.inf)
