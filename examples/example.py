"""What the examples share: their options, their folder, and the figures on their pages."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from textgen import Generator, TextConfig, TextgenError, load_checkpoint, read_corpus
from textgen.errors import CorpusError
from textgen.ngrams.model import NgramModel

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "examples"
SCRATCH = ROOT / "checkpoints" / "examples"
FIGURES = re.compile(r"(<!-- figures -->\n).*?(<!-- end -->)", re.DOTALL)

MINUTES = {
    ".md": "The whole run took {:.1f} minutes on one core.",
    ".zh.md": "完整运行一次，单个核心用时 {:.1f} 分钟。",
}
"""What the pages of an example say about its time."""


class Example:
    """One run of an example: where its files go and how its figures are shown.

    In full, the picture and the figures go to the page `docs/examples/NAME.md`. Those of
    a file of the user's own, or of the short form, which the tests run and which learns
    too little to be worth showing, stay in the scratch folder.

    Args:
        name: of the script, the page and the picture.
        doc: the script's docstring, shown by `--help`.
        arguments: the command line, for tests; by default that of the process.
        file: what a file of the user's own may hold that takes the place of the data.
    """

    def __init__(
        self, name: str, doc: str, arguments: Sequence[str] | None, file: str = ""
    ) -> None:
        parser = argparse.ArgumentParser(
            description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument("--quick", action="store_true", help="a short form, for tests")
        parser.add_argument("--out", type=Path, default=SCRATCH, help="scratch folder")
        parser.add_argument(
            "--minutes",
            action="store_true",
            help="state on the page how long it took (only on an idle machine)",
        )
        if file:
            parser.add_argument("file", metavar="FILE", nargs="?", type=Path, help=file)
        options = parser.parse_args(arguments)
        self.file: Path | None = getattr(options, "file", None)
        self.name = name
        self.quick: bool = options.quick
        self._for_page = not (self.quick or self.file)
        self.folder: Path = options.out / (name if self._for_page else f"{name}-other")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._with_minutes: bool = options.minutes
        self._began = time.monotonic()

    def picture(self, suffix: str = ".png") -> Path:
        """Where the example's picture, or another file for its page, belongs."""
        return (PAGES if self._for_page else self.folder) / f"{self.name}{suffix}"

    def show(self, *parts: str) -> None:
        """Print parts of Markdown, such as tables, and put them on the page."""
        text = "\n\n".join(parts)
        print(text)
        if not self._for_page:
            self.picture(".md").write_text(text + "\n", encoding="utf-8")
            return
        minutes = (time.monotonic() - self._began) / 60
        for suffix, sentence in MINUTES.items():
            took = [sentence.format(minutes)] * self._with_minutes
            _put_figures(self.picture(suffix), "\n\n".join([*parts, *took]))


def _put_figures(page: Path, figures: str) -> None:
    """Put them between the marks of a page, if there is one."""
    if page.exists():
        text = page.read_text(encoding="utf-8")
        text = FIGURES.sub(lambda mark: f"{mark[1]}\n{figures}\n\n{mark[2]}", text)
        page.write_text(text, encoding="utf-8")


def run(main: Callable[[], None]) -> None:
    """Run an example; what a person can mend is one line on stderr, not a traceback."""
    try:
        main()
    except TextgenError as error:
        raise SystemExit(f"Error: {error}") from error


def labelled(path: Path) -> tuple[list[str], list[str]]:
    """The texts and the labels of a table with the columns `text` and `label`.

    Raises:
        CorpusError: there is no such column, or one label only.
    """
    corpus = read_corpus(path, TextConfig(documents="records"))
    num_labels = len(set(corpus.labels or ()))
    if num_labels < 2:
        found = "one label only" if num_labels else "no column `label`"
        raise CorpusError(f"{path}: has {found}. Give texts of at least two labels.")
    return list(corpus.documents), list(corpus.labels or ())


def memory_alone(path: Path) -> Generator:
    """The n-grams of a model's training text as a generator, without its network.

    Args:
        path: a checkpoint that was trained with `memory=8`, or another order.
    """
    saved = load_checkpoint(path)
    assert saved.ngrams is not None
    alone = NgramModel(saved.ngrams.tables, weight=1.0)
    return Generator.from_checkpoint(replace(saved, ngrams=alone))


def table(header: Sequence[str], *rows: Sequence[object]) -> str:
    """A Markdown table.

    >>> print(table(["method", "accuracy"], ["majority", "10.0 %"]))
    | method | accuracy |
    | --- | --- |
    | majority | 10.0 % |
    """
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in lines)


def percent(share: float) -> str:
    """A share in percent, with one decimal place."""
    return f"{100 * share:.1f} %"
