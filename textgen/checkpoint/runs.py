"""One training run on disk: which files lie where, and what may be written over.

checkpoints/my_book/
    best/           the checkpoint with the best validation score
    last/           the newest one, with all that `--resume` needs
    history.csv     one row an evaluation
    history.png     the same as a picture (extra `plot`)
    logs/           for TensorBoard (`--tensorboard`)
    .lock           while a training runs: keeps a second one out
"""

from __future__ import annotations

import difflib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from textgen.checkpoint.format import CONFIG, FILES, checkpoint_directory
from textgen.disk.atomic import make_directory, remove_directory, remove_files
from textgen.disk.lock import LOCK, locked
from textgen.errors import CheckpointError

RUNS = Path("checkpoints")
# What `save_checkpoint` leaves behind when it is cut short: nothing to go on with
# where it never finished, else the checkpoint from before.
FINISHED = ("best", ".best.old", "last", ".last.old")
UNFINISHED = (".best.new", ".last.new")
# What `claim` leaves behind when it is cut short.
REMOVED = (".best.gone", ".last.gone")


class RunDirectory:
    """The places of one run; nothing is created before `claim`."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.best = self.path / "best"
        self.last = self.path / "last"
        self.history_csv = self.path / "history.csv"
        self.history_png = self.path / "history.png"
        self.logs = self.path / "logs"

    def holds_run(self) -> bool:
        """Whether a training has saved anything here."""
        return any(
            os.path.exists(self.path / name / file) for name in FINISHED for file in FILES
        )

    def saved_at(self) -> int | None:
        """When `last` was written, in nanoseconds since 1970; None where there is none."""
        try:
            return os.stat(self.last).st_mtime_ns
        except OSError:
            return None

    def check(self, *, overwrite: bool = False) -> None:
        """Refuse a directory in which a new run would lose somebody's file.

        Raises:
            CheckpointError: it holds another run and `overwrite` is not set, or
                holds files that are no run.
        """
        if os.path.exists(self.path) and not os.path.isdir(self.path):
            raise CheckpointError(f"{self.path} is a file. Choose another --out.")
        if self.holds_run():
            if not overwrite:
                raise CheckpointError(
                    f"{self.path} holds a run already. Go on with it: --resume; "
                    "replace it: --overwrite; or choose another --out."
                )
        elif self._foreign_entries():
            raise CheckpointError(
                f"{self.path} is not empty and holds no run of textgen. "
                "Choose another --out."
            )

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Keep other trainings out while this one reads and writes here.

        The directory is made if it is missing, and removed again if nothing came of it.

        Returns:
            as a context, whether there is a lock: some network file systems know none.

        Raises:
            CheckpointError: another training is here, the directory cannot be written, or
                belongs to somebody else.
        """
        if not self.holds_run():
            self.check()  # nothing is written into a directory of others
        with ExitStack() as stack:
            with self._errors_named():
                is_locked = stack.enter_context(locked(self.path))
            yield is_locked

    def begin(self, save_last: Callable[[], None], *, overwrite: bool = False) -> None:
        """Save a new run here; of one that it may replace nothing is lost before.

        The old `best` stays until the first evaluation of the new run replaces it.

        Args:
            save_last: writes `last`; where it cannot, the old run is still whole.

        Raises:
            CheckpointError: as `check`, or the directory cannot be written.
        """
        self.check(overwrite=overwrite)
        with self._errors_named():
            make_directory(self.path)
            save_last()
            self._remove_history()

    def claim(self, *, overwrite: bool = False) -> None:
        """Make the directory ready for a new run; a run it may replace is removed.

        Raises:
            CheckpointError: as `check`, or the directory cannot be written.
        """
        self.check(overwrite=overwrite)
        with self._errors_named():
            make_directory(self.path)
            if self.holds_run():
                self._remove_history()
            # Checkpoints last: until they are gone, a crash leaves what is a run. Of
            # these `best` last: it can be written with, `last` alone could go on.
            remove_directory(self.last, FILES)
            remove_directory(self.best, FILES)
            for name in (*UNFINISHED, ".last.old", ".best.old"):
                if (self.path / name).is_dir():
                    remove_files(self.path / name, FILES)

    def clear_rests(self) -> None:
        """Remove what a kill has left half-written; nobody will ever read it.

        Raises:
            CheckpointError: the directory cannot be written.
        """
        with self._errors_named():
            for name in UNFINISHED:
                if (self.path / name).is_dir():
                    remove_files(self.path / name, FILES)

    def _foreign_entries(self) -> list[str]:
        """What lies here besides the rests of a run that was cut short."""
        with self._errors_named():
            entries = os.listdir(self.path) if os.path.isdir(self.path) else []
            rests = {n for n in FINISHED if _is_empty(self.path / n)}
        return [n for n in entries if n not in rests.union(UNFINISHED, REMOVED, {LOCK})]

    def _remove_history(self) -> None:
        for file in (self.history_csv, self.history_png):
            file.unlink(missing_ok=True)
            file.with_name(f".{file.name}.new").unlink(missing_ok=True)
        # TensorBoard would draw the curves of both runs as one.
        for file in self.logs.glob("*/events.out.tfevents.*"):
            file.unlink()

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            why = error.strerror or error
            raise CheckpointError(
                f"{self.path}: cannot be written ({why}). Choose another --out."
            ) from error


def find_checkpoint(path: str | Path | None = None) -> Path:
    """The checkpoint a person means.

    Args:
        path: a checkpoint, a run, or the name of a run under `checkpoints/`;
            None takes the newest run under `checkpoints/`.

    Returns:
        The directory that holds `config.json`.

    Raises:
        CheckpointError: there is none; the message says how to get one.
    """
    if path is None:
        return newest_checkpoint()
    try:
        return checkpoint_directory(path)
    except CheckpointError as error:
        # The folder `poems` may be the text that the run `poems` was trained on.
        if os.path.exists(RUNS / path):
            return checkpoint_directory(RUNS / path)
        near = difflib.get_close_matches(str(path), _run_names(RUNS), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise CheckpointError(f"{error}{hint}") from error


def newest_checkpoint(runs: str | Path = RUNS) -> Path:
    """The checkpoint of the run under `runs` that was written to last.

    Raises:
        CheckpointError: there is none.
    """
    runs = Path(runs)
    # `.best.old` is the best one after a crash between two renames.
    names = ("best", ".best.old", "last", ".last.old")
    found = [path for name in names for path in runs.glob(f"*/{name}/{CONFIG}")]
    if not found:
        raise CheckpointError(
            f"no checkpoint under {runs}/. Train one: textgen train YOUR_TEXT.txt"
        )
    return checkpoint_directory(max(found, key=_written_at).parents[1])


def _run_names(runs: Path) -> list[str]:
    return [path.name for path in runs.iterdir()] if os.path.isdir(runs) else []


def _is_empty(path: Path) -> bool:
    if not os.path.isdir(path):
        # What the link leads to was just removed.
        return os.path.islink(path) and not os.path.exists(path)
    return not os.listdir(path)


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        # A training that runs has just replaced it.
        return time.time()
