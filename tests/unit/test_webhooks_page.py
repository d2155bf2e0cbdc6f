"""docs/webhooks.md matches the code, and its example receiver works."""

import json
import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from seewhy.ledger.types import DeliveryState, JobRecord, LedgerPolicy, lane_of
from seewhy.schemas.http_url import URL_LIMIT
from seewhy.schemas.job import JobState
from seewhy.webhook_secrets import generate_secret
from seewhy_api.webhooks.app import CONCURRENT_ORIGINS
from seewhy_api.webhooks.client import REQUEST_TIMEOUT_S, RETRY_AFTER_STATUSES
from seewhy_api.webhooks.dispatcher import REQUESTS_PER_ORIGIN
from seewhy_api.webhooks.payload import webhook_body
from seewhy_api.webhooks.retry_policy import DELAYS_S
from seewhy_api.webhooks.signing import Signer

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text("utf-8")
SECRET = generate_secret()
UNITS_S = {"s": 1, "min": 60, "h": 3_600}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def record_of(message: dict[str, Any]) -> JobRecord:
    """Return the job of a message."""
    data = message["data"]
    return JobRecord(
        job_id=data["id"],
        state=JobState(data["status"]),
        lane=lane_of(data["model"], data["priority"]),
        job=json.dumps({name: data[name] for name in ("model", "method", "metadata")}),
        submitted_ms=milliseconds(data["submitted_at"]),
        finished_ms=milliseconds(data["finished_at"]),
        attempts=data["attempts"],
    )


def test_the_example_message_equals_the_payload() -> None:
    message = json.loads(blocks("json")[0])
    assert webhook_body(record_of(message)) == json.dumps(message, separators=(",", ":")).encode()


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """The example receiver."""
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    names: dict[str, Any] = {"__name__": "receiver"}
    (code,) = blocks("python")
    exec(code, names)  # noqa: S102 (the code comes from this repository)
    client: FlaskClient = names["app"].test_client()
    return client


def test_the_example_receiver_verifies_signatures_and_ignores_duplicates(
    receiver: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    message = json.loads(blocks("json")[0])
    body, message_id = webhook_body(record_of(message)), f"msg_{message['data']['id']}"
    signer, now_ms = Signer([generate_secret(), SECRET]), round(time.time() * 1000)
    for _ in range(2):
        headers = signer.headers(message_id, body, now_ms=now_ms)
        assert receiver.post("/seewhy", data=body, headers=headers).status_code == 204
    assert capsys.readouterr().out == f"{message['data']['id']} succeeded\n"

    ten_minutes_ago = signer.headers(message_id, body, now_ms=now_ms - 600_000)
    others = Signer([generate_secret()]).headers(message_id, body, now_ms=now_ms)
    for tampered, with_headers in (
        (body.replace(b"succeeded", b"failed"), headers),
        (body, headers | {"webhook-id": "msg_another"}),
        (body, ten_minutes_ago),
        (body, others),
        (body, {}),
    ):
        assert receiver.post("/seewhy", data=tampered, headers=with_headers).status_code == 401


def test_the_documented_schedule_equals_the_retry_policy() -> None:
    (line,) = re.findall(r"at once, then after (.+?), each wait", PAGE)
    delays_s = [int(n) * UNITS_S[unit] for n, unit in re.findall(r"(\d+) (s|min|h)\b", line)]
    assert [0, *delays_s] == list(DELAYS_S)
    assert "tried ten times" in PAGE
    assert len(DELAYS_S) == 10


def test_the_documented_limits_equal_those_of_the_code() -> None:
    assert f"may take {REQUEST_TIMEOUT_S:g} s in all" in PAGE
    (statuses,) = re.findall(r"With ([\d, or]+), `Retry-After`", PAGE)
    assert {int(status) for status in re.findall(r"\d{3}", statuses)} == set(RETRY_AFTER_STATUSES)
    assert f"more than {URL_LIMIT:,} characters" in PAGE
    assert (REQUESTS_PER_ORIGIN, CONCURRENT_ORIGINS) == (8, 8)
    assert "calls eight origins at a time, and posts eight messages at a time" in PAGE
    assert LedgerPolicy().webhook_retention_ms == 4 * 86_400_000
    assert LedgerPolicy().origin_lease_ms == 120_000
    assert sum(DELAYS_S) > 3 * 86_400


@pytest.mark.parametrize("status", DeliveryState)
def test_every_status_of_a_webhook_is_explained(status: DeliveryState) -> None:
    assert f"`{status}`" in PAGE or f'"{status}"' in PAGE


def test_the_example_response_has_every_webhook_field() -> None:
    (view,) = (json.loads(block) for block in blocks("json")[1:])
    assert list(view["webhook"]) == ["url", "status", "attempts", "detail"]
