"""What a study has found: a command, a table, and pictures of its trials."""

from __future__ import annotations

import csv
import io
import itertools
import shlex
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from textgen.checkpoint.bases import AUTO
from textgen.checkpoint.runs import RunDirectory, default_out
from textgen.config.fields import command_line
from textgen.disk.atomic import write_file
from textgen.reporting.pictures import can_draw
from textgen.training.task.fine_tuning import INIT_FROM
from textgen.tuning.space import as_options, said
from textgen.tuning.study import STATES, Study, minutes_of, score_of

TEST = "test_bits_per_char"


def best_options(study: Study, best: FrozenTrial) -> dict[str, Any]:
    """The options of a trial as keywords of `textgen.train`."""
    about = study.about
    limit = {"max_minutes": about["trial_minutes"]}
    return {**about["options"], **about["recipe"], **as_options(best.params), **limit}


def train_command(paths: list[str], options: Mapping[str, Any]) -> str:
    """The command that trains with these options, in a directory that is free."""
    out = usual = default_out(paths)
    for number in itertools.count(1):
        if not RunDirectory(out).holds_run():
            break
        out = usual.with_name(f"{usual.name}-best{number if number > 1 else ''}")
    place = "" if out == usual else f" --out {shlex.quote(str(out))}"
    given = {n: v for n, v in options.items() if (n, v) != (INIT_FROM, AUTO)}
    return f"textgen train {shlex.join(paths)} {command_line(given)}{place}"


def table(study: Study) -> str:
    """The trials as lines for a person, the best first."""
    trials = sorted(study.trials(), key=_by_score)
    has_test = any(TEST in trial.user_attrs for trial in trials)
    lines = [f"trial  bits/char{'  test' * has_test}  minutes  changed options"]
    for trial in trials:
        is_complete = trial.state is TrialState.COMPLETE
        score = f"{score_of(trial):.3f}" if is_complete else STATES[trial.state]
        test = trial.user_attrs.get(TEST)
        tested = f"  {'' if test is None else f'{test:.3f}':>5}"[: 7 * has_test]
        lines.append(
            f"{trial.number:5}  {score:>10}{tested}  {minutes_of(trial):7.1f}  "
            f"{said(trial.params, study.about['default'])}"
        )
    return "\n".join(lines)


def _by_score(trial: FrozenTrial) -> tuple[bool, float, int]:
    is_complete = trial.state is TrialState.COMPLETE
    return not is_complete, score_of(trial) if is_complete else 0.0, trial.number


def write_report(study: Study) -> None:
    """Write `trials.csv`, and the pictures if matplotlib is installed."""
    folder = study.folder
    write_file(folder / "trials.csv", trials_csv(study))
    if can_draw():
        write_file(folder / "history.png", history_png(study))
        if shares := importances(study):
            write_file(folder / "importance.png", importance_png(shares))


def trials_csv(study: Study) -> bytes:
    """One row for each trial, in the order in which they began."""
    names = list(study.about["default"])
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["trial", "state", "val_bits_per_char", TEST, "minutes", *names])
    for trial in study.trials():
        params = as_options(trial.params)
        writer.writerow(
            [
                trial.number,
                STATES[trial.state],
                trial.value,
                trial.user_attrs.get(TEST),
                round(minutes_of(trial), 3),
                *(params.get(name) for name in names),
            ]
        )
    return text.getvalue().encode()


def importances(study: Study) -> dict[str, float]:
    """How much of the differences between scores each option explains; they sum to 1.

    By functional ANOVA (Hutter et al. 2014), of the options that have varied. Optuna's
    default, PED-ANOVA, gives a share to others as well where there are few trials.

    Empty for fewer than four complete trials, if all have the same score, or without
    scikit-learn.
    """
    complete = study.optuna.get_trials(states=(TrialState.COMPLETE,))
    if len(complete) < 4 or len({trial.value for trial in complete}) == 1:
        return {}
    if find_spec("sklearn") is None:
        return {}
    varied = [
        name
        for name in study.about["default"]
        if len({trial.params[name] for trial in complete}) > 1
    ]
    shares = optuna.importance.get_param_importances(
        study.optuna,
        evaluator=optuna.importance.FanovaImportanceEvaluator(seed=study.seed),
        params=varied,
    )
    return {name: float(share) for name, share in shares.items()}


def history_png(study: Study) -> bytes:
    """The score of each trial, the best so far, and the defaults.

    Returns:
        a PNG image of 840 x 480 pixels.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    trials = study.trials()
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    numbers = [trial.number for trial in complete]
    scores = [score_of(trial) for trial in complete]
    best = list(itertools.accumulate(scores, min))
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(numbers, scores, "o", label="trial")
    # Up to the last trial, even if it was pruned.
    ends = [*numbers, trials[-1].number], [*best, best[-1]]
    axes.step(*ends, where="post", label="best so far")
    default = study.default()
    if default is not None:
        axes.axhline(score_of(default), color="gray", linestyle="--", label="defaults")
    pruned = [t for t in trials if t.state is TrialState.PRUNED]
    shown = [(t.number, v) for t in pruned if (v := _last_value(t)) is not None]
    if shown:
        axes.plot(*zip(*shown, strict=True), "x", color="gray", label="pruned")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="trial", ylabel="bits per character")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    return _png(figure)


def _last_value(trial: FrozenTrial) -> float | None:
    values = trial.intermediate_values
    return values[max(values)] if values else None


def importance_png(shares: Mapping[str, float]) -> bytes:
    """A bar for each option, the most important one on top.

    Returns:
        a PNG image of 840 x 480 pixels.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    names = sorted(shares, key=lambda name: shares[name])
    bars = axes.barh(names, [shares[name] for name in names])
    axes.bar_label(bars, fmt="{:.0%}", padding=3)
    axes.margins(x=0.1)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set(xlabel="share of the differences in bits per character")
    axes.set_axisbelow(True)
    axes.grid(axis="x", alpha=0.3)
    return _png(figure)


def _png(figure: Any) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    return picture.getvalue()
