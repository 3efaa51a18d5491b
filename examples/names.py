"""Write names of a kind, and let a classifier recognise them.

    python examples/names.py [FILE]        needs keras-textgen[examples]

A name is a document and its kind the label: given names of four languages, from
examples/given_names.csv, and the boats of the bundled boat_names.txt. FILE is a table of
your own with the columns `text` and `label`.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from example import Example, labelled, memory_alone, percent, run, table
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

import textgen
from textgen.corpora.bundled import bundled_corpus
from textgen.errors import CorpusError

NUM_BOATS = 250
NUM_SHOWN = 5
NUM_FOLDS = 3
Names = dict[str, list[str]]
"""Names that were written for each label."""


def main(arguments: list[str] | None = None) -> None:
    """Train, write names of each kind, recognise them, and write the page."""
    own = "a table (.csv, .tsv, .jsonl) with the columns text and label"
    example = Example("names", __doc__ or "", arguments, own)
    names, labels = own_names(example.file) if example.file else made_names()
    best = trained(example, names, labels)
    count = 10 if example.quick else 200
    kinds = sorted(set(labels))
    ways = {
        "n-grams alone": written(memory_alone(best), kinds, count),
        "LSTM": written(textgen.Generator.load(best, memory=False), kinds, count),
    }
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)
    classifier = make_pipeline(letters, LogisticRegression(C=100, max_iter=5000))
    folds = StratifiedKFold(NUM_FOLDS, shuffle=True, random_state=0)
    guesses = cross_val_predict(classifier, names, labels, cv=folds)
    classifier.fit(names, labels)
    shares = {"names of the list, held out": confusion(kinds, labels, guesses)}
    rows: list[list[str]] = []
    for way, texts in ways.items():
        # Of names that it has learned, the classifier would know the label by heart.
        new = [(k, text) for k in kinds for text in texts[k] if text not in set(names)]
        found = classifier.predict([text for _, text in new]) if new else []
        shares[way] = confusion(kinds, [kind for kind, _ in new], found)
        distinct = np.mean([len(set(texts[kind])) / count for kind in kinds])
        rows.append([way, percent(len(new) / count / len(kinds)), percent(distinct)])
    rows.insert(0, ["names of the list, held out", "", ""])
    for row, share in zip(rows, shares.values(), strict=True):
        known = share.diagonal()[~np.isnan(share.diagonal())]
        row.append(percent(known.mean()) if len(known) else "")
    draw(kinds, {way: shares[way] for way in ways}, example.picture())
    header = [f"{count} names of each kind", "new", "different", "new ones recognised"]
    some = [[kind, ", ".join(new_of(ways["LSTM"][kind], names))] for kind in kinds]
    example.show(table(header, *rows), table(["kind", "written by the LSTM"], *some))


def own_names(path: Path) -> tuple[list[str], list[str]]:
    """The names of a table.

    Raises:
        CorpusError: a label has fewer names than cross-validation has parts.
    """
    names, labels = labelled(path)
    label, count = Counter(labels).most_common()[-1]
    if count < NUM_FOLDS:
        raise CorpusError(
            f"{path}: the label {label!r} has {count} of the {NUM_FOLDS} texts that each "
            "needs at least. Add texts, or leave the label out."
        )
    return names, labels


def made_names() -> tuple[list[str], list[str]]:
    """Given names of four languages, and boats."""
    names, labels = labelled(Path(__file__).parent / "given_names.csv")
    boats = bundled_corpus("boat_names.txt").read_text(encoding="utf-8").split("\n")
    return names + boats[:NUM_BOATS], labels + ["boat"] * NUM_BOATS


def trained(example: Example, names: list[str], labels: list[str]) -> Path:
    """A model of the names as labelled records, with an n-gram memory."""
    records = example.folder / "names.csv"
    with open(records, "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        rows.writerows(zip(names, labels, strict=True))
    return textgen.train(
        *(records, example.folder / "run"),
        overwrite=True,
        documents="records",
        num_layers=1,
        units=8 if example.quick else 128,
        memory=8,
        dropout=0.3,
        batch_size=16,
        epochs=1 if example.quick else 40,
        preview=False,
        quiet=example.quick,
    )


def written(generator: textgen.Generator, kinds: list[str], count: int) -> Names:
    """So many names for each label."""
    settings = {"seed": 0, "length": 40, "temperature": 0.8}
    return {
        kind: [s.text for s in generator.samples("", count, label=kind, **settings)]
        for kind in kinds
    }


def new_of(written: list[str], names: list[str]) -> list[str]:
    """The first different names that are not in the list."""
    return [text for text in dict.fromkeys(written) if text not in names][:NUM_SHOWN]


def confusion(kinds: list[str], asked: Sequence[str], found: Sequence[str]) -> np.ndarray:
    """Of the names of each kind (row), the share taken for each kind (column).

    Not a number for a kind without names.
    """
    pairs = np.zeros((len(kinds), len(kinds)))
    for pair in zip(asked, found, strict=True):
        pairs[kinds.index(pair[0]), kinds.index(pair[1])] += 1
    with np.errstate(invalid="ignore"):
        return pairs / pairs.sum(axis=1, keepdims=True)


def draw(kinds: list[str], shares: dict[str, np.ndarray], path: Path) -> None:
    """For each way, what the names of a kind were taken for."""
    size = {"figsize": (7, 4.2), "layout": "constrained"}
    figure, places = plt.subplots(1, len(shares), sharey=True, **size)
    for axes, (way, share) in zip(places, shares.items(), strict=True):
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(share.shape):
            if share[row, column] >= 0.005:
                shade = "white" if share[row, column] > 0.5 else "black"
                number = f"{100 * share[row, column]:.0f}"
                axes.text(column, row, number, ha="center", va="center", color=shade)
        axes.set_xticks(range(len(kinds)), kinds, rotation=45, ha="right")
        axes.set_yticks(range(len(kinds)), kinds)
        axes.set_title(way, fontsize=10)
    places[0].set_ylabel("kind")
    figure.supxlabel("taken for, in %", fontsize=10)
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    run(main)
