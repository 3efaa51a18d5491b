"""How much time and memory does it take to read and encode a large corpus?

    python benchmarks/corpus_scale.py

Generates texts of 10 MB to 4 GB in a temporary folder (13 GB in all; `--folder` chooses its
place). They consist of English-like words, one in twenty in another script, or of Latin
letters only (`--latin`: few enough symbols for one byte each). One fresh process reads
and encodes a text on a single core, a second one loads it from the cache, and a third one
trains on it for a few steps. The peak memory of that training is compared with that of
the same training on 1 MB of text, which is what the framework itself needs. `--lines`
makes every line a document; `--files N` measures N small files; `--workers N` encodes on
N cores in as many processes. Needs Linux.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import click
import numpy as np

from textgen.config.text import TextConfig
from textgen.text.encoded.cache import Cache
from textgen.text.encoded.prepare import prepare_corpus
from textgen.text.reading.sources import find_sources

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
@click.option("--size", "sizes", multiple=True, type=float, help="In MB. Repeatable.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--latin", is_flag=True, help="Latin letters only.")
@click.option("--lines", is_flag=True, help="Make every line a document.")
@click.option("--files", type=int, help="Measure this many files of 1 kB instead.")
@click.option("--workers", default=1, show_default=True, help="Cores that encode.")
@click.option("--child", hidden=True)
def main(
    sizes: tuple[float, ...],
    folder: Path | None,
    latin: bool,
    lines: bool,
    files: int | None,
    workers: int,
    child: str | None,
) -> None:
    if child is not None:
        print(json.dumps(work(**json.loads(child))))
        return
    documents = "lines" if lines else "whole"
    with tempfile.TemporaryDirectory(dir=folder) as inner:
        if files:
            texts: Iterable[Path] = [many_files(Path(inner), files)]
        else:
            scripts = ("latin", "accents") if latin else tuple(ALPHABETS)
            sizes = sizes or (10, 100, 1000, 4000)
            texts = (big_file(Path(inner), size, scripts) for size in sizes)
        print_rows(texts, Path(inner), documents, workers)


def print_rows(texts: Iterable[Path], folder: Path, documents: str, workers: int) -> None:
    common = {"cache": str(folder / "cache"), "documents": documents}
    small = big_file(folder, 1.0, tuple(ALPHABETS), "small.txt")
    base = ask(what="train", path=small, **common)
    print(
        "| text MB | encode: s | MB/s | peak memory MB | from the cache: s | "
        "first step after `fit`: s | training: peak memory MB | above the framework's |"
    )
    print("|---" * 8 + "|")
    for path in texts:
        encode = ask(what="encode", path=path, workers=workers, **common)
        cached = ask(what="encode", path=path, workers=workers, **common)
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
    """Run one task in a fresh process, so that the peak memory belongs to it alone."""
    command = [sys.executable, __file__, "--child", json.dumps(task, default=str)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def work(what: str, **task: Any) -> dict[str, float]:
    answer = {"encode": encode, "train": train}[what](**task)
    # Not `getrusage`: its peak may be that of the parent process.
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
    assert found is not None, "this benchmark needs Linux"
    return {**answer, "peak": int(found[1]) * 1024 / MB}


def encode(path: str, cache: str, documents: str, workers: int) -> dict[str, float]:
    # Guarantee that no more cores are used; hashing and NumPy use only one anyway.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:workers])
    sources = find_sources(path, "*.txt")
    start = time.perf_counter()
    text = TextConfig(documents=documents)
    prepare_corpus(sources, text, seed=0, cache=Cache(cache), workers=workers)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "megabytes": sum(os.path.getsize(source.path) for source in sources) / MB,
    }


def train(path: str, cache: str, documents: str) -> dict[str, float]:
    """Start training and stop after a few steps."""
    from textgen.checkpoint.runs import RunDirectory

    # These load Keras, which is not part of the measurement.
    from textgen.training.loop import fit as fit_module
    from textgen.training.task.encoding import ReadSettings
    from textgen.training.task.new import new_task

    times = [0.0]

    class Watch(fit_module.Clock):
        """The clock callback, which also records when each step ends."""

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            super().on_train_batch_end(batch, logs)
            times.append(time.perf_counter())
            if len(times) > STEPS:
                raise KeyboardInterrupt

    fit_module.Clock = Watch
    with tempfile.TemporaryDirectory() as run:
        options = {"documents": documents, "compute_dtype": "float32"}
        place, settings = RunDirectory(Path(run, "run")), ReadSettings(cache)
        task = new_task(path, place, "tiny", options, settings=settings)
        times[0] = time.perf_counter()
        try:
            fit_module.fit(task, quiet=True)
        except KeyboardInterrupt:
            return {"first_step": times[1] - times[0]}
    raise SystemExit("training ended before its third step")


# --- texts ---


def big_file(
    folder: Path, megabytes: float, scripts: tuple[str, ...], name: str = "text.txt"
) -> Path:
    """Write a text of at least this many megabytes."""
    path, num_bytes = folder / name, 0
    with open(path, "wb") as file:
        for block in blocks(scripts):
            num_bytes += file.write(block)
            if num_bytes >= megabytes * MB:
                return path
    raise AssertionError("blocks() is infinite")


def many_files(folder: Path, count: int) -> Path:
    """Write a directory of small files."""
    path = folder / "files"
    path.mkdir()
    words = next(blocks(tuple(ALPHABETS))).decode()
    for number in range(count):
        start = number * 997 % (len(words) - 1000)
        (path / f"{number:06}.txt").write_text(words[start : start + 1000], "utf-8")
    return path


def blocks(scripts: tuple[str, ...]) -> Iterator[bytes]:
    """Yield blocks of random text forever, about 1 MB each; they repeat after fifty.

    Args:
        scripts: names of `ALPHABETS`; most words are in the first one, "latin".
    """
    rng = np.random.default_rng(0)
    words = [word for name in scripts for word in random_words(rng, name)]
    others = len(words) - 4000
    # Word frequencies in Latin letters follow Zipf's law, as in a natural language.
    probabilities = np.concatenate([1 / np.arange(10, 4010), np.full(others, 1.0)])
    probabilities[:4000] *= 0.95 / probabilities[:4000].sum()
    probabilities[4000:] *= 0.05 / probabilities[4000:].sum()
    ends = np.array([" ", ", ", ". ", ".\n"])
    generated = []
    for _ in range(50):
        chosen = rng.choice(len(words), 160_000, p=probabilities)
        after = rng.choice(4, 160_000, p=[0.85, 0.06, 0.04, 0.05])
        text = "".join(words[w] + ends[e] for w, e in zip(chosen, after, strict=True))
        generated.append(text.encode())
        yield generated[-1]
    yield from cycle(generated)


def random_words(rng: np.random.Generator, alphabet: str) -> list[str]:
    letters = list(ALPHABETS[alphabet])
    weights = 1 / np.arange(3, 3 + len(letters))
    lengths = rng.integers(2, 10, 4000 if alphabet == "latin" else 200)
    return [
        "".join(rng.choice(letters, length, p=weights / weights.sum()))
        for length in lengths
    ]


if __name__ == "__main__":
    main()
