"""Callbacks that log a run elsewhere: TensorBoard, Weights & Biases, MLflow."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from textgen.errors import ConfigError
from textgen.training.backend.loaded import keras
from textgen.training.backend.noise import filtered_stderr
from textgen.training.task.task import Task


@contextmanager
def loggers(task: Task) -> Iterator[list[Any]]:
    """The callbacks that a run asks for; what they log to is closed after the body.

    Raises:
        ConfigError: a service cannot be reached, or wants a login.
    """
    train = task.train
    with ExitStack() as stack:
        found = [_tensorboard(task.run.logs)] if train.tensorboard else []
        if train.log_to in SERVICES:
            found.append(stack.enter_context(_begun(train.log_to, task)))
        yield found


@contextmanager
def _begun(name: str, task: Task) -> Iterator[Any]:
    with ExitStack() as stack:
        try:
            callback = stack.enter_context(SERVICES[name](task))
        except Exception as error:
            # Their errors have no base class in common.
            raise ConfigError(
                f"log_to={name!r} cannot begin ({error}). Set it up first, or leave out "
                "`log_to`."
            ) from error
        yield callback


@contextmanager
def _wandb(task: Task) -> Iterator[Any]:
    import wandb

    project = os.environ.get("WANDB_PROJECT", "textgen")
    with wandb.init(project=project, name=task.run.path.name, config=_options(task)):
        with filtered_stderr():
            # It imports TensorFlow, whatever the backend.
            from wandb.integration.keras import WandbMetricsLogger
        yield WandbMetricsLogger()


@contextmanager
def _mlflow(task: Task) -> Iterator[Any]:
    import mlflow
    from mlflow.keras import MlflowCallback

    with mlflow.start_run(run_name=task.run.path.name, nested=True):
        mlflow.log_params(_options(task))
        yield MlflowCallback()


SERVICES: Mapping[str, Callable[[Task], AbstractContextManager[Any]]] = MappingProxyType(
    {"wandb": _wandb, "mlflow": _mlflow}
)


def _options(task: Task) -> dict[str, Any]:
    return {**asdict(task.text), **asdict(task.model), **asdict(task.train)}


def _tensorboard(logs: Path) -> Any:
    with filtered_stderr():
        # Keras writes these logs with TensorFlow, even when it trains on JAX.
        import tensorflow as tf

        tf.constant(0)
    return keras.callbacks.TensorBoard(str(logs), write_graph=False)
