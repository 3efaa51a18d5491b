"""Decodes the texts of all requests to one model, together and in a thread of its own."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition, Thread

import numpy as np

from textgen.generation.decoding.loop import Running
from textgen.generation.decoding.particles import Particles
from textgen.generation.decoding.plan import Model
from textgen.generation.decoding.text import Text
from textgen.generation.network.layers.base import Floats, State
from textgen.serving.api.errors import failed
from textgen.serving.mailbox import Mailbox, wake
from textgen.wording import say

PAUSE = 0.03
"""Seconds between two messages to a reader, unless there is much to send."""

MOST_MESSAGES = 1000
"""Messages a second to all readers: each costs as much as several characters. With many
readers, pauses are longer."""


@dataclass(frozen=True, eq=False)
class Writing:
    """A text, and where its characters go."""

    text: Text
    number: int
    box: Mailbox


@dataclass(frozen=True, eq=False)
class _Waiting:
    """Texts of a request that are not in the batch, with what it takes them with.

    Args:
        group: what writes them, if they are restricted.
    """

    writings: Sequence[Writing]
    group: Particles | None
    logits: Floats
    state: State

    @property
    def box(self) -> Mailbox:
        return self.writings[0].box


class Engine:
    """Continuous batching: texts join and leave the batch between two characters.

    A text whose reader is slow leaves the batch until it is read; one whose reader is gone
    leaves for good.

    Args:
        model: the network.
        on_written: called with the number of characters of each step.
    """

    def __init__(self, model: Model, on_written: Callable[[int], None]) -> None:
        self._model = model
        self._on_written = on_written
        self._running = Running(model)
        self._writings: dict[int, Writing] = {}
        self._arrivals: list[_Waiting] = []
        self._parked: list[_Waiting] = []
        self._condition = Condition()
        self._has_news = False
        self._next_messages_at = 0.0
        self._is_ending = False
        self._thread = Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the character that it writes."""
        self._is_ending = True
        self.look()
        self._thread.join()

    def join(
        self,
        writings: Sequence[Writing],
        group: Particles | None,
        logits: Floats,
        state: State,
    ) -> None:
        """Add the texts of a request, which have read their prompts.

        Args:
            group: what writes them, if they are restricted.
            logits, state: as for `Running.join`, or `join_group`.
        """
        with self._condition:
            self._arrivals.append(_Waiting(writings, group, logits, state))
            self._has_news = True
            self._condition.notify()

    def look(self) -> None:
        """Look at the mailboxes again: one has room or is closed."""
        with self._condition:
            self._has_news = True
            self._condition.notify()

    def _run(self) -> None:
        while self._has_work():
            try:
                self._step()
            except Exception as error:
                self._fail(error)

    def _has_work(self) -> bool:
        with self._condition:
            self._condition.wait_for(self._is_wanted)
        return not self._is_ending

    def _is_wanted(self) -> bool:
        return bool(self._is_ending or self._running or self._has_news)

    def _step(self) -> None:
        """Write one character of every text whose reader is there to read it."""
        self._running.read()
        if self._has_news:
            self._has_news = False
            self._part()
            self._admit()
        if self._running:
            is_time = time.perf_counter() >= self._next_messages_at
            self._deliver(self._running.write(), is_time=is_time)

    def _part(self) -> None:
        """Take the texts out of the batch whose readers are gone or slow."""
        for text in list(self._running.texts):
            writing = self._writings[id(text)]
            if writing.box.is_closed or writing.box.is_full:
                self._park([writing], None, self._running.leave(text))
        for group in list(self._running.groups):
            going = [text for text in group.texts if id(text) in self._writings]
            writings = [self._writings[id(text)] for text in going]
            if writings[0].box.is_closed or writings[0].box.is_full:
                self._park(writings, group, self._running.leave_group(group))

    def _park(
        self,
        writings: Sequence[Writing],
        group: Particles | None,
        rows: tuple[Floats, State],
    ) -> None:
        for writing in writings:
            del self._writings[id(writing.text)]
        if not writings[0].box.is_closed:
            self._parked.append(_Waiting(writings, group, *rows))

    def _admit(self) -> None:
        """Let texts join that are new, or whose readers have caught up."""
        with self._condition:
            waiting = [*self._parked, *self._arrivals]
            self._arrivals = []
        self._parked = []
        ready: list[_Waiting] = []
        for each in waiting:
            if not each.box.is_closed:
                (self._parked if each.box.is_full else ready).append(each)
        if ready:
            self._join(ready)

    def _join(self, waiting: Sequence[_Waiting]) -> None:
        writings = [writing for each in waiting for writing in each.writings]
        self._writings |= {id(each.text): each for each in writings}
        for each in waiting:
            if each.group is not None:
                self._running.join_group(each.group, each.logits, each.state)
        # At once, since the rows of all texts are copied each time.
        if alone := [each for each in waiting if each.group is None]:
            self._running.join(
                [writing.text for each in alone for writing in each.writings],
                np.concatenate([each.logits for each in alone]),
                np.concatenate([each.state for each in alone]),
            )
        finished = [each.text for each in writings if each.text.finish_reason is not None]
        self._deliver([(text, "") for text in finished], is_time=False)

    def _deliver(self, written: Sequence[tuple[Text, str]], *, is_time: bool) -> None:
        """Put what was written into the mailboxes, and wake the readers that are due.

        Args:
            is_time: whether all of them are.
        """
        due: dict[int, Mailbox] = {}
        for text, shown in written:
            writing = self._writings[id(text)]
            box = writing.box
            if box.put(writing.number, shown, text.finish_reason) or is_time:
                due[id(box)] = box
            if box.is_full:
                self._has_news = True
            if text.finish_reason is not None:
                del self._writings[id(text)]
        if is_time:
            pause = max(PAUSE, len(due) / MOST_MESSAGES)
            self._next_messages_at = time.perf_counter() + pause
        wake(due.values())
        self._on_written(sum(len(shown) for _, shown in written))

    def _fail(self, error: Exception) -> None:
        """End all texts of the batch with an error, and go on with the next ones."""
        say("".join(traceback.format_exception(error)).rstrip())
        boxes = {id(each.box): each.box for each in self._writings.values()}
        self._writings.clear()
        self._running = Running(self._model)
        for box in boxes.values():
            box.fail(failed())
        wake(boxes.values())
