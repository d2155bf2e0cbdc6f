"""Dead letters, as an operator sees them."""

from collections.abc import Sequence
from typing import Protocol

from seewhy.ledger.ports.jobs import JobReader
from seewhy.ledger.types import JobRecord


class DeadLetterLedger(JobReader, Protocol):
    """Lists failed jobs. Every method is one atomic step and raises `LedgerUnavailable`."""

    def list_dead_letters(self, *, limit: int = 1000, tenant: str | None = None) -> list[JobRecord]:
        """List the oldest failed jobs that were not dismissed and are within their retention.

        With `tenant`, only its own. The time grows with the number of all dead letters.
        """
        ...

    def is_dead_letter(self, job_id: str) -> bool:
        """Whether a job has failed and was not dismissed."""
        ...

    def dismiss(self, job_ids: Sequence[str]) -> int:
        """Remove jobs from the dead letters; return how many were removed."""
        ...
