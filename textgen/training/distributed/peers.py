"""What the processes of a job say to each other beside the gradients."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from textgen.errors import ConfigError, TextgenError, TrainingError

WAIT_MILLISECONDS = 500
"""How long a wait lasts before Python looks after signals."""

T = TypeVar("T")


class Peers:
    """The processes of a job, as one of them sees them; alone until it joins one.

    Args:
        number: how many processes there are.
        index: of this one; process 0 writes and prints.
        client: of JAX's key-value store, through which they can all see what one says.
    """

    def __init__(self, number: int = 1, index: int = 0, client: Any = None) -> None:
        self.number, self.index = number, index
        self._client = client
        self._count = 0

    @property
    def is_first(self) -> bool:
        """Whether this process writes and prints."""
        return self.index == 0

    @property
    def are_several(self) -> bool:
        """Whether there are others."""
        return self.number > 1

    def lanes(self, batch_size: int) -> range:
        """The lanes that this process reads.

        >>> Peers(number=2, index=1).lanes(batch_size=8)
        range(4, 8)
        """
        share = batch_size // self.number
        return range(self.index * share, (self.index + 1) * share)

    def exchange(self, value: T) -> list[T]:
        """The values of all processes, in their order; each waits for all others.

        Args:
            value: JSON data.
        """
        if not self.are_several:
            return [value]
        self._count += 1
        self._client.key_value_set(f"textgen/{self._count}/{self.index}", json.dumps(value))
        names = [f"textgen/{self._count}/{index}" for index in range(self.number)]
        return [json.loads(self._wait_for(name)) for name in names]

    def from_first(self, value: T) -> T:
        """The value of process 0."""
        return self.exchange(value if self.is_first else None)[0]  # type: ignore[return-value]

    def part(self) -> None:
        """Wait until all processes have come to this point, and let go of them."""
        if self.are_several:
            import jax

            # The other way to wait for them has a time limit.
            self.exchange(None)
            jax.distributed.shutdown()

    def _wait_for(self, name: str) -> str:
        while True:
            try:
                return self._client.blocking_key_value_get(name, WAIT_MILLISECONDS)
            except Exception as error:
                # The type of JAX's errors differs from version to version.
                if "DEADLINE_EXCEEDED" not in str(error):
                    raise

    def gather(self, values: Sequence[float]) -> np.ndarray:
        """The numbers of all processes, `(number, len(values))`; fast."""
        own = np.array(values, "float32")
        if not self.are_several:
            return own[None]
        from jax.experimental import multihost_utils

        return np.asarray(multihost_utils.process_allgather(own))

    def arrays_from_first(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The arrays of process 0; those of the others only say their shapes."""
        if not self.are_several:
            return dict(arrays)
        from jax.experimental import multihost_utils

        return dict(multihost_utils.broadcast_one_to_all(dict(arrays)))

    @contextmanager
    def errors_told(self) -> Iterator[None]:
        """Let an error in the body, after which they `agree_on` facts, end all of them."""
        try:
            yield
        except TextgenError as error:
            self.exchange({"error": str(error)})
            raise

    def agree_on(self, facts: Mapping[str, Any]) -> None:
        """Refuse to start if a process failed, or if one differs from process 0.

        Args:
            facts: JSON data by name.

        Raises:
            TrainingError: a process failed.
            ConfigError: facts differ; the message names all of them.
        """
        found = self.exchange(json.loads(json.dumps(dict(facts))))
        for index, other in enumerate(found):
            if error := other.get("error"):
                raise TrainingError(
                    f"process {index} of {self.number} cannot start: {error}"
                )
        for index, other in enumerate(found):
            differ = [
                f"{name}={other.get(name)!r} ({value!r} in process 0)"
                for name, value in found[0].items()
                if other.get(name) != value
            ]
            if differ:
                raise ConfigError(
                    f"process {index} of {self.number} differs from process 0: "
                    f"{', '.join(differ)}. Start all of them with the same options, on the "
                    "same text and the same versions."
                )


ALONE = Peers()
