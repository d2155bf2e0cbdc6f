"""Records as JSON: what a client is told of an explanation."""

import json
from datetime import UTC, datetime
from typing import Any

from seewhy.ledger.types import JobRecord
from seewhy.schemas.job import Priority
from seewhy.schemas.result import Result
from seewhy.storage.port import ObjectStore

LINK_LIFE_S = 3600


def explanation(record: JobRecord, *, position: int | None, store: ObjectStore) -> dict[str, Any]:
    """Show a job. `links` are lasting paths of this API; `downloads` go to the store and expire."""
    result = Result.model_validate_json(record.result) if record.result else None
    here = f"/v1/explanations/{record.job_id}"
    return {
        **headline(record),
        "cached": record.cached,
        "queue_position": position,
        "cancel_requested": record.cancel_requested,
        "submitted_at": time_text(record.submitted_ms),
        "started_at": time_text(record.started_ms),
        "finished_at": time_text(record.finished_ms),
        "error": error_of(record),
        "result": result
        and result.model_dump(mode="json", exclude={"objects", "digests", "model"}),
        "webhook": record.webhook
        and {
            "url": record.webhook.url,
            "status": record.webhook.state,
            "attempts": record.webhook.attempts,
            "detail": record.webhook.detail,
        },
        "links": {
            "self": here,
            "events": f"{here}/events",
            "cancel": None if record.state.terminal else f"{here}/cancel",
            "overlay": f"{here}/overlay" if result else None,
            "map": f"{here}/map.npy" if result else None,
        },
        "downloads": _downloads(result, store) if result else {},
    }


def headline(record: JobRecord) -> dict[str, Any]:
    """Show what was asked for, for whom, and how far it has come."""
    job = json.loads(record.job)
    return {
        "id": record.job_id,
        "status": record.state,
        "model": job["model"],
        "method": job["method"],
        "priority": Priority(record.lane.rpartition(":")[2]),
        "metadata": job["metadata"],
        "attempts": record.attempts,
    }


def error_of(record: JobRecord) -> dict[str, str] | None:
    """Show why a job did not succeed; None of one that did, or has no outcome yet."""
    if not record.error_code:
        return None
    return {"code": record.error_code, "detail": record.error_detail or ""}


def time_text(at_ms: int | None) -> str | None:
    """Write ms since 1970 as ISO 8601 in UTC."""
    if at_ms is None:
        return None
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _downloads(result: Result, store: ObjectStore) -> dict[str, str]:
    signed = {
        name: store.presigned_url(key, expires_s=LINK_LIFE_S)
        for name, key in result.objects.items()
    }
    return {name: link for name, link in signed.items() if link}
