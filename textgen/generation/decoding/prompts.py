"""Prompts: encoded, read by the model, and turned into texts that have begun."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from textgen.config.arguments import one_of
from textgen.errors import TokenizerError
from textgen.generation.decoding.completing import to_complete
from textgen.generation.decoding.plan import Model, Plan
from textgen.generation.decoding.text import Text
from textgen.generation.decoding.unknown import escape_hint
from textgen.generation.network.layers.base import Floats, State
from textgen.generation.sampling.filters import draw
from textgen.text.tokenizers.checks import unknown_characters_message
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.wording import few_characters


@dataclass(frozen=True)
class Prompt:
    """A prompt, its ids, and the id of the requested label, if any."""

    text: str
    ids: tuple[int, ...]
    label: tuple[int, ...]


def encode_prompts(
    tokenizer: Tokenizer, texts: Sequence[str], unknown: str, label: str | None
) -> tuple[list[Prompt], list[str]]:
    """Encode prompts.

    Args:
        unknown: "skip" or "error", see `Generator.stream`.

    Returns:
        The prompts, and a warning if characters are left out.

    Raises:
        ConfigError: another value of `unknown`, or no prompt for a model that needs one.
        TokenizerError: unknown characters, with `unknown="error"`, or an unknown label.

    >>> from textgen.text.tokenizers.char import CharTokenizer
    >>> encode_prompts(CharTokenizer("ab"), ["ba"], unknown="error", label=None)
    ([Prompt(text='ba', ids=(1, 0), label=())], [])
    """
    one_of("unknown", unknown, ("skip", "error"))
    missing: dict[str, None] = {}
    # A prompt of many texts is encoded once.
    ids = {
        text: _encoded(tokenizer, to_complete(tokenizer, text), unknown, missing)
        for text in dict.fromkeys(texts)
    }
    label_ids = () if label is None else (tokenizer.label_id(label),)
    prompts = [Prompt(text, ids[text], label_ids) for text in texts]
    return prompts, [_left_out(missing, texts)] if missing else []


def _left_out(missing: Collection[str], texts: Sequence[str]) -> str:
    return (
        f"left out of the prompt, unknown to the model: {few_characters(list(missing))}"
        f"{escape_hint(missing, texts)}"
    )


def _encoded(
    tokenizer: Tokenizer, text: str, unknown: str, missing: dict[str, None]
) -> tuple[int, ...]:
    """The ids of a prompt; its unknown characters are added to `missing`."""
    try:
        return tuple(tokenizer.encode(text).tolist())
    except TokenizerError:
        if unknown == "error":
            missing_now = tokenizer.unknown_characters(text)
            # Here, unlike in `encode`, the unknown token is no choice.
            message = unknown_characters_message(missing_now, has_token=False)
            raise TokenizerError(message) from None
    # Rare, so a prompt is normally read only once.
    missing.update(dict.fromkeys(tokenizer.unknown_characters(text)))
    return tuple(tokenizer.encode(text, "skip").tolist())


def begin_texts(
    model: Model,
    plan: Plan,
    prompts: Sequence[Prompt],
    seed: int,
    first: int,
    reader: PromptReader | None = None,
) -> tuple[list[Text], Floats, State]:
    """Read the prompts; equal ones are read once.

    Args:
        reader: what has read some of them already.
        seed: text number `n` has the random stream `(seed, n)`.
        first: the number of the first text.

    Returns:
        A text for each prompt; `(batch, vocab)` logits of their first ids; the state
        `(batch, state_size)`.
    """
    reader = reader or PromptReader(model, plan.tokenizer)
    texts, logits, states = [], [], []
    for number, prompt in enumerate(prompts, first):
        rng = np.random.default_rng((seed, number))
        context = reader.context(prompt, rng)
        # Equal texts share one row of ids, which may be long.
        ids, text_logits, state = reader.read((*context, *prompt.ids))
        label = reader.label(context)
        texts.append(Text(plan, prompt.text, ids, seed, number, rng, label))
        logits.append(text_logits)
        states.append(state)
    return texts, np.concatenate(logits), np.concatenate(states)


class _Read(NamedTuple):
    """Ids that were read, logits `(1, vocab)` of the next id, and the state."""

    ids: tuple[int, ...]
    logits: Floats
    state: State


SHORT = 32
"""Ids that several short prompts are read by together, in the time of the longest. For one
prompt alone, and for long ones, `Model.read_chunks` is faster."""


class PromptReader:
    """Reads the ids before a text, equal ones only once."""

    def __init__(self, model: Model, tokenizer: Tokenizer) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._known: dict[tuple[int, ...], _Read] = {}

    def read(self, ids: tuple[int, ...]) -> _Read:
        """Read at least one id."""
        if ids not in self._known:
            chunks = self._model.read_chunks(ids, self._model.initial_state())
            ((logits, state),) = deque(chunks, maxlen=1)
            self._known[ids] = _Read(ids, logits[-1:], state)
        return self._known[ids]

    def read_together(self, prompts: Sequence[Prompt]) -> None:
        """Read short prompts in one batch, those of which the context is not drawn."""
        tokenizer = self._tokenizer
        fixed = [p for p in prompts if p.label or not tokenizer.label_ids]
        whole = [(*self.context(p, None), *p.ids) for p in fixed]
        short = {ids for ids in whole if len(ids) <= SHORT} - self._known.keys()
        if len(short) < 2:
            return
        # The longest come first, so that those which go on are the first rows.
        going = sorted(short, key=len, reverse=True)
        state = self._model.initial_state(len(going))
        for place in range(len(going[0])):
            going = [ids for ids in going if len(ids) > place]
            step = [ids[place] for ids in going]
            logits, state = self._model.step(step, state[: len(going)])
            for row, ids in enumerate(going):
                if len(ids) == place + 1:
                    self._known[ids] = _Read(ids, logits[[row]], state[[row]])

    def context(self, prompt: Prompt, rng: np.random.Generator | None) -> tuple[int, ...]:
        """The ids before the prompt; the model draws a label if none was requested.

        Args:
            rng: for the draw; not needed where there is none.
        """
        tokenizer = self._tokenizer
        if tokenizer.eod_id is None:
            return () if prompt.ids else tokenizer.opening_ids
        if prompt.label or not tokenizer.label_ids:
            return (tokenizer.eod_id, *prompt.label)
        assert rng is not None
        labels = list(tokenizer.label_ids)
        logits = self.read((tokenizer.eod_id,)).logits[:, labels].astype(np.float64)
        (drawn,) = draw(logits, rng.random(1))
        return (tokenizer.eod_id, labels[drawn])

    def label(self, context: tuple[int, ...]) -> str | None:
        """The label with which a context ends, for a model that has labels."""
        label_ids = self._tokenizer.label_ids
        return self._tokenizer.labels[label_ids.index(context[-1])] if label_ids else None
