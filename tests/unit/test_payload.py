"""The webhook payload."""

import json
from dataclasses import replace

import pytest

from seewhy.ledger.types import BatchRecord, BatchState, JobRecord, WebhookStatus
from seewhy.schemas.job import JobState
from seewhy_api.webhooks.payload import webhook_body

RECORD = JobRecord(
    job_id="0199-job",
    state=JobState.SUCCEEDED,
    lane="vgg16:batch",
    job=json.dumps(
        {
            "model": "vgg16",
            "method": "layercam",
            "metadata": {"z": 1, "task": "Käfer \ud800"},
            "image": {"key": "images/secret"},
        }
    ),
    submitted_ms=1_790_000_000_000,
    started_ms=1_790_000_000_500,
    finished_ms=1_790_000_001_234,
    attempts=2,
    owner="worker-7",
    result='{"objects": {"overlay": "results/secret"}}',
)


def test_the_payload_of_a_success_has_links_and_no_secrets() -> None:
    assert json.loads(webhook_body(RECORD)) == {
        "type": "explanation.succeeded",
        "timestamp": "2026-09-21T14:13:21.234Z",
        "data": {
            "id": "0199-job",
            "status": "succeeded",
            "model": "vgg16",
            "method": "layercam",
            "priority": "batch",
            "metadata": {"z": 1, "task": "Käfer \ud800"},
            "attempts": 2,
            "error": None,
            "submitted_at": "2026-09-21T14:13:20.000Z",
            "finished_at": "2026-09-21T14:13:21.234Z",
            "links": {"self": "/v1/explanations/0199-job"},
        },
    }


def test_the_payload_of_a_failure_has_its_error() -> None:
    failed = replace(
        RECORD,
        state=JobState.FAILED,
        result=None,
        error_code="broken_image",
        error_detail="cut off",
    )
    payload = json.loads(webhook_body(failed))
    assert payload["type"] == "explanation.failed"
    assert payload["data"]["error"] == {"code": "broken_image", "detail": "cut off"}


@pytest.mark.parametrize("state", JobState)
def test_every_outcome_has_a_type_and_an_unfinished_job_has_no_payload(state: JobState) -> None:
    record = replace(RECORD, state=state)
    if state.terminal:
        assert json.loads(webhook_body(record))["type"] == f"explanation.{state.value}"
    else:
        with pytest.raises(ValueError, match="no outcome"):
            webhook_body(record)


def test_the_bytes_are_stable_and_keep_the_order_of_metadata() -> None:
    assert webhook_body(RECORD) == webhook_body(replace(RECORD))
    assert b'"metadata":{"z":1,"task":"K\\u00e4fer \\ud800"}' in webhook_body(RECORD)


def test_the_message_of_a_batch_counts_its_items_and_is_the_same_in_every_attempt() -> None:
    ended = BatchRecord(
        "019199fc-b440-7000-8000-000000000000",
        BatchState.FINISHED,
        total=3,
        batch="{}",
        created_ms=0,
        refused=1,
        succeeded=2,
        finished_ms=1_234,
        webhook=WebhookStatus("https://hooks.test/x"),
    )
    message = json.loads(webhook_body(ended))
    assert (message["type"], message["timestamp"]) == ("batch.finished", "1970-01-01T00:00:01.234Z")
    data = message["data"]
    assert (data["id"], data["status"]) == (ended.batch_id, "finished")
    assert (data["counts"]["succeeded"], data["counts"]["refused"]) == (2, 1)
    later = replace(ended, webhook=WebhookStatus("https://hooks.test/x", attempts=2, detail="500"))
    assert webhook_body(later) == webhook_body(ended)
    with pytest.raises(ValueError, match="has not ended"):
        webhook_body(replace(ended, state=BatchState.RUNNING))
