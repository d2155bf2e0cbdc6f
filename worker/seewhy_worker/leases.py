"""Leases: one thread per worker process renews every claim the process holds."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from seewhy.errors import LedgerUnavailable
from seewhy.ledger.ledger import Ledger
from seewhy.ledger.records import Claim, Hold

_log = logging.getLogger(__name__)


class Leases:
    """Keeps claims alive while they are worked on, and hears what the ledger says of them."""

    def __init__(self, *, ledger: Ledger, lease_s: float) -> None:
        """Renew three times per lease once started, so that one missed call loses nothing."""
        self._ledger = ledger
        self._interval_s = lease_s / 3
        self._holds: dict[Claim, Hold] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def stop(self) -> None:
        """Stop renewing; what is still held runs out."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=5)

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

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_s):
            try:
                self.renew()
            except LedgerUnavailable as error:
                _log.warning("could not renew the leases, trying again: %s", error)
