"""Dead letters, as an operator sees them."""

from collections.abc import Sequence
from typing import Protocol

from seewhy.ledger.ports.jobs import JobReader
from seewhy.ledger.types import JobRecord


class DeadLetterLedger(JobReader, Protocol):
    """Lists failed jobs. Every method is one atomic step and raises `LedgerUnavailable`."""

    def list_dead_letters(self, *, limit: int = 1000) -> list[JobRecord]:
        """List the oldest failed jobs that were not dismissed and are within their retention."""
        ...

    def dismiss(self, job_ids: Sequence[str]) -> int:
        """Remove jobs from the dead letters; return how many were removed."""
        ...
