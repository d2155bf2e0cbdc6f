"""What a worker and the sweep do to a job of the in-memory ledger, one plain function each."""

from seewhy.ledger.memory.finish import called_off, settle
from seewhy.ledger.memory.state import Book, Entry
from seewhy.ledger.types import Claim, Completion, JobFailure, LeaseStatus
from seewhy.schemas.job import JobState


def take(book: Book, entry: Entry, owner: str) -> Claim | None:
    """Claim one ready job, unless its deadline is over."""
    record, now = entry.record, book.now()
    entry.ready = False
    if book.past_deadline(record):
        settle(book, record.job_id, JobState.EXPIRED)
        return None
    record = book.change(
        record.job_id,
        state=JobState.RUNNING,
        owner=owner,
        fence=record.fence + 1,
        attempts=record.attempts + 1,
        started_ms=now if record.started_ms is None else record.started_ms,
    )
    book.due[record.job_id] = now + book.policy.lease_ms
    book.announce(record.job_id, JobState.RUNNING)
    return Claim(record.job_id, record.fence, record.attempts, record.lane, record.job)


def renew(book: Book, claim: Claim) -> LeaseStatus:
    """Renew one lease."""
    if not book.current(claim):
        return LeaseStatus.LOST
    record = book.entries[claim.job_id].record
    if book.past_deadline(record):
        settle(book, claim.job_id, JobState.EXPIRED)
        return LeaseStatus.LOST
    book.due[claim.job_id] = book.now() + book.policy.lease_ms
    return LeaseStatus.CANCEL if record.cancel_requested else LeaseStatus.HELD


def complete(book: Book, completion: Completion) -> None:
    """Make a job succeeded."""
    settle(book, completion.claim.job_id, JobState.SUCCEEDED, result=completion.result)


def cancel_claimed(book: Book, job_id: str) -> bool:
    """Make a job cancelled if that was asked for."""
    if not book.entries[job_id].record.cancel_requested:
        return False
    settle(book, job_id, JobState.CANCELLED)
    return True


def fail(book: Book, failure: JobFailure) -> None:
    """Fail a job, or let it wait for another attempt."""
    job_id, delay_ms = failure.claim.job_id, failure.retry_in_ms
    attempts = book.entries[job_id].record.attempts
    if delay_ms is None or attempts >= book.policy.max_attempts:
        error = {"error_code": failure.code, "error_detail": failure.detail}
        settle(book, job_id, JobState.FAILED, **error)
    elif not called_off(book, job_id):
        book.requeue(job_id)
        book.due[job_id] = book.now() + delay_ms


def release(book: Book, job_id: str, *, retry_in_ms: int) -> None:
    """Give one job back uncharged, to be run at once or after a while."""
    book.change(job_id, attempts=book.entries[job_id].record.attempts - 1)
    if called_off(book, job_id):
        return
    book.requeue(job_id)
    if retry_in_ms:
        book.due[job_id] = book.now() + retry_in_ms
    else:
        book.make_ready(job_id)


def crashed(book: Book, job_id: str) -> bool:
    """Judge a job whose lease ran out; True: it has been made ready again."""
    record = book.entries[job_id].record
    book.change(job_id, crashes=record.crashes + 1)
    if called_off(book, job_id):
        return False
    if record.attempts >= book.policy.max_attempts:
        settle(
            book,
            job_id,
            JobState.FAILED,
            error_code="worker_lost",
            error_detail="The worker died or fell silent on every attempt.",
        )
        return False
    book.requeue(job_id)
    book.change(job_id, alone=True)
    book.make_ready(job_id)
    return True
