"""The state of the service over HTTP: what operators and readers see of it."""

import json
import shutil
from typing import Any

import pytest
from flask.testing import FlaskClient
from typer.testing import CliRunner

from http_api import MODEL, fail_next_job, submit_image
from seewhy.access.key_store import KeyStore
from seewhy.access.records import Scope
from seewhy.cli.app import app
from seewhy.embedded.environment import as_environment
from seewhy.embedded.tcp_ports import free_port
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import WorkerDetails
from seewhy.settings import Settings, load
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.app import create_api

DETAILS = WorkerDetails(jobs=2, failed_loads={"broken": "/models/broken.keras is damaged"})


def status(client: FlaskClient, **headers: str) -> Any:
    response = client.get("/v1/status", headers=headers)
    assert response.status_code == 200, response.get_json()
    assert response.headers["Cache-Control"] == "no-store"
    return response.get_json()


def alert_names(shown: Any) -> list[str]:
    return [alert["name"] for alert in shown["alerts"]]


def test_on_a_loopback_address_without_keys_the_caller_is_an_administrator(
    client: FlaskClient,
) -> None:
    shown = status(client)
    assert shown["scopes"] == ["admin", "read", "submit"]
    assert shown["checks"] == {"ledger": "ok", "store": "ok"}
    assert (shown["workers"], shown["queues"]["queues"]) == ([], [])
    assert [alert["message"] for alert in shown["alerts"]] == [
        "No worker runs. Jobs will wait until one starts."
    ]


def test_jobs_that_nobody_runs_are_named_with_the_model_that_is_missing(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    for _ in range(2):
        submit_image(client, cat, cache=False)
    open_ledger(settings).workers.register("host:7:ab", models=["vgg16"])
    (alert,) = status(client)["alerts"]
    assert (alert["name"], alert["severity"]) == ("SeewhyNoWorkers", "page")
    assert alert["message"].startswith(f"No worker serves {MODEL}: 2 jobs wait, the oldest for ")
    assert MODEL in alert["remedy"]
    assert alert["runbook"] == "docs/monitoring.md#seewhynoworkers"


def test_the_status_counts_jobs_and_dead_letters(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    open_ledger(settings).workers.register("host:7:ab", models=[MODEL])
    for _ in range(3):
        submit_image(client, cat, cache=False)
    fail_next_job(settings)
    shown = status(client)
    assert shown["jobs"] == {
        "accepted": 3,
        "open": 2,
        "ended": {"failed": 1},
        "leases_expired": 0,
    }
    assert shown["queues"]["dead_letters"] == 1
    assert [queue["waiting"] for queue in shown["queues"]["queues"]] == [2]
    assert alert_names(shown) == ["SeewhyDeadLetters"]
    assert shown["redis"]["memory_bytes"] > 0


def test_only_an_administrator_sees_hosts_and_why_a_model_was_not_loaded(
    client: FlaskClient, settings: Settings
) -> None:
    open_ledger(settings).workers.register(
        "secret-host:7:ab", models=[MODEL], on_demand=["broken"], details=DETAILS
    )
    store = KeyStore(open_store(settings))
    scopes = {"reader": [Scope.READ], "admin": [Scope.READ, Scope.ADMIN]}
    keys = {name: store.create(tenant="a", scopes=given)[0] for name, given in scopes.items()}
    shown = {name: status(client, Authorization=f"Bearer {key.text}") for name, key in keys.items()}
    assert shown["reader"]["scopes"] == ["read"]
    assert [worker["id"] for worker in shown["reader"]["workers"]] == ["ab"]
    assert [worker["id"] for worker in shown["admin"]["workers"]] == ["secret-host:7:ab"]
    assert 0 <= shown["admin"]["workers"][0]["unseen_s"] < 30
    assert alert_names(shown["reader"]) == alert_names(shown["admin"]) == ["SeewhyModelLoadsFail"]
    for secret in ("secret-host", "/models"):
        assert secret not in str(shown["reader"])
        assert secret in str(shown["admin"])


def printed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, *options: str, exit_code: int = 0
) -> str:
    monkeypatch.setenv("SEEWHY_REDIS_URL", settings.redis_url)
    monkeypatch.setenv("SEEWHY_STORE_URL", settings.store_url)
    shown = CliRunner().invoke(app, ["status", *options])
    assert shown.exit_code == exit_code, shown.output
    return shown.stdout


def test_an_operator_sees_what_the_api_shows(
    client: FlaskClient, settings: Settings, cat: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = open_ledger(settings).workers
    workers.register("host:7:ab", models=[MODEL])
    assert printed(settings, monkeypatch) == "Nothing is wrong.\n"
    submit_image(client, cat, cache=False)
    fail_next_job(settings)
    shown = status(client)
    as_json = json.loads(printed(settings, monkeypatch, "--json"))
    assert shown.pop("scopes")
    assert as_json["alerts"] == shown["alerts"]
    assert as_json.keys() == shown.keys()
    lines = printed(settings, monkeypatch).splitlines()
    assert lines[0] == "in working hours: 1 failed job waits for a decision."
    assert lines[1].endswith("(docs/monitoring.md#status)")


def test_the_command_fails_while_something_needs_a_person_now(
    client: FlaskClient, settings: Settings, cat: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit_image(client, cat, cache=False)
    lines = printed(settings, monkeypatch, exit_code=1).splitlines()
    assert lines[0].startswith(f"now: No worker serves {MODEL}: 1 job waits, the oldest for ")


def test_while_redis_does_not_answer_the_status_says_so(settings: Settings) -> None:
    changed = load(as_environment(settings), redis_url=f"redis://127.0.0.1:{free_port()}/0")
    shown = status(create_api(changed).flask.test_client())
    assert shown["checks"] == {"ledger": "ledger_unavailable", "store": "ok"}
    assert [shown[name] for name in ("queues", "workers", "jobs", "redis")] == [None] * 4
    assert alert_names(shown) == ["SeewhyLedgerDown"]


def test_while_the_object_store_does_not_answer_the_status_says_so(settings: Settings) -> None:
    open_ledger(settings).workers.register("host:7:ab", models=[MODEL])
    changed = load(as_environment(settings), auth="none")
    before, after = (create_api(changed).flask.test_client() for _ in range(2))
    shown = status(before)
    assert (shown["scopes"], alert_names(shown)) == (["read", "submit"], [])
    shutil.rmtree(settings.store_url.removeprefix("file://"))
    assert status(before)["checks"] == {"ledger": "ok", "store": "ok"}  # asked a moment ago
    shown = status(after)
    assert shown["checks"] == {"ledger": "ok", "store": "store_unavailable"}
    assert alert_names(shown) == ["SeewhyStoreDown"]
    assert len(shown["workers"]) == 1
