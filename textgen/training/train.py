"""`textgen.train`: from files to a checkpoint in one call."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from textgen.checkpoint.bases import AUTO as BY_TEXT
from textgen.checkpoint.runs import RunDirectory, default_out
from textgen.config.arguments import flag, one_path, several, several_paths, whole_number
from textgen.cores import num_cores
from textgen.errors import ConfigError
from textgen.reporting.pictures import can_draw
from textgen.reporting.run import Run
from textgen.text.reading.sources import Paths
from textgen.training.backend.choice import AUTO, choose_backend, named_backend
from textgen.training.backend.process import keep_memory, num_shares, tune_process
from textgen.training.distributed.joining import BACKEND, check_distributed, joined
from textgen.training.distributed.peers import Peers
from textgen.training.loop.signals import keras_loading, signals_as_ctrl_c
from textgen.training.task.encoding import ReadSettings
from textgen.training.task.facts import shared_facts
from textgen.training.task.memory import training_memory_errors
from textgen.training.task.new import new_task
from textgen.training.task.resume import resumed_task
from textgen.training.task.task import Task
from textgen.wording import install_command, say, shown


def train(
    paths: Paths,
    out: str | Path | None = None,
    *,
    size: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    init_from: str | Path | None = BY_TEXT,
    cache_dir: str | Path | None = None,
    workers: int | None = None,
    quiet: bool = False,
    tune: bool = False,
    backend: str = AUTO,
    distributed: bool = False,
    callbacks: Iterable[Any] = (),
    **options: Any,
) -> Run:
    """Train a model on text, and save its best and its last state.

    Args:
        paths: files, directories, globs, or `-` for stdin; one or several.
        out: the run's directory; default: `checkpoints/` and the name of the first file.
        size: `tiny`, `small`, `medium`, `large`, or `auto`, which chooses layers, units and
            dropout by the amount of text and `max_minutes`; explicit options take
            precedence.
        resume: continue the run in `out`. On a CPU the result is bit for bit that of an
            uninterrupted run, given the same Keras backend, cores and `tune`, and no
            `max_minutes`.
        overwrite: replace the run in `out`.
        init_from: a checkpoint, or the name of a run under `checkpoints/` or of a base
            model, to fine-tune. Its architecture is kept, its vocabulary grows by the new
            characters of the text, and the learning rate schedule starts over. `auto`
            takes the base model `english` if the text is like what it has read, and if
            no option says what the network is like; `none` begins from nothing.
        cache_dir: where encoded text is stored, so that it is encoded only once; default:
            `TEXTGEN_CACHE_DIR`, or the user's cache directory.
        workers: how many processes encode the text, with the same result; default: all
            cores, up to 16, from 100 MB on, and one process for less.
        quiet: print nothing on stderr.
        tune: set memory and threads of the whole process for speed, as the command line
            does; only effective before Keras is loaded.
        backend: the Keras backend, `tensorflow`, `jax` or `torch`. `auto` takes the
            one that `KERAS_BACKEND` or `keras.json` names, else that of a resumed run, else
            the fastest that is installed. A process keeps the backend it has loaded.
        distributed: train as one process of a job, on JAX, that the environment describes
            (`COORDINATOR_ADDRESS`, `NUM_PROCESSES`, `PROCESS_ID`, or Slurm or Open MPI).
            All of them are called with the same arguments; process 0 writes and prints.
        callbacks: of `keras.Model.fit`, called after those of this package. An epoch is to
            them what lies between two evaluations, whose scores are `bits_per_char` and
            `val_bits_per_char` in `logs`; `stop_training` ends the run.
        **options: fields of `TextConfig`, `ModelConfig` and `TrainConfig`.

    Returns:
        the run's directory, ready for `Generator.load`; a notebook shows its curve. Its
        scores are in bits per character.

    Raises:
        TextgenError: one of its subclasses for everything that a user can fix.
        KeyboardInterrupt: Ctrl-C; everything up to the last step is saved, unless a second
            Ctrl-C prevents it.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     text = pathlib.Path(folder, "abc.txt")
    ...     _ = text.write_text("abc " * 2000)
    ...     run = train(text, folder + "/run", units=8, epochs=1, quiet=True)
    ...     sorted(entry.name for entry in run.iterdir() if entry.is_dir())
    ['best', 'last']
    """
    paths = several_paths("paths", paths)
    quiet, tune = flag("quiet", quiet), flag("tune", tune)
    if distributed := flag("distributed", distributed):
        check_distributed(backend)
        backend = BACKEND
    callbacks = _checked_callbacks(callbacks)
    if flag("resume", resume):
        _check_resume(size, init_from, overwrite)
    # Before anything is read, which may take minutes.
    named_backend(backend)
    if cache_dir is not None:
        cache_dir = one_path("cache_dir", cache_dir)
    if workers is not None:
        workers = whole_number("workers", workers, least=1)
    run = RunDirectory(default_out(paths) if out is None else one_path("out", out))
    if tune:
        # Before a thread watches for signals.
        keep_memory()
    # Locked before anything is read: another process may be training there.
    with (
        signals_as_ctrl_c(),
        joined(distributed) as peers,
        _locked(run, peers) as is_locked,
    ):
        quiet = quiet or not peers.is_first
        settings = ReadSettings(cache_dir, workers, progress=not quiet)
        if not is_locked and not quiet:
            say(f"{run.path} cannot be locked: do not start a second run there.")
        with peers.errors_told():
            if resume:
                task = resumed_task(paths, run, options, settings)
            else:
                task = new_task(
                    paths,
                    run,
                    size,
                    options,
                    # What is there is the business of process 0.
                    overwrite=flag("overwrite", overwrite) or not peers.is_first,
                    init_from=init_from,
                    settings=settings,
                    backend=backend,
                )
        if peers.are_several:
            peers.agree_on(shared_facts(task, overwrite=overwrite))
        with _resume_command_on_ctrl_c(paths, task, quiet):
            return Run(_fit(task, quiet, tune, backend, callbacks, peers))


def _locked(run: RunDirectory, peers: Peers) -> AbstractContextManager[bool]:
    return run.locked() if peers.is_first else nullcontext(True)


def _checked_callbacks(callbacks: Iterable[Any]) -> list[Any]:
    found = several("callbacks", callbacks, "callbacks")
    for number, callback in enumerate(found):
        # Keras, which has the class, is not loaded yet.
        if isinstance(callback, type) or not hasattr(callback, "set_model"):
            raise ConfigError(
                f"callbacks[{number}] must be a keras.callbacks.Callback, not "
                f"{shown(callback)}."
            )
    return found


def _check_resume(size: str, init_from: str | Path | None, overwrite: bool) -> None:
    if flag("overwrite", overwrite):
        raise ConfigError("resume and overwrite cannot be used together. Choose one.")
    if size != "auto":
        raise ConfigError("a resumed run keeps its size. Leave out `size`.")
    if init_from is not None and str(init_from) != BY_TEXT:
        raise ConfigError(
            "a resumed run keeps its own weights. Leave out init_from or `resume`."
        )


def _fit(
    task: Task,
    quiet: bool,
    tune: bool,
    backend: str,
    callbacks: list[Any],
    peers: Peers,
) -> Path:
    """Load Keras and train."""
    _check_extras(task)
    faster = choose_backend(backend, task.model, task.trained_on)
    task = replace(task, notes=(*task.notes, *faster))
    for note in () if quiet else (*task.notes, *_notes_on_extras(task)):
        say(note)
    if tune:
        _tune(task, peers)
    with keras_loading(quiet=quiet):
        from textgen.training.loop.fit import fit
    with training_memory_errors(task):
        return fit(task, quiet=quiet, callbacks=callbacks, peers=peers)


@contextmanager
def _resume_command_on_ctrl_c(paths: list[str], task: Task, quiet: bool) -> Iterator[None]:
    """If the run is interrupted after a save, print the command that continues it."""
    run = task.run
    saved_before = run.saved_at()
    try:
        yield
    except KeyboardInterrupt:
        # Until the first save, a run to be overwritten is still the old one.
        is_begun = task.resumed is not None or run.saved_at() != saved_before
        if not quiet and is_begun and run.holds_run():
            words = ["train", *paths, "--out", str(run.path), "--resume"]
            say(f"Continue with:  textgen {shlex.join(words)}")
        raise


def _tune(task: Task, peers: Peers) -> None:
    lanes = task.train.batch_size // task.train.accumulate // peers.number
    shares = num_shares(lanes, num_cores())
    if peers.are_several:
        # Every device of every process takes its share.
        tune_process(num_devices=shares)
    else:
        tune_process(share_lanes=task.model.has_kernel and shares > 1)


def _check_extras(task: Task) -> None:
    wanted = {"tensorboard": "`tensorboard`"} if task.train.tensorboard else {}
    if task.train.log_to != "none":
        wanted[task.train.log_to] = f"`log_to={task.train.log_to!r}`"
    for name, option in wanted.items():
        if find_spec(name) is None:
            raise ConfigError(
                f"{name} is not installed. Leave out {option}, or install it: "
                f"{install_command(name)}"
            )


def _notes_on_extras(task: Task) -> Iterator[str]:
    if task.train.tensorboard:
        yield f"Watch:  tensorboard --logdir {shlex.quote(str(task.run.logs))}"
    # Once per run: a resumed one has said it before.
    if task.resumed is None and not can_draw():
        yield (
            "The run gets no history.png, since matplotlib is not installed. To install "
            f"it: {install_command('plot')}"
        )
