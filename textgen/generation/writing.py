"""The loop that writes: texts side by side, each with a random stream of its own.

One step predicts the next character of every text with one matrix product. A text
depends on its seed and its number alone, not on the others beside it, up to rounding:
products of another number of rows may differ in their last bit, and where two
characters are almost equally likely that can choose the other one.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from textgen.config import SamplingConfig
from textgen.generation.choosing import Chooser
from textgen.generation.ending import Ending
from textgen.generation.network import Floats, Ids, State
from textgen.generation.pattern import Automaton
from textgen.generation.penalties import Penalty
from textgen.generation.sampling import Logits, log_softmax
from textgen.text.tokenizer import ByteTokenizer, CharTokenizer

NUM_POINTS = 256
"""Random numbers that a text draws at once; one is used up by each id."""


class Model(Protocol):
    """What the loop needs of a network, or of several that write together."""

    def initial_state(self, batch_size: int = 1) -> State:
        """The state of a model that has read nothing."""

    def step(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """Read one character in each row of a batch."""

    def read_chunks(self, ids: Ids, state: State) -> Iterator[tuple[Floats, State]]:
        """Read one text of any length."""


@dataclass(frozen=True)
class Plan:
    """What is settled for all texts before their first character.

    Args:
        bans: `(vocab,)` float64, minus infinity for ids that are never written, else 0.
        choosers: one for each temperature; they take turns, a character each.
        stops: in the tokenizer's normal form.
        num_logprobs: how many of the likeliest ids are noted beside each id written;
            None notes nothing.
    """

    config: SamplingConfig
    tokenizer: CharTokenizer | ByteTokenizer
    bans: Logits
    choosers: tuple[Chooser, ...]
    penalties: tuple[Penalty, ...] = ()
    stops: tuple[str, ...] = ()
    automaton: Automaton | None = None
    num_logprobs: int | None = None

    @property
    def is_restrictive(self) -> bool:
        """Whether what a text may go on with depends on the text."""
        restrictions = self.penalties, self.automaton, self.config.min_length
        return any(restrictions)


@dataclass(frozen=True)
class Sample:
    """A text that was written, and how.

    Args:
        text: the new text, without the prompt.
        finish_reason: what ended it: "length", "stop", "until", "document" (the model
            ended the document), "pattern" (the text matches and cannot go on), or
            "no_choice" (`no_repeat_ngram_size` left no character).
        logprob: log-probability in nats of the text, and of its document's end where
            that was written, under the model alone, before temperature and filters.
            NaN where it was not asked for.
        logprobs: one entry for each id of the text: `id`, `symbol`, `logprob`, and
            `top`, the likeliest symbols with theirs. Empty where not asked for.
        label: what the text was to be like, asked for or drawn; None for a model
            without labels.
    """

    number: int
    seed: int
    prompt: str
    text: str
    finish_reason: str
    logprob: float = math.nan
    logprobs: tuple[Mapping[str, Any], ...] = ()
    label: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The sample for JSON; what was not asked for is left out.

        >>> Sample(0, 7, "a", "bc", "length").to_dict()["finish_reason"]
        'length'
        """
        data: dict[str, Any] = {
            "number": self.number,
            "seed": self.seed,
            "prompt": self.prompt,
            "text": self.text,
            "finish_reason": self.finish_reason,
        }
        if self.label is not None:
            data["label"] = self.label
        if not math.isnan(self.logprob):
            data["logprob"] = self.logprob
        if self.logprobs:
            data["logprobs"] = [dict(entry) for entry in self.logprobs]
        return data


@dataclass(frozen=True)
class _Note:
    """What the model itself made of an id that was written."""

    id: int
    logprob: float
    top: tuple[tuple[int, float], ...]
    num_chars: int


@dataclass
class Text:
    """One text on its way.

    Args:
        prompt: shown before it; decides where a unit that it began ends.
        prompt_ids: what the model has read.
        seed: with `number`, the start of its random choices.
        rng: begun with both.
        label: of what kind it is to be, where the model knows kinds.
    """

    plan: Plan
    prompt: str
    prompt_ids: Sequence[int]
    seed: int
    number: int
    rng: np.random.Generator
    label: str | None = None
    finish_reason: str | None = None
    num_ids: int = 0
    notes: list[_Note] = field(default_factory=list)

    def __post_init__(self) -> None:
        plan, config = self.plan, self.plan.config
        self._points: list[float] = []
        self._decoder = plan.tokenizer.stream_decoder()
        self._eod_id = plan.tokenizer.eod_id
        self._room = config.length
        self._shown: list[str] = []
        until = None if config.until == "document" else config.until
        self._ending = Ending(plan.stops, until, config.min_length, self.prompt)
        self._is_idle = self._ending.is_idle
        vocab_size = len(plan.bans)
        self._memories = [p.begin(vocab_size, self.prompt_ids) for p in plan.penalties]
        self._constraint = None if plan.automaton is None else plan.automaton.begin()
        if self._room == 0:
            self.finish_reason = "length"

    @property
    def _is_too_short(self) -> bool:
        config = self.plan.config
        return config.length - self._room < config.min_length

    def point(self) -> float:
        """The next random number of this text, from 0 to below 1."""
        if not self._points:
            # Many at once cost little more than one; the order is that of `pop`.
            self._points = self.rng.random(NUM_POINTS)[::-1].tolist()
        return self._points.pop()

    def filter(self, logits: Logits) -> Logits:
        """Take away what this text must not go on with: `(vocab,)` float64."""
        constraint = self._constraint
        if constraint is not None:
            logits = logits + constraint.bans
        can_end = constraint is None or constraint.can_end
        if self._eod_id is not None and (self._is_too_short or not can_end):
            logits = logits.copy()
            logits[self._eod_id] = -math.inf
        for memory in self._memories:
            logits = memory(logits)
        return logits

    def end_without_choice(self) -> str:
        """No id is left: end here. Returns what was held back.

        Bytes of a character that was only begun are dropped.
        """
        constraint = self._constraint
        is_match = constraint is not None and constraint.can_end
        self.finish_reason = "pattern" if is_match else "no_choice"
        return self._keep(self._ending.flush())

    @property
    def written(self) -> str:
        """The new text so far, as far as it may be shown."""
        return "".join(self._shown)

    def take(self, id: int) -> str:
        """Go on with an id. Returns the characters that may be shown now."""
        self.num_ids += 1
        for memory in self._memories:
            memory.add(id)
        if self._constraint is not None:
            self._constraint.advance(id)
        # Broken bytes may give two characters at once.
        piece = self._decoder.feed(id)[: self._room]
        self._room -= len(piece)
        if self._is_idle:
            shown = piece
        else:
            shown = self._ending.feed(piece)
            self.finish_reason = self._ending.reason
        if self.finish_reason is None:
            if id == self._eod_id:
                self.finish_reason = "document"
            elif self._room == 0:
                self.finish_reason = "length"
            if self.finish_reason is not None:
                shown += self._ending.flush()
        return self._keep(shown)

    def note(self, id: int, log_probs: Logits) -> None:
        """Keep what the model made of an id, before it is taken: `(vocab,)` nats."""
        count = min(self.plan.num_logprobs or 0, len(log_probs))
        likeliest = np.argsort(-log_probs, kind="stable")[:count]
        top = tuple((int(i), float(log_probs[i])) for i in likeliest)
        num_chars = self.plan.config.length - self._room
        self.notes.append(_Note(id, float(log_probs[id]), top, num_chars))

    def sample(self) -> Sample:
        """The finished text."""
        text = self.written
        # What a stop text or a unit's end cut off is no part of it.
        cut = self.finish_reason in ("stop", "until")
        notes = [n for n in self.notes if not cut or n.num_chars < len(text)]
        symbol = self._symbol
        wanted = self.plan.num_logprobs is not None
        return Sample(
            self.number,
            self.seed,
            self.prompt,
            text,
            self.finish_reason or "",
            math.fsum(n.logprob for n in notes) if wanted else math.nan,
            tuple(
                {
                    "id": note.id,
                    "symbol": symbol(note.id),
                    "logprob": note.logprob,
                    "top": {symbol(top_id): logprob for top_id, logprob in note.top},
                }
                for note in notes
                if self.plan.num_logprobs
            ),
            self.label,
        )

    def fork(self) -> Text:
        """A copy that goes its own way from here, for a search, which draws nothing."""
        twin = copy.copy(self)
        twin.notes, twin._shown = self.notes[:], self._shown[:]
        twin._decoder = self._decoder.fork()
        twin._ending = copy.copy(self._ending)
        twin._memories = copy.deepcopy(self._memories)
        twin._constraint = copy.copy(self._constraint)
        return twin

    def _keep(self, shown: str) -> str:
        if shown:
            self._shown.append(shown)
        return shown

    def _symbol(self, id: int) -> str:
        """The character itself, or the name of an id that is none."""
        tokenizer = self.plan.tokenizer
        text = tokenizer.decode([id])
        return text if text and text != "\ufffd" else tokenizer.symbol(id)


@dataclass
class _Batch:
    """The texts that go on, and what the model expects of each: row i is text i."""

    texts: list[Text]
    logits: Floats
    state: State

    def keep(self, rows: Sequence[int]) -> None:
        """Put the other texts aside."""
        if len(rows) < len(self.texts):
            self.texts = [self.texts[row] for row in rows]
            self.logits, self.state = self.logits[rows], self.state[:, :, rows]

    def keep_unfinished(self) -> None:
        """Put aside what has come to its end."""
        texts = enumerate(self.texts)
        self.keep([row for row, text in texts if text.finish_reason is None])


def write(
    model: Model, texts: Iterable[Text], logits: Floats, state: State
) -> Iterator[tuple[Text, str]]:
    """Write texts to their ends, one character of each in turn.

    Args:
        texts: just begun, all of one plan.
        logits: `(batch, vocab)`, row i predicts the first character of text i.
        state: `(num_layers, vectors, batch, units)` after what the texts begin with.

    Yields:
        A text and the characters of it that may be shown now, never none. Once its
        `finish_reason` is set, nothing more of it follows.

    Raises:
        CheckpointError: the predictions are no numbers.
    """
    batch = _Batch(list(texts), logits, state)
    batch.keep_unfinished()
    while batch.texts:
        scores = _filtered(batch)
        for text in _stuck(batch.texts, scores):
            if piece := text.end_without_choice():
                yield text, piece
            batch.keep_unfinished()
        if len(batch.texts) < len(scores):
            continue
        ids = _chosen(batch.texts, scores)
        _take_notes(batch, ids)
        for text, drawn in zip(batch.texts, ids, strict=True):
            if piece := text.take(drawn):
                yield text, piece
        going = [row for row, text in enumerate(batch.texts) if text.finish_reason is None]
        batch.keep(going)
        if going:
            read = ids if len(going) == len(ids) else [ids[row] for row in going]
            batch.logits, batch.state = model.step(read, batch.state)


def _filtered(batch: _Batch) -> Logits:
    """What each text may go on with: `(batch, vocab)` float64."""
    scores = batch.logits + batch.texts[0].plan.bans
    if batch.texts[0].plan.is_restrictive:
        for row, text in enumerate(batch.texts):
            scores[row] = text.filter(scores[row])
    return scores


def _stuck(texts: Sequence[Text], scores: Logits) -> list[Text]:
    """The texts that no id is left for."""
    if not texts[0].plan.is_restrictive:
        return []
    # `argmax` takes a fraction of the time of `max`.
    best = [row[row.argmax()] for row in scores]
    return [text for text, logit in zip(texts, best, strict=True) if logit == -math.inf]


def _chosen(texts: Sequence[Text], scores: Logits) -> list[int]:
    """Draw the next id of each text."""
    choosers = texts[0].plan.choosers
    # Texts side by side have begun together, so temperatures take turns in all alike.
    choose = choosers[texts[0].num_ids % len(choosers)]
    if len(texts) == 1:
        return [choose(scores[0], texts[0].point())]
    return choose.many(scores, np.array([text.point() for text in texts]))


def _take_notes(batch: _Batch, ids: Sequence[int]) -> None:
    if batch.texts[0].plan.num_logprobs is None:
        return
    own = log_softmax(batch.logits.astype(np.float64))
    for text, drawn, log_probs in zip(batch.texts, ids, own, strict=True):
        text.note(drawn, log_probs)
