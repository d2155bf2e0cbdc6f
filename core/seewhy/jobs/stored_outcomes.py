"""The outcomes of jobs that the object store has."""

from seewhy.jobs.archiver import parse_outcome
from seewhy.ledger.types import JobOutcome
from seewhy.schemas.job import JobState
from seewhy.schemas.result import Result
from seewhy.storage.keys import (
    RESULT_DOCUMENT,
    outcome_key,
    parse_result_key,
    result_key,
    result_prefix,
)
from seewhy.storage.port import ObjectStore


class _ResultDocument(Result):
    """What a worker writes last."""

    attempt: int


def read_archived_outcome(store: ObjectStore, job_id: str) -> JobOutcome:
    """Read an outcome that was archived.

    Raises `ObjectNotFound`, `StoreUnavailable`, and `ValueError` for other content.
    """
    return parse_outcome(store.get(outcome_key(job_id)))


def read_success(store: ObjectStore, job_id: str, *, finished_ms: int) -> JobOutcome | None:
    """Read the result of the highest fence; None when no claim has stored one.

    The store has no finish time, so the caller gives one. Raises `StoreUnavailable`, and
    `ValueError` for other content.
    """
    parsed = (parse_result_key(key) for key in store.list_keys(result_prefix(job_id)))
    fences = [key.fence for key in parsed if key and key.name == RESULT_DOCUMENT]
    if not fences:
        return None
    body = store.get(result_key(job_id, max(fences), RESULT_DOCUMENT))
    document = _ResultDocument.model_validate_json(body)
    return JobOutcome(
        state=JobState.SUCCEEDED,
        finished_ms=finished_ms,
        attempts=document.attempt,
        result=document.model_dump_json(exclude={"attempt"}),
        fence=max(fences),
    )
