"""Who may use an API: keys, a gateway, loopback addresses, and refusals to start."""

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from typer.testing import CliRunner

from http_api import MODEL, assert_problem, submit_image
from seewhy.access.api_key import ApiKey
from seewhy.access.key_store import KeyStore
from seewhy.access.records import Scope
from seewhy.cli.app import app
from seewhy.client import Client, RequestRejected
from seewhy.embedded.environment import as_environment
from seewhy.embedded.tcp_ports import free_port
from seewhy.errors import SettingsError, StoreUnavailable
from seewhy.settings import Settings, load
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.app import create_api
from seewhy_api.http.failed_attempts import MAX_FAILURES
from servers.process_cluster import start_cluster
from servers.valkey import RedisServer

GATEWAY = {"REMOTE_ADDR": "10.1.2.3"}
UNCLEAR_HOST = "127.1"
"""The system reads it as 127.0.0.1, so the tests open no port to the network; seewhy does not."""
ELSEWHERE = {"REMOTE_ADDR": "10.9.9.9"}


def api_with(settings: Settings, **changes: Any) -> FlaskClient:
    """Return a client of an API with changed settings; nothing of it runs in the background."""
    return create_api(load(as_environment(settings), **changes)).flask.test_client()


def create_key(settings: Settings, tenant: str = "a", **options: Any) -> ApiKey:
    return KeyStore(open_store(settings)).create(tenant=tenant, scopes=Scope, **options)[0]


def bearer(key: ApiKey) -> dict[str, str]:
    return {"Authorization": f"Bearer {key.text}"}


@pytest.fixture
def gateway(settings: Settings) -> FlaskClient:
    return api_with(settings, tenant_header="X-Tenant", trusted_proxies="10.1.0.0/16,::1/128")


def status(client: FlaskClient, origin: dict[str, str], **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get("/v1/models", environ_base=origin, headers=named).status_code


def test_without_keys_a_loopback_address_serves_everybody(client: FlaskClient, cat: bytes) -> None:
    assert submit_image(client, cat).status_code == 202
    assert submit_image(client, cat, headers={"Authorization": "Basic eDp5"}).status_code == 202


def test_once_a_key_exists_a_loopback_address_requires_one_too(settings: Settings) -> None:
    key = create_key(settings)
    client = api_with(settings)
    detail = assert_problem(client.get("/v1/models"), 401, "unauthenticated")
    assert "Authorization: Bearer" in detail
    assert client.get("/v1/models", headers=bearer(key)).status_code == 200
    assert api_with(settings, auth="none").get("/v1/models").status_code == 200


def test_an_address_that_is_not_loopback_requires_keys_whether_there_are_any_or_not(
    settings: Settings,
) -> None:
    client = api_with(settings, api_host="0.0.0.0")  # noqa: S104
    assert client.get("/v1/models").status_code == 401


def test_a_key_names_its_tenant(settings: Settings, cat: bytes) -> None:
    keys = {tenant: create_key(settings, tenant) for tenant in "ab"}
    client = api_with(settings)
    ids = {
        t: submit_image(client, cat, headers=bearer(k)).get_json()["id"] for t, k in keys.items()
    }
    for reader, key in keys.items():
        for tenant, job_id in ids.items():
            response = client.get(f"/v1/explanations/{job_id}", headers=bearer(key))
            assert response.status_code == (200 if reader == tenant else 404)


def test_waiting_for_the_job_of_another_tenant_is_answered_at_once(
    settings: Settings, cat: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [create_key(settings, tenant) for tenant in "ab"]
    client = api_with(settings)
    job_id = submit_image(client, cat, headers=bearer(keys[0])).get_json()["id"]
    monkeypatch.setattr(
        "seewhy_api.streaming.long_poll.LongPoll.read_job", lambda *_, **__: pytest.fail("it waits")
    )
    response = client.get(f"/v1/explanations/{job_id}?wait=30", headers=bearer(keys[1]))
    assert response.status_code == 404


def test_the_tenant_header_counts_from_the_gateway_only(gateway: FlaskClient) -> None:
    assert status(gateway, GATEWAY, X_Tenant="a") == 200
    assert status(gateway, {"REMOTE_ADDR": "::ffff:10.1.2.3"}, X_Tenant="a") == 200
    assert status(gateway, {"REMOTE_ADDR": "::1"}, X_Tenant="a") == 200
    assert status(gateway, ELSEWHERE, X_Tenant="a") == 401
    assert status(gateway, {"REMOTE_ADDR": "127.0.0.1"}, X_Tenant="a") == 401
    assert status(gateway, ELSEWHERE, X_Tenant="a", X_Forwarded_For="10.1.2.3") == 401


def test_the_absence_of_the_tenant_header_is_401_and_not_a_default(
    gateway: FlaskClient, cat: bytes
) -> None:
    response = gateway.get("/v1/models", environ_base=GATEWAY)
    assert "X-Tenant" in assert_problem(response, 401, "unauthenticated")
    assert status(gateway, GATEWAY, X_Tenant="") == 422


def test_beside_a_gateway_keys_work_from_other_addresses_unless_it_is_the_only_way(
    settings: Settings,
) -> None:
    key = create_key(settings)
    changes = {"tenant_header": "X-Tenant", "trusted_proxies": "10.1.0.0/16"}
    headers = bearer(key)
    assert status(api_with(settings, **changes), ELSEWHERE, **headers) == 200
    assert status(api_with(settings, **changes, auth="gateway"), ELSEWHERE, **headers) == 401
    keys_only = api_with(settings, **changes, auth="keys")
    assert status(keys_only, GATEWAY, X_Tenant="a") == 401
    assert status(keys_only, GATEWAY, **headers) == 200


def test_a_gateway_must_be_named_by_its_addresses() -> None:
    with pytest.raises(SettingsError, match="SEEWHY_TRUSTED_PROXIES"):
        load({"SEEWHY_TENANT_HEADER": "X-Tenant"})
    with pytest.raises(SettingsError, match="SEEWHY_TENANT_HEADER"):
        load({"SEEWHY_AUTH": "gateway"})


def test_an_address_with_many_failures_gets_429_but_a_valid_key_still_works(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    key = create_key(settings)
    client = api_with(settings)
    wrong = [ApiKey.generate(key.key_id) for _ in range(MAX_FAILURES + 1)]
    with caplog.at_level(logging.WARNING, logger="seewhy_api"):
        answers = [client.get("/v1/models", headers=bearer(each)) for each in wrong]
    assert [answer.status_code for answer in answers] == [401] * MAX_FAILURES + [429]
    assert_problem(answers[-1], 429, "too_many_failures")
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert client.get("/v1/models", headers=bearer(key)).status_code == 200
    assert len([record for record in caplog.records if "Invalid API key" in record.message]) == 1
    assert not any(each.secret in caplog.text for each in (key, *wrong))


def test_while_the_store_is_unavailable_an_unknown_key_gets_503(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, unknown = create_key(settings), ApiKey.generate()
    client = api_with(settings)
    assert client.get("/v1/models", headers=bearer(known)).status_code == 200

    def fail(*_: object) -> Any:
        raise StoreUnavailable("down")

    monkeypatch.setattr(KeyStore, "ids", fail)
    monkeypatch.setattr("seewhy.access.key_ring.LIST_S", 0)
    response = client.get("/v1/models", headers=bearer(unknown))
    assert_problem(response, 503, "store_unavailable")
    assert response.headers["Retry-After"]
    assert client.get("/v1/models", headers=bearer(known)).status_code == 200


@pytest.fixture
def exposed(valkey: RedisServer, tmp_path: Path) -> Settings:
    """Settings of a real process whose address is not known to be loopback."""
    return load(
        {},
        redis_url=valkey.url,
        store_url=f"file://{tmp_path}/objects",
        default_model=MODEL,
        api_host=UNCLEAR_HOST,
        api_port=free_port(),
    )


def run_api(settings: Settings) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seewhy_api"],
        env=as_environment(settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_api_refuses_to_start_on_another_address_without_keys(exposed: Settings) -> None:
    refused = run_api(exposed)
    assert refused.returncode != 0
    for remedy in ("seewhy keys create", "SEEWHY_TRUSTED_PROXIES", "SEEWHY_AUTH=none"):
        assert remedy in refused.stderr
    assert "Traceback" not in refused.stderr


def test_up_refuses_the_same_before_it_starts_anything(tmp_path: Path) -> None:
    arguments = ["up", "--host", UNCLEAR_HOST, "--port", "0", "--data", str(tmp_path / "data")]
    refused = CliRunner().invoke(app, arguments)
    assert isinstance(refused.exception, SettingsError)
    assert f"seewhy keys create --tenant NAME --data {tmp_path}/data" in str(refused.exception)
    assert list((tmp_path / "data" / "logs").iterdir()) == []


def test_with_a_key_the_api_starts_and_the_client_uses_it(
    exposed: Settings, tmp_path: Path, cat: bytes
) -> None:
    key = create_key(exposed)
    url = f"http://127.0.0.1:{exposed.api_port}"
    with start_cluster(exposed, tmp_path) as cluster:
        cluster.start_api()
        with Client(url, key=key.text) as client:
            assert client.get(client.submit(cat)).status == "queued"
        with Client(url) as client, pytest.raises(RequestRejected) as rejected:
            client.models()
        assert (rejected.value.problem, rejected.value.status) == ("unauthenticated", 401)
        log = cluster.read_log("api")
    assert key.secret not in log
