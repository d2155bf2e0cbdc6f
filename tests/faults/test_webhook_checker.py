"""The webhook checker reports every kind of anomaly, each forged once."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from faults.webhook_checker import (
    ReceivedMessage,
    WebhookAnomaly,
    WebhookHistory,
    check_webhooks,
)
from seewhy.ledger.types import DeliveryState, JobRecord, WebhookStatus
from seewhy.schemas.job import JobState
from seewhy.webhook_secrets import generate_secret
from seewhy_api.webhooks.signing import Signer
from servers.receivers import Message

SECRET = generate_secret()
NOW_S = time.time()


def verify(message: Message) -> None:
    """Verify the signature, but not its age: other tests may run for minutes before these."""
    id_, timestamp_s = message.headers["webhook-id"], int(message.headers["webhook-timestamp"])
    signed = Signer([SECRET]).headers(id_, message.body, now_ms=timestamp_s * 1000)
    if message.headers != signed:
        raise ValueError("the signature is not that of the body")


def received(
    job_id: str,
    *,
    by: str = "good",
    at: float = 0,
    acknowledged: bool = True,
    job_id_in_body: str = "",
) -> ReceivedMessage:
    body = json.dumps({"data": {"id": job_id_in_body or job_id}}).encode()
    headers = Signer([SECRET]).headers(f"msg_{job_id}", body, now_ms=round(NOW_S * 1000))
    return ReceivedMessage(by, Message("/", headers, body, NOW_S + at), acknowledged)


def record(job_id: str, state: DeliveryState) -> JobRecord:
    webhook = WebhookStatus("https://hooks.test/", state, attempts=1)
    return JobRecord(job_id, JobState.SUCCEEDED, "m:batch", "{}", 0, webhook=webhook)


RECEIVED = (
    received("a", acknowledged=False),
    received("a", at=1),
    received("b", at=1),
    received("c", by="bad", acknowledged=False),
)
CLEAN = WebhookHistory(
    requested={"a": "good", "b": "good", "c": "bad"},
    expected={"good": DeliveryState.DELIVERED, "bad": DeliveryState.EXHAUSTED},
    received=RECEIVED,
    records={
        "a": record("a", DeliveryState.DELIVERED),
        "b": record("b", DeliveryState.DELIVERED),
        "c": record("c", DeliveryState.EXHAUSTED),
    },
    fault_times_s=(NOW_S + 2,),
    left_over=(),
    verify=verify,
)


def anomalies(history: WebhookHistory) -> list[WebhookAnomaly]:
    return [anomaly for anomaly, _ in check_webhooks(history).violations]


def test_a_clean_history_has_no_violations() -> None:
    report = check_webhooks(CLEAN)
    assert (report.violations, report.delivered, report.redelivered) == ((), 2, 0)


def test_a_redelivery_after_a_fault_is_counted_and_legitimate() -> None:
    report = check_webhooks(replace(CLEAN, received=(*RECEIVED, received("b", at=3))))
    assert (report.violations, report.delivered, report.redelivered) == ((), 2, 1)


def tampered(one: ReceivedMessage) -> ReceivedMessage:
    return replace(one, message=replace(one.message, body=one.message.body + b" "))


@pytest.mark.parametrize(
    ("messages", "anomaly"),
    [
        ((RECEIVED[1], RECEIVED[3]), WebhookAnomaly.NOT_DELIVERED),
        ((*RECEIVED, received("unknown", at=5)), WebhookAnomaly.WRONG_RECEIVER),
        (
            (*RECEIVED, received("c", by="good", at=5, acknowledged=False)),
            WebhookAnomaly.WRONG_RECEIVER,
        ),
        ((*RECEIVED, received("b", at=1.5)), WebhookAnomaly.REDELIVERED),
        (
            (*RECEIVED, received("b", at=5), received("b", at=6, acknowledged=False)),
            WebhookAnomaly.REDELIVERED,
        ),
        (
            (received("b", job_id_in_body="a", at=0.5, acknowledged=False), *RECEIVED[1:]),
            WebhookAnomaly.ID_MISMATCH,
        ),
        ((tampered(RECEIVED[0]), *RECEIVED[1:]), WebhookAnomaly.BODY_CHANGED),
        ((*RECEIVED[1:3], tampered(RECEIVED[3])), WebhookAnomaly.BAD_SIGNATURE),
    ],
)
def test_a_forged_message_is_reported(
    messages: Sequence[ReceivedMessage], anomaly: WebhookAnomaly
) -> None:
    assert anomaly in anomalies(replace(CLEAN, received=messages))


@pytest.mark.parametrize(
    ("job_id", "state"),
    [("a", DeliveryState.PENDING), ("a", DeliveryState.EXHAUSTED), ("c", DeliveryState.DELIVERED)],
)
def test_an_unexpected_delivery_state_is_reported(job_id: str, state: DeliveryState) -> None:
    records = {**CLEAN.records, job_id: record(job_id, state)}
    assert anomalies(replace(CLEAN, records=records)) == [WebhookAnomaly.WRONG_STATE]


def test_leftovers_in_the_outbox_are_reported() -> None:
    history = replace(CLEAN, left_over=("{seewhy}:outbox:http://127.0.0.1:1",))
    assert anomalies(history) == [WebhookAnomaly.LEFT_OVER]
