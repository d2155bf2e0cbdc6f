"""The queues of open jobs, for operators: over HTTP and on the command line."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from typer.testing import CliRunner

from http_api import MODEL, submit_image
from seewhy.access.key_store import KeyStore
from seewhy.access.records import Scope
from seewhy.cli.app import app
from seewhy.ledger.redis.ledger import RedisLedger, open_ledger
from seewhy.ledger.types import lanes_of
from seewhy.settings import Settings
from seewhy.storage.obstore_adapter import open_store

IDLE = {"queues": [], "drain_s": {}, "dead_letters": 0, "undelivered": 0}
TIMES = ("oldest_waiting_s", "longest_running_s")


@pytest.fixture
def client(settings: Settings, client: FlaskClient) -> FlaskClient:
    """A client with a key that has every scope."""
    key, _ = KeyStore(open_store(settings)).create(tenant="a", scopes=list(Scope))
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key.text}"
    return client


@pytest.fixture
def ledger(settings: Settings) -> RedisLedger:
    return open_ledger(settings)


def queues(client: FlaskClient) -> Any:
    response = client.get("/v1/queues")
    assert response.status_code == 200, response.get_json()
    assert response.headers["Cache-Control"] == "no-store"
    return response.get_json()


def printed(settings: Settings, monkeypatch: pytest.MonkeyPatch, *options: str) -> str:
    monkeypatch.setenv("SEEWHY_REDIS_URL", settings.redis_url)
    monkeypatch.setenv("COLUMNS", "250")
    shown = CliRunner().invoke(app, ["queues", *options])
    assert shown.exit_code == 0, shown.output
    return shown.stdout


def test_a_queue_counts_its_jobs_and_the_device_time_that_they_take(
    client: FlaskClient, cat: bytes, ledger: RedisLedger
) -> None:
    assert queues(client) == IDLE
    for _ in range(3):
        submit_image(client, cat, cache=False)
    ledger.claim([lanes_of(MODEL)[0]], owner="w", limit=1)
    shown = queues(client)
    (queue,) = shown["queues"]
    assert [queue.pop(name) >= 0 for name in TIMES] == [True, True]
    assert queue == {
        "model": MODEL,
        "priority": "interactive",
        "long": False,
        "open": 3,
        "waiting": 2,
        "running": 1,
        "backlog_device_s": 0.3,
        "workers": 0,
    }
    assert shown["drain_s"] == {MODEL: None}


def test_more_workers_drain_a_backlog_sooner(
    client: FlaskClient, cat: bytes, ledger: RedisLedger
) -> None:
    for _ in range(4):
        submit_image(client, cat, cache=False)
    for number in (1, 2):
        ledger.workers.register(f"w{number}", models=[MODEL])
    shown = queues(client)
    assert shown["queues"][0]["workers"] == 2
    assert shown["drain_s"] == {MODEL: shown["queues"][0]["backlog_device_s"] / 2}


def test_urgent_queues_come_first_and_long_ones_last(client: FlaskClient, cat: bytes) -> None:
    for priority, method in (
        ("batch", "gradcam"),
        ("interactive", "scorecam"),
        ("interactive", "gradcam"),
    ):
        submit_image(client, cat, cache=False, priority=priority, method=method)
    listed = [(queue["priority"], queue["long"]) for queue in queues(client)["queues"]]
    assert listed == [("interactive", False), ("interactive", True), ("batch", False)]


def test_an_operator_sees_what_the_api_shows(
    settings: Settings, client: FlaskClient, cat: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit_image(client, cat, cache=False)
    as_json = json.loads(printed(settings, monkeypatch, "--json"))
    over_http = queues(client)
    for shown in (as_json, over_http):
        assert shown["queues"][0].pop("oldest_waiting_s") >= 0
    assert as_json == over_http
    lines = printed(settings, monkeypatch).splitlines()
    assert lines[1].split()[:3] == [MODEL, "interactive", "1"]
    assert lines[-1] == "failed jobs: 0; undelivered: 0"
