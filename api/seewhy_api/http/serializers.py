"""JSON views of jobs, as clients see them."""

import json
from datetime import UTC, datetime
from typing import Any, overload

from seewhy.errors import ModelNotServed
from seewhy.estimates.eta import Eta
from seewhy.estimates.forecaster import Forecast
from seewhy.ledger.types import JobRecord, WebhookStatus, priority_of
from seewhy.schemas.result import Result
from seewhy.storage.keys import image_id_of
from seewhy.storage.port import ObjectStore
from seewhy_api.http.explanation_body import (
    Explanation,
    ExplanationLinks,
    LiveWorkers,
    Reason,
    SecondsLeft,
    WebhookDelivery,
)
from seewhy_api.http.served_models import Serving

DOWNLOAD_LINK_TTL_S = 3600


def serialize_explanation(
    record: JobRecord,
    *,
    store: ObjectStore,
    forecast: Forecast = Forecast(),  # noqa: B008 - immutable
    serving: Serving | None = None,
) -> dict[str, Any]:
    """Return the full view of a job.

    `links` are permanent paths of this API; `downloads` are links to the store and expire after
    `DOWNLOAD_LINK_TTL_S`. `forecast` and `serving` describe an open job: its queue and its workers.
    """
    result = Result.model_validate_json(record.result) if record.result else None
    job = json.loads(record.job)
    body = Explanation(
        **serialize_summary(record),
        inputs=job.get("inputs", {}),
        image_id=image_id_of(job["image_key"]),
        cached=record.cached,
        queue_position=forecast.position,
        eta_s=serialize_eta(forecast.eta),
        workers=serving
        and LiveWorkers(count=serving.workers, last_seen_at=format_time(serving.last_seen_ms)),
        warnings=_warnings(serving),
        cancel_requested=record.cancel_requested,
        submitted_at=format_time(record.submitted_ms),
        started_at=format_time(record.started_ms),
        finished_at=format_time(record.finished_ms),
        error=_reason(record),
        result=result,
        webhook=serialize_webhook(record.webhook),
        links=_links(record),
        downloads=_download_links(result, store) if result else {},
    )
    return body.model_dump(mode="json")


def _links(record: JobRecord) -> ExplanationLinks:
    path = f"/v1/explanations/{record.job_id}"
    return ExplanationLinks(
        self=path,
        events=f"{path}/events",
        cancel=None if record.state.terminal else f"{path}/cancel",
        overlay=f"{path}/overlay" if record.result else None,
        map=f"{path}/map.npy" if record.result else None,
        regions=f"{path}/regions" if record.result else None,
    )


def serialize_eta(eta: Eta | None) -> SecondsLeft | None:
    """Return an estimate of an end in seconds."""
    if eta is None:
        return None
    return SecondsLeft(p50=round(eta.p50_ms / 1000, 2), p90=round(eta.p90_ms / 1000, 2))


def serialize_webhook(webhook: WebhookStatus | None) -> WebhookDelivery | None:
    """Return the view of the webhook of a job or batch."""
    if webhook is None:
        return None
    return WebhookDelivery(
        url=webhook.url, status=webhook.state, attempts=webhook.attempts, detail=webhook.detail
    )


def _warnings(serving: Serving | None) -> tuple[Reason, ...]:
    if serving is None or serving.workers:
        return ()
    seen_at = format_time(serving.last_seen_ms)
    last = f"The last one was seen at {seen_at}." if seen_at else "None has been seen yet."
    detail = f"No worker serves the model {serving.model}; the job waits for one. {last}"
    return (Reason(code=ModelNotServed.code, detail=detail),)


def serialize_summary(record: JobRecord) -> dict[str, Any]:
    """Return the fields that the full view and the webhook payload share."""
    job = json.loads(record.job)
    return {
        "id": record.job_id,
        "status": record.state,
        "model": job["model"],
        "method": job["method"],
        "priority": priority_of(record.lane),
        "metadata": job["metadata"],
        "attempts": record.attempts,
    }


def serialize_error(record: JobRecord) -> dict[str, str] | None:
    """Return why a job did not succeed; None if it succeeded or has no outcome yet."""
    reason = _reason(record)
    return reason.model_dump() if reason else None


def _reason(record: JobRecord) -> Reason | None:
    if not record.error_code:
        return None
    return Reason(code=record.error_code, detail=record.error_detail or "")


@overload
def format_time(at_ms: int) -> str: ...
@overload
def format_time(at_ms: None) -> None: ...
def format_time(at_ms: int | None) -> str | None:
    """Format ms since 1970 as ISO 8601 in UTC."""
    if at_ms is None:
        return None
    time = datetime.fromtimestamp(at_ms / 1000, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _download_links(result: Result, store: ObjectStore) -> dict[str, str]:
    links = {
        name: store.presigned_url(key, expires_s=DOWNLOAD_LINK_TTL_S)
        for name, key in result.objects.items()
    }
    return {name: link for name, link in links.items() if link}
