"""The limits on open event streams: of a process, and of each client."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from seewhy.errors import TooManyStreams

RETRY_AFTER_S = 2


class StreamSlots:
    """Counts the open streams of one process."""

    def __init__(self, *, total: int, per_client: int) -> None:
        """Allow `total` streams, and `per_client` of them to one client."""
        self._total = total
        self._per_client = per_client
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def take(self, client: str) -> Iterator[None]:
        """Count a stream of `client` for the length of the block. Raises `TooManyStreams`."""
        with self._lock:
            for count, limit in (
                (self._open[client], self._per_client),
                (self._open.total(), self._total),
            ):
                if count >= limit:
                    raise TooManyStreams(
                        f"Stream limit ({limit}) reached. Retry later, or poll.",
                        retry_after_s=RETRY_AFTER_S,
                    )
            self._open[client] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[client] -= 1
                if not self._open[client]:
                    del self._open[client]
