"""How well labels hold: does a document tell the model which label it has?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgen.errors import ConfigError
from textgen.generation.scoring.protocols import NUM_ROWS, Model, nats_of_rows
from textgen.text.tokenizers.serialization import Tokenizer

MAX_IDS = 500_000
"""The most ids that are read; each document is read once for every label."""


@dataclass(frozen=True)
class LabelAccuracy:
    """How many documents are more probable under their own label than under any other.

    >>> LabelAccuracy(num_right=3, num_documents=4).share
    0.75
    """

    num_right: int
    num_documents: int

    @property
    def share(self) -> float:
        """The fraction of documents, from 0 to 1."""
        return self.num_right / self.num_documents


def label_accuracy(
    network: Model, tokenizer: Tokenizer, ids: NDArray[Any], max_ids: int = MAX_IDS
) -> LabelAccuracy | None:
    """Whether the text of each document is most probable under its own label.

    A model that ignores labels is right as often as a guess; one whose documents often
    are more probable under another label also drifts to that label when it writes.

    Args:
        ids: `(num_ids,)`: labelled documents, as `encode_documents` gives them.
        max_ids: if more would have to be read, documents from all over the text are.

    Returns:
        None if there are no documents, or no labels to tell apart.
    """
    if tokenizer.eod_id is None or len(tokenizer.label_ids) < 2:
        return None
    ends = np.flatnonzero(ids == tokenizer.eod_id)
    found = [ids[start + 1 : end + 1] for start, end in pairwise(ends)]
    documents = _spread(found, max_ids // len(tokenizer.label_ids))
    if not documents:
        return None
    # How frequent a label is says nothing about whether the text holds to it.
    nats = np.concatenate(list(_nats_under_each(network, tokenizer, documents)))[..., 1]
    own = np.array([document[0] for document in documents], int)
    best = np.array(tokenizer.label_ids)[nats.argmin(axis=1)]
    return LabelAccuracy(int((best == own).sum()), len(documents))


def classify(network: Model, tokenizer: Tokenizer, text: str) -> dict[str, float]:
    """How probable each label is for a document, by Bayes' rule.

    The model gives the joint probability of a label and a text that follows it; of all
    labels, the one with the highest is the most probable (a generative classifier, Ng &
    Jordan 2002). Characters without an id are left out.

    Returns:
        The probability of each label; the most probable first.

    Raises:
        ConfigError: the model has no labels.
    """
    if tokenizer.eod_id is None or not tokenizer.label_ids:
        raise ConfigError(
            "the model has no labels to choose from: its documents had none. Train one "
            "with `documents='records'` on a table with the columns `text` and `label`."
        )
    unknown = "skip" if tokenizer.unknown_id is None else "token"
    ids = tokenizer.encode(text, unknown=unknown)
    document = np.array([tokenizer.label_ids[0], *ids, tokenizer.eod_id])
    (nats,) = next(_nats_under_each(network, tokenizer, [document]))
    total = nats.sum(axis=-1)
    likely = np.exp(total.min() - total)
    order = np.argsort(-likely, kind="stable")
    return {tokenizer.labels[n]: float(likely[n] / likely.sum()) for n in order}


def _spread(documents: Sequence[NDArray[Any]], max_ids: int) -> list[NDArray[Any]]:
    """All documents, or some in equal steps, with about `max_ids` ids; at least one."""
    total = sum(map(len, documents))
    count = min(len(documents), max(1, len(documents) * max_ids // max(1, total)))
    return [documents[place * len(documents) // count] for place in range(count)]


def _nats_under_each(
    network: Model, tokenizer: Tokenizer, documents: Sequence[NDArray[Any]]
) -> Iterator[NDArray[np.float64]]:
    """The surprise of each label, and that of each document after each label.

    Returns:
        batches of `(batch, num_labels, 2)`, in nats.

    Args:
        documents: each begins with its label and ends with the end of document.
    """
    labels = tokenizer.label_ids
    per_batch = max(1, NUM_ROWS // len(labels))
    for start in range(0, len(documents), per_batch):
        batch = documents[start : start + per_batch]
        xs, ys = [], []
        for document in batch:
            for label in labels:
                read = np.asarray([tokenizer.eod_id, label, *document[1:-1]])
                xs.append(read)
                ys.append(np.append(read[1:], document[-1]))
        # The first id predicted is the label itself.
        sums = [(nats[0], nats[1:].sum()) for nats in nats_of_rows(network, xs, ys)]
        yield np.reshape(sums, (len(batch), len(labels), 2))
