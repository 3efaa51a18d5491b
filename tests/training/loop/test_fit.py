"""Whole small trainings: what they write, when they end, and how they go on."""

from __future__ import annotations

import csv
import inspect
import math
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import textgen
from tests.generation.models import read_whole
from textgen.checkpoint.format import (
    TrainingState,
    load_checkpoint,
    load_training_state,
    save_checkpoint,
)
from textgen.config.model import ModelConfig
from textgen.config.train import TrainConfig
from textgen.errors import (
    CheckpointError,
    ConfigError,
    CorpusError,
    TextgenError,
    TrainingError,
)
from textgen.generation.generator import Generator
from textgen.text.encoded.windows import evaluation_windows
from textgen.training.backend.keras import load_keras
from textgen.training.loop import fit as fit_module
from textgen.training.loop.callbacks import StopOnNan
from textgen.training.loop.progress import Progress
from textgen.training.loop.saving import Saver
from textgen.training.model.build import load_model, set_weights
from textgen.training.model.compiling import OPTIMIZERS, BitsPerId, make_optimizer
from textgen.training.task.task import Task

keras = load_keras()

SMALL: dict[str, Any] = {
    "units": 16,
    "num_layers": 1,
    "embedding_dim": 8,
    "batch_size": 4,
    "seq_length": 16,
    "warmup_steps": 5,
    "quiet": True,
}


def write_book(folder: Path) -> Path:
    """Text with something to learn: 5,100 characters of a regular story."""
    names = ("Kit", "Wenna", "Pell", "Ada", "Jory")
    lines = [f"{names[n % 5]} went to sea and said nothing {n % 7}.\n" for n in range(140)]
    path = folder / "book.txt"
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return write_book(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch over the book, made once."""
    folder = tmp_path_factory.mktemp("finished")
    return textgen.train(write_book(folder), folder / "run", epochs=1, **SMALL)


# The type is named: what `auto` comes to is timed, and both runs must have the same.
INTERRUPTED = {
    **SMALL,
    "epochs": 1,
    "eval_every": 24,
    "dropout": 0.2,
    "compute_dtype": "float32",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    return textgen.train(write_book(folder), folder / "run", **INTERRUPTED)


@pytest.fixture
def trained(finished: Path, tmp_path: Path) -> Path:
    """A copy of that run, for each test to do with what it likes."""
    return shutil.copytree(finished, tmp_path / "run")


def rows_of(run: Path) -> list[dict[str, str]]:
    with open(run / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_training_learns_and_leaves_best_last_and_history(
    book: Path, tmp_path: Path
) -> None:
    run = textgen.train(book, tmp_path / "run", epochs=3, eval_every=60, **SMALL)

    rows = rows_of(run)
    assert run == tmp_path / "run"
    scores = [float(row["val_bits_per_char"]) for row in rows]
    assert scores[-1] < scores[0] < math.log2(40)
    assert load_checkpoint(run).facts["score"]["val_bits_per_char"] == min(scores)
    assert load_checkpoint(run / "last").facts["score"]["step"] == int(rows[-1]["step"])
    assert {entry.name for entry in run.iterdir()} == {
        "best",
        "last",
        "history.csv",
        "history.png",
    }
    text = Generator.load(run).generate("Kit ", length=40, seed=1)
    assert len(text) == 40


@pytest.mark.slow
@pytest.mark.one_backend
def test_the_bits_reported_are_those_of_the_numpy_score(book: Path, tmp_path: Path) -> None:
    run = textgen.train(book, tmp_path / "run", epochs=2, **SMALL)
    text = book.read_text(encoding="utf-8")
    num_train = int(len(text) * 0.9)
    # Lanes warmed up on seq_length characters come close to one carried state.
    reported = load_checkpoint(run).facts["score"]["val_bits_per_char"]
    scored = Generator.load(run).score(text[num_train:]).bits_per_char
    assert reported == pytest.approx(scored, rel=0.05)


def test_validation_in_one_lane_is_exactly_the_carried_score(
    book: Path, tmp_path: Path, trained: Path
) -> None:
    run = trained
    saved = load_checkpoint(run)
    generator = Generator.load(run)
    ids = generator.tokenizer.encode(book.read_text(encoding="utf-8"))
    context, held_out = ids[:4000], ids[4000:4333]
    model = textgen.build_model(saved.model, batch_size=1)
    set_weights(model, saved.model, saved.weights)
    metric = BitsPerId()
    # A warm-up window as long as the context: the state has read all of it.
    for x, y, weight in evaluation_windows(held_out, 1, 4000, context):
        metric.update_state(y, model.predict_on_batch(x), weight)
    both = generator.score(generator.tokenizer.decode(ids[:4333])).nats
    first = generator.score(generator.tokenizer.decode(context)).nats
    expected = (both - first) / math.log(2) / 333
    # The scorer reads a newline first, evaluation has no such character to read.
    assert float(metric.result()) == pytest.approx(expected, rel=1e-3)


# In the first round, at the end of a round, inside a later one.
@pytest.mark.parametrize("stop_at", [3, 24, 31])
@pytest.mark.slow
def test_a_resumed_run_ends_as_an_uninterrupted_one(
    book: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    stop_after(monkeypatch, stop_at)
    with pytest.raises(KeyboardInterrupt):
        textgen.train(book, tmp_path / "halves", **INTERRUPTED)
    monkeypatch.undo()
    stopped = load_training_state(tmp_path / "halves" / "last").values["state"]
    assert stopped["step"] == stop_at
    halves = textgen.train(book, tmp_path / "halves", resume=True, quiet=True)

    untimed = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in rows_of(run)]
        for run in (whole, halves)
    ]
    assert untimed[0] == untimed[1]
    last = load_checkpoint(halves / "last").weights
    for name, array in load_checkpoint(whole / "last").weights.items():
        np.testing.assert_array_equal(last[name], array)


def stop_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Make training believe that a person pressed Ctrl-C in the step before `steps`."""
    real, load = fit_module.StopOnRequest, fit_module.stored_progress
    seen: list[Progress] = []

    def stored_progress(task: Task) -> Progress:
        seen.append(load(task))
        return seen[-1]

    monkeypatch.setattr(fit_module, "stored_progress", stored_progress)
    monkeypatch.setattr(
        fit_module, "StopOnRequest", lambda _: real(lambda: seen[-1].step >= steps)
    )


@pytest.fixture
def saved_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps at which everything was saved, as it is saved."""
    steps: list[int] = []
    save = Saver.save_last

    def save_last(saver: Saver) -> None:
        save(saver)
        steps.append(saver.progress.step)

    monkeypatch.setattr(Saver, "save_last", save_last)
    return steps


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"save_every": 7}, [0, 7, 14, 21, 24, 31, 38, 45, 48, 55, 62, 69, 72]),
        # Less than a step takes.
        ({"save_minutes": 1e-9}, list(range(73))),
        ({"save_minutes": 0}, [0, 24, 48, 72]),
    ],
)
@pytest.mark.slow
def test_a_run_is_saved_inside_its_rounds_without_changing(
    book: Path,
    whole: Path,
    tmp_path: Path,
    saved_steps: list[int],
    options: dict[str, Any],
    expected: list[int],
) -> None:
    run = textgen.train(book, tmp_path / "run", **INTERRUPTED, **options)
    assert saved_steps == expected
    for part in ("best", "last"):
        name = f"{part}/model.safetensors"
        assert (run / name).read_bytes() == (whole / name).read_bytes()


def change_last(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Write `last` anew with other arrays of its training state."""
    state = load_training_state(run / "last")
    arrays = dict(state.arrays)
    change(arrays)
    saved = load_checkpoint(run / "last")
    save_checkpoint(run / "last", saved, TrainingState(state.values, arrays))


@pytest.mark.parametrize(
    "wrong", [{"metrics.0": np.zeros(3, np.float32)}, {"metrics.9": np.float32(1)}]
)
def test_metrics_that_do_not_fit_are_a_clear_error(
    book: Path, trained: Path, wrong: dict[str, Any]
) -> None:
    change_last(trained, lambda arrays: arrays.update(wrong))
    with pytest.raises(CheckpointError, match=r"metrics\.0 of the training state is"):
        textgen.train(book, trained, resume=True, epochs=2, quiet=True)


@pytest.mark.slow
@pytest.mark.parametrize("num_left", [0, 2])
def test_fewer_metrics_than_there_are_is_a_clear_error(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_left: int
) -> None:
    run = tmp_path / "run"
    stop_after(monkeypatch, 31)
    with pytest.raises(KeyboardInterrupt):
        textgen.train(book, run, **INTERRUPTED)
    monkeypatch.undo()

    def forget(arrays: dict[str, Any]) -> None:
        for name in sorted(n for n in arrays if n.startswith("metrics."))[num_left:]:
            del arrays[name]

    change_last(run, forget)
    with pytest.raises(CheckpointError, match=rf"training state has {num_left} means, not"):
        textgen.train(book, run, resume=True, quiet=True)


@pytest.mark.one_backend
def test_a_row_that_a_crash_kept_out_of_the_table_is_added_on_resume(
    book: Path, trained: Path
) -> None:
    table = (trained / "history.csv").read_bytes()
    for left in (None, table.splitlines(keepends=True)[0]):
        (trained / "history.csv").unlink()
        (trained / "history.png").unlink()
        if left is not None:
            (trained / "history.csv").write_bytes(left)
        textgen.train(book, trained, resume=True, quiet=True)
        assert (trained / "history.csv").read_bytes() == table
        assert (trained / "history.png").exists()


@pytest.mark.one_backend
@pytest.mark.slow
def test_a_best_that_somebody_removed_is_written_again(book: Path, trained: Path) -> None:
    before = rows_of(trained)
    shutil.rmtree(trained / "best")
    textgen.train(book, trained, resume=True, epochs=2, quiet=True)
    assert load_checkpoint(trained / "best").facts["score"]["step"] > int(
        before[-1]["step"]
    )


@pytest.mark.one_backend
@pytest.mark.slow
def test_a_best_between_two_renames_is_still_the_best(book: Path, trained: Path) -> None:
    before = load_checkpoint(trained / "best").facts["score"]
    saved, state = load_checkpoint(trained / "last"), load_training_state(trained / "last")
    # So good that no later one is better.
    values = {**state.values, "state": {**state.values["state"], "best_score": 0.0}}
    save_checkpoint(trained / "last", saved, TrainingState(values, state.arrays))
    (trained / "best").rename(trained / ".best.old")
    textgen.train(book, trained, resume=True, epochs=2, quiet=True)
    assert load_checkpoint(trained / "best").facts["score"] == before


@pytest.mark.slow
def test_weights_that_are_no_numbers_are_never_saved(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StopOnNan, "_check", lambda self, loss: None)
    options = {**SMALL, "optimizer": "adam", "clip_norm": 0.0, "cell": "rnn"}
    run = tmp_path / "run"
    with pytest.raises(
        TrainingError, match=r"weight .* is NaN or infinite at step \d.*-rate"
    ):
        textgen.train(book, run, learning_rate=1e38, save_every=1, epochs=3, **options)
    for weights in load_checkpoint(run / "last").weights.values():
        assert np.isfinite(weights).all()


@pytest.mark.slow
def test_going_on_with_another_backend_is_told(
    book: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved, state = load_checkpoint(trained / "last"), load_training_state(trained / "last")
    facts = {**saved.facts, "backend": "torch"}
    save_checkpoint(trained / "last", replace(saved, facts=facts), state)
    textgen.train(book, trained, resume=True, epochs=2, preview=False)
    note = (
        "This run was trained on torch before: it continues, but not bit for bit as it "
        "would have there.\n"
    )
    assert capsys.readouterr().err.count(note) == 1


@pytest.mark.slow
def test_a_type_that_no_kernel_can_take_may_be_repeated_on_resume(
    book: Path, tmp_path: Path
) -> None:
    options = {**SMALL, "cell": "rnn", "compute_dtype": "bfloat16"}
    run = textgen.train(book, tmp_path / "run", epochs=1, **options)
    assert load_checkpoint(run).facts["train"]["compute_dtype"] == "bfloat16"
    textgen.train(book, run, resume=True, epochs=2, **options)
    assert rows_of(run)[-1]["epoch"] == "2.0"


@pytest.mark.one_backend
def test_resuming_with_other_options_or_text_names_the_difference(
    book: Path, tmp_path: Path, trained: Path
) -> None:
    run = trained
    with pytest.raises(ConfigError, match=r"units=32 \(was 16\)"):
        textgen.train(book, run, resume=True, units=32)
    book.write_text(book.read_text() + "One more line.\n")
    with pytest.raises(CheckpointError, match=r"trained on another text"):
        textgen.train(book, run, resume=True)


@pytest.mark.slow
@pytest.mark.one_backend
def test_a_finished_run_goes_on_with_more_epochs(
    book: Path, tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained
    textgen.train(book, run, resume=True)
    assert "raise --epochs" in capsys.readouterr().err
    textgen.train(book, run, resume=True, epochs=2, quiet=True)
    steps = [int(row["step"]) for row in rows_of(run)]
    assert steps[-1] > steps[0]
    assert steps == sorted(set(steps))


@pytest.mark.slow
@pytest.mark.one_backend
def test_another_run_is_never_written_over_unasked(
    book: Path, tmp_path: Path, trained: Path
) -> None:
    run = trained
    before = (run / "best" / "model.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match=r"--resume.*--overwrite.*--out"):
        textgen.train(book, run, epochs=1, **SMALL)
    assert (run / "best" / "model.safetensors").read_bytes() == before
    textgen.train(book, run, overwrite=True, epochs=1, seed=5, **SMALL)
    assert (run / "best" / "model.safetensors").read_bytes() != before


@pytest.mark.one_backend
def test_overwrite_keeps_the_old_run_when_the_text_is_missing(
    book: Path, tmp_path: Path, trained: Path
) -> None:
    run = trained
    with pytest.raises(CorpusError):
        textgen.train(tmp_path / "missing.txt", run, overwrite=True)
    assert load_checkpoint(run)


@pytest.mark.one_backend
def test_overwrite_on_a_full_disk_keeps_the_old_run(
    book: Path, trained: Path, tmp_path: Path, small_disk: Callable[[int], Path]
) -> None:
    run = small_disk(400) / "run"
    shutil.copytree(trained, run)
    before = (run / "best" / "model.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match="No space left on device"):
        textgen.train(book, run, overwrite=True, **{**SMALL, "units": 128})
    assert (run / "best" / "model.safetensors").read_bytes() == before
    assert load_checkpoint(run / "last").model.units == SMALL["units"]
    assert (run / "history.csv").exists()


@pytest.mark.one_backend
@pytest.mark.slow
def test_training_stops_when_validation_no_longer_improves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    noise = tmp_path / "noise.txt"
    noise.write_text("".join(rng.choice(list("abcdefgh "), size=3000)))
    options = {**SMALL, "epochs": 100, "patience": 2, "eval_every": 20, "quiet": False}
    run = textgen.train(noise, tmp_path / "run", learning_rate=0.05, **options)
    assert "Stopped early: 2 evaluations brought no better" in capsys.readouterr().err
    rows = rows_of(run)
    scores = [float(row["val_bits_per_char"]) for row in rows]
    assert len(rows) < 100
    assert scores.index(min(scores)) == len(scores) - 3
    assert load_checkpoint(run).facts["score"]["val_bits_per_char"] == min(scores)


@pytest.mark.one_backend
@pytest.mark.slow
def test_max_minutes_ends_the_run_with_an_evaluation(book: Path, tmp_path: Path) -> None:
    options = {**SMALL, "epochs": 10_000, "max_minutes": 0.05, "eval_every": 1_000_000}
    run = textgen.train(book, tmp_path / "run", **options)
    rows = rows_of(run)
    assert len(rows) == 1
    assert int(rows[0]["step"]) < 700_000
    assert float(rows[0]["learning_rate"]) < 0.5 * TrainConfig().learning_rate


@pytest.mark.slow
def test_a_loss_that_is_no_number_stops_with_advice_and_keeps_good_weights(
    book: Path, tmp_path: Path
) -> None:
    options = {**SMALL, "optimizer": "adam", "clip_norm": 0.0, "cell": "rnn"}
    with pytest.raises(TrainingError, match=r"loss is (nan|inf).*--learning-rate"):
        textgen.train(book, tmp_path / "run", learning_rate=1e38, epochs=3, **options)
    weights = load_checkpoint(tmp_path / "run" / "last").weights
    assert all(np.isfinite(array).all() for array in weights.values())


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "lion", "muon"])
@pytest.mark.slow
def test_every_optimizer_lowers_the_score(
    book: Path, tmp_path: Path, optimizer: str
) -> None:
    rate = 0.001 if optimizer in ("lion", "rmsprop") else 0.01
    options = {**SMALL, "optimizer": optimizer, "weight_decay": 0.01, "eval_every": 30}
    run = textgen.train(book, tmp_path / "run", learning_rate=rate, epochs=2, **options)
    scores = [float(row["val_bits_per_char"]) for row in rows_of(run)]
    assert scores[-1] < scores[0]


def test_every_optimizer_of_the_configuration_exists() -> None:
    choices = TrainConfig.__dataclass_fields__["optimizer"].metadata["choices"]
    assert set(choices) == set(OPTIMIZERS)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_muon_is_for_hidden_matrices_alone(cell: str) -> None:
    config = ModelConfig(vocab_size=5, units=4, embedding_dim=3, cell=cell)
    optimizer = make_optimizer(config, TrainConfig(optimizer="muon"))
    by_muon = {
        variable.path.split("/")[-1]
        for variable in textgen.build_model(config).trainable_variables
        if not optimizer._should_use_adamw(variable)
    }
    assert by_muon == {"kernel", "recurrent_kernel"}


def test_weight_decay_leaves_biases_alone() -> None:
    config = ModelConfig(vocab_size=5, units=4, embedding_dim=3, weight_decay=0.1)
    model = textgen.build_model(config)
    optimizer = make_optimizer(config, TrainConfig())
    decayed = {v.path for v in model.trainable_variables if optimizer._use_weight_decay(v)}
    assert any(path.endswith("kernel") for path in decayed)
    assert not any(path.endswith("bias") for path in decayed)


@pytest.mark.one_backend
def test_a_finished_run_without_its_best_has_nothing_left_to_do(
    book: Path, tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(trained / "best")
    textgen.train(book, trained, resume=True)
    assert "Nothing left to do" in capsys.readouterr().err


# --- callbacks ---


@pytest.mark.one_backend
def test_callbacks_are_in_the_order_that_the_code_explains(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def fit(self: Any, *_: Any, callbacks: list[Any], **__: Any) -> None:
        seen.extend(type(callback).__name__ for callback in callbacks)
        raise InterruptedError

    monkeypatch.setattr(keras.Model, "fit", fit)
    options = {**SMALL, "quiet": False, "tensorboard": True}
    with pytest.raises(InterruptedError):
        textgen.train(book, tmp_path / "run", **options)
    assert seen == [
        # Prepare a step.
        *("ResetCarriedState", "RestoreMetrics", "LearningRate"),
        # Counts it; all below read the count.
        "Clock",
        # NaN is never saved.
        *("StopOnNan", "PeriodicSave", "RecordEvaluation"),
        # Show the row that was recorded.
        *("TensorBoard", "Report"),
        # Raises, so that what came after it would be skipped.
        "StopOnRequest",
    ]
    documented = inspect.getdoc(fit_module._Session._callbacks) or ""
    assert list(dict.fromkeys(re.findall(r"`(\w+)`", documented))) == seen


@pytest.mark.one_backend
@pytest.mark.slow
@pytest.mark.parametrize("tokenizer", ["char", "byte"])
def test_the_first_line_counts_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tokenizer: str
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("Привет мир. 你好世界。\n" * 200, encoding="utf-8")
    options = {**SMALL, "quiet": False, "preview": False, "epochs": 1}
    textgen.train(text, tmp_path / "run", tokenizer=tokenizer, **options)
    assert "on 3,240 characters, validating on 360 (" in capsys.readouterr().err


# --- the test text ---


@pytest.mark.one_backend
@pytest.mark.slow
def test_the_test_part_is_scored_once_at_the_end(
    book: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {**SMALL, "quiet": False, "test_fraction": 0.1, "preview": False}
    run = textgen.train(book, tmp_path / "run", epochs=1, **options)
    score = load_checkpoint(run).facts["score"]
    assert 0 < score["test_bits_per_char"] < 6
    assert "Test text:" in capsys.readouterr().err


@pytest.mark.one_backend
@pytest.mark.slow
def test_documents_are_trained_and_written_one_by_one(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("".join(f"{a}{b}a\n" for a in "KLMN" for b in ("or", "in", "el")) * 30)
    run = textgen.train(
        names, tmp_path / "run", documents="lines", epochs=12, learning_rate=0.02, **SMALL
    )
    generator = Generator.load(run)
    texts = [generator.generate(seed=seed, temperature=0.5) for seed in range(5)]
    assert all(3 <= len(text) <= 8 and "\n" not in text for text in texts)


@pytest.mark.one_backend
@pytest.mark.slow
def test_byte_tokenizer_trains_on_any_script(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("Привет мир. 你好世界。\n" * 200, encoding="utf-8")
    run = textgen.train(text, tmp_path / "run", tokenizer="byte", epochs=2, **SMALL)
    generator = Generator.load(run)
    generator.generate("Привет", length=20, seed=0).encode("utf-8")
    # Bits per character, not per byte.
    reported = load_checkpoint(run).facts["score"]["val_bits_per_char"]
    held_out = text.read_text(encoding="utf-8")[-440:]
    assert reported == pytest.approx(generator.score(held_out).bits_per_char, rel=0.05)


@pytest.mark.slow
def test_load_model_gives_the_trained_keras_model(
    book: Path, tmp_path: Path, trained: Path
) -> None:
    run = trained
    model = load_model(run)
    generator = Generator.load(run)
    ids = generator.tokenizer.encode("Kit went to sea")
    logits = np.asarray(model.predict_on_batch(ids[None].astype("int32")))[0]
    shifted = logits - logits.max(axis=1, keepdims=True)
    nats = np.log(np.exp(shifted).sum(axis=1)) - shifted[:, 0]
    assert np.isfinite(nats).all()
    network = generator._network
    expected, _ = read_whole(network, ids, network.initial_state())
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(ids[None, :-1], ids[None, 1:].astype("int32"), verbose=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": 3}, r"unknown option 'unit'.*'units'"),
        ({"units": 0}, r"units=0 must be at least 1"),
        ({"vocab_size": 9}, r"vocab_size is decided by the text"),
        ({"size": "small", "resume": True}, r"keeps its size"),
        ({"size": "huge"}, r"size='huge' must be one of auto, tiny"),
        ({"resume": True, "overwrite": True}, r"cannot be used together"),
        ({"batch_size": 500}, r"--batch-size, --seq-length or --val-fraction"),
    ],
)
@pytest.mark.one_backend
def test_nonsense_is_refused_before_anything_is_written(
    book: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TextgenError, match=message):
        textgen.train(book, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.one_backend
@pytest.mark.slow
def test_tensorboard_logs_are_written_beside_the_checkpoint(
    book: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    run = textgen.train(book, tmp_path / "run", epochs=1, tensorboard=True, **SMALL)
    assert list(run.glob("logs/*/events.out.tfevents.*"))


@pytest.mark.one_backend
def test_tensorboard_without_the_extra_names_the_install_command(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textgen.training.train.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install .*\[tensorboard\]"):
        textgen.train(book, tmp_path / "run", tensorboard=True)


@pytest.mark.parametrize("damage", ["state", "arrays"])
@pytest.mark.one_backend
def test_a_damaged_training_state_is_a_clear_error(
    book: Path, tmp_path: Path, trained: Path, damage: str
) -> None:
    run = trained
    state = load_training_state(run / "last")
    values, arrays = dict(state.values), dict(state.arrays)
    if damage == "state":
        del values["state"]
    else:
        del arrays["optimizer.3"]
    save_checkpoint(
        run / "last", load_checkpoint(run / "last"), TrainingState(values, arrays)
    )
    with pytest.raises(CheckpointError, match=r"training state is"):
        textgen.train(book, run, resume=True, epochs=2, quiet=True)
