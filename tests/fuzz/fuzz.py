"""Feed textgen damaged files and odd prompts, guided by what code they reach.

    python -m tests.fuzz.fuzz -runs=10000
    python -m tests.fuzz.fuzz -max_total_time=3600 FOLDER   # an hour; FOLDER keeps finds

The first byte of an input says which file of a checkpoint the rest is, or that it is a
prompt. What ends in anything but a `CheckpointError` is written to `crash-...`, which
`python -m tests.fuzz.fuzz crash-...` runs again. All options are libFuzzer's
(`-help=1`). It needs atheris: `pip install ".[fuzz]"`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["textgen"]):
    from tests.fuzz.targets import TOKENIZERS, Target
    from textgen.checkpoint.format import FILES

UNKNOWN = ("skip", "error", "token")
# Names, and beginnings of what a file may hold: what chance alone would hardly find.
WORDS = (
    *("format_version", "model", "facts", "vocab_size", "num_layers", "units", "cell"),
    *("embedding_dim", "tie_embeddings", "layer_norm", "kind", "characters", "labels"),
    *("normalize", "unknown", "end_of_document", "text", "train", "score", "state", "rows"),
    *("sources", "documents", "dtype", "shape", "data_offsets", "__metadata__", "F32"),
    *(
        "NaN",
        "1e999",
        "18446744073709551616",
        "true",
        "null",
        "[[",
        "{}",
        "../",
        "optimizer",
    ),
    *("\\ud800", "\\udc00", "\\u001b", "\u0301\u0316", "\uff9e", "\U0010ffff", "\x9b"),
)


def seeds(target: Target) -> dict[str, bytes]:
    """A sound file of each kind, and some prompts."""
    found = {name: bytes([n]) + target.sound[name] for n, name in enumerate(FILES)}
    for which in range(len(TOKENIZERS)):
        text = "ab é\n😀e\u0301\ud800".encode("utf-8", "surrogatepass")
        found[f"prompt-{which}"] = bytes([len(FILES), which, which % len(UNKNOWN)]) + text
    return found


def words_file() -> str:
    """A dictionary as libFuzzer reads it."""
    quoted = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in WORDS)
    return "".join(f'"{word}"\n' for word in quoted)


def run(target: Target, data: bytes) -> None:
    """Try one input."""
    if not data:
        return
    which, rest = data[0] % (len(FILES) + 1), data[1:]
    if which < len(FILES):
        target.read(FILES[which], rest)
    elif len(rest) >= 2:
        text = rest[2:].decode("utf-8", "surrogateescape")
        # What is no UTF-8 becomes halves of characters, and so do halves.
        target.prompt(text, UNKNOWN[rest[1] % len(UNKNOWN)], rest[0])


def fuzz(folder: Path, arguments: list[str]) -> None:
    """Fuzz with seeds of our own, and those in folders that are named; never returns."""
    target = Target(folder)
    corpus, words = folder / "seeds", folder / "words"
    corpus.mkdir()
    for name, data in seeds(target).items():
        (corpus / name).write_bytes(data)
    words.write_text(words_file(), encoding="ascii")
    named = [a for a in arguments if not a.startswith("-")]
    # atheris itself gathers a kilobyte or two with each input. The timeout is by the
    # clock, which goes on while a busy machine does something else.
    options = ["-timeout=100", "-rss_limit_mb=8000", "-print_final_stats=1"]
    if not named or Path(named[0]).is_dir():
        # A single file is run again; else the first folder takes what is found.
        options += [f"-dict={words}", "-max_len=1000000"]
        named.append(str(corpus))
    options += [a for a in arguments if a.startswith("-")]
    atheris.Setup([sys.argv[0], *options, *named], lambda data: run(target, data))
    atheris.Fuzz()


def main() -> None:
    """Fuzz in a child: it ends without a word to Python, and leaves its files."""
    with tempfile.TemporaryDirectory() as folder:
        child = os.fork()
        if child == 0:
            fuzz(Path(folder), sys.argv[1:])
        _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
