"""The corpora that ship with the package."""

from __future__ import annotations

from pathlib import Path

from textgen.errors import CorpusError

PACKAGE = Path(__file__).parents[1]


def bundled_corpus(name: str) -> Path:
    """The path of a corpus that ships with the package, in the wheel or the checkout.

    Raises:
        CorpusError: no bundled corpus has this name.

    >>> bundled_corpus("little_harbour.txt").name
    'little_harbour.txt'
    """
    folders = (PACKAGE / "corpora", PACKAGE.parent / "corpora")
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    known = sorted(path.name for folder in folders for path in folder.glob("*.txt"))
    raise CorpusError(
        f"no corpus {name!r} comes with this installation of textgen. "
        f"Known: {', '.join(known) or 'none'}."
    )
