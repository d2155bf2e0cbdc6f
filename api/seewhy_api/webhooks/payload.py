"""The webhook payload: that an explanation or a batch ended, and how. Results are fetched."""

import json

from seewhy.ledger.types import BatchRecord, JobRecord
from seewhy_api.http.batch_body import EndedBatch
from seewhy_api.http.batch_serializers import serialize_batch
from seewhy_api.http.serializers import format_time, serialize_error, serialize_summary
from seewhy_api.http.webhook_body import (
    BatchMessage,
    EndedExplanation,
    ExplanationMessage,
    SelfLink,
)


def webhook_body(record: JobRecord | BatchRecord) -> bytes:
    """Serialize a finished job or batch; every attempt sends the same bytes.

    The body contains no secret and no link that expires: receivers read the result from the API at
    `links.self`. It is ASCII, because `metadata` may contain text that UTF-8 cannot encode.

    Raises `ValueError` when the job or batch has not ended.
    """
    message = (
        _batch_message(record) if isinstance(record, BatchRecord) else _explanation_message(record)
    )
    return json.dumps(message.model_dump(mode="json"), separators=(",", ":")).encode("ascii")


def _explanation_message(record: JobRecord) -> ExplanationMessage:
    if not record.state.terminal:
        raise ValueError(f"Job {record.job_id} has no outcome yet.")
    finished_at = format_time(record.finished_ms)
    data = EndedExplanation(
        **serialize_summary(record),
        error=serialize_error(record),
        submitted_at=format_time(record.submitted_ms),
        finished_at=finished_at,
        links=SelfLink(self=f"/v1/explanations/{record.job_id}"),
    )
    return ExplanationMessage.model_validate(
        {"type": f"explanation.{record.state}", "timestamp": finished_at, "data": data}
    )


def _batch_message(batch: BatchRecord) -> BatchMessage:
    if not batch.state.terminal:
        raise ValueError(f"Batch {batch.batch_id} has not ended.")
    # Without the state of the delivery, which would differ in each attempt.
    data = EndedBatch.model_validate(serialize_batch(batch).model_dump(), extra="ignore")
    return BatchMessage.model_validate(
        {"type": f"batch.{batch.state}", "timestamp": data.finished_at, "data": data}
    )
