"""Leases: one thread per worker process renews every claim the process holds."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from seewhy.ledger.ports.ledger import Ledger
from seewhy.ledger.types import Claim, LeaseStatus
from seewhy.periodic import PeriodicTask


class Leases:
    """Keeps claims alive while they are worked on, and hears what the ledger says of them."""

    def __init__(self, *, ledger: Ledger, lease_s: float) -> None:
        """Renew three times per lease once started, so that one missed call loses nothing."""
        self._task = PeriodicTask("leases", self.renew, interval_s=lease_s / 3, wait_first=True)
        self._ledger = ledger
        self._holds: dict[Claim, LeaseStatus] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the thread."""
        self._task.start()

    def stop(self) -> None:
        """Stop after the current renewal."""
        self._task.stop()

    @contextmanager
    def holding(self, claims: Sequence[Claim]) -> Iterator[None]:
        """Renew these claims for the length of the block."""
        with self._lock:
            self._holds.update(dict.fromkeys(claims, LeaseStatus.HELD))
        try:
            yield
        finally:
            with self._lock:
                for claim in claims:
                    self._holds.pop(claim, None)

    def of(self, claim: Claim) -> LeaseStatus:
        """What the ledger said of the claim when its lease was last renewed."""
        with self._lock:
            return self._holds.get(claim, LeaseStatus.LOST)

    def renew(self) -> None:
        """Renew all now. Raises `LedgerUnavailable`."""
        with self._lock:
            claims = list(self._holds)
        if not claims:
            return
        answers = self._ledger.renew(claims)
        with self._lock:
            for claim, answer in zip(claims, answers, strict=True):
                if claim in self._holds:
                    self._holds[claim] = answer
