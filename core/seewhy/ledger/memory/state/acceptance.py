"""How a job of the in-memory ledger is accepted, alone or as an item of a batch."""

from seewhy.ledger.memory.state.finish import coalesce
from seewhy.ledger.memory.state.state import LedgerState
from seewhy.ledger.types import Submission


def add_job(state: LedgerState, submission: Submission, *, fence: int = 0) -> bool:
    """Add a queued job; return whether it must be computed."""
    entry = state.accept(submission)
    state.update(submission.job_id, fence=fence)
    state.due[submission.job_id] = state.now()
    return not entry.fingerprint or coalesce(state, submission.job_id)
