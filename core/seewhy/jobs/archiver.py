"""The archiver: writes the outcomes of batches, and of jobs without a result, to the object store.

Archiving an outcome twice or concurrently writes the same object, because outcomes never change.
An outcome that the store refuses stays unarchived until it takes it or the record expires.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

from pydantic import TypeAdapter

from seewhy.errors import StoreUnavailable
from seewhy.ledger.ports.batches import BatchLedger
from seewhy.ledger.ports.maintenance import ArchiveLedger
from seewhy.ledger.types import BatchOutcome, JobOutcome, JobRecord
from seewhy.storage.keys import outcome_key
from seewhy.storage.port import ObjectStore

MAX_REFUSALS = 3
"""After so many refusals the store counts as unavailable: each may take seconds."""


def archive_outcomes(*, ledger: ArchiveLedger, store: ObjectStore, limit: int) -> int:
    """Archive up to `limit` of the oldest unarchived outcomes. Returns how many.

    One or two that the store refuses do not hold back the others; three do. Outcomes are marked
    as archived after they are written, so an interrupted call is repeated. Raises `Unavailable`
    if none was archived.
    """
    records = ledger.list_unarchived(limit=limit)
    outcomes = ((record.job_id, asdict(_outcome_of(record))) for record in records)
    archived = _write(outcomes, store)
    if archived:
        ledger.mark_archived(archived)
    return len(archived)


def archive_batches(*, batches: BatchLedger, store: ObjectStore, limit: int) -> int:
    """Archive up to `limit` of the batches that ended first, as `archive_outcomes` does."""
    names = [field.name for field in fields(BatchOutcome)]
    records = batches.list_unarchived(limit=limit)
    outcomes = ((each.batch_id, {name: getattr(each, name) for name in names}) for each in records)
    archived = _write(outcomes, store)
    if archived:
        batches.mark_archived(archived)
    return len(archived)


def _write(outcomes: Iterable[tuple[str, dict[str, Any]]], store: ObjectStore) -> list[str]:
    """Write outcomes by their job or batch id; return the ids of those that the store took."""
    written: list[str] = []
    refusals: list[StoreUnavailable] = []
    for job_id, outcome in outcomes:
        body = json.dumps(outcome).encode()
        try:
            store.put(outcome_key(job_id), body, content_type="application/json")
        except StoreUnavailable as error:
            refusals.append(error)
            if len(refusals) == MAX_REFUSALS:
                break
        else:
            written.append(job_id)
    if refusals and not written:
        raise refusals[0]
    return written


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
