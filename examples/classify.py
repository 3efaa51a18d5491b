r"""Train a classifier on text vectors: is this speech or narration?

    textgen demo
    python examples/classify.py checkpoints/demo        needs keras-textgen[examples]

The vector of a text is the final state of a trained model that has read it. A logistic
regression predicts a label from that vector. It is compared with always choosing the
majority class, and with the usual approach to text classification: logistic regression on
counts of character n-grams, of the whole text or only of its end. The labels are real:
the quotation marks of the fables in `corpora/little_harbour.txt` tell what is speech.
There are two tasks.

passages    400 characters, cut anywhere: is a quotation open at the end?
sentences   20 to 120 characters, without their quotation marks: are they spoken?

The last five fables are held out; neither the classifiers nor the models have seen them.
Cross-validation on the other fables chooses the regularization strength of each
regression. Accuracy with three models that differ only in their seed (one layer of 256
units, like that of `textgen demo`, whose training ends by the clock and is not repeatable):

    for seed in 0 1 2; do
        textgen train corpora/little_harbour.txt --epochs 12 --eval-every 150 \
            --seed $seed --out checkpoints/fables-$seed
    done
    python examples/classify.py checkpoints/fables-?

                                 250 passages              137 sentences
    majority class                  80.4 %                    67.2 %
    n-grams                         90.0 %                    92.0 %
    n-grams of the last 30          88.4 %                    83.9 %
    vectors, seeds 0, 1, 2    92.0, 88.0, 97.2 %        84.7, 75.9, 80.3 %

In the first task the vectors are as good as the counts or better, depending on the seed: to
predict the closing mark, a model learns without any label to keep track of open quotations,
and counts ignore order. (A hand-written rule needs neither: the last quotation mark alone
gives the answer.) In the second task the words themselves are the clue, above all "I" and
"you", and counts win: the vector mainly describes the last characters read. With so few
texts, from only five fables, differences of a few points say nothing, and those between
seeds are larger than that.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from textgen import Generator, read_corpus
from textgen.corpora.bundled import bundled_corpus
from textgen.wording import install_command

try:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, GroupKFold
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler
except ImportError as error:
    needed = f"This example needs scikit-learn ({error})."
    raise SystemExit(f"{needed} Install it: {install_command('examples')}") from error

NUM_HELD_OUT = 5
PASSAGE_CHARS = 400
PASSAGES_PER_FABLE = 50
END_CHARS = 30
SEED = 0


@dataclass(frozen=True)
class Labelled:
    """Texts, the number of the fable each comes from, and whether it is speech."""

    texts: list[str]
    fables: np.ndarray
    is_speech: np.ndarray


def main() -> None:
    """Print the accuracy of each approach, and of each model, on the held-out fables."""
    parser = argparse.ArgumentParser(description="Is this speech or narration?")
    parser.add_argument("checkpoints", metavar="CHECKPOINT", nargs="+")
    parser.add_argument("--fables", type=int, help="use only this many fables, at least 8")
    options = parser.parse_args()
    generators = {name: Generator.load(name) for name in options.checkpoints}
    fables = read_fables()[: options.fables]
    for name, data in (("passages", passages(fables)), ("sentences", sentences(fables))):
        held_out = data.fables >= len(fables) - NUM_HELD_OUT
        print(f"{len(held_out):,} {name}, {held_out.sum():,} of them held out")
        vectors = {name: each.encode(data.texts) for name, each in generators.items()}
        for method, accuracy in accuracies(data, vectors, held_out):
            print(f"    {method:36} {100 * accuracy:.1f} %")


def read_fables() -> list[str]:
    """Read the fables of the bundled book, which are separated by two blank lines."""
    (book,) = read_corpus(bundled_corpus("little_harbour.txt")).documents
    return [fable.strip("\n") for fable in book.split("\n\n\n")]


def passages(fables: list[str]) -> Labelled:
    """Cut passages anywhere; the label says whether a quotation is open at the end."""
    rng = np.random.default_rng(SEED)
    found = [
        (fable[end - PASSAGE_CHARS : end], number, fable.count('"', 0, end) % 2 == 1)
        for number, fable in enumerate(fables)
        for end in rng.integers(PASSAGE_CHARS, len(fable), PASSAGES_PER_FABLE)
    ]
    return labelled(found)


def sentences(fables: list[str]) -> Labelled:
    """Extract sentences without quotation marks; the label says whether they had any."""
    found = []
    for number, fable in enumerate(fables):
        _title, *paragraphs = fable.split("\n\n")
        for paragraph in paragraphs:
            for place, part in enumerate(paragraph.split('"')):
                for sentence in re.split(r"(?<=[.!?])\s+", part):
                    text = sentence.strip(" ,.!?;:")
                    if 20 <= len(text) <= 120:
                        found.append((text, number, place % 2 == 1))
    return labelled(found)


def labelled(found: list[tuple[str, int, bool]]) -> Labelled:
    """Turn rows into columns."""
    texts, fables, is_speech = zip(*found, strict=True)
    return Labelled(list(texts), np.array(fables), np.array(is_speech))


def accuracies(
    data: Labelled, vectors: dict[str, np.ndarray], held_out: np.ndarray
) -> Iterator[tuple[str, float]]:
    """Yield each approach with its accuracy on the held-out texts."""
    majority = data.is_speech[~held_out].mean() > 0.5
    yield "majority class", float((data.is_speech[held_out] == majority).mean())
    texts = np.array(data.texts, dtype=object)
    for name, features, steps in (
        ("n-grams", texts, counts(PASSAGE_CHARS)),
        (f"n-grams of the last {END_CHARS}", texts, counts(END_CHARS)),
        *((f"vectors of {name}", of, [StandardScaler()]) for name, of in vectors.items()),
    ):
        classifier = make_pipeline(*steps, LogisticRegression(max_iter=2000))
        yield name, accuracy_of(classifier, features, data, held_out)


def counts(num_chars: int) -> list[object]:
    """Pipeline steps that count the n-grams of 1 to 3 characters at the end of a text."""
    end = FunctionTransformer(lambda texts: [text[-num_chars:] for text in texts])
    return [end, CountVectorizer(analyzer="char", ngram_range=(1, 3), lowercase=False)]


def accuracy_of(
    classifier: Pipeline, features: np.ndarray, data: Labelled, held_out: np.ndarray
) -> float:
    """Fit on the fables that are not held out, and measure on those that are."""
    # Folds consist of whole fables, so that training and test passages never overlap.
    strengths = {"logisticregression__C": [0.001, 0.01, 0.1, 1]}
    search = GridSearchCV(classifier, strengths, cv=GroupKFold(3))
    train = ~held_out
    search.fit(features[train], data.is_speech[train], groups=data.fables[train])
    return float(search.score(features[held_out], data.is_speech[held_out]))


if __name__ == "__main__":
    main()
