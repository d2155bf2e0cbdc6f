"""Turns: a lock that threads take in the order of their arrival, and hand over when they choose."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from seewhy_worker.checkpoints.checkpoint import Checkpoint

CHECK_S = 0.1


class Turns:
    """Gives one thread at a time its turn."""

    def __init__(self) -> None:
        """Nobody has the turn."""
        self._queue: deque[object] = deque()
        """The thread that has the turn, then those that wait, as tickets."""
        self._changed = threading.Condition()

    @contextmanager
    def take(self, checkpoint: Checkpoint) -> Iterator[Callable[[], None]]:
        """Wait for the turn and keep it for the block.

        Yields a function that lets those that wait go first, and returns when it is this thread's
        turn again. While this thread waits, `checkpoint` is called repeatedly; if it raises, the
        thread leaves the queue.
        """
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
        try:
            self._wait(ticket, checkpoint)
            yield partial(self._hand_over, ticket, checkpoint)
        finally:
            with self._changed:
                self._queue.remove(ticket)
                self._changed.notify_all()

    def _hand_over(self, ticket: object, checkpoint: Checkpoint) -> None:
        with self._changed:
            self._queue.rotate(-1)
            self._changed.notify_all()
        self._wait(ticket, checkpoint)

    def _wait(self, ticket: object, checkpoint: Checkpoint) -> None:
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._queue[0] is ticket, timeout=CHECK_S):
                    return
            checkpoint()
