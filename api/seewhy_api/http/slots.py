"""Limits on what is open at once: in a process, and for each client."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from seewhy.errors import Overloaded


class ClientSlots:
    """Counts what is open in one process. Thread-safe."""

    def __init__(
        self, *, total: int, per_client: int, refusal: Callable[[int], Overloaded]
    ) -> None:
        """Allow `total` at once, and `per_client` of them to one client.

        `refusal` makes the error for a limit that is reached.
        """
        self._total = total
        self._per_client = per_client
        self._refusal = refusal
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def take(self, client: str) -> Iterator[None]:
        """Count one for `client` for the length of the block. Raises the refusal."""
        with self._lock:
            for count, limit in (
                (self._open[client], self._per_client),
                (self._open.total(), self._total),
            ):
                if count >= limit:
                    raise self._refusal(limit)
            self._open[client] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[client] -= 1
                if not self._open[client]:
                    del self._open[client]
