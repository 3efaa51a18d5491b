"""How probable the characters of a prompt are, as a model that reads it finds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from textgen.config.sampling import SamplingConfig
from textgen.generation.decoding.plan import Model
from textgen.generation.decoding.text import Text
from textgen.generation.sampling.filters import log_softmax

MOST_CHARACTERS = 4
"""Characters that an id has at most, if the bytes before it were invalid."""


def prompt_entries(model: Model, text: Text, num_ids: int) -> list[dict[str, Any]]:
    """What `Text.entries` would give if a text had written its own prompt.

    Args:
        text: just begun.
        num_ids: of its prompt; `text.prompt_ids` may begin with others.

    Returns:
        An entry for each id of the prompt. The first one has no log-probability (None) if
        the model has read nothing before it.
    """
    ids = text.prompt_ids
    first = len(ids) - num_ids
    config = SamplingConfig(length=MOST_CHARACTERS * len(ids))
    plan = replace(text.plan, config=config, penalties=(), stops=(), automaton=None)
    as_text = replace(text, plan=plan, prompt="", finish_reason=None, records=[])
    unknown = np.full(len(plan.mask), np.nan)
    rows = [unknown] if first == 0 else []
    for logits, _ in model.read_chunks(ids, model.initial_state()):
        rows.extend(log_softmax(logits.astype(np.float64)))
    # The last row predicts what follows the prompt.
    for each, log_probs in zip(ids[first:], rows[max(first - 1, 0) :], strict=False):
        as_text.record(each, log_probs)
        as_text.append(each)
    entries = as_text.entries()
    if first == 0 and entries:
        entries[0] |= {"logprob": None, "top": {}}
    return entries
