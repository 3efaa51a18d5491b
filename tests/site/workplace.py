"""A directory with the texts and runs that the pages speak of."""

from __future__ import annotations

import gzip
import json
import lzma
from pathlib import Path

from textgen.__main__ import run

STORY = (
    "It was a dark night. On Monday, nobody came home; the old cat sat on another mat.\n"
    'THE GULL AND THE BOAT. "Are you well?" said Kit 12 times. '
    "A quick fox jumps over lazy 34567890 v.\n"
)
POEM = "O rose, thou art so red today\nOur boat goes slowly on its way\nOver the bay.\n"
CODE = "def read(name, size):\n    return open(name).read(size)\n"
CHAT = "A: Is the boat ready?\nB: Not before noon.\nA: Then I will wait.\n\n"
ANALECTS = "子曰：学而时习之，不亦说乎？有朋自远方来，不亦乐乎？\n"
DAYS = [{"text": STORY, "label": name} for name in ("good", "bad", "sad", "blake") * 10]

CORPORA = ("corpora/little_harbour.txt", "corpora/tinyshakespeare.txt")
TEXTS = {
    **dict.fromkeys(("my_book.txt", "book1.txt", "big.txt", *CORPORA), STORY * 20),
    **dict.fromkeys(("letters.txt", "letter.txt", "more/a.txt"), STORY * 20),
    **dict.fromkeys(("other_book.txt", "chapter.txt", "page.txt"), STORY * 2),
    "names.txt": "Ada\nGrace\nKit\nMary\nOld Tom\n" * 40,
    "prompts.txt": "It was \nOne day \n",
    "opening.txt": "It was a dark night.\n",
    "question.txt": "A: Is the boat ready?\nB:\n",
    "chat.txt": CHAT * 40,
    "answers.jsonl": '{"prompt": "Is the boat ready?", "completion": "No."}\n' * 60,
    "numbers.csv": "prompt,completion\n" + "4711,siebenundvierzigelf\n12,zwölf\n" * 40,
    "lunyu.txt": ANALECTS * 60,
    "notes/a.md": STORY * 20,
    **{f"poems/{n}.{kind}": POEM * 4 for n in range(12) for kind in ("txt", "md")},
    **{f"src/{n}.py": CODE * 12 for n in range(12)},
    "src/types.pyi": CODE * 12,
    "poems.jsonl": "\n".join(map(json.dumps, DAYS)),
    "reviews.csv": "text,label\n" + "The room was good.,good\nBreakfast is bad.,bad\n" * 60,
}
LONG = ("corpus/a.txt.gz", "letters/b.txt.gz", "other_book.txt.gz", "book2.txt.gz")

FEW = ["--batch-size", "2", "--seq-length", "16", "--epochs", "1", "--overwrite"]
SMALL = ["--units", "8", "--num-layers", "1", "--embedding-dim", "8"]
CALM = ["--no-tune", "--backend", "auto", "--quiet"]


def write_texts(place: Path) -> None:
    for name, text in TEXTS.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (place / "experiments").mkdir()
    (place / "old.txt").write_text(ANALECTS * 60, encoding="gb18030")
    for name in LONG:
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress((STORY * 20).encode()))
    (place / "dump.xz").write_bytes(lzma.compress((STORY * 20).encode()))


def train_runs() -> None:
    """Train, in the working directory, the runs that pages use without training them."""
    for arguments in (
        ["names.txt", "--documents", "lines"],
        ["reviews.csv", "--documents", "records"],
        # Last, because some commands take the newest run.
        ["my_book.txt"],
        ["letters.txt", "--init-from", "my_book"],
    ):
        assert run(quick(["train", *arguments])) == 0


def quick(arguments: list[str]) -> list[str]:
    """The same command, done in a moment: of an option given twice, the last counts."""
    command, options = arguments[0], arguments[1:]
    if command == "tune":
        brief = ["--minutes", "0.04", "--trial-minutes", "0.02"]
        return [*arguments, *SMALL, *brief, *CALM]
    if command == "train" and "--resume" in options:
        return [*arguments, "--epochs", "2", *CALM]
    if command == "train" and "--init-from" in options and "none" not in options:
        # The base model is large: few steps.
        steps = ["--batch-size", "32"] * ("english" in options)
        return [*arguments, *FEW, *steps, *CALM]
    if command == "train":
        return [*arguments, *FEW, *SMALL, *CALM]
    if command == "sample" and "-n" in options:
        return [*arguments, "-n", "2"]
    return arguments
