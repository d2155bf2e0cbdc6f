"""The archiver: writes the outcomes of jobs without a result to the object store.

Archiving an outcome twice or concurrently writes the same object, because outcomes never change.
"""

import json
from dataclasses import asdict

from pydantic import TypeAdapter

from seewhy.ledger.ports.maintenance import ArchiveLedger
from seewhy.ledger.types import JobOutcome, JobRecord
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
