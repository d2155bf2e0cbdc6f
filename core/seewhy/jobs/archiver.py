"""The archiver: writes the outcomes of batches, and of jobs without a result, to the object store.

Archiving an outcome twice or concurrently writes the same object, because outcomes never change.
"""

import json
from dataclasses import asdict, fields

from pydantic import TypeAdapter

from seewhy.ledger.ports.batches import BatchLedger
from seewhy.ledger.ports.maintenance import ArchiveLedger
from seewhy.ledger.types import BatchOutcome, JobOutcome, JobRecord
from seewhy.storage.keys import outcome_key
from seewhy.storage.port import ObjectStore


def archive_outcomes(*, ledger: ArchiveLedger, store: ObjectStore, limit: int) -> int:
    """Archive up to `limit` of the oldest unarchived outcomes. Returns how many.

    Marks them as archived only after all are written, so an interrupted call is repeated.
    Raises `Unavailable`.
    """
    records = ledger.list_unarchived(limit=limit)
    for record in records:
        body = json.dumps(asdict(_outcome_of(record))).encode()
        store.put(outcome_key(record.job_id), body, content_type="application/json")
    if records:
        ledger.mark_archived([record.job_id for record in records])
    return len(records)


def archive_batches(*, batches: BatchLedger, store: ObjectStore, limit: int) -> int:
    """Archive up to `limit` of the batches that ended first, as `archive_outcomes` does."""
    records = batches.list_unarchived(limit=limit)
    for record in records:
        names = (field.name for field in fields(BatchOutcome))
        body = json.dumps({name: getattr(record, name) for name in names}).encode()
        store.put(outcome_key(record.batch_id), body, content_type="application/json")
    if records:
        batches.mark_archived([record.batch_id for record in records])
    return len(records)


def parse_batch_outcome(body: bytes) -> BatchOutcome:
    """Parse the archived outcome of a batch. Raises `ValueError` for other content."""
    return TypeAdapter(BatchOutcome).validate_json(body)


def parse_outcome(body: bytes) -> JobOutcome:
    """Parse an archived outcome, ignoring unknown fields. Raises `ValueError` for other content."""
    return TypeAdapter(JobOutcome).validate_json(body)


def _outcome_of(record: JobRecord) -> JobOutcome:
    if record.finished_ms is None:
        raise ValueError(f"Job {record.job_id} has not finished.")
    return JobOutcome(
        state=record.state,
        finished_ms=record.finished_ms,
        cached=record.cached,
        result=record.result,
        attempts=record.attempts,
        crashes=record.crashes,
        exposed_crashes=record.exposed_crashes,
        started_ms=record.started_ms,
        error_code=record.error_code,
        error_detail=record.error_detail,
    )
