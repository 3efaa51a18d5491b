"""The checkpoints that are served."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from textgen.checkpoint.format import load_checkpoint
from textgen.checkpoint.ngram_file import ngrams_to_use
from textgen.checkpoint.parts import CONFIG
from textgen.checkpoint.runs import run_name
from textgen.errors import ConfigError, TokenizerError
from textgen.generation.decoding.echo import prompt_entries
from textgen.generation.decoding.particles import Particles, make_outlook
from textgen.generation.decoding.plan import make_plan
from textgen.generation.decoding.prompts import (
    Prompt,
    PromptReader,
    begin_texts,
    encode_prompts,
)
from textgen.generation.decoding.text import Text
from textgen.generation.decoding.unknown import without_effect
from textgen.generation.network.layers.base import Floats, State
from textgen.generation.network.remembering import network_of
from textgen.serving.api.request import CompletionRequest, in_fields
from textgen.serving.engine import Engine
from textgen.serving.preparation import Preparation

MOST_PLANS = 64
"""Settings that are kept ready for the next request that has the same."""


@dataclass(frozen=True)
class Begun:
    """The texts of a request, which have read their prompts.

    Args:
        group, logits, state: as for `Engine.join`.
        echoed: what is said of the characters of the prompt of each text, if it is asked.
        warnings: settings without effect, characters that were left out.
    """

    texts: Sequence[Text]
    group: Particles | None
    logits: Floats
    state: State
    echoed: Sequence[Sequence[Mapping[str, Any]]]
    warnings: Sequence[str]


class ServedModel:
    """A checkpoint in memory, with the thread that writes its texts.

    What becomes of its files changes nothing until the server is started again.

    Args:
        path: of the checkpoint.
        id: the name by which requests call it.
        memory: see `ngrams_to_use`.
        on_written: see `Engine`.

    Raises:
        CheckpointError: it is missing or damaged.
    """

    def __init__(
        self, path: Path, id: str, memory: bool | None, on_written: Callable[[int], None]
    ) -> None:
        self._path, self.id = path, id
        self._written_at = _written_at(path)
        saved = load_checkpoint(path)
        self.config, self.tokenizer = saved.model, saved.tokenizer
        ngrams = ngrams_to_use(saved.ngrams, memory)
        self._network = network_of(saved.model, saved.weights, ngrams)
        self.engine = Engine(self._network, on_written)
        self._make_plan = partial(make_plan, self.tokenizer)
        self._kept_plan = lru_cache(MOST_PLANS)(self._make_plan)
        # Beside the batch, which neither a long prompt nor a pattern holds up; patterns,
        # which may take a second, do not hold up prompts either.
        self._reader = Preparation(self._begin_all)
        self._compiler = Preparation(self._begin_all)

    async def begin(self, asked: CompletionRequest) -> Begun:
        """Read the prompts of a request, in another thread.

        Raises:
            ConfigError, TokenizerError: the settings do not fit this model.
        """
        thread = self._compiler if asked.is_restricted else self._reader
        return await thread.result(asked)

    def _begin_all(
        self, requests: Sequence[CompletionRequest]
    ) -> Iterator[Begun | Exception]:
        """Begin requests that came at about the same time."""
        reader = PromptReader(self._network, self.tokenizer)
        prompts: list[Prompt] = []
        for asked in requests:
            # Said again, to the one who asked, when the request is begun.
            with suppress(ConfigError, TokenizerError):
                prompts += self._encoded(asked)[0]
        reader.read_together(prompts)
        for asked in requests:
            try:
                yield self._begin(asked, reader)
            except Exception as error:
                yield error

    def _encoded(self, asked: CompletionRequest) -> tuple[list[Prompt], list[str]]:
        return encode_prompts(self.tokenizer, asked.prompts, "skip", asked.label)

    def _begin(self, asked: CompletionRequest, reader: PromptReader) -> Begun:
        # `best_of` compares probabilities.
        num_logprobs = asked.logprobs
        if num_logprobs is None and asked.best_of > asked.n:
            num_logprobs = 0
        # The automaton of a pattern may take 100 MB.
        plan_of = self._make_plan if asked.is_restricted else self._kept_plan
        plan = plan_of(asked.sampling, num_logprobs)
        prompts, left_out = self._encoded(asked)
        each = [prompt for prompt in prompts for _ in range(asked.best_of)]
        texts, logits, state = begin_texts(
            self._network, plan, each, asked.seed, first=0, reader=reader
        )
        group = None
        if asked.sampling.num_particles > 1:
            group = Particles(texts, make_outlook(self._network, plan))
            logits, state = logits[group.first_rows()], state[group.first_rows()]
        warnings = (*without_effect(self.tokenizer, asked.sampling), *left_out)
        named = [in_fields(warning) for warning in warnings]
        return Begun(texts, group, logits, state, self._echoed(asked, texts, each), named)

    def _echoed(
        self, asked: CompletionRequest, texts: Sequence[Text], prompts: Sequence[Prompt]
    ) -> Sequence[Sequence[Mapping[str, Any]]]:
        if not asked.echo or asked.logprobs is None:
            return [()] * len(texts)
        known: dict[Sequence[int], Sequence[Mapping[str, Any]]] = {}
        for text, prompt in zip(texts, prompts, strict=True):
            if text.prompt_ids not in known:
                entries = prompt_entries(self._network, text, len(prompt.ids))
                known[text.prompt_ids] = entries
        return [known[text.prompt_ids] for text in texts]

    def start(self) -> None:
        """Start to write."""
        self.engine.start()

    def stop(self) -> None:
        """End all threads."""
        self.engine.stop()
        self._reader.stop()
        self._compiler.stop()

    @property
    def fingerprint(self) -> str:
        """Another for each state of the checkpoint on disk when it was read."""
        return f"fp_{self._written_at or 0:x}"

    @property
    def on_disk(self) -> str:
        """What has become of its files: "same", "changed" or "gone"."""
        written_at = _written_at(self._path)
        if written_at is None:
            return "gone"
        return "same" if written_at == self._written_at else "changed"

    def to_dict(self) -> dict[str, Any]:
        """Its entry in `/v1/models`."""
        return {
            "id": self.id,
            "object": "model",
            "created": (self._written_at or 0) // 10**9,
            "owned_by": "textgen",
            "on_disk": self.on_disk,
            "labels": list(self.tokenizer.labels),
            "completes": self.tokenizer.separator,
        }


def model_ids(paths: Iterable[Path], names: Iterable[str]) -> list[str]:
    """The names by which requests call the models: those of their runs.

    Args:
        names: what the person called them; used for runs of the same name.

    Raises:
        ConfigError: a model is named twice.

    >>> model_ids([Path("checkpoints/a/best"), Path("b/last")], ["a", "b"])
    ['a', 'b']
    """
    places, given = list(paths), list(names)
    short = [run_name(path) for path in places]
    ids = [
        name if short.count(name) == 1 else full
        for name, full in zip(short, given, strict=True)
    ]
    for each in ids:
        if ids.count(each) > 1:
            raise ConfigError(f"{each} is named twice. Name each checkpoint once.")
    return ids


def _written_at(path: Path) -> int | None:
    """When a checkpoint was written, in nanoseconds since 1970; None if it is gone."""
    try:
        return (path / CONFIG if path.is_dir() else path).stat().st_mtime_ns
    except OSError:
        return None
