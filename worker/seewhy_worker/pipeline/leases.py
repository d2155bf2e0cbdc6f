"""Leases: two threads per worker process renew the leases of all claims it holds.

One renews every lease in time. The other follows the claims that stay on the device for long, so
that a worker notices a cancellation or a deadline at once and not at the next renewal.
"""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from seewhy.errors import LedgerUnavailable
from seewhy.ledger.ports.claims import ClaimLedger
from seewhy.ledger.types import Claim, LeaseStatus
from seewhy.periodic import PeriodicTask

FOLLOW_INTERVAL_S = 0.25


class Leases:
    """Renews the leases of claims in progress and records their status. Thread-safe."""

    def __init__(self, *, ledger: ClaimLedger, lease_s: float) -> None:
        """Renew three times per lease, so that one failed call loses no lease."""
        self._tasks = (
            PeriodicTask("leases", self.renew, interval_s=lease_s / 3, wait_first=True),
            PeriodicTask("follow", self.follow, interval_s=FOLLOW_INTERVAL_S, wait_first=True),
        )
        self._ledger = ledger
        self._statuses: dict[Claim, LeaseStatus] = {}
        self._followed: dict[Claim, bool] = {}
        """Claims on the device; True after their first interval there."""
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the threads."""
        for task in self._tasks:
            task.start()

    def stop(self) -> None:
        """Stop after the current renewals."""
        for task in self._tasks:
            task.stop()

    @contextmanager
    def holding(self, claims: Sequence[Claim]) -> Iterator[None]:
        """Renew the leases of these claims while the block runs."""
        with self._lock:
            self._statuses.update(dict.fromkeys(claims, LeaseStatus.HELD))
        try:
            yield
        finally:
            with self._lock:
                for claim in claims:
                    self._statuses.pop(claim, None)

    @contextmanager
    def following(self, claims: Sequence[Claim]) -> Iterator[None]:
        """Read the status of these claims often while the block runs, if it takes long."""
        with self._lock:
            self._followed.update(dict.fromkeys(claims, False))
        try:
            yield
        finally:
            with self._lock:
                for claim in claims:
                    self._followed.pop(claim, None)

    def status(self, claim: Claim) -> LeaseStatus:
        """Return the claim's status as of the last renewal."""
        with self._lock:
            return self._statuses.get(claim, LeaseStatus.LOST)

    def count(self) -> int:
        """Return how many claims are in progress."""
        with self._lock:
            return len(self._statuses)

    def holds_only(self, claim: Claim) -> bool:
        """Whether this process holds no other claim, not even a lost one that still runs."""
        with self._lock:
            return set(self._statuses) <= {claim}

    def renew(self) -> None:
        """Renew all leases now. Raises `LedgerUnavailable`."""
        with self._lock:
            claims = list(self._statuses)
        self._renew(claims)

    def follow(self) -> None:
        """Renew the leases of the claims that have been followed for an interval.

        The other thread reports that the ledger is unavailable.
        """
        with self._lock:
            claims = [claim for claim, is_old in self._followed.items() if is_old]
            self._followed.update(dict.fromkeys(self._followed, True))
        with contextlib.suppress(LedgerUnavailable):
            self._renew(claims)

    def _renew(self, claims: Sequence[Claim]) -> None:
        if not claims:
            return
        statuses = self._ledger.renew(claims)
        with self._lock:
            for claim, status in zip(claims, statuses, strict=True):
                if claim in self._statuses:
                    self._statuses[claim] = status
