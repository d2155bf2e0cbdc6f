"""How a job of the in-memory ledger receives its outcome, and coalescing."""

from seewhy.ledger.memory.state.queues import make_ready, schedule_recheck
from seewhy.ledger.memory.state.quotas import take_owed
from seewhy.ledger.memory.state.state import FinishedJob, LedgerState, Original
from seewhy.ledger.types import BatchState, priority_of
from seewhy.schemas.job import JobState


def finish(state: LedgerState, job_id: str, outcome: JobState, **changes: object) -> None:
    """Give a job its outcome."""
    entry = state.entries[job_id]
    if entry.record.started_ms is not None:
        record = entry.record
        finished = FinishedJob(state.now(), record.lane, record.context.tenant, record.cost)
        state.finished.append(finished)
    entry.ready, entry.duplicate_of = False, None
    values = {"finished_ms": state.now(), "owner": None, "exposed": False, **changes}
    record = state.update(job_id, state=outcome, **values)
    del state.due[job_id]
    state.terminal[outcome] += 1
    if outcome is not JobState.SUCCEEDED or record.cached:
        state.unarchived[job_id] = state.now()
    else:
        durations_ms = state.durations_ms[priority_of(record.lane)]
        durations_ms.append(max(0, state.now() - record.submitted_ms))
    if outcome is JobState.FAILED:
        state.dead_letters[job_id] = state.now()
    state.add_delivery(job_id)
    state.publish_event(job_id, outcome)
    if record.batch in state.batches:
        end_batch(state, record.batch)
    if entry.fingerprint:
        _finish_duplicates(state, job_id, entry.fingerprint, outcome)


def end_batch(state: LedgerState, batch_id: str) -> None:
    """Give a batch its outcome if all its items have one."""
    batch = state.batches[batch_id]
    jobs = [e.record for e in state.entries.values() if e.record.batch == batch_id]
    if batch.state is not BatchState.RUNNING or any(not job.state.terminal for job in jobs):
        return
    finished = BatchState.CANCELLED if batch.cancel_requested else BatchState.FINISHED
    finish_batch(state, batch_id, finished)


def finish_batch(state: LedgerState, batch_id: str, outcome: BatchState) -> None:
    """Give a batch its outcome."""
    state.update_batch(batch_id, state=outcome, finished_ms=state.now())
    state.unarchived_batches[batch_id] = state.now()
    state.batches_due.pop(batch_id, None)
    state.add_batch_delivery(batch_id)


def cancel_job(state: LedgerState, job_id: str) -> None:
    """Cancel a queued job, or ask for the end of a running one."""
    entry = state.entries.get(job_id)
    if entry is None or entry.record.state.terminal:
        return
    before = entry.record.state
    state.update(job_id, cancel_requested=True)
    if before is JobState.QUEUED:
        finish(state, job_id, JobState.CANCELLED)


def cancel_or_expire(state: LedgerState, job_id: str) -> bool:
    """Finish a job if its client cancelled it or its deadline has passed."""
    record = state.entries[job_id].record
    if record.cancel_requested:
        finish(state, job_id, JobState.CANCELLED)
    elif state.past_deadline(record):
        finish(state, job_id, JobState.EXPIRED)
    else:
        return False
    return True


def coalesce(state: LedgerState, job_id: str) -> bool:
    """Return True when the job must be computed; False: it is a duplicate now, or has finished."""
    entry = state.entries[job_id]
    known = state.originals.get(entry.fingerprint or "")
    original = state.entries.get(known.job_id) if known else None
    if known and (known.expires_ms <= state.now() or known.job_id == job_id):
        original = None
    if original and not state.has_expired(original.record):
        other = original.record
        if other.state is JobState.SUCCEEDED:
            _share_outcome(state, job_id, other.job_id)
            return False
        queued_first = other.state is JobState.QUEUED and other.lane == entry.record.lane
        if (other.state is JobState.RUNNING or queued_first) and not other.cancel_requested:
            entry.duplicate_of = other.job_id
            _schedule_duplicate(state, job_id)
            return False
    state.originals[entry.fingerprint or ""] = Original(job_id)
    return True


def check_duplicate(state: LedgerState, job_id: str) -> None:
    """Check a duplicate whose original may be gone."""
    entry = state.entries[job_id]
    original = state.entries.get(entry.duplicate_of or "")
    found = original.record.state if original and not state.has_expired(original.record) else None
    if found in {JobState.QUEUED, JobState.RUNNING}:
        _schedule_duplicate(state, job_id)
    elif original and found in {JobState.SUCCEEDED, JobState.FAILED}:
        _share_with_duplicates(state, original.record.job_id)
    else:
        _reassign(state, job_id)


def _reassign(state: LedgerState, job_id: str) -> None:
    """Give a duplicate without an original another one, or compute it."""
    state.entries[job_id].duplicate_of = None
    if coalesce(state, job_id):
        take_owed(state, job_id)
        make_ready(state, job_id)


def _schedule_duplicate(state: LedgerState, job_id: str) -> None:
    """Set when the sweep checks a duplicate next: the longer it waits, the less often."""
    age_ms = state.now() - state.entries[job_id].record.submitted_ms
    policy = state.policy
    in_ms = max(policy.recheck_ms, min(age_ms, policy.recheck_max_ms))
    schedule_recheck(state, job_id, in_ms=in_ms)


def _share_outcome(state: LedgerState, job_id: str, original_id: str) -> None:
    """Finish a duplicate with the outcome of its original."""
    original = state.entries[original_id].record
    names = ("result",) if original.state is JobState.SUCCEEDED else ("error_code", "error_detail")
    outcome = {name: getattr(original, name) or "" for name in names}
    finish(state, job_id, original.state, cached=True, **outcome)


def _share_with_duplicates(state: LedgerState, original_id: str) -> None:
    """Finish duplicates, as many as the step may; then the next one is due at once."""
    for duplicate in _duplicates(state, original_id):
        if state.shareable == 0:
            state.due[duplicate] = state.now()
            return
        state.shareable -= 1
        _share_outcome(state, duplicate, original_id)


def _duplicates(state: LedgerState, job_id: str) -> list[str]:
    """List the duplicates of a job in their order."""
    waiting = [entry for entry in state.entries.values() if entry.duplicate_of == job_id]
    waiting.sort(key=lambda entry: (entry.sequence, entry.record.job_id))
    return [entry.record.job_id for entry in waiting]


def _finish_duplicates(
    state: LedgerState, job_id: str, fingerprint: str, outcome: JobState
) -> None:
    original = state.originals.get(fingerprint)
    if original and original.job_id == job_id:
        if outcome is JobState.SUCCEEDED and state.policy.cache_ms > 0:
            original.expires_ms = state.now() + state.policy.cache_ms
        else:
            del state.originals[fingerprint]
    if outcome in {JobState.SUCCEEDED, JobState.FAILED}:
        _share_with_duplicates(state, job_id)
    elif duplicates := _duplicates(state, job_id):
        _reassign(state, duplicates[0])
