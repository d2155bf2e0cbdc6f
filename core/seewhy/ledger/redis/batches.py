"""Batches in Redis or Valkey."""

import math
from collections.abc import Sequence
from dataclasses import asdict

from seewhy.ledger.redis.client.connection import translated
from seewhy.ledger.redis.client.encoding import (
    decode_limit,
    encode_batch,
    encode_fields,
    encode_item,
    pairs,
    read_batch,
    read_record,
)
from seewhy.ledger.redis.client.keys import UNARCHIVED, UNARCHIVED_BATCHES, batch_key, job_key
from seewhy.ledger.redis.client.scripts import Scripts
from seewhy.ledger.types import (
    BatchItem,
    BatchProgress,
    BatchReceipt,
    BatchRecord,
    BatchRestoration,
    BatchSubmission,
    JobRecord,
    QueueLimit,
    Quotas,
)


class RedisBatches:
    """Implements `seewhy.ledger.ports.batches.BatchLedger` on the keys of a Redis ledger."""

    def __init__(self, scripts: Scripts) -> None:
        """Call through these scripts."""
        self._scripts = scripts
        self._call = scripts.call

    def create(self, submission: BatchSubmission) -> BatchReceipt:
        """Accept a batch, unless its tenant has too many."""
        created, reached = self._call("batches/create", **encode_batch(submission))
        limit = decode_limit(reached)
        return BatchReceipt(bool(created), limit if isinstance(limit, QueueLimit) else None)

    def read(self, batch_id: str) -> BatchRecord | None:
        """Read one batch; None when it is unknown or past its retention."""
        with translated():
            return read_batch(batch_id, self._scripts.client.hgetall(batch_key(batch_id)))

    def read_jobs(self, job_ids: Sequence[str]) -> list[JobRecord | None]:
        """Read jobs, in the order given; None for those that are unknown."""
        with translated():
            pipeline = self._scripts.client.pipeline(transaction=False)
            for job_id in job_ids:
                pipeline.hgetall(job_key(job_id))
            hashes = pipeline.execute()
        return [read_record(*found) for found in zip(job_ids, hashes, strict=True)]

    def lease(self, owner: str, *, lease_ms: int) -> BatchRecord | None:
        """Lease the batch that has waited longest for its acceptor."""
        answer = self._call("batches/lease", owner=owner, lease_ms=lease_ms)
        return read_batch(answer[0], pairs(answer[1:])) if answer else None

    def release(self, batch_id: str, owner: str, *, retry_in_ms: int = 0) -> None:
        """Give up a lease."""
        self._call("batches/release", batch_id=batch_id, owner=owner, retry_in_ms=retry_in_ms)

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
        held, total = self._call(
            "batches/extend",
            batch_id=batch_id,
            owner=owner,
            lease_ms=lease_ms,
            first=first,
            count=count,
            complete=complete or None,
        )
        return BatchProgress(bool(held), total)

    def fail(self, batch_id: str, owner: str, *, code: str, detail: str) -> bool:
        """End a batch whose items cannot be listed."""
        arguments = {"batch_id": batch_id, "owner": owner, "code": code, "detail": detail}
        return bool(self._call("batches/fail", **arguments))

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
        submissions = [item.submission for item in items if item.submission]
        key_ids = [submission.context.key_id for submission in submissions]
        held, position, limit, wakeups = self._call(
            "batches/submit_many",
            batch_id=batch_id,
            owner=owner,
            lease_ms=lease_ms,
            first=first,
            key_id=(key_ids[0] if key_ids else None) or "",
            quotas=quotas and asdict(quotas),
            items=[encode_item(item) for item in items],
        )
        needed = {lane: times for lane, times in pairs(wakeups).items() if times}
        return BatchProgress(bool(held), position, decode_limit(limit), needed)

    def cancel(self, batch_id: str) -> BatchRecord | None:
        """Request the cancellation of a batch."""
        return read_batch(batch_id, pairs(self._call("batches/cancel", batch_id=batch_id)))

    def cancel_jobs(
        self, batch_id: str, owner: str, job_ids: Sequence[str], *, first: int, lease_ms: int
    ) -> BatchProgress:
        """Cancel the jobs of the items from index `first` on, and renew the lease."""
        held, position = self._call(
            "batches/cancel_jobs",
            batch_id=batch_id,
            owner=owner,
            job_ids=list(job_ids),
            first=first,
            lease_ms=lease_ms,
        )
        return BatchProgress(bool(held), position)

    def restore(self, restoration: BatchRestoration) -> bool:
        """Add a lost batch."""
        answer = self._call(
            "batches/restore",
            **encode_batch(restoration.submission),
            created_ms=restoration.created_ms,
            cancel_requested=restoration.cancel_requested or None,
            outcome=restoration.outcome and encode_fields(restoration.outcome),
        )
        return bool(answer)

    def list_unarchived(self, *, limit: int = 100) -> list[BatchRecord]:
        """List the batches that ended first of those that are not in the object store yet.

        A batch is listed once the outcomes of its jobs are archived.
        """
        client = self._scripts.client
        with translated():
            ended = client.zrange(UNARCHIVED_BATCHES, 0, limit - 1, withscores=True)
            # Jobs are listed before their batch, so those of `ended` are among the jobs read now.
            oldest = client.zrange(UNARCHIVED, 0, 0, withscores=True)
        before_ms = oldest[0][1] if oldest else math.inf
        ids = [batch_id for batch_id, ended_ms in ended if ended_ms < before_ms]
        found = {batch_id: self.read(batch_id) for batch_id in ids}
        if expired := [batch_id for batch_id, batch in found.items() if batch is None]:
            self.mark_archived(expired)
        return [batch for batch in found.values() if batch]

    def mark_archived(self, batch_ids: Sequence[str]) -> None:
        """Remove batches that are now archived from the list."""
        ids = list(batch_ids)
        self._call("maintenance/remove", list=UNARCHIVED_BATCHES, ids=ids)
