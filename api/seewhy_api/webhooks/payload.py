"""The webhook payload: that an explanation ended, and how. The receiver fetches the result."""

import json

from seewhy.ledger.types import JobRecord
from seewhy_api.http.serializers import format_time, serialize_error, serialize_summary


def webhook_body(record: JobRecord) -> bytes:
    """Serialize a finished job; every attempt sends the same bytes.

    The body contains no secret and no link that expires: receivers read the result from the API at
    `links.self`. It is ASCII, because `metadata` may contain text that UTF-8 cannot encode.

    Raises `ValueError` when the job has no outcome yet.
    """
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
    return json.dumps(payload, separators=(",", ":")).encode("ascii")
