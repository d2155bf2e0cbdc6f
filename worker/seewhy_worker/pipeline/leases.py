"""Leases: one thread per worker process renews the leases of all claims it holds."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from seewhy.ledger.ports.claims import ClaimLedger
from seewhy.ledger.types import Claim, LeaseStatus
from seewhy.periodic import PeriodicTask


class Leases:
    """Renews the leases of claims in progress and records their status. Thread-safe."""

    def __init__(self, *, ledger: ClaimLedger, lease_s: float) -> None:
        """Renew three times per lease, so that one failed call loses no lease."""
        self._task = PeriodicTask("leases", self.renew, interval_s=lease_s / 3, wait_first=True)
        self._ledger = ledger
        self._statuses: dict[Claim, LeaseStatus] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the thread."""
        self._task.start()

    def stop(self) -> None:
        """Stop after the current renewal."""
        self._task.stop()

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

    def status(self, claim: Claim) -> LeaseStatus:
        """Return the claim's status as of the last renewal."""
        with self._lock:
            return self._statuses.get(claim, LeaseStatus.LOST)

    def holds_only(self, claim: Claim) -> bool:
        """Whether this process holds no other claim, not even a lost one that still runs."""
        with self._lock:
            return set(self._statuses) <= {claim}

    def renew(self) -> None:
        """Renew all leases now. Raises `LedgerUnavailable`."""
        with self._lock:
            claims = list(self._statuses)
        if not claims:
            return
        statuses = self._ledger.renew(claims)
        with self._lock:
            for claim, status in zip(claims, statuses, strict=True):
                if claim in self._statuses:
                    self._statuses[claim] = status
