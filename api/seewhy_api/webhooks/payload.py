"""The webhook payload: that an explanation or a batch ended, and how. Results are fetched."""

import json
from typing import Any

from seewhy.ledger.types import BatchRecord, JobRecord
from seewhy_api.http.batch_serializers import serialize_batch
from seewhy_api.http.serializers import format_time, serialize_error, serialize_summary


def webhook_body(record: JobRecord | BatchRecord) -> bytes:
    """Serialize a finished job or batch; every attempt sends the same bytes.

    The body contains no secret and no link that expires: receivers read the result from the API at
    `links.self`. It is ASCII, because `metadata` may contain text that UTF-8 cannot encode.

    Raises `ValueError` when the job or batch has not ended.
    """
    if isinstance(record, BatchRecord):
        return _batch_body(record)
    if not record.state.terminal:
        raise ValueError(f"Job {record.job_id} has no outcome yet.")
    finished_at = format_time(record.finished_ms)
    payload = {
        "type": f"explanation.{record.state}",
        "timestamp": finished_at,
        "data": {
            **serialize_summary(record),
            "error": serialize_error(record),
            "submitted_at": format_time(record.submitted_ms),
            "finished_at": finished_at,
            "links": {"self": f"/v1/explanations/{record.job_id}"},
        },
    }
    return _encode(payload)


def _batch_body(batch: BatchRecord) -> bytes:
    if not batch.state.terminal:
        raise ValueError(f"Batch {batch.batch_id} has not ended.")
    view = serialize_batch(batch)
    # The state of the delivery would differ in each attempt.
    data = view.model_dump(mode="json", exclude={"webhook", "eta_s", "cancel_requested"})
    payload = {"type": f"batch.{batch.state}", "timestamp": view.finished_at, "data": data}
    return _encode(payload)


def _encode(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload, separators=(",", ":")).encode("ascii")
