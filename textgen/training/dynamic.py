"""Dynamic evaluation: score a text with a model that keeps learning from it.

After Krause, Kahembwe, Murray & Renals 2018, "Dynamic evaluation of neural sequence
models". The text is read in windows. Each window is predicted with the current weights,
and only then trained on, so no character is predicted by a model that has seen it:

    window      a b c d    e f g h    i j
    weights     stored     + 1 step   + 2 steps
    state       zero   ──► carried ──► carried

As in the paper, each gradient is divided by its root mean square, weight by weight. There
the mean is over the training text, which a checkpoint does not contain; here it is over
the windows read so far.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgen.checkpoint.format import Checkpoint
from textgen.config.model import ModelConfig
from textgen.errors import CheckpointError, ConfigError, TrainingError
from textgen.generation.scoring.score import Score, ScoreAccumulator
from textgen.generation.scoring.segments import Documents, Segment, segments
from textgen.ngrams.recent import LearningReader
from textgen.streams import progress_bar
from textgen.text.encoded.windows import Window
from textgen.training.backend.floats import float32_by_default
from textgen.training.backend.loaded import keras
from textgen.training.model.build import build_model, set_weights
from textgen.training.model.carrying import to_numpy
from textgen.wording import is_whole_number

SEQ_LENGTH = 32

HIGHEST_RATE = 2e-4
RATE_OF_ONE_UNIT = 0.08
"""The default learning rate of a wide layer, times its units.

Every weight takes a step of about the same size, and a unit sums over all units of the
layer below: the wider the layer, the smaller the steps must be. Measured on text similar
to the training text: of the rates tried, 2e-4 was best at 96 units, 3e-4 at 256 and 1e-4
at 768, where 3e-4 made the score worse.
"""

BAR_CHARS = 256
"""Characters between two updates of the progress bar."""


@float32_by_default()
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

    The same characters are read and scored as by `score`. A copy of the model learns; the
    checkpoint is not changed. Dropout and regularization of training are off. The n-gram
    memory of the checkpoint, if it has one, learns as well.

    Args:
        documents: one text, or several in sequence, or pieces of them as
            `textgen.text.reading.documents` yields them, for a text larger than memory.
        seq_length: ids (characters or bytes) between two optimizer steps; gradients stop
            there, the state is carried over.
        learning_rate: roughly the distance by which a step moves each weight; default:
            `default_rate`. 0 gives the same score as `score`. A rate above the default
            adapts faster to a text unlike the training text, but loses on a similar one.
        label: of every document, for a model with labels; by default each document has
            its own.
        progress: show a progress bar on stderr if that is a terminal.

    Returns:
        a `Score` whose protocol is "dynamic".

    Raises:
        ConfigError: `seq_length` or `learning_rate` is out of range, or the model has
            labels and a document has none.
        TokenizerError: the model does not know the label.
        CorpusError: the text contains no character to predict.
        CheckpointError: a stored weight is NaN or infinite, or has the wrong shape.
        TrainingError: the loss becomes NaN or infinite.

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
    per_id = _NatsPerId(seq_length)
    model = _learning_model(checkpoint, float(rate), per_id)
    memory = None if checkpoint.ngrams is None else LearningReader(checkpoint.ngrams)
    tokenizer, total = checkpoint.tokenizer, ScoreAccumulator()
    parts = segments(tokenizer, documents, label=label, size=BAR_CHARS)
    num_chars = len(documents) if isinstance(documents, str) else None
    with progress_bar(
        wanted=progress, total=num_chars, unit=" chars", unit_scale=True
    ) as bar:
        counted = _counted(parts, total, bar)
        windows = _windows(counted, tokenizer.start_id, seq_length)
        nats = _learn(model, windows, per_id, memory)
    return replace(total.score("dynamic"), nats=nats)


def default_rate(config: ModelConfig) -> float:
    """The learning rate for a model of this width, low enough not to hurt the score.

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
            "Leave it out for a rate that suits the width of the model."
        )


class _NatsPerId(keras.metrics.Metric):
    """The nats of each id of the last window, with the weights before its step."""

    def __init__(self, seq_length: int) -> None:
        super().__init__(name="nats_per_id")
        self.nats = self.add_weight(shape=(1, seq_length), initializer="zeros", name="nats")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Replace the nats by those of a window."""
        self.nats.assign(
            keras.ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
        )

    def result(self) -> Any:
        """The sum, which is not used: Keras logs one number."""
        return keras.ops.sum(self.nats)


def _learning_model(
    checkpoint: Checkpoint, learning_rate: float, per_id: _NatsPerId
) -> Any:
    """A compiled model with one lane and the checkpoint's weights."""
    _check_weights(checkpoint)
    # Regularization would only make the predictions worse here.
    config = replace(
        checkpoint.model,
        dropout=0.0,
        embedding_dropout=0.0,
        recurrent_dropout=0.0,
        weight_drop=0.0,
        weight_decay=0.0,
        l1=0.0,
    )
    model = build_model(config, batch_size=1)
    set_weights(model, config, checkpoint.weights)
    model.compile(
        # Without momentum Adam is RMSprop with an unbiased mean of squares from the first
        # step on. Measured against SGD and Adam, it gains the most, on texts similar to
        # the training text as well as on others.
        optimizer=keras.optimizers.Adam(learning_rate, beta_1=0.0),
        # Mean nats per scored id.
        loss=keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        ),
        metrics=[per_id],
        jit_compile=keras.backend.backend() == "jax",  # as in `compile_model`
    )
    return model


def _check_weights(checkpoint: Checkpoint) -> None:
    # Checked before the first step: later it would look like too high a learning rate.
    for name, array in checkpoint.weights.items():
        if not np.isfinite(array).all():
            raise CheckpointError(
                f"weight {name} of the model contains NaN or infinity. Its weights are "
                "damaged; use an earlier checkpoint."
            )


def _learn(
    model: Any,
    windows: Iterable[Window],
    per_id: _NatsPerId,
    memory: LearningReader | None,
) -> float:
    """Predict each window, then train on it; return the total nats of all scored ids."""
    total = 0.0
    for x, y, weight in windows:
        assert weight is not None  # `_windows` always gives one
        # The loss of this window alone, with the weights before the step.
        loss = model.train_on_batch(x, y, weight, return_dict=True)["loss"]
        nats = _finite(float(loss)) * float(weight.sum())
        if memory is not None:
            probs = np.exp(-to_numpy(per_id.nats)[0].astype(np.float64))
            mixed = memory.mixed(x[0].astype(np.int64), y[0].astype(np.int64), probs)
            nats = float(-np.log(mixed) @ weight[0])
        total += nats
    return total


def _finite(loss: float) -> float:
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss is {loss}: learning from this text made the model diverge. Score it "
            "without dynamic evaluation, or lower the learning_rate of dynamic_score."
        )
    return loss


def _counted(
    parts: Iterable[Segment], total: ScoreAccumulator, bar: Any
) -> Iterator[Segment]:
    """Yield each segment, and count its characters once it has been read."""
    for part in parts:
        yield part
        # Windows end anywhere in a segment, so the nats are summed elsewhere.
        total.add(part, nats=0.0)
        bar.update(len(part.codes))


def _windows(parts: Iterable[Segment], start_id: int, seq_length: int) -> Iterator[Window]:
    """Consecutive windows of `(1, seq_length)` in which every id is predicted once.

    The last window is padded with ids of weight 0, so that all have the same shape and
    nothing is compiled twice. Labels are read but not scored: they also have weight 0.
    """
    # The first id to predict needs one before it.
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
