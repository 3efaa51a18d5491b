"""Classify and draw handwritten digits, read row by row as text.

    python examples/digits.py              needs keras-textgen[examples,plot]

Each image of 8 x 8 pixels becomes a document of 8 lines, whose characters are shades of
grey, with its digit as the label. A model of labelled documents is a generative
classifier: the digit under which an image is most probable is its class. The same model
draws digits. The images are those bundled with scikit-learn (Alpaydin & Kaynak 1998).
"""

from __future__ import annotations

import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from example import Example, percent, run, table
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

import textgen

SHADES = ".:-=+*%@#"
"""From paper to ink."""
SIDE = 8


def main(arguments: list[str] | None = None) -> None:
    """Train, classify the held-out images, draw digits, and write the page."""
    example = Example("digits", __doc__ or "", arguments)
    pixels, digits = load_digits(return_X_y=True)
    split = train_test_split(pixels, digits, test_size=0.2, random_state=0, stratify=digits)
    train_pixels, test_pixels, train_digits, test_digits = split
    if example.quick:
        test_pixels, test_digits = test_pixels[:20], test_digits[:20]
    generator = trained(example, train_pixels, train_digits)
    baseline = LogisticRegression(max_iter=5000).fit(train_pixels, train_digits)
    found = [most_likely(generator, as_text(image)) for image in test_pixels]
    draw(generator, train_pixels, train_digits, example.picture())
    example.show(
        table(
            ["method", f"accuracy on {len(test_digits)} held-out images"],
            ["most likely label of an LSTM", percent(np.mean(found == test_digits))],
            [
                "logistic regression on pixels",
                percent(baseline.score(test_pixels, test_digits)),
            ],
            ["always the most frequent digit", percent(np.mean(test_digits == 3))],
        )
    )


def as_text(image: np.ndarray) -> str:
    """The 64 pixels of an image, 0 to 16, as 8 lines of 8 characters."""
    shades = np.array(list(SHADES))[(image / 2).astype(int)]
    return "\n".join(map("".join, shades.reshape(SIDE, SIDE)))


def as_image(text: str) -> np.ndarray:
    """The inverse of `as_text`: `(8, 8)`."""
    return np.array([[SHADES.index(shade) for shade in row] for row in text.split("\n")])


def trained(example: Example, pixels: np.ndarray, digits: np.ndarray) -> textgen.Generator:
    """A model of the images as labelled records."""
    records = example.folder / "digits.csv"
    with open(records, "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        rows.writerows(zip(map(as_text, pixels), digits, strict=True))
    best = textgen.train(
        *(records, example.folder / "run"),
        overwrite=True,
        documents="records",
        num_layers=1,
        units=8 if example.quick else 192,
        dropout=0.3,
        batch_size=32,
        seq_length=73,
        epochs=1 if example.quick else 40,
        memory=0,
        preview=False,
        quiet=example.quick,
    )
    return textgen.Generator.load(best)


def most_likely(generator: textgen.Generator, text: str) -> int:
    """The digit that the model takes an image for."""
    return int(next(iter(generator.classify(text))))


def draw(
    generator: textgen.Generator, pixels: np.ndarray, digits: np.ndarray, path: Path
) -> None:
    """A row of images from the data, and three rows drawn by the model."""
    figure, rows = plt.subplots(4, 10, figsize=(7, 3.2), subplot_kw={"box_aspect": 1})
    # Only whole images: 8 lines of 8 shades.
    row = rf"[{SHADES.replace('-', '')}\-]{{{SIDE}}}"
    pattern = f"({row}\n){{{SIDE - 1}}}{row}"
    for digit, column in enumerate(rows.T):
        drawn = generator.samples(
            num_samples=3, seed=0, label=str(digit), pattern=pattern, temperature=0.8
        )
        images = [pixels[digits == digit][0].reshape(SIDE, SIDE)]
        images += [as_image(sample.text) for sample in drawn]
        for axes, image in zip(column, images, strict=True):
            axes.imshow(image, cmap="gray_r")
            axes.set(xticks=[], yticks=[])
    rows[0, 0].set_ylabel("data")
    rows[2, 0].set_ylabel("drawn by the model")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    run(main)
