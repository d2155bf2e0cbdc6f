"""The port of those who deliver webhooks. The ledger writes a row in the step that ends a job."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from seewhy.ledger.types import JobRecord


@dataclass(frozen=True, slots=True)
class Delivery:
    """One outcome to be told, for the `attempt`-th time."""

    record: JobRecord
    attempt: int


@dataclass(frozen=True, slots=True)
class OriginLease:
    """What is due at one origin, which nobody else calls until the turn is reported, or over."""

    origin: str
    until_ms: int
    """When it is over, by the ledger's clock. A later turn at this origin ends later."""
    notices: tuple[Delivery, ...]


class DeliveryResult(StrEnum):
    """How an attempt ended."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    EXHAUSTED = "exhausted"
    RETRY = "retry"
    UNTRIED = "untried"
    """Not attempted after all, and not charged."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of a notice; `retry_in_ms` counts for RETRY alone."""

    notice: Delivery
    verdict: DeliveryResult
    detail: str = ""
    retry_in_ms: int = 0


class Outbox(Protocol):
    """Every method is one atomic step and raises `LedgerUnavailable` when Redis is away.

    An attempt is charged when the turn is taken. What a courier does not report, because it died,
    is due again after the policy's `turn_ms`, and so is its origin.
    """

    def lease_origin(self, *, limit: int) -> OriginLease | None:
        """Take up to `limit` due notices of the origin that has waited longest; None: nothing."""
        ...

    def report(self, turn: OriginLease, tried: Sequence[Attempt], *, pause_ms: int = 0) -> None:
        """End the turn. Nobody calls at its origin for `pause_ms`.

        What has been taken over by another turn is left to that: its notices, and the origin.
        """
        ...

    def redeliver(self, job_id: str) -> bool:
        """Tell an outcome again, from the first attempt. False: no webhook, or no outcome yet."""
        ...

    def list_undelivered(self, *, limit: int = 1000) -> list[JobRecord]:
        """List the outcomes whose telling was given up, the longest ago first."""
        ...

    def wakeups_needed(self) -> int:
        """Count the hints that couriers still lack: one for each origin that is due."""
        ...
