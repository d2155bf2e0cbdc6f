"""Filing: the object store is told how jobs ended that left no result there.

Filing an outcome twice, or by two at once, writes the same object: outcomes never change.
"""

import json
from dataclasses import asdict

from pydantic import TypeAdapter

from seewhy.ledger.ports.ledger import Ledger
from seewhy.ledger.types import JobOutcome, JobRecord
from seewhy.storage.keys import outcome_key
from seewhy.storage.port import ObjectStore


def archive_outcomes(*, ledger: Ledger, store: ObjectStore, limit: int) -> int:
    """File up to `limit` of the oldest outcomes, and return how many.

    The ledger hears of it last: what is cut short is done again. Raises `Unavailable`.
    """
    records = ledger.list_unarchived(limit=limit)
    for record in records:
        body = json.dumps(asdict(_outcome(record))).encode()
        store.put(outcome_key(record.job_id), body, content_type="application/json")
    if records:
        ledger.mark_archived([record.job_id for record in records])
    return len(records)


def read_outcome(body: bytes) -> JobOutcome:
    """Read what was filed, whatever a later version may have added to it.

    Raises `ValueError` when it is not an outcome.
    """
    return TypeAdapter(JobOutcome).validate_json(body)


def _outcome(record: JobRecord) -> JobOutcome:
    if record.finished_ms is None:
        raise ValueError(f"job {record.job_id} has not ended")
    return JobOutcome(
        state=record.state,
        finished_ms=record.finished_ms,
        cached=record.cached,
        result=record.result,
        attempts=record.attempts,
        crashes=record.crashes,
        started_ms=record.started_ms,
        error_code=record.error_code,
        error_detail=record.error_detail,
    )
