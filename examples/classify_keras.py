"""The two networks in Keras of classify.py: the textbook's, and a trained model's."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from classify_data import Texts

import textgen
from textgen.training.model.cells.lstm import LSTM


def textbook(model: Path, data: Texts, epochs: int) -> list[str]:
    """Learn from scratch: embeddings, an LSTM in each direction, and a softmax.

    Keras' own `Bidirectional` would do the same, but not run through the fast kernels.
    """
    tokenizer = textgen.Generator.load(model).tokenizer
    keras.utils.set_random_seed(0)
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(tokenizer.vocab_size, 32)(ids)
    forward = LSTM(64, return_sequences=True)(x)
    backward = LSTM(64, return_sequences=True)(keras.ops.flip(x, axis=1))
    both = keras.layers.Concatenate()([forward, keras.ops.flip(backward, axis=1)])
    return predictions(ids, both, tokenizer, data, epochs, learning_rate=0.003)


def fine_tuned(model: Path, data: Texts, epochs: int) -> list[str]:
    """Put a softmax on the recurrent layers of a trained model, and train all of it."""
    tokenizer = textgen.Generator.load(model).tokenizer
    keras.utils.set_random_seed(0)
    trained = textgen.load_model(model)
    hidden = trained.get_layer("output").input
    return predictions(trained.input, hidden, tokenizer, data, epochs, learning_rate=0.001)


def predictions(
    ids: object,
    hidden: object,
    tokenizer: textgen.CharTokenizer,
    data: Texts,
    epochs: int,
    learning_rate: float,
) -> list[str]:
    """Train a head on the outputs of all time steps, and predict the labels.

    Args:
        ids, hidden: the network's input `(batch, time)` and output `(batch, time, units)`.
    """
    texts, labels, test_texts, _ = data
    names, numbers = np.unique(labels, return_inverse=True)
    pooled = keras.layers.GlobalMaxPooling1D()(hidden)
    dropped = keras.layers.Dropout(0.4)(pooled)
    network = keras.Model(ids, keras.layers.Dense(len(names), "softmax")(dropped))
    optimizer = keras.optimizers.Adam(learning_rate, clipnorm=1.0)
    network.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    order = np.random.default_rng(0).permutation(len(texts))
    stop = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    network.fit(
        padded(tokenizer, texts)[order],
        numbers[order],
        validation_split=0.15,
        epochs=epochs,
        callbacks=[stop],
        verbose=0,
    )
    found = network.predict(padded(tokenizer, test_texts), verbose=0).argmax(axis=1)
    return names[found].tolist()


def padded(tokenizer: textgen.CharTokenizer, texts: list[str]) -> np.ndarray:
    """`(num_texts, longest)` ids; the end of a document fills the beginning of rows."""
    ids = [tokenizer.encode(text, unknown="skip") for text in texts]
    return keras.utils.pad_sequences(ids, padding="pre", value=tokenizer.eod_id)
