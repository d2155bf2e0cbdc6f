"""One request at a time for each task of Label Studio, and one write at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from seewhy_api.label_studio.client import LabelStudioError, acquire_in_time
from seewhy_api.outgoing.deadline import Deadline

_LOCKS = 64


class TaskTurns:
    """The turns of the threads of a process. The lease of an origin excludes other processes."""

    def __init__(self) -> None:
        """Create the locks, which tasks share."""
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        self._writing = threading.Lock()

    @contextmanager
    def take(self, task: int, deadline: Deadline) -> Iterator[None]:
        """Hold the turn of a task: two jobs may be for one. Raises `LabelStudioError`."""
        lock = self._locks[task % _LOCKS]
        if not acquire_in_time(lock, deadline):
            raise LabelStudioError("Another push to this task takes too long.")
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def write(self, deadline: Deadline) -> Iterator[None]:
        """Hold the turn to write. Raises `LabelStudioError`.

        SQLite, the default database of Label Studio, refuses simultaneous writes (500, "database is
        locked").
        """
        if not acquire_in_time(self._writing, deadline):
            raise LabelStudioError("The pushes to other tasks take too long.")
        try:
            yield
        finally:
            self._writing.release()
