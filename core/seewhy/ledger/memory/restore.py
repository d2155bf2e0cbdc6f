"""How the in-memory ledger takes back a job that it has lost."""

from dataclasses import asdict

from seewhy.ledger.memory.state import Book, Entry
from seewhy.ledger.types import JobRecord, JobRestoration, Submission, WebhookStatus
from seewhy.schemas.job import JobState

EARLIER = 10**13
"""What is taken off a restored job's time to make its place: before all that came since."""


def restore(book: Book, lost: JobRestoration) -> bool:
    """Enter a lost job, finished or to run."""
    job_id, now, outcome = lost.submission.job_id, book.now(), lost.outcome
    if job_id in book.entries:
        return False
    submitted_ms = min(lost.submitted_ms, now)
    deadline_ms = lost.submission.deadline_ms
    record = JobRecord(
        job_id=job_id,
        lane=lost.submission.lane,
        job=lost.submission.job,
        context=lost.submission.context,
        submitted_ms=submitted_ms,
        deadline_ms=None if deadline_ms is None else submitted_ms + deadline_ms,
        fence=now,
        webhook=WebhookStatus(lost.submission.webhook) if lost.submission.webhook else None,
        **(asdict(outcome) if outcome else {"state": JobState.QUEUED}),
    )
    if book.forgotten(record):
        return False
    book.accepted += 1
    book.entries[job_id] = Entry(record, place=submitted_ms - EARLIER)
    _rebind(book, lost.submission, submitted_ms)
    if outcome:
        book.terminal[outcome.state] += 1
        if outcome.state is JobState.FAILED:
            book.dead[job_id] = outcome.finished_ms
        if now < outcome.finished_ms + book.policy.webhook_ms:
            book.post(job_id)
    else:
        book.make_ready(job_id)
        book.due[job_id] = now
    book.announce(job_id, record.state)
    return True


def _rebind(book: Book, submission: Submission, submitted_ms: int) -> None:
    key, ends_ms = submission.key, submitted_ms + book.policy.key_ttl_ms
    if key is None or ends_ms <= book.now():
        return
    context = submission.context
    known = book.keys.get((context.tenant, key.key))
    if known is None or known.expires_ms <= book.now() or known.job_id == submission.job_id:
        book.bind(key, context, submission.job_id, accepted=True)
        book.keys[context.tenant, key.key].expires_ms = ends_ms
