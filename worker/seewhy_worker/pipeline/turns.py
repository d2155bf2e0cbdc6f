"""Turns: a lock that threads take in turns and hand over when they choose, fair by time.

Threads belong to groups, which share the time by start-time fair queueing (Goyal, Vin and Cheng,
1996): the group goes first that has had the least time for its weight. Within a group, threads go
in the order of their arrival.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from seewhy_worker.checkpoints.checkpoint import Checkpoint

CHECK_S = 0.1
LAG_S = 1.0
"""How much time for its weight a group may be owed: one that was idle is not served for long."""
MAX_WEIGHT = 16
"""No group waits longer than this many times its own time."""


@dataclass(frozen=True, eq=False, slots=True)
class _Ticket:
    group: Hashable
    weight: int


class Turns:
    """Gives one thread at a time its turn."""

    def __init__(self, *, clock: Callable[[], float] = time.perf_counter) -> None:
        """Nobody has the turn. `clock` returns seconds."""
        self._clock = clock
        self._queue: deque[_Ticket] = deque()
        """The thread that has the turn, then those that wait, as tickets."""
        self._started_s = 0.0
        self._virtual_s: defaultdict[Hashable, float] = defaultdict(float)
        """Group → the time that it has had, divided by its weight."""
        self._changed = threading.Condition()

    @contextmanager
    def take(
        self, checkpoint: Checkpoint, *, group: Hashable = None, weight: int = 1
    ) -> Iterator[Callable[[], None]]:
        """Wait for the turn and keep it for the block.

        Yields a function that lets those that wait go first, and returns when it is this thread's
        turn again. While this thread waits, `checkpoint` is called repeatedly; if it raises, the
        thread leaves the queue.
        """
        ticket = _Ticket(group, min(weight, MAX_WEIGHT))
        with self._changed:
            self._enter(group)
            self._queue.append(ticket)
            if len(self._queue) == 1:
                self._started_s = self._clock()
        try:
            self._wait(ticket, checkpoint)
            yield partial(self._hand_over, ticket, checkpoint)
        finally:
            with self._changed:
                if self._queue[0] is ticket:
                    self._end_turn()
                    self._queue.popleft()
                    self._begin_turn()
                else:
                    self._queue.remove(ticket)

    def _enter(self, group: Hashable) -> None:
        """Let a group that comes back be owed no more than `LAG_S`."""
        if all(ticket.group != group for ticket in self._queue):
            now_s = (
                self._virtual_s[self._queue[0].group]
                if self._queue
                else max(self._virtual_s.values(), default=0.0)
            )
            self._virtual_s[group] = max(self._virtual_s[group], now_s - LAG_S)

    def _hand_over(self, ticket: _Ticket, checkpoint: Checkpoint) -> None:
        with self._changed:
            self._end_turn()
            self._queue.rotate(-1)
            self._begin_turn()
        self._wait(ticket, checkpoint)

    def _end_turn(self) -> None:
        """Charge the group of the thread that has the turn."""
        ticket = self._queue[0]
        self._virtual_s[ticket.group] += (self._clock() - self._started_s) / ticket.weight

    def _begin_turn(self) -> None:
        """Let the first thread go of the group that is owed most."""
        if self._queue:
            following = min(self._queue, key=lambda ticket: self._virtual_s[ticket.group])
            self._queue.remove(following)
            self._queue.appendleft(following)
            self._started_s = self._clock()
            self._changed.notify_all()

    def _wait(self, ticket: _Ticket, checkpoint: Checkpoint) -> None:
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._queue[0] is ticket, timeout=CHECK_S):
                    return
            checkpoint()
