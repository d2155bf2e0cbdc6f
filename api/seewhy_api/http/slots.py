"""Limits on what is open at once: in a process, and for each client."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from seewhy.errors import (
    Overloaded,
    TooManyBatchDownloads,
    TooManyListings,
    TooManyRenderings,
    TooManyStreams,
)
from seewhy.settings import Settings

LISTINGS_AT_ONCE = 2
"""Of one kind: to make a list, thousands of names of objects may have to be read."""


class ClientSlots:
    """Counts what is open in one process. Thread-safe."""

    def __init__(
        self, *, total: int, per_client: int, refusal: Callable[[int], Overloaded]
    ) -> None:
        """Allow `total` at once, and `per_client` of them to one client.

        `refusal` makes the error for a limit that is reached.
        """
        self.total = total
        self._per_client = per_client
        self._refusal = refusal
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """How many are open."""
        with self._lock:
            return self._open.total()

    @contextmanager
    def take(self, client: str) -> Iterator[None]:
        """Count one for `client` for the length of the block. Raises the refusal."""
        with self._lock:
            for count, limit in (
                (self._open[client], self._per_client),
                (self._open.total(), self.total),
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


def stream_slots(settings: Settings) -> ClientSlots:
    """Limit the event streams of explanations and batches together: they share their threads."""
    return ClientSlots(
        total=settings.api_streams,
        per_client=settings.api_streams_per_client,
        refusal=lambda limit: TooManyStreams(
            f"Stream limit ({limit}) reached. Retry later, or poll.", retry_after_s=2
        ),
    )


def drawing_slots(settings: Settings) -> ClientSlots:
    """Limit what is drawn, or waits for it: it occupies threads that other requests need."""
    return ClientSlots(
        total=max(1, settings.api_threads // 2),
        per_client=max(1, settings.api_threads * 3 // 8),
        refusal=lambda limit: TooManyRenderings(
            f"The limit on drawings at once ({limit}) is reached. Retry later.", retry_after_s=1
        ),
    )


def batch_download_slots(settings: Settings) -> ClientSlots:
    """Limit the long responses of batches: each occupies a thread until its client has read it."""
    return ClientSlots(
        total=max(1, settings.api_threads // 4),
        per_client=max(1, settings.api_threads // 8),
        refusal=lambda limit: TooManyBatchDownloads(
            f"The limit on downloads of batches at once ({limit}) is reached. Retry later.",
            retry_after_s=2,
        ),
    )


def listing_slots(subject: str) -> ClientSlots:
    """Limit the lists of `subject` that are read at once, to one for each tenant."""
    return ClientSlots(
        total=LISTINGS_AT_ONCE,
        per_client=1,
        refusal=lambda _: TooManyListings(
            f"The list of {subject} is being read. Retry later.", retry_after_s=1
        ),
    )
