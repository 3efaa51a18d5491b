"""What the processes of a job agree on between two steps: the time, and whether to stop."""

from __future__ import annotations

from collections.abc import Callable

from textgen.training.distributed.peers import Peers

PERIOD_SECONDS = 1.0
MOST_STEPS = 1000


class Meeting:
    """Lets all processes go by the clock of process 0, and stop after the same step.

    A process that is alone holds one after each step. Several hold one about once a second,
    since each costs them a message.

    Args:
        peers: the processes.
        wants_stop: whether somebody asked this one to stop.
    """

    def __init__(self, peers: Peers, wants_stop: Callable[[], bool]) -> None:
        self.peers = peers
        self.wants_stop = wants_stop
        self._last_step = 0
        self._next_step = 0
        self._is_to_stop = False

    def is_due(self, step: int) -> bool:
        """Whether the processes meet after this step."""
        return not self.peers.are_several or step >= self._next_step

    def is_to_stop(self) -> bool:
        """Whether all have to stop."""
        return self._is_to_stop if self.peers.are_several else self.wants_stop()

    def hold(self, step: int, seconds: float, eval_seconds: float) -> tuple[float, float]:
        """Meet; every process does so after the same step.

        Args:
            seconds: since the last meeting.
            eval_seconds: that an evaluation takes.

        Returns:
            both, as process 0 knows them.
        """
        if not self.peers.are_several:
            return seconds, eval_seconds
        found = self.peers.gather([seconds, eval_seconds, self.wants_stop()])
        self._is_to_stop = bool(found[:, 2].any())
        seconds, eval_seconds = map(float, found[0, :2])
        per_step = seconds / max(1, step - self._last_step)
        steps = PERIOD_SECONDS / max(per_step, PERIOD_SECONDS / MOST_STEPS)
        self._last_step, self._next_step = step, step + max(1, round(steps))
        return seconds, eval_seconds
