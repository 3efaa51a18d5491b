"""How long does a large corpus take to read and encode, and how much memory?

    python benchmarks/corpus_scale.py

Makes texts of 10 MB to 4 GB (in a temporary folder: `--folder` names another; it takes
13 GB), of English-like words with one word in twenty in another script, or in Latin letters
only (`--latin`: as many symbols as fit into a byte). Each is read and
encoded on one core by a fresh process, taken from the cache by another, and trained on for
a few steps by a third, whose peak memory is compared with that of the same training on a
text of 1 MB: what is left after that is the framework's own. `--lines` makes each line a
document; `--files N` measures N small files.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import click
import numpy as np

from textgen.config.text import TextConfig
from textgen.text.encoded.cache import Cache
from textgen.text.encoded.prepare import prepare_corpus
from textgen.text.reading.sources import find_files

MB = 1_000_000
ALPHABETS = {
    "latin": "etaoinshrdlucmfwygpbvkxqjz",
    "accents": "éèüößñçåêîôû",
    "greek": "αεηικλμνοπρστυφω",
    "cyrillic": "абвгдежзиклмнопрстуя",
    "arabic": "ابتثجحدرزسشصعفقلمنهوي",
    "devanagari": "कखगचजटडतदनपबमयरलवसहािीुे",
    "hangul": "".join(map(chr, range(0xAC00, 0xAC00 + 400))),
    "han": "".join(map(chr, range(0x4E00, 0x4E00 + 2000))),
}
STEPS = 3


@click.command()
@click.option("--size", "sizes", multiple=True, type=float, help="In MB; may be repeated.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--latin", is_flag=True, help="No other scripts than Latin.")
@click.option("--lines", is_flag=True, help="Every line is a document.")
@click.option("--files", type=int, help="This many files of 1 kB instead.")
@click.option("--child", hidden=True)
def main(
    sizes: tuple[float, ...],
    folder: Path | None,
    latin: bool,
    lines: bool,
    files: int | None,
    child: str | None,
) -> None:
    if child is not None:
        print(json.dumps(work(**json.loads(child))))
        return
    documents = "lines" if lines else "whole"
    with tempfile.TemporaryDirectory(dir=folder) as inner:
        if files:
            print_rows([many_files(Path(inner), files)], Path(inner), documents)
        else:
            scripts = ("latin", "accents") if latin else tuple(ALPHABETS)
            sizes = sizes or (10, 100, 1000, 4000)
            texts = (big_file(Path(inner), size, scripts) for size in sizes)
            print_rows(texts, Path(inner), documents)


def print_rows(texts: Iterator[Path] | list[Path], folder: Path, documents: str) -> None:
    common = {"cache": str(folder / "cache"), "documents": documents}
    small = big_file(folder, 1.0, tuple(ALPHABETS), "small.txt")
    base = ask(what="train", path=small, **common)
    print(
        "| text MB | encode: s | MB/s | peak memory MB | from the cache: s | "
        "first step after `fit`: s | training: peak memory MB | above the framework's |"
    )
    print("|---" * 8 + "|")
    for path in texts:
        encode = ask(what="encode", path=path, **common)
        cached = ask(what="encode", path=path, **common)
        train = ask(what="train", path=path, **common)
        size = encode["megabytes"]
        print(
            f"| {size:,.0f} | {encode['seconds']:.1f} | {size / encode['seconds']:.0f} | "
            f"{encode['peak']:.0f} | {cached['seconds']:.1f} | {train['first_step']:.1f} | "
            f"{train['peak']:.0f} | {train['peak'] - base['peak']:.0f} |",
            flush=True,
        )
        if path.is_file():
            path.unlink()
        Cache(folder / "cache").clear()


def ask(**task: Any) -> dict[str, float]:
    """Let a fresh process do one thing, so that its peak memory is that thing's."""
    command = [sys.executable, __file__, "--child", json.dumps(task, default=str)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def work(what: str, path: str, cache: str, documents: str) -> dict[str, float]:
    answer = {"encode": encode, "train": train}[what](path, cache, documents)
    # Not `getrusage`, whose peak may be that of the process which started this one.
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
    assert found is not None, "this benchmark needs Linux"
    return {**answer, "peak": int(found[1]) * 1024 / MB}


def encode(path: str, cache: str, documents: str) -> dict[str, float]:
    # On one core: hashing and NumPy would not use more, but to be sure.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    names = find_files(path, "*.txt")
    start = time.perf_counter()
    text = TextConfig(documents=documents)
    prepare_corpus(names, text, seed=0, cache=Cache(cache))
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "megabytes": sum(map(os.path.getsize, names)) / MB}


def train(path: str, cache: str, documents: str) -> dict[str, float]:
    """Begin a training, and stop it after a few steps."""
    from textgen.checkpoint.runs import RunDirectory

    # Loads Keras, which is not what is measured.
    from textgen.training.loop import fit as fit_module
    from textgen.training.task.task import Reading, new_task

    times = [0.0]

    class Watch(fit_module.Clock):
        """The clock of the training, which notes when steps end."""

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            super().on_train_batch_end(batch, logs)
            times.append(time.perf_counter())
            if len(times) > STEPS:
                raise KeyboardInterrupt

    fit_module.Clock = Watch
    with tempfile.TemporaryDirectory() as run:
        options = {"documents": documents, "compute_dtype": "float32"}
        task = new_task(
            path, RunDirectory(Path(run, "run")), "tiny", options, reading=Reading(cache)
        )
        times[0] = time.perf_counter()
        try:
            fit_module.fit(task, quiet=True)
        except KeyboardInterrupt:
            return {"first_step": times[1] - times[0]}
    raise SystemExit("the training ended before its third step")


# --- texts ---


def big_file(
    folder: Path, megabytes: float, scripts: tuple[str, ...], name: str = "text.txt"
) -> Path:
    """A text of at least so many megabytes."""
    path, num_bytes = folder / name, 0
    with open(path, "wb") as file:
        for block in blocks(scripts):
            num_bytes += file.write(block)
            if num_bytes >= megabytes * MB:
                return path
    raise AssertionError("blocks never end")


def many_files(folder: Path, count: int) -> Path:
    """A directory of small files."""
    path = folder / "files"
    path.mkdir()
    words = next(blocks(tuple(ALPHABETS))).decode()
    for number in range(count):
        start = number * 997 % (len(words) - 1000)
        (path / f"{number:06}.txt").write_text(words[start : start + 1000], "utf-8")
    return path


def blocks(scripts: tuple[str, ...]) -> Iterator[bytes]:
    """Blocks of made text without end, about 1 MB each; after fifty they come again.

    Args:
        scripts: Latin first, which most words are in.
    """
    rng = np.random.default_rng(0)
    words = [word for name in scripts for word in made_words(rng, name)]
    others = len(words) - 4000
    # Of words in Latin letters the frequent ones are very frequent, as in any language.
    chances = np.concatenate([1 / np.arange(10, 4010), np.full(others, 1.0)])
    chances[:4000] *= 0.95 / chances[:4000].sum()
    chances[4000:] *= 0.05 / chances[4000:].sum()
    ends = np.array([" ", ", ", ". ", ".\n"])
    made = []
    for _ in range(50):
        chosen = rng.choice(len(words), 160_000, p=chances)
        after = rng.choice(4, 160_000, p=[0.85, 0.06, 0.04, 0.05])
        text = "".join(words[w] + ends[e] for w, e in zip(chosen, after, strict=True))
        made.append(text.encode())
        yield made[-1]
    yield from cycle(made)


def made_words(rng: np.random.Generator, alphabet: str) -> list[str]:
    letters = list(ALPHABETS[alphabet])
    weights = 1 / np.arange(3, 3 + len(letters))
    lengths = rng.integers(2, 10, 4000 if alphabet == "latin" else 200)
    return [
        "".join(rng.choice(letters, length, p=weights / weights.sum()))
        for length in lengths
    ]


if __name__ == "__main__":
    main()
