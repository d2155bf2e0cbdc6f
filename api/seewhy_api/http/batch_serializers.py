"""JSON views of batches and of their items."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from seewhy.batches.new_batch import RefusedItem
from seewhy.batches.results import ItemResult
from seewhy.estimates.eta import Eta
from seewhy.jobs.batch_documents import BatchOptions
from seewhy.ledger.types import BatchRecord
from seewhy.storage.port import ObjectStore
from seewhy_api.http import batch_body
from seewhy_api.http.batch_body import Batch, BatchLinks, ItemCounts, SubmittedBatch
from seewhy_api.http.explanation_body import Reason
from seewhy_api.http.serializers import (
    format_time,
    serialize_eta,
    serialize_explanation,
    serialize_webhook,
)

COUNTED = ("refused", "queued", "running", "succeeded", "failed", "cancelled", "expired")


def serialize_batch(batch: BatchRecord, *, eta: Eta | None = None) -> Batch:
    """Return the view of a batch."""
    path = f"/v1/batches/{batch.batch_id}"
    options = BatchOptions.model_validate_json(batch.batch)
    counts = {name: getattr(batch, name) for name in COUNTED}
    counts["cancelled"] += batch.dropped
    waiting = batch.total - sum(counts.values())
    ended = batch.state.terminal
    return Batch(
        id=batch.batch_id,
        status=batch.state,
        error=Reason(code=batch.error_code, detail=batch.error_detail or "")
        if batch.error_code
        else None,
        counts=ItemCounts(total=batch.total, waiting=waiting, **counts),
        cancel_requested=batch.cancel_requested,
        eta_s=serialize_eta(eta),
        created_at=format_time(batch.created_ms),
        accepted_at=format_time(batch.accepted_ms),
        finished_at=format_time(batch.finished_ms),
        retry_of=options.retry_of,
        retries=options.retry,
        webhook=serialize_webhook(batch.webhook),
        links=BatchLinks(
            self=path,
            results=f"{path}/results",
            overlays=f"{path}/overlays.zip",
            events=f"{path}/events",
            cancel=None if ended else f"{path}/cancel",
            retry=f"{path}/retry" if ended and batch.failed + batch.expired else None,
        ),
    )


def serialize_submitted(
    batch: BatchRecord, refused: Sequence[RefusedItem], *, eta: Eta | None = None
) -> SubmittedBatch:
    """Return the view of a batch with the items that its submission refused."""
    items = [batch_body.RefusedItem(**asdict(item)) for item in refused]
    return SubmittedBatch(**dict(serialize_batch(batch, eta=eta)), refused=tuple(items))


def serialize_item(item: ItemResult, *, store: ObjectStore) -> dict[str, Any]:
    """Return what became of one item: the explanation, or why there is none."""
    named = {"index": item.index, "key": item.key}
    if item.record:
        return named | serialize_explanation(item.record, store=store)
    error = item.error and {"code": item.error.code, "detail": item.error.detail}
    return named | {"status": item.status, "error": error}
