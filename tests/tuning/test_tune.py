"""Tuning ends with the best of several runs, goes on with its study, and refuses others."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

import textgen
from tests.training.conftest import write_book
from textgen.__main__ import run
from textgen.checkpoint.format import load_checkpoint, save_checkpoint
from textgen.config.fields import pick
from textgen.config.flags import as_flags
from textgen.config.model import ModelConfig
from textgen.corpora.bundled import bundled_corpus
from textgen.errors import CheckpointError, ConfigError
from textgen.generation.generator import Generator
from textgen.training.task.fine_tuning import INIT_FROM, NETWORK_OPTIONS
from textgen.tuning.report import train_command
from textgen.tuning.space import CHOICES, RANGES, varied_names
from textgen.tuning.study import Study

pytestmark = pytest.mark.one_backend

MINUTES = 0.04
# Little to vary, in networks that are trained in a moment.
QUICK: dict[str, Any] = {
    "trial_minutes": 0.01,
    "units": 8,
    "num_layers": 1,
    "sum_layers": False,
    "conv": 0,
    "embedding_dim": 4,
    "seq_length": 16,
    "batch_size": 4,
    "memory": 0,
    "compute_dtype": "float32",
    "test_fraction": 0.1,
    "quiet": True,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuning")
    write_book(folder)
    return folder


@pytest.fixture(scope="module")
def tuned(place: Path) -> Any:
    """A study of a few trials."""
    return textgen.tune(place / "book.txt", MINUTES, out=place / "study", **QUICK)


def study_of(place: Path) -> Study:
    return Study(place / "study", str(place / "study" / "study.db"), seed=0)


def test_the_best_is_a_checkpoint_like_any_other_and_not_worse_than_the_defaults(
    tuned: Any,
) -> None:
    assert tuned.bits_per_char <= tuned.default_bits_per_char
    score = load_checkpoint(tuned.run).facts["score"]
    assert score["val_bits_per_char"] == tuned.bits_per_char
    assert "test_bits_per_char" in score
    assert len(Generator.load(tuned.run).generate("Kit ", length=10)) == 10


def test_the_first_trial_is_the_run_that_the_defaults_give(tuned: Any, place: Path) -> None:
    options = {name: QUICK[name] for name in QUICK if name != "trial_minutes"}
    alone = textgen.train(
        place / "book.txt", place / "alone", max_minutes=QUICK["trial_minutes"], **options
    )
    ours, theirs = (load_checkpoint(run) for run in (tuned.run / "trial-0000", alone))
    assert ours.model == theirs.model
    # The best command of a trial names what the recipe chooses; only the clock differs.
    assert {**ours.facts["train"], "preview": True} == theirs.facts["train"]


def test_every_trial_is_an_ordinary_run_and_a_row_of_the_table(
    tuned: Any, place: Path
) -> None:
    complete = study_of(place).optuna.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    assert complete
    for trial in complete:
        found = load_checkpoint(tuned.run / f"trial-{trial.number:04}")
        assert found.facts["score"]["val_bits_per_char"] == trial.value
    rows = (tuned.run / "trials.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == (
        "trial,state,val_bits_per_char,test_bits_per_char,minutes,optimizer,dropout,"
        "weight_drop,learning_rate"
    )
    assert len(rows) == len(tuned.table.splitlines())
    assert (tuned.run / "history.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_trains_with_the_best_options(tuned: Any) -> None:
    words = tuned.command.split()
    assert words[:2] == ["textgen", "train"]
    for flag in ("--units 8", "--max-minutes 0.01", "--no-sum-layers", "--learning-rate"):
        assert flag in tuned.command
    best = load_checkpoint(tuned.run)
    assert pick(ModelConfig, tuned.options).items() <= vars(best.model).items()


def test_the_same_call_goes_on_with_the_same_study(tuned: Any, place: Path) -> None:
    before = len(study_of(place).trials())
    again = textgen.tune(place / "book.txt", MINUTES, out=place / "study", **QUICK)
    assert again == tuned
    more = study_of(place).minutes_used() + QUICK["trial_minutes"] + 0.01
    longer = textgen.tune(place / "book.txt", more, out=place / "study", **QUICK)
    assert len(study_of(place).trials()) > before
    assert longer.bits_per_char <= tuned.bits_per_char


def test_the_same_call_publishes_the_best_that_a_killed_process_did_not(
    tuned: Any, place: Path
) -> None:
    best = load_checkpoint(tuned.run)
    save_checkpoint(tuned.run / "best", replace(best, facts={}))
    textgen.tune(place / "book.txt", MINUTES, out=place / "study", **QUICK)
    assert load_checkpoint(tuned.run).facts["score"] == best.facts["score"]


def test_options_that_contradict_what_is_fixed_end_a_trial_and_not_the_study(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The step to fewer lanes, which 8 groups cannot share, comes next.
    monkeypatch.setitem(CHOICES, "batch_size", (4, 12))
    fixed = {name: QUICK[name] for name in QUICK if name != "batch_size"} | {
        **{"accumulate": 8, "dropout": 0.0, "weight_drop": 0.0, "learning_rate": 0.01},
        "optimizer": "adamw",
    }
    found = textgen.tune(place / "book.txt", 0.1, out=place / "groups", **fixed)
    study = Study(place / "groups", str(place / "groups" / "study.db"), seed=0)
    states = {trial.params["batch_size"]: trial.state for trial in study.trials()}
    ended = {state for lanes, state in states.items() if lanes % 8}
    assert ended == {optuna.trial.TrialState.PRUNED}
    assert found.options["batch_size"] % 8 == 0


def test_trials_that_begin_with_a_run_keep_its_network(
    tuned: Any, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = str(tuned.run)
    options = {n: QUICK[n] for n in QUICK if n not in NETWORK_OPTIONS} | {"quiet": False}
    found = textgen.tune(
        place / "book.txt", MINUTES, out=place / "fine", init_from=base, **options
    )
    assert "Trials begin with" in capsys.readouterr().err
    study = Study(place / "fine", str(place / "fine" / "study.db"), seed=0)
    varied = set(study.about["default"])
    assert varied.isdisjoint(NETWORK_OPTIONS)
    assert {"epochs", "learning_rate"} <= varied
    for trial in study.trials():
        run = load_checkpoint(study.run_of(trial.number))
        assert run.facts["text"][INIT_FROM]
        assert run.model.units == load_checkpoint(base).model.units
    assert f"--init-from {base}" in found.command
    assert (
        textgen.tune(
            place / "book.txt", MINUTES, out=place / "fine", init_from=base, **options
        )
        == found
    )
    with pytest.raises(ConfigError, match=r"was begun with .*init_from="):
        textgen.tune(place / "book.txt", MINUTES, out=place / "fine", **QUICK)


@pytest.mark.slow
def test_trials_begin_as_training_begins_by_itself(place: Path) -> None:
    names = bundled_corpus("boat_names.txt")
    options = {"memory": 0, "quiet": True, "seed": 1}
    found = textgen.tune(names, 0.1, trial_minutes=0.1, out=place / "names", **options)
    trained = textgen.train(names, place / "by-itself", max_minutes=0.1, **options)
    chosen = load_checkpoint(found.run), load_checkpoint(trained)
    assert chosen[0].model == chosen[1].model
    assert chosen[0].facts["text"][INIT_FROM] == chosen[1].facts["text"][INIT_FROM]
    assert "--init-from" not in found.command


def test_another_text_is_refused(tuned: Any, place: Path) -> None:
    other = place / "other.txt"
    other.write_text("Something else is written here. " * 200, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"belongs to another text \(.* characters\)"):
        textgen.tune(other, 0.1, out=place / "study", **QUICK)


def test_other_fixed_options_are_refused(tuned: Any, place: Path) -> None:
    with pytest.raises(ConfigError, match=r"was begun with .*units=8.*, not .*units=9"):
        textgen.tune(place / "book.txt", 0.1, out=place / "study", **{**QUICK, "units": 9})


def test_the_folder_of_another_study_is_not_written_to(tuned: Any, place: Path) -> None:
    with pytest.raises(ConfigError, match="holds the trials of another study than that"):
        textgen.tune(
            place / "book.txt",
            0.1,
            out=place / "study",
            storage=place / "new.db",
            **QUICK,
        )


def test_the_model_of_a_run_is_not_replaced(tuned: Any, place: Path) -> None:
    run = place / "run"
    save_checkpoint(run / "best", load_checkpoint(tuned.run))
    for storage in (None, place / "study" / "study.db"):
        with pytest.raises(ConfigError, match="holds a run that is no study"):
            textgen.tune(place / "book.txt", MINUTES, out=run, storage=storage, **QUICK)
    assert [entry.name for entry in run.iterdir()] == ["best"]


def test_the_best_command_names_a_directory_that_is_free(
    tuned: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert train_command(["book.txt"], {"units": 8}) == "textgen train book.txt --units 8"
    save_checkpoint(tmp_path / "checkpoints/book/best", load_checkpoint(tuned.run))
    command = train_command(["book.txt"], {"units": 8})
    assert command == "textgen train book.txt --units 8 --out checkpoints/book-best"
    save_checkpoint(tmp_path / "checkpoints/book-best/best", load_checkpoint(tuned.run))
    assert train_command(["book.txt"], {}).endswith(" --out checkpoints/book-best2")


def test_the_command_line_prints_the_table_and_the_command(
    tuned: Any, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--minutes", str(MINUTES), "--out", str(place / "study"), "--quiet"]
    for name, value in QUICK.items():
        if name not in ("quiet", "sum_layers"):
            flags += [f"--{name.replace('_', '-')}", str(value)]
    assert run(["tune", str(place / "book.txt"), "--no-sum-layers", *flags]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("trial  bits/char")
    assert lines[-1].startswith("textgen train ")


# --- what cannot be tuned ---


def test_nothing_to_vary_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is nothing to vary") as refused:
        varied_names([*CHOICES, *RANGES])
    assert as_flags(str(refused.value)).endswith(
        "Leave out at least one of --num-layers, --units, --sum-layers, --conv, "
        "--seq-length, --batch-size, --optimizer, --dropout, --weight-drop, "
        "--learning-rate."
    )


@pytest.mark.parametrize(
    ("minutes", "options", "message"),
    [
        (0, {}, "minutes=0 must be a number above 0, at most 1,000,000."),
        (1, {"trial_minutes": float("nan")}, "trial_minutes=nan must be a number above 0"),
        (1, {"trial_minutes": 2}, "minutes=1 does not suffice for one trial, which takes"),
        (1, {"max_minutes": 2}, "a trial is limited by `trial_minutes`."),
        (1, {"unit": 2}, "unknown option 'unit'. Did you mean 'units'?"),
        (1, {"optimizer": "lars"}, "optimizer='lars' needs a `learning_rate`"),
    ],
)
def test_what_cannot_be_tuned_is_refused(
    place: Path, minutes: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        textgen.tune(place / "book.txt", minutes, out=place / "no", quiet=True, **options)
    assert message in str(refused.value)


def test_standard_input_is_refused() -> None:
    with pytest.raises(ConfigError, match="standard input can be read only once"):
        textgen.tune("-", 1)


def test_a_missing_optuna_names_the_extra(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r'pip install "keras-textgen\[tune\]"'):
        textgen.tune(place / "book.txt", 1)


def test_a_file_that_is_no_database_is_refused(place: Path) -> None:
    storage = place / "notes.txt"
    storage.write_text(json.dumps({}) * 1000, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"notes.txt: cannot use this database"):
        textgen.tune(place / "book.txt", 1, out=place / "no", storage=storage, quiet=True)
