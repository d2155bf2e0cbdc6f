"""Batches in memory."""

import math
from collections.abc import Sequence
from dataclasses import asdict

from seewhy.ledger.memory.state.acceptance import add_job
from seewhy.ledger.memory.state.admission import MAX_RETRY_MS, reached_limit
from seewhy.ledger.memory.state.finish import cancel_job, end_batch, finish_batch
from seewhy.ledger.memory.state.queues import make_ready, wakeups_needed
from seewhy.ledger.memory.state.quotas import reached_quota, take_quota
from seewhy.ledger.memory.state.state import LedgerState
from seewhy.ledger.types import (
    BatchItem,
    BatchOutcome,
    BatchProgress,
    BatchReceipt,
    BatchRecord,
    BatchRestoration,
    BatchState,
    BatchSubmission,
    Charge,
    JobRecord,
    LimitScope,
    QueueLimit,
    QuotaLimit,
    Quotas,
    Submission,
)


class MemoryBatches:
    """Implements `seewhy.ledger.ports.batches.BatchLedger` on the state of an in-memory ledger."""

    def __init__(self, state: LedgerState) -> None:
        """Keep batches in this state."""
        self._state = state

    def create(self, submission: BatchSubmission) -> BatchReceipt:
        """Accept a batch, unless its tenant has too many."""
        state, context = self._state, submission.context
        with state.changed:
            if submission.batch_id in state.batches:
                return BatchReceipt(created=False)
            open_batches = [
                batch
                for batch in state.batches.values()
                if batch.context.tenant == context.tenant and not batch.state.terminal
            ]
            if len(open_batches) >= state.policy.tenant_batch_limit:
                limit = QueueLimit(LimitScope.BATCHES, MAX_RETRY_MS)
                return BatchReceipt(created=False, limit_reached=limit)
            self._add(submission, created_ms=state.now())
            if submission.key:
                state.bind_key(submission.key, context, submission.batch_id, accepted=True)
            return BatchReceipt(created=True)

    def read(self, batch_id: str) -> BatchRecord | None:
        """Read one batch; None when it is unknown or past its retention."""
        with self._state.changed:
            batch = self._state.batches.get(batch_id)
            return (
                self._state.counted(batch)
                if batch and not self._state.batch_has_expired(batch)
                else None
            )

    def read_jobs(self, job_ids: Sequence[str]) -> list[JobRecord | None]:
        """Read jobs, in the order given; None for those that are unknown."""
        with self._state.changed:
            entries = [self._state.entries.get(job_id) for job_id in job_ids]
            return [
                entry.record if entry and not self._state.has_expired(entry.record) else None
                for entry in entries
            ]

    def lease(self, owner: str, *, lease_ms: int) -> BatchRecord | None:
        """Lease the batch that has waited longest for its acceptor."""
        state = self._state
        with state.changed:
            order = sorted((at, batch_id) for batch_id, at in state.batches_due.items())
            if not order or order[0][0] > state.now():
                return None
            batch_id = order[0][1]
            state.batches_due[batch_id] = state.now() + lease_ms
            return self._state.counted(state.update_batch(batch_id, acceptor=owner))

    def release(self, batch_id: str, owner: str, *, retry_in_ms: int = 0) -> None:
        """Give up a lease."""
        with self._state.changed:
            if self._held(batch_id, owner):
                self._state.update_batch(batch_id, acceptor=None)
                self._state.batches_due[batch_id] = self._state.now() + retry_in_ms

    def extend(
        self,
        batch_id: str,
        owner: str,
        *,
        first: int,
        count: int,
        lease_ms: int,
        complete: bool = False,
    ) -> BatchProgress:
        """Add items to a batch that is being listed, and renew the lease."""
        state = self._state
        with state.changed:
            batch = self._held(batch_id, owner, BatchState.LISTING)
            if batch is None:
                return BatchProgress(held=False)
            state.batches_due[batch_id] = state.now() + lease_ms
            if first != batch.total:
                return BatchProgress(True, batch.total)
            after = BatchState.ACCEPTING if complete else BatchState.LISTING
            batch = state.update_batch(batch_id, total=first + count, state=after)
            return BatchProgress(True, batch.total)

    def fail(self, batch_id: str, owner: str, *, code: str, detail: str) -> bool:
        """End a batch whose items cannot be listed."""
        state = self._state
        with state.changed:
            if self._held(batch_id, owner, BatchState.LISTING) is None:
                return False
            state.update_batch(batch_id, total=0, error_code=code, error_detail=detail)
            finish_batch(state, batch_id, BatchState.FAILED)
            return True

    def submit_many(
        self,
        batch_id: str,
        owner: str,
        items: Sequence[BatchItem],
        *,
        first: int,
        lease_ms: int,
        quotas: Quotas | None = None,
    ) -> BatchProgress:
        """Make jobs of the items from index `first` on, and renew the lease."""
        state = self._state
        with state.changed:
            batch = self._held(batch_id, owner, BatchState.ACCEPTING)
            if batch is None:
                return BatchProgress(held=False)
            position, limit = batch.position, None
            lanes: set[str] = set()
            while not limit and first <= position < first + len(items):
                limit = self._submit_item(batch, items[position - first], quotas, lanes)
                position += limit is None
            batch = state.update_batch(batch_id, position=position)
            state.batches_due[batch_id] = state.now() + lease_ms
            if position == batch.total:
                self._end_acceptance(batch)
            needed = {lane: wakeups_needed(state, lane) for lane in lanes}
            wakeups = {lane: times for lane, times in needed.items() if times}
            return BatchProgress(True, position, limit, wakeups)

    def cancel(self, batch_id: str) -> BatchRecord | None:
        """Request the cancellation of a batch."""
        state = self._state
        with state.changed:
            batch = state.batches.get(batch_id)
            if batch is None or self._state.batch_has_expired(batch):
                return None
            if not batch.state.terminal and not batch.cancel_requested:
                batch = state.update_batch(batch_id, cancel_requested=True)
                if batch.acceptor is None or batch_id not in state.batches_due:
                    state.batches_due[batch_id] = state.now()
            return self._state.counted(batch)

    def cancel_jobs(
        self, batch_id: str, owner: str, job_ids: Sequence[str], *, first: int, lease_ms: int
    ) -> BatchProgress:
        """Cancel the jobs of the items from index `first` on, and renew the lease."""
        state = self._state
        with state.changed:
            batch = self._held(batch_id, owner, BatchState.RUNNING)
            if batch is None:
                return BatchProgress(held=False)
            last = first + len(job_ids)
            if not first <= batch.cancel_position < last:
                return BatchProgress(True, batch.cancel_position)
            state.shareable = state.policy.max_shared
            for job_id in job_ids:
                cancel_job(state, job_id)
            state.update_batch(batch_id, cancel_position=last)
            if last >= batch.total:
                state.batches_due.pop(batch_id, None)
            elif batch_id in state.batches_due:
                state.batches_due[batch_id] = state.now() + lease_ms
            return BatchProgress(True, last)

    def restore(self, restoration: BatchRestoration) -> bool:
        """Add a lost batch."""
        state, submission = self._state, restoration.submission
        with state.changed:
            created_ms = min(restoration.created_ms, state.now())
            outcome = restoration.outcome
            kept_from_ms = outcome.finished_ms if outcome else created_ms
            expired = kept_from_ms + state.policy.retention_ms <= state.now()
            if submission.batch_id in state.batches or expired:
                return False
            self._add(submission, created_ms=created_ms)
            state.update_batch(submission.batch_id, cancel_requested=restoration.cancel_requested)
            if outcome:
                self._restore_outcome(submission.batch_id, outcome)
            if submission.key:
                state.restore_key(
                    submission.key, submission.context, submission.batch_id, created_ms
                )
            return True

    def list_unarchived(self, *, limit: int = 100) -> list[BatchRecord]:
        """List the batches that ended first of those that are not in the object store yet.

        A batch is listed once the outcomes of its jobs are archived.
        """
        state = self._state
        with state.changed:
            before_ms = min(state.unarchived.values(), default=math.inf)
            listed = {id_: ms for id_, ms in state.unarchived_batches.items() if ms < before_ms}
            ids = sorted(listed, key=lambda batch_id: (listed[batch_id], batch_id))[:limit]
            found = {batch_id: self.read(batch_id) for batch_id in ids}
            self.mark_archived([batch_id for batch_id, batch in found.items() if batch is None])
            return [batch for batch in found.values() if batch]

    def mark_archived(self, batch_ids: Sequence[str]) -> None:
        """Remove batches that are now archived from the list."""
        with self._state.changed:
            for batch_id in batch_ids:
                self._state.unarchived_batches.pop(batch_id, None)

    def _restore_outcome(self, batch_id: str, outcome: BatchOutcome) -> None:
        state = self._state
        state.update_batch(batch_id, position=outcome.total, **asdict(outcome))
        del state.batches_due[batch_id]
        if state.now() < outcome.finished_ms + state.policy.webhook_retention_ms:
            state.add_batch_delivery(batch_id)

    def _add(self, submission: BatchSubmission, *, created_ms: int) -> None:
        state, batch_id = self._state, submission.batch_id
        state.batches[batch_id] = BatchRecord.accepted(submission, created_ms=created_ms)
        state.batches_due[batch_id] = state.now()

    def _submit_item(
        self, batch: BatchRecord, item: BatchItem, quotas: Quotas | None, lanes: set[str]
    ) -> QueueLimit | QuotaLimit | None:
        """Make a job of an item; return the limit that it must wait for, if any."""
        state, submission = self._state, item.submission
        if submission is None:
            if item.newly_refused:
                more = state.batches[batch.batch_id].refused + 1
                state.update_batch(batch.batch_id, refused=more)
            return None
        if submission.job_id in state.entries:
            return None
        if batch.cancel_requested:
            more = state.batches[batch.batch_id].dropped + 1
            state.update_batch(batch.batch_id, dropped=more)
            return None
        charge = Charge(quotas, item.passes) if quotas else None
        limit = self._limit(submission, charge)
        if limit:
            return limit
        computes = add_job(state, submission, fence=state.now())
        if charge:
            take_quota(state, submission.job_id, charge, computes=computes)
        if computes:
            make_ready(state, submission.job_id)
            self._note_last_job(batch.batch_id, submission)
        lanes.add(submission.lane)
        return None

    def _limit(
        self, submission: Submission, charge: Charge | None
    ) -> QueueLimit | QuotaLimit | None:
        lane, context = submission.lane, submission.context
        if limit := reached_limit(self._state, lane, context.tenant):
            return limit
        return reached_quota(self._state, lane, context, charge) if charge else None

    def _note_last_job(self, batch_id: str, submission: Submission) -> None:
        last = (*self._state.batches[batch_id].last_jobs, submission.job_id)
        lanes = {self._state.entries[job_id].record.lane: job_id for job_id in last}
        self._state.update_batch(batch_id, last_jobs=tuple(lanes[lane] for lane in sorted(lanes)))

    def _end_acceptance(self, batch: BatchRecord) -> None:
        state, batch_id = self._state, batch.batch_id
        state.update_batch(batch_id, state=BatchState.RUNNING, accepted_ms=state.now())
        if not batch.cancel_requested:
            del state.batches_due[batch_id]
        end_batch(state, batch_id)

    def _held(
        self, batch_id: str, owner: str, state: BatchState | None = None
    ) -> BatchRecord | None:
        """Return the batch if `owner` holds its lease and it is in `state`."""
        batch = self._state.batches.get(batch_id)
        if batch is None or batch.acceptor != owner or batch_id not in self._state.batches_due:
            return None
        return batch if state in {None, batch.state} else None
