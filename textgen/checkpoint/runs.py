"""Run directories: the files of a training run, and what may be overwritten.

checkpoints/my_book/
    best/           the checkpoint with the best validation score
    last/           the newest checkpoint, with the training state for `--resume`
    history.csv     one row per evaluation
    history.png     the same as a plot (extra `plot`)
    previews.jsonl  a short text by the model after each evaluation
    status.json     how far it is, and what ended it
    logs/           for TensorBoard (`--tensorboard`)
    .lock           exists during training; keeps a second process out
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from textgen.checkpoint.bases import find_base, list_bases
from textgen.checkpoint.format import FILES, TRAIN_FIRST, checkpoint_directory
from textgen.checkpoint.parts import CONFIG
from textgen.checkpoint.single_file import SUFFIX
from textgen.config.arguments import several_paths
from textgen.disk.atomic import make_directory, remove_files, writing_errors
from textgen.disk.lock import LOCK, locked
from textgen.disk.names import real_path
from textgen.errors import CheckpointError
from textgen.text.reading.sources import Paths, decompressed_name
from textgen.wording import did_you_mean, few

RUNS = Path("checkpoints")
BEST = ("best", ".best.old")
COMPLETE = (*BEST, "last", ".last.old")
"""Complete checkpoints; a crash during a save leaves the previous one as `.old`."""
INCOMPLETE = (".best.new", ".last.new")
"""Incomplete checkpoints, left by a crash during a save."""


class RunDirectory:
    """The paths of one run; nothing is created before `locked` or `begin`."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.best = self.path / "best"
        self.last = self.path / "last"
        self.history_csv = self.path / "history.csv"
        self.history_png = self.path / "history.png"
        self.previews = self.path / "previews.jsonl"
        self.status = self.path / "status.json"
        self.logs = self.path / "logs"

    def holds_run(self) -> bool:
        """Whether the directory contains a checkpoint."""
        return any(
            os.path.exists(self.path / name / file) for name in COMPLETE for file in FILES
        )

    def is_run(self) -> bool:
        """Whether something is trained there, or has been."""
        return self.holds_run() or os.path.exists(self.path / LOCK)

    def saved_at(self) -> int | None:
        """When `last` was written, in nanoseconds since 1970; None if it does not exist."""
        try:
            return os.stat(self.last).st_mtime_ns
        except OSError:
            return None

    def check(self, *, overwrite: bool = False) -> None:
        """Refuse a directory that a new run must not write to.

        Raises:
            CheckpointError: the path is a file, or the directory holds another run and
                `overwrite` is False, or files that are not from textgen.
        """
        if os.path.exists(self.path) and not os.path.isdir(self.path):
            raise CheckpointError(f"{self.path} is a file. Choose another `out`.")
        if self.holds_run():
            if not overwrite:
                raise CheckpointError(
                    f"{self.path} already holds a run. Continue it with `resume=True`, "
                    "replace it with `overwrite=True`, or choose another `out`."
                )
        elif self._foreign_entries():
            raise CheckpointError(
                f"{self.path} is not empty and holds no run of textgen. "
                "Choose another `out`."
            )

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Keep other training processes out of the directory.

        The directory is created if it is missing, and removed again if it stays empty.

        Yields:
            whether the lock is held; some network file systems do not support locks.

        Raises:
            CheckpointError: another training holds the lock, or the directory cannot be
                written or holds files that are not from textgen.
        """
        if not self.holds_run():
            self.check()  # so that no lock file is written next to unrelated files
        with ExitStack() as stack:
            with self._errors_named():
                is_locked = stack.enter_context(locked(self.path))
            yield is_locked

    def begin(self, save_last: Callable[[], None], *, overwrite: bool = False) -> None:
        """Write the first checkpoint of a new run; only then is an old history removed.

        The `best` of an overwritten run stays until the first evaluation replaces it.

        Args:
            save_last: writes `last`; if that fails, the old run is still complete.

        Raises:
            CheckpointError: as `check`, or the directory cannot be written.
        """
        self.check(overwrite=overwrite)
        with self._errors_named():
            make_directory(self.path)
            save_last()
            self._remove_history()

    def remove_leftovers(self) -> None:
        """Remove incomplete checkpoints of a killed training process.

        Raises:
            CheckpointError: the directory cannot be written.
        """
        with self._errors_named():
            for name in INCOMPLETE:
                if (self.path / name).is_dir():
                    remove_files(self.path / name, FILES)

    def _foreign_entries(self) -> list[str]:
        """Names in the directory that do not come from textgen."""
        with self._errors_named():
            entries = os.listdir(self.path) if os.path.isdir(self.path) else []
            empty = {n for n in COMPLETE if _is_empty(self.path / n)}
        return [n for n in entries if n not in empty.union(INCOMPLETE, {LOCK})]

    def _remove_history(self) -> None:
        for file in (self.history_csv, self.history_png, self.previews, self.status):
            file.unlink(missing_ok=True)
            file.with_name(f".{file.name}.new").unlink(missing_ok=True)
        # TensorBoard would merge the curves of both runs.
        for file in self.logs.glob("*/events.out.tfevents.*"):
            file.unlink()

    def _errors_named(self) -> AbstractContextManager[None]:
        return writing_errors(self.path, "use this directory", "Choose another `out`.")


def run_of(checkpoint: Path) -> RunDirectory:
    """The run that a checkpoint belongs to; a run itself stays what it is.

    >>> run_of(Path("checkpoints/my_book/best")).path.as_posix()
    'checkpoints/my_book'
    """
    is_part = checkpoint.name in COMPLETE
    return RunDirectory(checkpoint.parent if is_part else checkpoint)


def run_name(checkpoint: Path) -> str:
    """The name of the run that a checkpoint belongs to, or of a single file.

    >>> run_name(Path("checkpoints/my_book/best")), run_name(Path("my_book.safetensors"))
    ('my_book', 'my_book')
    """
    return run_of(real_path(checkpoint)).path.name.removesuffix(SUFFIX)


def default_out(paths: Paths) -> Path:
    """The default directory of a run on these files.

    >>> default_out("texts/my_book.txt").as_posix()
    'checkpoints/my_book'
    """
    first = next(iter(several_paths("paths", paths)), "text")
    # A pipe such as <(cat a.txt) has a number for a name, which says nothing of the text.
    is_pipe = os.path.exists(first) and not (os.path.isfile(first) or os.path.isdir(first))
    if first == "-" or is_pipe:
        return RUNS / "stdin"
    path = real_path(first)
    # "texts/**/*.md" names the run `texts`, but a file name may contain glob characters.
    while set("*?[") & set(path.name) and not path.exists():
        path = path.parent
    path = Path(decompressed_name(str(path)))
    return RUNS / (path.name if path.is_dir() else path.stem)


def find_checkpoint(path: str | Path | None = None) -> Path:
    """Find a checkpoint by path, by the name of its run, or by age.

    Args:
        path: a checkpoint, a run, or the name of a run under `checkpoints/` or of a base
            model; None takes the newest run under `checkpoints/`.

    Returns:
        The directory that holds `config.json`, or the single file.

    Raises:
        CheckpointError: there is none; the message suggests a similar name, or how to
            train one.
    """
    if path is None:
        return newest_checkpoint()
    try:
        return checkpoint_directory(path)
    except CheckpointError as error:
        # The directory `poems` may contain the text that the run `poems` was trained on.
        if os.path.exists(RUNS / path):
            return checkpoint_directory(RUNS / path)
        if base := find_base(path):
            return base
        raise CheckpointError(str(error).replace(TRAIN_FIRST, _which_run(path))) from error


def find_run(path: str | Path | None = None) -> RunDirectory:
    """Find a run, which need not have saved anything yet, by path, by name, or by age.

    Args:
        path: a run, one of its checkpoints, or its name under `checkpoints/`; None takes
            the run under `checkpoints/` that was written last.

    Raises:
        CheckpointError: there is none; the message suggests a similar name, or how to
            train one.
    """
    if path is None:
        found = [
            run for name in _run_names(RUNS) if (run := RunDirectory(RUNS / name)).is_run()
        ]
        if not found:
            raise CheckpointError(f"no run under {RUNS}/. {TRAIN_FIRST}")
        return max(found, key=lambda run: _written_at(run.path))
    for place in (Path(path), RUNS / path):
        run = run_of(place)
        if run.is_run():
            return run
    why = "nothing is trained there" if os.path.isdir(path) else "no such run"
    raise CheckpointError(f"{path}: {why}. {_which_run(path)}")


def _which_run(path: str | Path) -> str:
    """Which run may be meant by a path that leads to none."""
    # A text that was trained on has often given the run its name.
    is_text = os.path.isfile(path)
    name = default_out(path).name if is_text else str(path)
    otherwise = f"Train on it first: textgen train {path}" if is_text else _what_runs()
    names = [*_run_names(RUNS), *(base.name for base in list_bases())]
    return did_you_mean(name, names, otherwise=otherwise)


def newest_checkpoint(runs: str | Path = RUNS) -> Path:
    """The checkpoint of the most recently written run under `runs`.

    A run that was stopped before its first evaluation is taken only if there is no other.

    Raises:
        CheckpointError: there is none.
    """
    found = _newest_first(Path(runs))
    if not found:
        bases = [base.name for base in list_bases()]
        here = f" Or name a base model, which is here already: {few(bases)}."
        raise CheckpointError(
            f"no checkpoint under {runs}/. Train one: textgen train YOUR_TEXT.txt."
            f"{here if bases else ''}"
        )
    return checkpoint_directory(found[0])


def _newest_first(runs: Path) -> list[Path]:
    """The runs that have been evaluated, newest first, and then the others."""
    found: dict[Path, tuple[bool, float]] = {}
    for name in COMPLETE:
        for path in runs.glob(f"*/{name}/{CONFIG}"):
            run = path.parents[1]
            is_evaluated, written_at = found.get(run, (False, 0.0))
            found[run] = (
                is_evaluated or name in BEST,
                max(written_at, _written_at(path)),
            )
    return sorted(found, key=lambda run: found[run], reverse=True)


def _what_runs() -> str:
    names = [run.name for run in _newest_first(RUNS)]
    return f"The newest runs under {RUNS}/: {few(names)}." if names else TRAIN_FIRST


def _run_names(runs: Path) -> list[str]:
    return [path.name for path in runs.iterdir()] if os.path.isdir(runs) else []


def _is_empty(path: Path) -> bool:
    if not os.path.isdir(path):
        # A link whose target has been removed.
        return os.path.islink(path) and not os.path.exists(path)
    return not os.listdir(path)


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        # It has just been replaced by running training.
        return time.time()
