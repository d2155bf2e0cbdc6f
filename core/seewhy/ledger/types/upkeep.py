"""Upkeep: sweeping, counting and restoring jobs."""

from dataclasses import dataclass, field

from seewhy.ledger.types.records import JobOutcome
from seewhy.ledger.types.submissions import Submission
from seewhy.schemas.job import JobState

SWEEP_LIMIT = 100
"""How many overdue jobs one sweep checks by default: it must not block Redis for long."""


@dataclass(frozen=True, slots=True)
class SweepResult:
    """One pass over overdue jobs."""

    examined: int
    wakeups: dict[str, int] = field(default_factory=dict)
    """Lane → how many wakeups it needs."""
    more: bool = False
    """Whether more jobs are overdue."""


@dataclass(frozen=True, slots=True)
class JobCounts:
    """The ledger's counters. `drift` is zero while no job was lost or invented (I5)."""

    accepted: int
    non_terminal: int
    terminal: dict[JobState, int] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)
    """Lane → number of its open jobs; the sum is `non_terminal`."""

    @property
    def drift(self) -> int:
        """Accepted - terminal - non-terminal."""
        return self.accepted - sum(self.terminal.values()) - self.non_terminal


@dataclass(frozen=True, slots=True)
class JobRestoration:
    """A job that the ledger lost. Without an outcome it runs (again)."""

    submission: Submission
    submitted_ms: int
    outcome: JobOutcome | None = None


@dataclass(frozen=True, slots=True)
class EpochMarker:
    """The epoch of the ledger's jobs, the server that held them then, and the server now."""

    epoch: str | None
    marked_by: str | None
    server: str
