"""Train a model on a text: `keras.Model.fit`, with nothing lost on the way."""

from __future__ import annotations

import csv
import io
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from textgen import __version__
from textgen.checkpoint import (
    Checkpoint,
    TrainingState,
    load_checkpoint,
    save_checkpoint,
    write_file,
)
from textgen.config import ModelConfig, TrainConfig, to_dict
from textgen.console import clock_time, say
from textgen.errors import CheckpointError
from textgen.generation.generator import Generator
from textgen.run_directory import find_checkpoint
from textgen.text.lanes import EvaluationWindows, evaluation_windows
from textgen.training.backend import load_keras, quiet_import
from textgen.training.callbacks import (
    BitsPerChar,
    Budget,
    CarryState,
    Clock,
    Evaluation,
    Interrupted,
    LearningRate,
    RunState,
    StopOnNan,
    sync,
)
from textgen.training.model import build_model, get_weights, set_weights
from textgen.training.plot import can_plot, draw_history
from textgen.training.recurrent import to_numpy
from textgen.training.report import Report
from textgen.training.schedule import WarmupCosine
from textgen.training.task import Task

keras = load_keras()


def make_optimizer(model: ModelConfig, train: TrainConfig) -> Any:
    """The update rule that the two configurations describe, as a Keras optimizer.

    >>> type(make_optimizer(ModelConfig(vocab_size=2), TrainConfig(optimizer="lion")))
    <class '...Lion'>
    """
    common: dict[str, Any] = {
        "learning_rate": train.learning_rate,
        "weight_decay": model.weight_decay,
        "global_clipnorm": train.clip_norm or None,
    }
    if train.optimizer == "muon":
        # Muon is for hidden matrices; the output layer learns by its inner AdamW.
        common |= {"adam_weight_decay": model.weight_decay, "exclude_layers": ["output"]}
    optimizer = getattr(keras.optimizers, OPTIMIZERS[train.optimizer])(**common)
    # Biases and norms are not matrices: decay would only move them off their scale.
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


OPTIMIZERS = {
    "adam": "Adam",
    "adamw": "AdamW",
    "rmsprop": "RMSprop",
    "lion": "Lion",
    "muon": "Muon",
}


def compile_model(model: Any, config: ModelConfig, train: TrainConfig) -> None:
    """Give `model` its optimizer, the loss in nats and the metric in bits."""
    model.compile(
        optimizer=make_optimizer(config, train),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=[BitsPerChar()],
        # Keras' loop under XLA runs at half the speed on a CPU with TensorFlow.
        jit_compile=keras.backend.backend() == "jax",
    )


def load_model(path: str | Path | None = None) -> Any:
    """The trained Keras model of a checkpoint, to go on with in Keras.

    Args:
        path: a checkpoint, a run, or None for the newest under `checkpoints/`.

    Returns:
        A `keras.Model` from `(batch, time)` ids to `(batch, time, vocab_size)`
        logits; each call begins with a zero state.

    Raises:
        CheckpointError: see `load_checkpoint`.
    """
    checkpoint = load_checkpoint(find_checkpoint(path))
    model = build_model(checkpoint.model)
    set_weights(model, checkpoint.model, checkpoint.weights)
    return model


def fit(task: Task, *, quiet: bool = False) -> Path:
    """Train, and write `best`, `last` and the history as training goes.

    Args:
        task: text, options and place; see `textgen.training.task`.
        quiet: print nothing on stderr.

    Returns:
        The run's directory.

    Raises:
        TrainingError: the loss is no longer a number.
        CheckpointError: a checkpoint cannot be written.
        KeyboardInterrupt: a person asked to stop; `last` holds where.
    """
    return _Fit(task, quiet).run()


class _Fit:
    """One session of training: the model, how far it is, and how it is saved."""

    def __init__(self, task: Task, quiet: bool) -> None:
        self.task = task
        self.say: Callable[[str], None] = (lambda line: None) if quiet else say
        self.quiet = quiet
        train = task.train
        self.windows = task.windows
        self.model = build_model(task.model, train.batch_size, seed=train.seed)
        compile_model(self.model, task.model, train)
        self.model.optimizer.build(self.model.trainable_variables)
        self.state = RunState()
        if task.resumed is not None:
            self._take_up(task.resumed)
        assert train.epochs is not None  # a task has settled it
        self.budget = Budget(
            train.epochs * len(self.windows),
            train.max_minutes * 60 if train.max_minutes else None,
        )

    def run(self) -> Path:
        """Train until the budget is used up, nothing improves, or a person stops it."""
        run = self.task.run
        if self._is_finished():
            return run.path
        self.say(self._introduction())
        if self.task.resumed is None:
            # Shows at once whether the place can be written, and marks it as a run.
            self._save_last()
        with stop_requests(self.say) as wants_stop:
            carry = CarryState(self.state, len(self.windows))
            report = self._report()
            try:
                self._fit([carry, *self._callbacks(wants_stop), *report])
            except Interrupted:
                carry.restore()
                self._save_last()
                self.say(
                    f"Stopped at step {self.state.step:,}; all is saved in {run.last}."
                )
                raise KeyboardInterrupt from None
            finally:
                for callback in report:
                    callback.close()
        self._conclude()
        return run.path

    # --- the rounds of fit ---

    def _fit(self, callbacks: list[Any]) -> None:
        """Run fit, evaluating each `eval_every` steps, also when resumed in between."""
        every = self.task.train.eval_every or len(self.windows)
        rounds_done, steps_into_round = divmod(self.state.step, every)
        if steps_into_round:
            self._rounds(every - steps_into_round, rounds_done, rounds_done + 1, callbacks)
            rounds_done += 1
        if not self.model.stop_training and self.budget.progress(self.state) < 1:
            rounds = -(-self.budget.total_steps // every)
            self._rounds(every, rounds_done, rounds, callbacks)

    def _rounds(self, steps: int, first: int, end: int, callbacks: list[Any]) -> None:
        self.model.fit(
            self.windows.forever(self.state.step),
            steps_per_epoch=steps,
            initial_epoch=first,
            epochs=end,
            validation_data=self._held_out(self.task.val_ids),
            shuffle=False,
            callbacks=callbacks,
            verbose=0,
        )

    def _held_out(self, ids: np.ndarray) -> HeldOut:
        size = self.task.train
        lanes = evaluation_windows(
            ids, size.batch_size, size.seq_length, context=self.windows.ids
        )
        return HeldOut(lanes)

    def _callbacks(self, wants_stop: Callable[[], bool]) -> list[Any]:
        train, state, run = self.task.train, self.state, self.task.run
        schedule = WarmupCosine(train.learning_rate, train.warmup_steps, train.final_rate)
        callbacks = [
            LearningRate(schedule, self.budget, state),
            Clock(state, self.budget, wants_stop),
            StopOnNan(state),
            Evaluation(
                state,
                steps_per_pass=len(self.windows),
                patience=train.patience,
                save_best=self._save_best,
                save_last=self._save_evaluation,
            ),
        ]
        if train.tensorboard:
            with quiet_import():
                # Keras writes these logs with TensorFlow, also when it trains on JAX.
                import tensorflow as tf

                tf.constant(0)
            callbacks.append(keras.callbacks.TensorBoard(str(run.logs), write_graph=False))
        return callbacks

    def _report(self) -> list[Report]:
        if self.quiet:
            return []
        train = self.task.train
        return [
            Report(
                self.state,
                self.budget,
                window_chars=train.window_chars,
                steps_per_pass=len(self.windows),
                preview=self._preview if train.preview else None,
            )
        ]

    def _preview(self) -> str:
        generator = Generator(
            self.task.model,
            get_weights(self.model, self.task.model),
            self.task.tokenizer,
            documents=self.task.text.documents,
        )
        return generator.generate(length=160, temperature=0.8, seed=self.state.step).strip()

    # --- what is kept ---

    def _checkpoint(self) -> Checkpoint:
        sync(self.model)
        row = self.state.rows[-1] if self.state.rows else {}
        facts = {
            "textgen_version": __version__,
            "backend": keras.backend.backend(),
            "text": dict(self.task.facts),
            "train": to_dict(self.task.train),
            "score": dict(row),
        }
        weights = get_weights(self.model, self.task.model)
        return Checkpoint(self.task.model, self.task.tokenizer, weights, facts)

    def _save_best(self) -> None:
        save_checkpoint(self.task.run.best, self._checkpoint())

    def _save_last(self) -> None:
        checkpoint = self._checkpoint()
        values = {
            "text": to_dict(self.task.text),
            "train": to_dict(self.task.train),
            "state": self.state.to_dict(),
        }
        training = TrainingState(values, self._arrays())
        save_checkpoint(self.task.run.last, checkpoint, training)

    def _save_evaluation(self) -> None:
        self._save_last()
        write_file(self.task.run.history_csv, history_csv(self.state.rows))
        if can_plot():
            draw_history(self.state.rows, self.task.run.history_png)

    def _arrays(self) -> dict[str, np.ndarray]:
        return {name: to_numpy(variable) for name, variable in self._variables().items()}

    def _variables(self) -> dict[str, Any]:
        """What changes in training beside the weights: optimizer, state, dropout seeds."""
        groups = {
            "optimizer": self.model.optimizer.variables,
            "model": self.model.non_trainable_variables,
        }
        return {
            f"{group}.{number}": variable
            for group, variables in groups.items()
            for number, variable in enumerate(variables)
        }

    def _take_up(self, resumed: TrainingState) -> None:
        self.state = RunState.from_dict(resumed.values.get("state", {}))
        last = load_checkpoint(self.task.run.last)
        set_weights(self.model, self.task.model, last.weights)
        for name, variable in self._variables().items():
            array = resumed.arrays.get(name)
            if array is None or array.shape != tuple(variable.shape):
                raise CheckpointError(
                    f"{self.task.run.last}: {name} of the training state is missing or of "
                    "another shape. Choose another --out to begin anew."
                )
            variable.assign(array)

    # --- what is said ---

    def _introduction(self) -> str:
        task, backend = self.task, keras.backend.backend()
        verb = (
            "Training" if task.resumed is None else f"Resuming at step {self.state.step:,}:"
        )
        return (
            f"{verb} {task.model.num_parameters:,} parameters on {len(self.windows.ids):,} "
            f"characters, validating on {len(task.val_ids):,} ({backend}). "
            "Ctrl-C saves and stops."
        )

    def _is_finished(self) -> bool:
        train = self.task.train
        if self.budget.progress(self.state) >= 1:
            self.say("Nothing left to do: raise --epochs (or --max-minutes) to go on.")
            return True
        if self.state.waits >= train.patience:
            self.say(
                f"Nothing left to do: {self.state.waits} evaluations brought no better "
                "score. Raise --patience to go on."
            )
            return True
        return False

    def _conclude(self) -> None:
        state = self.state
        self.say(
            f"Best: {state.best_score:.3f} bits per character at step {state.best_step:,}, "
            f"after {clock_time(state.seconds)} of training."
        )
        if len(self.task.test_ids):
            self._score_test()

    def _score_test(self) -> None:
        best = load_checkpoint(self.task.run.best)
        set_weights(self.model, self.task.model, best.weights)
        logs = self.model.evaluate(
            self._held_out(self.task.test_ids),
            callbacks=[CarryState(self.state, len(self.windows))],
            verbose=0,
            return_dict=True,
        )
        bits = float(logs["bits_per_char"])
        facts = {**best.facts, "score": {**best.facts["score"], "test_bits_per_char": bits}}
        save_checkpoint(
            self.task.run.best, Checkpoint(best.model, best.tokenizer, best.weights, facts)
        )
        self.say(f"Test text: {bits:.3f} bits per character.")


class HeldOut(keras.utils.PyDataset):
    """Evaluation windows for Keras, which reads them from the first to the last each time.

    A generator would not do: Keras reads ahead of it, so that the next evaluation
    would begin somewhere else.
    """

    def __init__(self, lanes: EvaluationWindows) -> None:
        super().__init__()
        self.lanes = lanes

    def __len__(self) -> int:
        return len(self.lanes)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        """The window `(x, y, weight)` number `index`."""
        x, y, weight = self.lanes[index]
        assert weight is not None  # evaluation windows always have one
        return x, y, weight


def history_csv(rows: list[dict[str, float]]) -> bytes:
    """The evaluations as a CSV file.

    >>> history_csv([{"step": 10, "val_bits_per_char": 2.5}])
    b'step,val_bits_per_char\\r\\n10,2.5\\r\\n'
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@contextmanager
def stop_requests(say: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C and SIGTERM into a question that training asks after each step.

    The first one ends training after the step that runs; a second one does not wait.
    Signals belong to the main thread; elsewhere nothing is changed.
    """
    asked = threading.Event()

    def ask(number: int, frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        say("Stopping after this step; once more stops at once.")

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
