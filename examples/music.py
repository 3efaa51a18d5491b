"""Write tunes in ABC notation, check their bars, and play one.

    python examples/music.py [FILE]        needs keras-textgen[examples]

A tune is a document: its metre, unit note and key, then the notes. The tunes are the
public corpus irish_abc, which is downloaded into corpora/ unless it is there. FILE holds
tunes of your own in ABC notation, such as examples/tunes.abc. music21 checks the bars,
and writes MIDI; the sound is made in NumPy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from abc_tunes import Played, bars_of, pattern_of, played, read_tunes, score_of
from example import ROOT, Example, memory_alone, percent, run, table
from tones import write_wav

import textgen
from textgen.corpora.download import fetch


def main(arguments: list[str] | None = None) -> None:
    """Train, write tunes in three ways, check and play them, and write the page."""
    own = "tunes in ABC notation, each beginning with a line X:"
    example = Example("music", __doc__ or "", arguments, own)
    tunes = read_tunes(example.file or source(example))
    # Only one metre, so that one pattern fits all: the most frequent one.
    heads = Counter("\n".join(tune.split("\n")[:2]) + "\n" for tune in tunes)
    head, _ = heads.most_common(1)[0]
    pattern = pattern_of(head)
    best = trained(example, tunes)
    count = 3 if example.quick else 100
    model = textgen.Generator.load(best, memory=False)
    ways = {
        "n-grams alone": written(memory_alone(best), head, count),
        "LSTM": written(model, head, count),
        "LSTM, only right bars": written(model, head, count, pattern=pattern),
    }
    known = {bar for tune in tunes for bar in bars_of(tune)}
    heard = {name: list(map(played, texts)) for name, texts in ways.items()}
    rows = [[name, *figures(ways[name], heard[name], known)] for name in ways]
    given = tunes[:3] if example.quick else tunes
    rows.append(["the tunes to learn from", *figures(given, map(played, given), set())])
    rows[-1][-1] = ""
    draw({name: each[0] for name, each in heard.items()}, example.picture())
    tune = ways["LSTM, only right bars"][0]
    write_wav(heard["LSTM, only right bars"][0].notes, example.picture(".wav"))
    score_of(tune).write("midi", example.picture(".mid"))
    header = [
        *(f"{count} tunes each", "only right bars", "right bars", "bars that return"),
        "new bars",
    ]
    example.show(table(header, *rows), f"```text\n{tune}\n```")


def source(example: Example) -> Path:
    """The public tunes, or a few made ones for the short form."""
    if example.quick:
        return Path(__file__).parent / "tunes.abc"
    return fetch("irish_abc", ROOT / "corpora")


def trained(example: Example, tunes: list[str]) -> Path:
    """A model of the tunes, with an n-gram memory to compare it with."""
    path = example.folder / "tunes.txt"
    path.write_text("\n\n".join(tunes) + "\n", encoding="utf-8")
    return textgen.train(
        *(path, example.folder / "run"),
        overwrite=True,
        documents="paragraphs",
        num_layers=1,
        units=8 if example.quick else 256,
        memory=8,
        dropout=0.3,
        epochs=1 if example.quick else 12,
        preview=False,
        quiet=example.quick,
    )


def written(
    generator: textgen.Generator, head: str, count: int, **settings: str
) -> list[str]:
    """Tunes that begin with a metre and a unit note."""
    samples = generator.samples(
        *(head, count), seed=0, length=700, temperature=0.8, **settings
    )
    return [head + sample.text.strip() for sample in samples]


def figures(tunes: list[str], heard: Iterable[Played], known: set[str]) -> list[str]:
    """The shares of right tunes, of right bars, of repeated bars, and of new ones."""
    each = list(heard)
    written = [bars_of(tune) for tune in tunes]
    shares = (
        [played.is_right for played in each],
        np.concatenate([played.bars[:, 1] for played in each]),
        [bar in bars[:number] for bars in written for number, bar in enumerate(bars)],
        [bar not in known for bars in written for bar in bars],
    )
    # A model that has learned nothing may write no bar at all.
    return [percent(np.mean(share)) if len(share) else "0.0 %" for share in shares]


def draw(heard: dict[str, Played], path: Path) -> None:
    """A piano roll of one tune of each kind; wrong bars are shaded."""
    figure, rows = plt.subplots(len(heard), sharex=True, sharey=True, figsize=(7, 6))
    for axes, (name, tune) in zip(rows, heard.items(), strict=True):
        onsets, lengths, pitches = tune.notes.T
        axes.barh(pitches, lengths, left=onsets, height=0.9, align="center")
        starts, right = tune.bars.T
        for start in starts:
            axes.axvline(start, color="0.8", linewidth=0.8, zorder=0)
        ends = np.append(starts, (onsets + lengths).max(initial=0))[1:]
        for start, end in zip(starts[right == 0], ends[right == 0], strict=True):
            axes.axvspan(start, end, color="tab:red", alpha=0.3, linewidth=0)
        axes.set_title(name, loc="left", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    rows[len(rows) // 2].set_ylabel("pitch (MIDI)")
    rows[-1].set(xlabel="quarter notes", xlim=(0, 66))
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    run(main)
