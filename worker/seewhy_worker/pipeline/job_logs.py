"""Which jobs the log lines of a worker are about."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from seewhy.ledger.types import Claim
from seewhy.logs.context import about


def about_job(claim: Claim) -> AbstractContextManager[None]:
    """Name one job, and the request that it came with, in the lines that the block logs."""
    return about(job_id=claim.job_id, request_id=claim.context.request_id, job_ids=None)


def about_jobs(claims: Sequence[Claim]) -> AbstractContextManager[None]:
    """Name the jobs of a batch in the lines that the block logs."""
    return about(job_ids=[claim.job_id for claim in claims])
