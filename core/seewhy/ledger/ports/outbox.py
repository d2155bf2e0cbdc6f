"""The webhook outbox, as a dispatcher sees it.

The ledger writes a row in the step that finishes a job.
"""

from collections.abc import Sequence
from typing import Protocol

from seewhy.ledger.types import Attempt, JobRecord, OriginLease, Redelivery


class Outbox(Protocol):
    """Hands out deliveries. Every method is one atomic step and raises `LedgerUnavailable`.

    Leasing an origin charges an attempt to each delivery. Deliveries that are not reported,
    because the dispatcher died, are due again after `LedgerPolicy.origin_lease_ms`.
    """

    def lease_origin(self, *, limit: int) -> OriginLease | None:
        """Lease the origin that has waited longest, with up to `limit` due deliveries."""
        ...

    def report(self, lease: OriginLease, attempts: Sequence[Attempt], *, pause_ms: int = 0) -> None:
        """Report the attempts and end the lease. Nothing is sent to the origin for `pause_ms`.

        After the lease has expired, deliveries and an origin leased again stay unchanged.
        """
        ...

    def redeliver(self, job_id: str, *, interval_ms: int = 0) -> Redelivery:
        """Deliver an outcome again, with fresh attempts, unless it has no webhook or no outcome.

        At most once in `interval_ms`, by the ledger's clock.
        """
        ...

    def list_undelivered(self, *, limit: int = 1000) -> list[JobRecord]:
        """List the outcomes whose delivery was refused or exhausted, the oldest first."""
        ...

    def wakeups_needed(self) -> int:
        """Count the wakeups that dispatchers need: one per due origin, less the unread ones."""
        ...
