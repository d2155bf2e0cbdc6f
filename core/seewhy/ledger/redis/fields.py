"""The fields of a job's hash in Redis."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from seewhy.ledger.types import DeliveryState, JobOutcome, JobRecord, WebhookStatus
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import JobState


def encode_context(context: RequestContext) -> str:
    """Encode a request context as JSON, the form in which a job's hash stores it."""
    return json.dumps(asdict(context))


def outcome_fields(outcome: JobOutcome) -> list[str | int]:
    """Spell an outcome, less its state, as names and values in turn."""
    known = {name: value for name, value in asdict(outcome).items() if value is not None}
    del known["state"]
    cached = [("cached", 1)] if known.pop("cached") else []
    return [part for field in (*cached, *known.items()) for part in field]


def record_of(job_id: str, fields: Mapping[str, str]) -> JobRecord | None:
    """Read a record out of its hash; None when there is none."""
    if not fields:
        return None

    def number(name: str) -> int | None:
        return int(fields[name]) if name in fields else None

    return JobRecord(
        job_id=job_id,
        state=JobState(fields["state"]),
        lane=fields["lane"],
        job=fields["job"],
        context=RequestContext(**json.loads(fields["context"])),
        attempts=int(fields["attempts"]),
        crashes=int(fields["crashes"]),
        fence=int(fields["fence"]),
        alone="alone" in fields,
        cached="cached" in fields,
        cancel_requested="cancel" in fields,
        submitted_ms=int(fields["submitted_ms"]),
        started_ms=number("started_ms"),
        finished_ms=number("finished_ms"),
        deadline_ms=number("deadline_ms"),
        owner=fields.get("owner"),
        result=fields.get("result"),
        error_code=fields.get("error_code"),
        error_detail=fields.get("error_detail"),
        webhook=_webhook(fields),
    )


def letters(rows: Sequence[Sequence[str]]) -> list[JobRecord]:
    """Read records that each come as id, name, value, name, value…"""
    found = (record_of(row[0], dict(zip(row[1::2], row[2::2], strict=True))) for row in rows)
    return [record for record in found if record]


def _webhook(fields: Mapping[str, str]) -> WebhookStatus | None:
    if "webhook" not in fields:
        return None
    return WebhookStatus(
        url=fields["webhook"],
        state=DeliveryState(fields.get("webhook_state", DeliveryState.WAITING)),
        attempts=int(fields.get("webhook_attempts", 0)),
        detail=fields.get("webhook_detail"),
    )
