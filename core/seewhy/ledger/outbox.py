"""The port of those who deliver webhooks. The ledger writes a row in the step that ends a job."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from seewhy.ledger.records import Record


@dataclass(frozen=True, slots=True)
class Notice:
    """One outcome to be told, for the `attempt`-th time."""

    record: Record
    attempt: int


@dataclass(frozen=True, slots=True)
class Turn:
    """What is due at one origin, which nobody else calls until the turn is reported, or over."""

    origin: str
    until_ms: int
    """When it is over, by the ledger's clock. A later turn at this origin ends later."""
    notices: tuple[Notice, ...]


class Verdict(StrEnum):
    """How an attempt ended."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    EXHAUSTED = "exhausted"
    RETRY = "retry"
    UNTRIED = "untried"
    """Not attempted after all, and not charged."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a notice; `retry_in_ms` counts for RETRY alone."""

    notice: Notice
    verdict: Verdict
    detail: str = ""
    retry_in_ms: int = 0


class Outbox(Protocol):
    """Every method is one atomic step and raises `LedgerUnavailable` when Redis is away.

    An attempt is charged when the turn is taken. What a courier does not report, because it died,
    is due again after the policy's `turn_ms`, and so is its origin.
    """

    def take_turn(self, *, limit: int) -> Turn | None:
        """Take up to `limit` due notices of the origin that has waited longest; None: nothing."""
        ...

    def report(self, turn: Turn, tried: Sequence[Tried], *, pause_ms: int = 0) -> None:
        """End the turn. Nobody calls at its origin for `pause_ms`.

        What has been taken over by another turn is left to that: its notices, and the origin.
        """
        ...

    def redeliver(self, job_id: str) -> bool:
        """Tell an outcome again, from the first attempt. False: no webhook, or no outcome yet."""
        ...

    def undelivered(self, *, limit: int = 1000) -> list[Record]:
        """List the outcomes whose telling was given up, the longest ago first."""
        ...

    def couriers_wanted(self) -> int:
        """Count the hints that couriers still lack: one for each origin that is due."""
        ...
