"""`textgen.tune`: search for better options within a budget of time."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen.checkpoint.bases import AUTO as BY_TEXT
from textgen.checkpoint.bases import NONE
from textgen.checkpoint.runs import RunDirectory, default_out
from textgen.config.arguments import flag, one_path, plain, several_paths, whole_number
from textgen.errors import ConfigError
from textgen.text.reading.sources import STDIN, Paths
from textgen.training.backend.choice import AUTO, named_backend
from textgen.training.task.encoding import ReadSettings
from textgen.training.task.fine_tuning import INIT_FROM
from textgen.training.task.new import new_task
from textgen.wording import install_command, shown

if TYPE_CHECKING:
    from textgen.tuning.study import Study

NUM_TRIALS = 10
"""Trials that the time suffices for if none is pruned."""

MOST_MINUTES = 1_000_000
"""Two years."""


@dataclass(frozen=True)
class Tuned:
    """What tuning has found.

    Args:
        run: directory of the study, ready for `Generator.load`: its `best/` is the
            checkpoint of the best trial.
        options: of the best trial, as keywords of `textgen.train`, with its `max_minutes`.
        bits_per_char: of the validation text, with the best options.
        default_bits_per_char: the same with the defaults.
        table: the trials, best first, as lines for a person.
        command: the command that trains with the best options.
    """

    run: Path
    options: dict[str, Any]
    bits_per_char: float
    default_bits_per_char: float
    table: str
    command: str


def tune(
    paths: Paths,
    minutes: float = 30.0,
    *,
    out: str | Path | None = None,
    init_from: str | Path | None = BY_TEXT,
    storage: str | Path | None = None,
    trial_minutes: float | None = None,
    cache_dir: str | Path | None = None,
    workers: int | None = None,
    quiet: bool = False,
    tune: bool = False,
    backend: str = AUTO,
    **options: Any,
) -> Tuned:
    """Search for options of training that lower the bits per character of a text.

    Each trial is a run of `textgen.train`. The first one has all defaults, so that the best
    one is never worse. The others vary layers, units, convolution, dropout, weight drop,
    rate, window, lanes and optimizer: first one of them at a time, by a step from the best
    so far, then all (Optuna's TPE sampler). One that is worse than the median of the others
    at the same time is ended early. The same call goes on with the same study, also from
    several processes at once.

    Args:
        paths: files, directories or globs; one or several.
        minutes: for all trials together, including those of earlier calls.
        out: the directory of the study; default: `checkpoints/`, the name of the first
            file, and `-tune`.
        init_from: as for `textgen.train`. Trials that begin with a model keep its network,
            and vary `epochs` instead.
        storage: the SQLite file of the study, or a URL of SQLAlchemy; default: `study.db`
            in `out`.
        trial_minutes: for one trial; default: a tenth of `minutes`.
        cache_dir: as for `textgen.train`, like `workers`, `quiet`, `tune` and `backend`.
        **options: fields of `TextConfig`, `ModelConfig` and `TrainConfig`, which are then
            not varied. Text held out with `test_fraction` has no influence on the search.

    Raises:
        ConfigError: Optuna is missing, nothing is left to vary, `minutes` do not suffice
            for one trial, or the study belongs to another text.
        TextgenError: one of its subclasses for everything else that a user can fix.
        KeyboardInterrupt: Ctrl-C; the trial that was running is begun anew next time.
    """
    paths = _checked_paths(paths)
    quiet, tune = flag("quiet", quiet), flag("tune", tune)
    named_backend(backend)
    _check_optuna()
    from textgen.tuning.space import varied_names
    from textgen.tuning.study import DATABASE
    from textgen.tuning.trials import Trials

    folder = _default_out(paths) if out is None else Path(one_path("out", out))
    place = folder / DATABASE if storage is None else one_path("storage", storage)
    if cache_dir is not None:
        cache_dir = one_path("cache_dir", cache_dir)
    if workers is not None:
        workers = whole_number("workers", workers, least=1)
    # They are stored as JSON.
    options = {name: plain(v) for name, v in options.items() if v is not None}
    if "max_minutes" in options:
        raise ConfigError("a trial is limited by `trial_minutes`. Leave out max_minutes.")
    minutes, each = _minutes(minutes, trial_minutes)
    # With `max_minutes`, of which the size of the network depends.
    task = new_task(
        paths,
        RunDirectory(folder / "trial"),
        "auto",
        {**options, "max_minutes": each},
        init_from=init_from,
        settings=ReadSettings(cache_dir, workers, progress=not quiet),
        backend=backend,
    )
    is_fine_tuned = task.base is not None
    varied = varied_names(options, is_fine_tuned=is_fine_tuned)
    # Otherwise the options of a trial might decide what it begins with.
    options[INIT_FROM] = str(init_from) if is_fine_tuned else NONE
    trials = Trials(paths, folder, str(place), task, options, varied)
    trials.begin(each, is_given=trial_minutes is not None, minutes=minutes)
    trials.run(
        minutes,
        cache_dir=cache_dir,
        workers=workers,
        quiet=quiet,
        tune=tune,
        backend=backend,
    )
    return _tuned(trials.study, paths)


def _tuned(study: Study, paths: list[str]) -> Tuned:
    """Write the table and the pictures of a study, and say what is best."""
    from textgen.tuning.report import best_options, table, train_command, write_report

    best, default = study.best(), study.default()
    if best is None or best.value is None:
        raise ConfigError(
            f"{study.folder}: no trial is complete yet. Wait for the other processes, or "
            "raise `minutes`."
        )
    write_report(study)
    options = best_options(study, best)
    return Tuned(
        study.folder,
        options,
        best.value,
        best.value if default is None or default.value is None else default.value,
        table(study),
        train_command(paths, options),
    )


def _checked_paths(paths: Paths) -> list[str]:
    found = several_paths("paths", paths)
    if STDIN in found:
        raise ConfigError(
            "tuning reads the text once for each trial, but standard input can be read "
            "only once. Write it to a file and name that."
        )
    return found


def _default_out(paths: list[str]) -> Path:
    run = default_out(paths)
    return run.with_name(f"{run.name}-tune")


def _check_optuna() -> None:
    if find_spec("optuna") is None:
        raise ConfigError(
            f"tuning needs Optuna, which is not installed: {install_command('tune')}"
        )


def _minutes(minutes: Any, trial_minutes: Any) -> tuple[float, float]:
    """Minutes of all trials and of one, checked."""
    whole = _above_zero("minutes", minutes)
    if trial_minutes is None:
        return whole, whole / NUM_TRIALS
    return whole, _above_zero("trial_minutes", trial_minutes)


def _above_zero(name: str, value: Any) -> float:
    value = plain(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # NaN is not above 0, either.
    if not is_number or not 0 < value <= MOST_MINUTES:
        raise ConfigError(
            f"{name}={shown(value)} must be a number above 0, at most {MOST_MINUTES:,}."
        )
    return float(value)
