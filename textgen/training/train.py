"""`textgen.train`: from files to a checkpoint in one call."""

from __future__ import annotations

import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from textgen.checkpoint.runs import RunDirectory
from textgen.errors import ConfigError
from textgen.training.backend.keras import check_backend, wanted_backend
from textgen.training.backend.process import num_cores, num_shares, tune_process
from textgen.training.loop.signals import signals_as_ctrl_c, stop_requests
from textgen.training.task.resume import resumed_task
from textgen.training.task.task import Paths, Reading, Task, default_out, new_task
from textgen.wording import say


def train(
    paths: Paths,
    out: str | Path | None = None,
    *,
    size: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    init_from: str | Path | None = None,
    cache_dir: str | Path | None = None,
    quiet: bool = False,
    tune: bool = False,
    **options: Any,
) -> Path:
    """Train a model on text, and keep the best and the last of it.

    Args:
        paths: files, directories, globs, or `-` for stdin; one or several.
        out: directory of the run; default: `checkpoints/` and the first file's name.
        size: `tiny`, `small`, `medium`, `large`, or `auto`, which picks layers,
            units and dropout from the amount of text; the options below win over it.
        resume: go on with the run in `out`. On a CPU all comes as if it had never been
            stopped, to the last bit, with the same Keras backend, cores and `tune`, and
            without `max_minutes`.
        overwrite: replace the run in `out`.
        init_from: a checkpoint, or the name of a run under `checkpoints/`, whose weights
            come first (fine-tuning). Its architecture is kept, and its vocabulary grows by
            the new characters of this text; the learning rate begins anew.
        cache_dir: where the encoded text is kept, so that it is encoded once; default:
            `TEXTGEN_CACHE_DIR`, or the operating system's place for such things.
        quiet: print nothing on stderr.
        tune: set memory and threads of the whole process for speed, as the command line
            does; of use only before anything has loaded Keras.
        **options: fields of `TextConfig`, `ModelConfig` and `TrainConfig`.

    Returns:
        The run's directory, ready for `Generator.load`. Scores inside are in bits
        per character.

    Raises:
        TextgenError: one of its kinds for everything a person can mend.
        KeyboardInterrupt: Ctrl-C; everything up to the last step is saved, unless a
            second Ctrl-C did not wait for that.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     text = pathlib.Path(folder, "abc.txt")
    ...     _ = text.write_text("abc " * 2000)
    ...     run = train(text, folder + "/run", units=8, epochs=1, quiet=True)
    ...     sorted(entry.name for entry in run.iterdir() if entry.is_dir())
    ['best', 'last']
    """
    if resume and overwrite:
        raise ConfigError("resume and overwrite contradict each other. Choose one.")
    # Another backend is an error before anything is read.
    check_backend(wanted_backend())
    if resume and size != "auto":
        raise ConfigError("a resumed run keeps its size. Leave out --size.")
    if resume and init_from is not None:
        raise ConfigError(
            "a resumed run goes on with its own weights. Leave out --init-from or --resume."
        )
    reading = Reading(cache_dir, progress=not quiet)
    run = RunDirectory(out or default_out(paths))
    # Before anything is read: what another training writes would be read half.
    with signals_as_ctrl_c(), run.locked() as is_locked:
        saved_before = run.saved_at()
        if not is_locked and not quiet:
            say(f"{run.path} cannot be locked here: start no second training into it.")
        if resume:
            task = resumed_task(paths, run, options, reading)
        else:
            task = new_task(
                paths,
                run,
                size,
                options,
                overwrite=overwrite,
                init_from=init_from,
                reading=reading,
            )
        if task.train.tensorboard:
            _check_tensorboard()
        for note in () if quiet else task.notes:
            say(note)
        if tune:
            _tune(task)
        # Libraries that load break when they are interrupted.
        with stop_requests(quiet=True, patient=True) as wants_stop:
            from textgen.training.loop.fit import fit
        try:
            if wants_stop():
                raise KeyboardInterrupt
            return fit(task, quiet=quiet)
        except KeyboardInterrupt:
            # A run that was to be replaced may still be the old one.
            is_begun = resume or run.saved_at() != saved_before
            if not quiet and is_begun and run.holds_run():
                say(f"Go on with:  textgen {_again(paths, run)}")
            raise


def _tune(task: Task) -> None:
    shares = num_shares(task.train.batch_size, num_cores())
    tune_process(share_lanes=task.model.has_kernel and shares > 1)


def _again(paths: Paths, run: RunDirectory) -> str:
    """The words of the command that goes on with a run."""
    files = [paths] if isinstance(paths, str | Path) else paths
    return shlex.join(["train", *map(str, files), "--out", str(run.path), "--resume"])


def _check_tensorboard() -> None:
    if find_spec("tensorboard") is None:
        raise ConfigError(
            "tensorboard is not installed. Leave out --tensorboard, or install it: "
            'pip install "keras-textgen[tensorboard]"'
        )
