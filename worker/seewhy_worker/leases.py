"""Leases: one thread per worker process renews every claim the process holds."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from seewhy.ledger.ledger import Ledger
from seewhy.ledger.records import Claim, Hold
from seewhy.rounds import Rounds


class Leases(Rounds):
    """Keeps claims alive while they are worked on, and hears what the ledger says of them."""

    def __init__(self, *, ledger: Ledger, lease_s: float) -> None:
        """Renew three times per lease once started, so that one missed call loses nothing."""
        super().__init__("leases", self.renew, interval_s=lease_s / 3, rest_first=True)
        self._ledger = ledger
        self._holds: dict[Claim, Hold] = {}
        self._lock = threading.Lock()

    @contextmanager
    def holding(self, claims: Sequence[Claim]) -> Iterator[None]:
        """Renew these claims for the length of the block."""
        with self._lock:
            self._holds.update(dict.fromkeys(claims, Hold.HELD))
        try:
            yield
        finally:
            with self._lock:
                for claim in claims:
                    self._holds.pop(claim, None)

    def of(self, claim: Claim) -> Hold:
        """What the ledger said of the claim when its lease was last renewed."""
        with self._lock:
            return self._holds.get(claim, Hold.LOST)

    def renew(self) -> None:
        """Renew all now. Raises `LedgerUnavailable`."""
        with self._lock:
            claims = list(self._holds)
        if not claims:
            return
        answers = self._ledger.extend(claims)
        with self._lock:
            for claim, answer in zip(claims, answers, strict=True):
                if claim in self._holds:
                    self._holds[claim] = answer
