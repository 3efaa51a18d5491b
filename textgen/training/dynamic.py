"""Dynamic evaluation: score a text with a model that goes on learning while it reads it.

After Krause, Kahembwe, Murray & Renals 2018, "Dynamic evaluation of neural sequence
models". The text is read in windows. Each is predicted with the weights as they are, and
only then learned from, so no character is ever predicted by a model that has seen it:

    window      a b c d    e f g h    i j
    weights     stored     + 1 step   + 2 steps
    state       zero   ──► carried ──► carried

As in the paper, a gradient is divided by the root of its mean square, weight by weight.
There the mean is taken over the training text, which a checkpoint does not hold; here
over the windows read so far.
"""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from textgen.checkpoint.format import Checkpoint
from textgen.config.model import ModelConfig
from textgen.errors import CheckpointError, ConfigError, TrainingError
from textgen.generation.scoring.score import Score, ScoreAccumulator
from textgen.generation.scoring.segments import Documents, Segment, segments
from textgen.text.encoded.windows import Window
from textgen.training.backend.keras import load_keras
from textgen.training.model.build import build_model, set_weights
from textgen.wording import is_whole_number

keras = load_keras()

SEQ_LENGTH = 32

HIGHEST_RATE = 2e-4
RATE_OF_ONE_UNIT = 0.08
"""A wide layer's default rate, times its units.

Every weight takes a step of about the same size, and a unit adds up as many of them as
the layer below has units: the wider, the smaller each must be. Measured on text like
that of the training: 2e-4 was best of those tried at 96 units, 3e-4 at 256 and 1e-4 at
768, where 3e-4 made the score worse.
"""

BAR_CHARS = 256
"""Characters after which the progress bar moves."""


def dynamic_score(
    checkpoint: Checkpoint,
    documents: Documents,
    *,
    seq_length: int = SEQ_LENGTH,
    learning_rate: float | None = None,
    label: str | None = None,
    progress: bool = False,
) -> Score:
    """Predict every character of a text with a model that learns from those before it.

    What is read and what counts is the same as for `score`. The model learns in a copy:
    the checkpoint stays as it is. Dropout and penalties of training are off.

    Args:
        documents: one text, or several that follow each other, or pieces of them as
            `textgen.text.reading.documents` gives: then the text may be larger than memory.
        seq_length: ids (characters; bytes for a model that reads those) from one step
            of learning to the next; gradients stop there, the state is carried on.
        learning_rate: about how far a step moves each weight; by default what
            `default_rate` says. 0 learns nothing and gives the score of
            `score`. More than the default adapts faster to a text unlike the training
            text, but loses on one that is like it.
        label: of every document, for a model that has labels; by default each brings
            its own.
        progress: show on stderr how far it is.

    Returns:
        A `Score` whose protocol is "dynamic".

    Raises:
        ConfigError: `seq_length` or `learning_rate` makes no sense; the model has
            labels, but a document has none.
        TokenizerError: a label that the model does not know.
        CorpusError: there is no character to predict.
        CheckpointError: the stored weights are no numbers, or do not fit.
        TrainingError: what the model has learned makes its predictions no numbers.

    >>> from textgen.text.tokenizers.char import CharTokenizer
    >>> config = ModelConfig(vocab_size=4, num_layers=1, units=2, embedding_dim=3)
    >>> weights = {k: np.zeros(s, "float32") for k, s in config.weight_shapes().items()}
    >>> checkpoint = Checkpoint(config, CharTokenizer("abcd"), weights)
    >>> for rate in (0, 0.1):
    ...     found = dynamic_score(checkpoint, "abab" * 32, learning_rate=rate)
    ...     print(round(found.bits_per_char, 2))
    2.0
    1.81
    """
    _check_seq_length(seq_length)
    rate = default_rate(checkpoint.model) if learning_rate is None else learning_rate
    _check_learning_rate(rate)
    model = _learning_model(checkpoint, float(rate))
    tokenizer, total = checkpoint.tokenizer, ScoreAccumulator()
    parts = segments(tokenizer, documents, label=label, size=BAR_CHARS)
    num_chars = len(documents) if isinstance(documents, str) else None
    with _progress_bar(num_chars, wanted=progress) as bar:
        counted = _counted(parts, total, bar)
        nats = _learn(model, _windows(counted, tokenizer.start_id, seq_length))
    return replace(total.score("dynamic"), nats=nats)


def default_rate(config: ModelConfig) -> float:
    """The learning rate for a model of this width, low enough to do no harm.

    >>> [default_rate(ModelConfig(vocab_size=65, units=n)) for n in (256, 800)]
    [0.0002, 0.0001]
    """
    return min(HIGHEST_RATE, RATE_OF_ONE_UNIT / config.units)


def _check_seq_length(value: Any) -> None:
    if not is_whole_number(value, least=1):
        raise ConfigError(f"seq_length={value!r} must be a whole number of at least 1.")


def _check_learning_rate(value: Any) -> None:
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not 0 <= value < math.inf:
        raise ConfigError(
            f"learning_rate={value!r} must be a finite number of at least 0. "
            "Leave it out to have it chosen by the width of the model."
        )


def _learning_model(checkpoint: Checkpoint, learning_rate: float) -> Any:
    """A model of one lane with the checkpoint's weights, ready to learn."""
    _check_weights(checkpoint)
    # What makes training harder on purpose would only spoil the predictions here.
    config = replace(
        checkpoint.model,
        dropout=0.0,
        embedding_dropout=0.0,
        recurrent_dropout=0.0,
        weight_decay=0.0,
        l1=0.0,
    )
    model = build_model(config, batch_size=1)
    set_weights(model, config, checkpoint.weights)
    model.compile(
        # Without momentum Adam is RMSprop, but its mean of squares is right from the
        # first step on. Measured against SGD and Adam: it gains most on texts like the
        # training text and on others alike.
        optimizer=keras.optimizers.Adam(learning_rate, beta_1=0.0),
        # Nats per id that counts.
        loss=keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        ),
        jit_compile=keras.backend.backend() == "jax",  # as in `compile_model`
    )
    return model


def _check_weights(checkpoint: Checkpoint) -> None:
    # Before the first step: later it could not be told from a rate that is too high.
    for name, array in checkpoint.weights.items():
        if not np.isfinite(array).all():
            raise CheckpointError(
                f"weight {name} of the model holds numbers that are not finite. Its "
                "weights are damaged; use an earlier checkpoint."
            )


def _learn(model: Any, windows: Iterable[Window]) -> float:
    """Predict each window, then take a step on it; return the nats of all ids."""
    total = 0.0
    for x, y, weight in windows:
        assert weight is not None  # `_windows` always gives one
        # The loss is that of the weights before the step, and of this window alone.
        loss = model.train_on_batch(x, y, weight, return_dict=True)["loss"]
        total += _finite(float(loss)) * float(weight.sum())
    return total


def _finite(loss: float) -> float:
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss is {loss}: the model has unlearned to predict while it read this "
            "text. Lower learning_rate of dynamic_score, or score without --dynamic."
        )
    return loss


def _counted(
    parts: Iterable[Segment], total: ScoreAccumulator, bar: Any
) -> Iterator[Segment]:
    """Hand on each segment, and count its characters when it has been read."""
    for part in parts:
        yield part
        # A window may end anywhere in a segment, so the nats are added up elsewhere.
        total.add(part, nats=0.0)
        bar.update(len(part.codes))


def _windows(parts: Iterable[Segment], start_id: int, seq_length: int) -> Iterator[Window]:
    """Windows of `(1, seq_length)` that follow each other; every id is predicted once.

    The last is filled up with ids of weight 0, so that all have the same shape and
    nothing is compiled twice. Labels have weight 0, too: they are read only.
    """
    # The id before the first that is to be predicted stands in front.
    ids, weights = np.array([start_id], np.int32), np.zeros(0, np.float32)
    for part in parts:
        ids = np.append(ids, part.ids.astype(np.int32))
        weights = np.append(weights, part.is_counted.astype(np.float32))
        num_whole = len(weights) // seq_length * seq_length
        for first in range(0, num_whole, seq_length):
            end = first + seq_length
            yield _window(ids[first : end + 1], weights[first:end])
        ids, weights = ids[num_whole:], weights[num_whole:]
    if len(weights):
        lacking = (0, seq_length - len(weights))
        yield _window(np.pad(ids, lacking), np.pad(weights, lacking))


def _window(ids: NDArray[Any], weights: NDArray[Any]) -> Window:
    return Window(ids[None, :-1], ids[None, 1:], weights[None])


def _progress_bar(num_chars: int | None, *, wanted: bool) -> Any:
    return tqdm(
        total=num_chars,
        unit=" chars",
        unit_scale=True,
        file=sys.stderr,
        leave=False,
        dynamic_ncols=True,
        disable=not wanted,
    )
