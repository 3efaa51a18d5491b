"""The worst checkpoints of a megabyte that we can think of, and what they cost to read.

    python tests/fuzz/worst_inputs.py      # a table: seconds, megabytes, what was said

Each is read in a process of its own, which is ended when it takes more than 2 seconds
of a processor or 200 MB more than it had before.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from textgen.checkpoint.format import (
    CONFIG,
    TOKENIZER,
    TRAINING,
    TRAINING_WEIGHTS,
    WEIGHTS,
    Checkpoint,
    TrainingState,
    save_checkpoint,
)
from textgen.config.model import ModelConfig
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer

SIZE = 1_000_000
MOST_MEMORY = 200 * 2**20
MOST_SECONDS = 2
PROMPT = "prompt.txt"
# As many characters as a megabyte of tokenizer.json holds, without half ones.
MANY_CHARACTERS = "".join(map(chr, (*range(32, 0xD800), *range(0xE000, 0x22000))))


class Cost(NamedTuple):
    """What reading a checkpoint took, and how it ended: "loaded", or the error."""

    name: str
    seconds: float
    megabytes: float
    outcome: str


# --- what is written -----------------------------------------------------------------


def repeated(unit: str, begin: str = "[", end: str = "]", size: int = SIZE) -> str:
    """As many units with commas between them as fit."""
    count = (size - len(begin) - len(end)) // len((unit + ",").encode())
    return f"{begin}{','.join([unit] * count)}{end}"


def numbered(unit: str, size: int = SIZE) -> str:
    """An object of many entries; `unit` has a place for the number of each."""
    count = size // len(unit.replace("%d", "123456") + ",")
    return f"{{{','.join(unit.replace('%d', str(n)) for n in range(count))}}}"


VALUES: dict[str, Callable[[], str]] = {
    "lists in lists": lambda: "[" * (SIZE // 2) + "]" * (SIZE // 2),
    "objects in objects": lambda: '{"":' * (SIZE // 5) + "0" + "}" * (SIZE // 5),
    "lists never closed": lambda: "[" * SIZE,
    "deep as allowed": lambda: repeated("[" * 25 + "]" * 25),
    "empty lists": lambda: repeated("[]"),
    "lists of one": lambda: repeated("[0]"),
    "empty objects": lambda: repeated("{}"),
    "objects of one": lambda: repeated('{"":0}'),
    "objects with names": lambda: repeated('{"a":0,"b":0}'),
    "many names": lambda: numbered('"%d":0'),
    "one name again and again": lambda: repeated('"a":0', "{", "}"),
    "numbers": lambda: repeated("1e5"),
    "large numbers": lambda: repeated("12345678"),
    "short strings": lambda: repeated('"ĀĀ"'),
    "escaped strings": lambda: repeated('"\\u0100"'),
    "one string": lambda: f'"{"a" * SIZE}"',
    "one wide string": lambda: f'"{"😀" + "a" * SIZE}"',
    "one escaped string": lambda: f'"{chr(92) * SIZE}"',
    "escaped quotes": lambda: '"' + '\\"' * (SIZE // 2),
    "quotes": lambda: '"' * SIZE,
    "half characters": lambda: '"' + "\\ud800" * (SIZE // 6) + '"',
    "pairs of halves": lambda: '"' + "\\ud83d\\ude00" * (SIZE // 12) + '"',
    "one number": lambda: "1" * SIZE,
    "one fraction": lambda: "0." + "1" * SIZE,
    "one exponent": lambda: "1e" + "9" * SIZE,
    "blanks": lambda: " " * SIZE + "0",
    "control sequences": lambda: '"' + "\\u001b[2J" * (SIZE // 9) + '"',
}


def header_of(text: str, data: bytes = b"") -> bytes:
    """A safetensors file with this header."""
    header = text.encode()
    return len(header).to_bytes(8, "little") + header + data


EMPTY = '"%d":""'


def entry(dtype: str = "U8", shape: str = "[0]", offsets: str = "[0,0]") -> str:
    """What a safetensors header says of one array."""
    return f'{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}'


HEADERS: dict[str, Callable[[], bytes]] = {
    "many empty arrays": lambda: header_of(numbered(f'"a%d":{entry()}')),
    "many claims of 2^63": lambda: header_of(
        numbered(f'"a%d":{entry("F32", f"[{2**61}]", f"[0,{2**63}]")}')
    ),
    "one claim of 2^63": lambda: header_of(
        f'{{"a":{entry("F32", f"[{2**61}]", f"[0,{2**63}]")}}}', b"\0" * SIZE
    ),
    "empty, but huge": lambda: header_of(
        f'{{"a":{entry("F32", f"[0,{2**62},{2**62}]", "[0,0]")}}}'
    ),
    "many dimensions": lambda: header_of(f'{{"a":{entry("U8", repeated("1"), "[0,1]")}}}'),
    "arrays that overlap": lambda: header_of(
        numbered(f'"a%d":{entry("U8", "[1]", "[0,1]")}'), b"\0"
    ),
    "a long name": lambda: header_of(f'{{"{"a" * SIZE}":{entry()}}}'),
    "metadata": lambda: header_of(f'{{"__metadata__":{numbered(EMPTY)}}}'),
    "a header of 2^64": lambda: b"\xff" * SIZE,
    "a header of all": lambda: (SIZE - 8).to_bytes(8, "little") + b"{" * (SIZE - 8),
    "lists in a header": lambda: header_of("{" + '"":[' * (SIZE // 4)),
    "blanks in a header": lambda: header_of("{" + " " * SIZE + "}"),
    "nothing": lambda: b"",
}


def tokenizer_of(**changes: str) -> bytes:
    """A tokenizer.json in which some values are others."""
    data = CharTokenizer("a", end_of_document=True).to_dict()
    parts = {name: json.dumps(value) for name, value in data.items()} | changes
    return f"{{{','.join(f'{json.dumps(n)}:{v}' for n, v in parts.items())}}}".encode()


def listed(texts: Iterator[str] | list[str]) -> str:
    """A JSON list of strings."""
    return json.dumps(list(texts), ensure_ascii=False, separators=(",", ":"))


TOKENIZERS: dict[str, Callable[[], bytes]] = {
    "as many characters as fit": lambda: tokenizer_of(
        characters=listed([*MANY_CHARACTERS])
    ),
    "one character again and again": lambda: tokenizer_of(characters=repeated('"b"')),
    "a character twice, at the end": lambda: tokenizer_of(
        characters=listed([*MANY_CHARACTERS[:130_000], "~"])
    ),
    "a million entries": lambda: tokenizer_of(characters=f"[{','.join(['0'] * 500_001)}]"),
    "many labels": lambda: tokenizer_of(labels=listed([f"{n:06}" for n in range(110_000)])),
    "long labels": lambda: tokenizer_of(labels=listed([f"{n:0100}" for n in range(9_000)])),
    "labels of marks": lambda: tokenizer_of(
        labels=listed([f"{n:03}" + "\u0301\u0316" * 490 for n in range(500)])
    ),
    "one label of marks": lambda: tokenizer_of(labels=listed(["\u0301\u0316" * 250_000])),
    "marks as normal form": lambda: tokenizer_of(normalize=f'"{"x" * SIZE}"'),
}


def cases() -> Iterator[tuple[str, dict[str, bytes | None]]]:
    """The name of each case, and the files in which it differs from a sound checkpoint."""
    config = sound_config()
    for name, make in VALUES.items():
        value = make()
        yield f"config.json is {name}", {CONFIG: value.encode()}
        facts = config.replace('"facts": {}', f'"facts": {{"score": {{"step": {value}}}}}')
        yield f"facts hold {name}", {CONFIG: facts.encode()}
        model = config.replace('"cell": "lstm"', f'"cell": {value}')
        yield f"cell is {name}", {CONFIG: model.encode()}
        yield f"characters are {name}", {TOKENIZER: tokenizer_of(characters=value)}
        state = f'{{"state": {{"rows": {value}}}}}'
        yield f"rows are {name}", {TRAINING: state.encode()}
    for name, build in TOKENIZERS.items():
        yield f"tokenizer: {name}", {TOKENIZER: build()}
    for name, build in HEADERS.items():
        yield f"weights: {name}", {WEIGHTS: build()}
        yield f"training: {name}", {TRAINING_WEIGHTS: build()}
    yield "no weights", {CONFIG: (config + " " * SIZE).encode(), WEIGHTS: None}
    rows = repeated(json.dumps(dict.fromkeys(("step", "epoch", "seconds"), 1)))
    yield "a long history", {TRAINING: f'{{"state": {{"rows": {rows}}}}}'.encode()}


PROMPTS = {
    "marks on one letter": "a" + "\u0301\u0316" * (SIZE // 4),
    # Runs as long as can be that are not yet put in order by our own hands.
    "marks on every letter": ("a" + "\u0301\u0316" * 127 + "b") * (SIZE // 510),
    "what is unknown": "".join(chr(0x4E00 + n % 20_000) for n in range(SIZE // 3)),
    "half characters": "\ud800" * (SIZE // 3),
    "NUL": "\0" * SIZE,
}


def sound() -> Checkpoint:
    """A small checkpoint with a token each for byte, end of document."""
    tokenizer = ByteTokenizer(end_of_document=True)
    return filled(tokenizer, units=4, embedding_dim=4)


def largest() -> Checkpoint:
    """The most tokens and the widest tables that files of a megabyte in all hold."""
    tokenizer = CharTokenizer(MANY_CHARACTERS[:60_000])
    return filled(tokenizer, units=64, embedding_dim=1, tie_embeddings=True)


def filled(tokenizer: CharTokenizer | ByteTokenizer, **options: Any) -> Checkpoint:
    """An untrained model."""
    config = ModelConfig(tokenizer.vocab_size, num_layers=1, **options)
    shapes = config.weight_shapes().items()
    weights = {name: np.full(shape, 0.1, np.float32) for name, shape in shapes}
    return Checkpoint(config, tokenizer, weights)


def sound_config() -> str:
    """Its config.json."""
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(f"{folder}/best", sound())
        return Path(folder, "best", CONFIG).read_text(encoding="utf-8")


def write_all(folder: Path) -> None:
    """Write a directory for each case."""
    state = TrainingState({}, {"optimizer.0": np.zeros(3, np.float32)})
    save_checkpoint(folder / "sound", sound(), state)
    for name, files in cases():
        path = folder / name
        shutil.copytree(folder / "sound", path)
        for file, data in files.items():
            (path / file).unlink()
            if data is not None:
                (path / file).write_bytes(data)
    save_checkpoint(folder / "the most that fits", largest(), state)
    for name, text in PROMPTS.items():
        path = folder / f"a prompt of {name}"
        save_checkpoint(path, filled(CharTokenizer("ab"), units=4, embedding_dim=4), state)
        (path / PROMPT).write_bytes(text.encode("utf-8", "surrogatepass"))


# --- what it costs -------------------------------------------------------------------


def measure(folder: Path) -> list[Cost]:
    """Read each directory in a process of its own."""
    script = [sys.executable, __file__, str(folder)]
    # Threads of the linear algebra would count as memory, on a machine of many cores.
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(script, capture_output=True, text=True, check=True, env=env)
    return [Cost(*json.loads(line)) for line in done.stdout.splitlines()]


def _measure_here(folder: Path) -> None:
    read_everything(folder / "sound")  # what is imported late is no cost of the input
    for path in sorted(folder.iterdir()):
        print(json.dumps(in_a_child(path)), flush=True)


def read_everything(path: Path) -> str:
    """Load a checkpoint in each way there is; "loaded", or the first error."""
    from textgen.checkpoint.describe import as_text, describe
    from textgen.checkpoint.format import load_checkpoint, load_training_state
    from textgen.errors import CheckpointError
    from textgen.generation.generator import Generator

    outcome = "loaded"
    try:
        as_text(describe(load_checkpoint(path), path))
        generator = Generator.load(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            generator.generate(_prompt(path), length=2, seed=0)
    except CheckpointError as error:
        outcome = str(error)
    try:
        load_training_state(path)
    except CheckpointError as error:
        outcome = str(error) if outcome == "loaded" else outcome
    return outcome


def _prompt(path: Path) -> str:
    if not (path / PROMPT).exists():
        return "a"
    return (path / PROMPT).read_bytes().decode("utf-8", "surrogatepass")


def in_a_child(path: Path, read: Callable[[Path], str] = read_everything) -> Cost:
    """Read a directory in a child that may use so much memory and time, and no more."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        with os.fdopen(writer, "w") as answer:
            json.dump(_limited(path, read), answer)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    return Cost(*json.loads(text)) if text else Cost(path.name, 9, 9, f"died ({status})")


def _limited(path: Path, read: Callable[[Path], str]) -> Cost:
    before, started = _peak(), time.process_time()
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    memory = pages * resource.getpagesize() + MOST_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    # Whole seconds, and a child begins with none.
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    try:
        outcome = read(path)
    except BaseException as error:
        outcome = f"crashed: {error!r}"
    seconds = time.process_time() - started
    return Cost(path.name, seconds, (_peak() - before) / 2**20, outcome)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Print what each case costs, the dearest last."""
    if len(sys.argv) > 1:
        _measure_here(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_all(Path(folder))
        costs = measure(Path(folder))
    print(f"{'seconds':>8}{'MB':>7}  input: outcome")
    for cost in sorted(costs, key=lambda c: c.seconds / MOST_SECONDS + c.megabytes / 200):
        outcome = cost.outcome.replace(folder, "")
        print(f"{cost.seconds:8.2f}{cost.megabytes:7.0f}  {cost.name}: {outcome[:120]}")


if __name__ == "__main__":
    main()
