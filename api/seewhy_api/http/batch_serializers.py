"""JSON views of batches and of their items."""

import math
from collections.abc import Sequence
from typing import Any

from seewhy.batches.batch_service import RefusedItem
from seewhy.batches.results import ItemResult
from seewhy.ledger.types import BatchRecord
from seewhy.storage.port import ObjectStore
from seewhy_api.http.serializers import format_time, serialize_explanation

COUNTED = ("refused", "queued", "running", "succeeded", "failed", "cancelled", "expired")


def serialize_batch(
    batch: BatchRecord, *, refused: Sequence[RefusedItem] | None = None
) -> dict[str, Any]:
    """Return the view of a batch; `refused` lists the items that its submission refused."""
    path = f"/v1/batches/{batch.batch_id}"
    counts = {name: getattr(batch, name) for name in COUNTED}
    counts["cancelled"] += batch.dropped
    waiting = batch.total - sum(counts.values())
    eta_ms = batch.eta_ms
    view: dict[str, Any] = {
        "id": batch.batch_id,
        "status": batch.state,
        "counts": {"total": batch.total, "waiting": waiting, **counts},
        "cancel_requested": batch.cancel_requested,
        "eta_s": None if eta_ms is None else math.ceil(eta_ms / 1000),
        "created_at": format_time(batch.created_ms),
        "accepted_at": format_time(batch.accepted_ms),
        "finished_at": format_time(batch.finished_ms),
        "links": {
            "self": path,
            "results": f"{path}/results",
            "cancel": None if batch.state.terminal else f"{path}/cancel",
        },
    }
    if refused is not None:
        view["refused"] = [
            {"index": item.index, "key": item.key, "code": item.code, "detail": item.detail}
            for item in refused
        ]
    return view


def serialize_item(item: ItemResult, *, store: ObjectStore) -> dict[str, Any]:
    """Return what became of one item: the explanation, or why there is none."""
    named = {"index": item.index, "key": item.key}
    if item.record:
        return named | serialize_explanation(item.record, position=None, store=store)
    error = item.error and {"code": item.error.code, "detail": item.error.detail}
    return named | {"status": item.status, "error": error}
