"""What a webhook says: that an explanation has ended, and how. Pictures and numbers are fetched."""

import json

from seewhy.ledger.types import JobRecord
from seewhy_api.http.serializers import error_of, headline, time_text


def webhook_body(record: JobRecord) -> bytes:
    """Write the message of a job that has its outcome: the same bytes at every attempt.

    Nothing in it is secret or expires: who may see the result asks the API by `links.self`. ASCII,
    as JSON can be, because what a client put into `metadata` may not be encodable otherwise.

    Raises `ValueError` when the job has no outcome yet.
    """
    if not record.state.terminal:
        raise ValueError(f"job {record.job_id} has no outcome to tell of")
    finished_at = time_text(record.finished_ms)
    message = {
        "type": f"explanation.{record.state}",
        "timestamp": finished_at,
        "data": {
            **headline(record),
            "error": error_of(record),
            "submitted_at": time_text(record.submitted_ms),
            "finished_at": finished_at,
            "links": {"self": f"/v1/explanations/{record.job_id}"},
        },
    }
    return json.dumps(message, separators=(",", ":")).encode("ascii")
