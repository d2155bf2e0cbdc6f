"""The judge of webhooks judged: each kind of wrong is forged once, and has to be named."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from standardwebhooks import Webhook as Verifier

from faults.tellings import Amiss, Heard, Tellings, judge
from seewhy.ledger.types import DeliveryState, JobRecord, WebhookStatus
from seewhy.schemas.job import JobState
from seewhy.schemas.webhook_secrets import generate_secret
from seewhy_api.webhooks.signing import Signer
from servers.receivers import Message

SECRET = generate_secret()
NOW_S = time.time()


def verify(message: Message) -> None:
    Verifier(SECRET).verify(message.body, dict(message.headers))


def told(
    job_id: str, *, to: str = "good", at: float = 0, thanked: bool = True, told_of: str = ""
) -> Heard:
    body = json.dumps({"data": {"id": told_of or job_id}}).encode()
    headers = Signer([SECRET]).headers(f"msg_{job_id}", body, now_ms=round(NOW_S * 1000))
    return Heard(to, Message("/", headers, body, NOW_S + at), thanked)


def record(job_id: str, state: DeliveryState) -> JobRecord:
    hook = WebhookStatus("https://hooks.test/", state, attempts=1)
    return JobRecord(job_id, JobState.SUCCEEDED, "m:batch", "{}", 0, webhook=hook)


HEARD = (
    told("a", thanked=False),
    told("a", at=1),
    told("b", at=1),
    told("c", to="bad", thanked=False),
)
WELL = Tellings(
    asked={"a": "good", "b": "good", "c": "bad"},
    ends={"good": DeliveryState.DELIVERED, "bad": DeliveryState.EXHAUSTED},
    heard=HEARD,
    records={
        "a": record("a", DeliveryState.DELIVERED),
        "b": record("b", DeliveryState.DELIVERED),
        "c": record("c", DeliveryState.EXHAUSTED),
    },
    blows=(NOW_S + 2,),
    left_over=(),
    verify=verify,
)


def kinds(tellings: Tellings) -> list[Amiss]:
    return [kind for kind, _ in judge(tellings).amiss]


def test_all_is_well_when_all_are_told_and_the_hopeless_are_given_up() -> None:
    verdict = judge(WELL)
    assert (verdict.amiss, verdict.delivered, verdict.again) == ((), 2, 0)


def test_a_second_telling_after_a_blow_is_counted_and_is_well() -> None:
    verdict = judge(replace(WELL, heard=(*HEARD, told("b", at=3))))
    assert (verdict.amiss, verdict.delivered, verdict.again) == ((), 2, 1)


def tampered(heard: Heard) -> Heard:
    return replace(heard, message=replace(heard.message, body=heard.message.body + b" "))


@pytest.mark.parametrize(
    ("heard", "kind"),
    [
        ((HEARD[1], HEARD[3]), Amiss.UNTOLD),
        ((*HEARD, told("nobody", at=5)), Amiss.ASTRAY),
        ((*HEARD, told("c", to="good", at=5, thanked=False)), Amiss.ASTRAY),
        ((*HEARD, told("b", at=1.5)), Amiss.AGAIN),
        ((*HEARD, told("b", at=5), told("b", at=6, thanked=False)), Amiss.AGAIN),
        ((told("b", told_of="a", at=0.5, thanked=False), *HEARD[1:]), Amiss.MISNAMED),
        ((tampered(HEARD[0]), *HEARD[1:]), Amiss.CHANGED),
        ((*HEARD[1:3], tampered(HEARD[3])), Amiss.FORGED),
    ],
)
def test_each_wrong_among_the_messages_is_named(heard: Sequence[Heard], kind: Amiss) -> None:
    assert kind in kinds(replace(WELL, heard=heard))


@pytest.mark.parametrize(
    ("job_id", "state"),
    [("a", DeliveryState.PENDING), ("a", DeliveryState.EXHAUSTED), ("c", DeliveryState.DELIVERED)],
)
def test_a_ledger_that_says_otherwise_is_named(job_id: str, state: DeliveryState) -> None:
    records = {**WELL.records, job_id: record(job_id, state)}
    assert kinds(replace(WELL, records=records)) == [Amiss.MISSTATED]


def test_what_is_left_over_is_named() -> None:
    left = replace(WELL, left_over=("seewhy:outbox:http://127.0.0.1:1",))
    assert kinds(left) == [Amiss.LEFT_OVER]
