"""The result of generating one text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sample:
    """A generated text, why it ended and, on request, its log-probabilities.

    Args:
        text: the new text, without the prompt.
        finish_reason: what ended it: "length", "stop", "until", "document" (the model
            ended the document), "pattern" (the text matches and ends there), or
            "no_choice" (`no_repeat_ngram_size` left no character).
        logprob: log-probability in nats of the text, including the end of its document
            if written, under the model alone, before temperature and filters. None
            if not requested.
        logprobs: one entry for each id of the text: `id`, `symbol`, `logprob`, and
            `top`, the most likely symbols with theirs. Empty if not requested.
        label: the label of its document, requested or drawn; None for a model without
            labels.
    """

    number: int
    seed: int
    prompt: str
    text: str
    finish_reason: str
    logprob: float | None = None
    logprobs: tuple[Mapping[str, Any], ...] = ()
    label: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The sample for JSON, without values that were not requested.

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
        if self.logprob is not None:
            data["logprob"] = self.logprob
        if self.logprobs:
            data["logprobs"] = [dict(entry) for entry in self.logprobs]
        return data
