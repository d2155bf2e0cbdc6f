"""How values travel to the Lua scripts and back.

Hash fields are named after the fields of the dataclasses, so that a field which the ledger only
stores is named nowhere here. A nested request context is one JSON text; a webhook's status is
stored as `webhook_url`, `webhook_state` and so on, because the scripts update it in parts. Of an
ended job, the texts of the job and of its result are packed.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

from seewhy.ledger.redis.client.packing import pack, unpack
from seewhy.ledger.types import (
    BatchItem,
    BatchOutcome,
    BatchRecord,
    BatchSubmission,
    Charge,
    Claim,
    Completion,
    IdempotencyKey,
    JobOutcome,
    JobRecord,
    JobRestoration,
    LimitScope,
    QueueLimit,
    QuotaLimit,
    QuotaName,
    QuotaUsage,
    Remaining,
    Submission,
)
from seewhy.schemas.context import RequestContext

_RECORD = TypeAdapter(JobRecord)
_CONTEXT = TypeAdapter(RequestContext)
_BATCH = TypeAdapter(BatchRecord)
_WEBHOOK = "webhook_"
_PACKED = ("job", "result")
_LAST_JOB = "last_job:"
_INTERPRETED = {"job_id", "batch_id", "deadline_ms", "key"}
"""Fields of a submission that the scripts do not store as they are."""


def encode_submission(submission: Submission) -> dict[str, Any]:
    """Return the arguments of a submission: what the scripts interpret, and `fields` to store."""
    return {
        "job_id": submission.job_id,
        "deadline_ms": submission.deadline_ms,
        "key": submission.key and encode_key(submission.key, submission.context),
        "fields": encode_fields(submission, without=_INTERPRETED),
    }


def encode_restoration(restoration: JobRestoration) -> dict[str, Any]:
    """Return the arguments of a restoration."""
    outcome = restoration.outcome
    return {
        **encode_submission(restoration.submission),
        "submitted_ms": restoration.submitted_ms,
        "outcome": outcome and encode_outcome(outcome, job=restoration.submission.job),
    }


def encode_outcome(outcome: JobOutcome, *, job: str | None = None) -> dict[str, str | int]:
    """Return the hash fields of an outcome, and of the text of its job if that is known."""
    texts = {"job": job, "result": outcome.result}
    packed = {name: pack(text) for name, text in texts.items() if text is not None}
    return encode_fields(outcome) | packed


def encode_completion(done: Completion) -> dict[str, Any]:
    """Return a claim with its result, and what else the record of the ended job keeps."""
    given = {"cost": done.cost, "stored_fence": done.stored_fence}
    present = {name: value for name, value in given.items() if value is not None}
    texts = {"job": pack(done.claim.job), "result": pack(done.result)}
    return encode_claim(done.claim, **texts, **present)


def encode_batch(submission: BatchSubmission) -> dict[str, Any]:
    """Return the arguments of a batch."""
    return {
        "batch_id": submission.batch_id,
        "key": submission.key and encode_key(submission.key, submission.context),
        "fields": encode_fields(submission, without=_INTERPRETED),
    }


def encode_item(item: BatchItem) -> dict[str, Any]:
    """Return an item of a batch: the job to submit, or whether it was just refused."""
    if item.submission is None:
        return {"newly_refused": int(item.newly_refused)}
    encoded = encode_submission(item.submission)
    present = {name: value for name, value in encoded.items() if value is not None}
    return present | {"passes": item.passes}


def encode_key(key: IdempotencyKey, context: RequestContext) -> dict[str, str]:
    """Return a tenant's idempotency key, digested, with the digest of its request."""
    return {"digest": key_digest(key, context), "request_digest": key.request_digest}


def key_digest(key: IdempotencyKey, context: RequestContext) -> str:
    """Digest a key, which the client chose, into part of a Redis key."""
    return hashlib.sha256(f"{context.tenant}/{key.key}".encode()).hexdigest()


def encode_claim(claim: Claim, **report: Any) -> dict[str, Any]:
    """Return what identifies a claim, with a report on it."""
    return {"job_id": claim.job_id, "fence": claim.fence, **report}


def decode_record(job_id: str, flat: Sequence[str]) -> JobRecord | None:
    """Read a record from the reply of HGETALL; None when it is empty."""
    return read_record(job_id, pairs(flat))


def read_record(job_id: str, values: Mapping[str, str]) -> JobRecord | None:
    """Read a record from its hash; None when the hash is empty."""
    if not values:
        return None
    texts = {name: unpack(values[name]) for name in _PACKED if name in values}
    return _RECORD.validate_python(
        {**values, "job_id": job_id, **texts, **_context_and_webhook(values)},
    )


def read_batch(batch_id: str, values: Mapping[str, str]) -> BatchRecord | None:
    """Read the record of a batch from its hash; None when the hash is empty."""
    if not values:
        return None
    last_jobs = tuple(job_id for _, job_id in sorted(_part(values, _LAST_JOB).items()))
    return _BATCH.validate_python(
        {**values, "batch_id": batch_id, "last_jobs": last_jobs, **_context_and_webhook(values)}
    )


def decode_records(rows: Sequence[Sequence[str]]) -> list[JobRecord]:
    """Read records from rows of the form id, then names and values in turn."""
    records = (decode_record(job_id, flat) for job_id, *flat in rows)
    return [record for record in records if record]


def decode_limit(limit: Sequence[Any]) -> QueueLimit | QuotaLimit | None:
    """Read the limit that was reached: a name, a time, and of a quota what is left."""
    if not limit:
        return None
    name, retry_in_ms, *remaining = limit
    if remaining:
        return QuotaLimit(QuotaName(name), retry_in_ms, remaining[0])
    return QueueLimit(LimitScope(name), retry_in_ms)


def encode_charge(charge: Charge, context: RequestContext) -> dict[str, Any]:
    """Return a charge as the scripts read it."""
    return {"key_id": context.key_id or "", **asdict(charge)}


def decode_usage(usage: Sequence[Sequence[int]]) -> QuotaUsage:
    """Read what is left of the quotas of a minute."""
    submissions, passes = usage
    return QuotaUsage(submissions=Remaining(*submissions), passes=Remaining(*passes))


def pairs(flat: Sequence[Any]) -> dict[str, Any]:
    """Read a flat sequence of names and values."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _context_and_webhook(values: Mapping[str, str]) -> dict[str, Any]:
    context = decode_context(values["context"])
    return {"context": context, "webhook": _part(values, _WEBHOOK) or None}


def _part(values: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Return the fields of a nested value, whose names start with `prefix`."""
    return {
        name.removeprefix(prefix): value
        for name, value in values.items()
        if name.startswith(prefix)
    }


@lru_cache
def decode_context(text: str) -> RequestContext:
    """Read the context of a request."""
    return _CONTEXT.validate_json(text)


@lru_cache
def _encode_context(context: RequestContext) -> str:
    # Without null: cjson decodes it as a value that is true.
    return _CONTEXT.dump_json(context, exclude_none=True).decode()


def encode_fields(
    value: Submission | BatchSubmission | JobOutcome | BatchOutcome,
    *,
    without: set[str] | None = None,
) -> dict[str, str | int]:
    """Return hash fields for a dataclass: None and False are left out, True is 1."""
    encoded: dict[str, str | int] = {}
    for field in fields(value):
        part = getattr(value, field.name)
        if part is None or part is False or field.name in (without or ()):
            continue
        if isinstance(part, RequestContext):
            part = _encode_context(part)
        encoded[field.name] = 1 if part is True else part
    return encoded
