"""Classify texts in five ways: counts, text vectors of one direction or both, two LSTMs.

    python examples/classify.py [FILE]     needs keras-textgen[examples]

Two data sets: sentences of the bundled fables, spoken or told (the quotation marks tell,
and are removed), and, where the folder ../shared/books is beside this checkout, passages
by four novelists. What is tested on comes from other fables, and from another book of
each novelist, than what is learned from. FILE is a table of your own with the columns
`text` and `label`; a fifth of its rows is tested on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from classify_data import Texts, datasets
from classify_keras import fine_tuned, textbook
from example import Example, percent, run, table
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import textgen


def main(arguments: list[str] | None = None) -> None:
    """Compare the methods on each data set, and write the page."""
    own = "a table (.csv, .tsv, .jsonl) with the columns text and label"
    example = Example("classify", __doc__ or "", arguments, own)
    results = {name: accuracies(example, name, data) for name, data in datasets(example)}
    methods = next(iter(results.values()))
    rows = [[method, *(percent(r[method]) for r in results.values())] for method in methods]
    draw(results, example.picture())
    example.show(table(["accuracy", *results], *rows))


def accuracies(example: Example, name: str, data: Texts) -> dict[str, float]:
    """The share of texts that each method classifies rightly."""
    texts, labels, _, test_labels = data
    place = example.folder / name.replace(" ", "-")
    best = language_model(texts, place / "forward", quick=example.quick)
    reverse = [text[::-1] for text in texts]
    backward = language_model(reverse, place / "backward", quick=example.quick)
    epochs = 1 if example.quick else 10
    methods: dict[str, Callable[[], list[str]]] = {
        "always the most frequent label": lambda: [max(labels, key=labels.count)],
        "character n-grams, logistic regression": lambda: fitted(
            [TfidfVectorizer(analyzer="char", ngram_range=(1, 4), sublinear_tf=True)], data
        ),
        "`TextVectorizer`, logistic regression": lambda: fitted(
            [textgen.TextVectorizer(best), StandardScaler()], data, place / "cache"
        ),
        "`TextVectorizer`, both directions": lambda: fitted(
            [textgen.TextVectorizer(best, backward), StandardScaler()],
            data,
            place / "cache",
        ),
        "bidirectional LSTM in Keras": lambda: textbook(best, data, epochs),
        "trained model with a head in Keras": lambda: fine_tuned(best, data, epochs),
    }
    expected = np.array(test_labels)
    return {m: float(np.mean(np.array(go()) == expected)) for m, go in methods.items()}


def fitted(steps: list[object], data: Texts, memory: Path | None = None) -> list[str]:
    """Predictions of a logistic regression whose strength cross-validation chooses."""
    texts, labels, test_texts, _ = data
    pipeline = make_pipeline(
        *steps, LogisticRegression(max_iter=5000), memory=memory and str(memory)
    )
    strengths = {"logisticregression__C": [0.001, 0.1, 10, 1000]}
    return GridSearchCV(pipeline, strengths, cv=3).fit(texts, labels).predict(test_texts)


def language_model(texts: list[str], place: Path, *, quick: bool) -> Path:
    """A model of the texts to learn from, without their labels."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
    size = {"units": 8, "epochs": 1} if quick else {"units": 160, "epochs": 8}
    return textgen.train(
        *(place / "texts.txt", place / "run"),
        overwrite=True,
        documents="lines",
        num_layers=1,
        memory=0,
        preview=False,
        quiet=quick,
        **size,
    )


def draw(results: dict[str, dict[str, float]], path: Path) -> None:
    """Bars of the accuracy of each method, one group for each data set."""
    figure, axes = plt.subplots(figsize=(7, 3.2))
    methods = list(next(iter(results.values())))
    height = 0.8 / len(results)
    for number, (name, found) in enumerate(results.items()):
        places = np.arange(len(methods)) + number * height
        bars = axes.barh(places, [100 * found[m] for m in methods], height, label=name)
        axes.bar_label(bars, fmt="%.0f", padding=3, fontsize=8)
    axes.set_yticks(np.arange(len(methods)) + height * (len(results) - 1) / 2)
    axes.set_yticklabels(method.replace("`", "") for method in methods)
    axes.invert_yaxis()
    axes.set(xlabel="accuracy on held-out texts in %", xlim=(0, 105))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    run(main)
