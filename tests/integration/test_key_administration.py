"""The keys of a tenant over HTTP, and the last use of keys."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from http_api import assert_problem
from seewhy.access.api_key import ApiKey
from seewhy.access.key_store import KeyStore
from seewhy.access.records import Scope
from seewhy.cli.app import app
from seewhy.embedded import valkey as embedded_valkey
from seewhy.embedded.data_directory import lock_data_directory
from seewhy.embedded.environment import as_environment
from seewhy.errors import LedgerUnavailable
from seewhy.ledger.redis.key_use import RedisKeyUse
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.settings import Settings, load
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.app import Api, create_api


@pytest.fixture
def keys(settings: Settings) -> KeyStore:
    return KeyStore(open_store(settings))


@pytest.fixture
def administrator(keys: KeyStore) -> ApiKey:
    return keys.create(tenant="a", scopes=[Scope.ADMIN], name="admin")[0]


def bearer(key: ApiKey) -> dict[str, str]:
    return {"Authorization": f"Bearer {key.text}"}


def test_an_administrator_lists_the_keys_of_the_tenant_without_secrets(
    keys: KeyStore, administrator: ApiKey, api: Api
) -> None:
    expired, _ = keys.create(tenant="a", scopes=[Scope.READ], valid_for=timedelta(0))
    other, _ = keys.create(tenant="b", scopes=Scope)
    response = api.flask.test_client().get("/v1/keys", headers=bearer(administrator))
    listed: list[dict[str, Any]] = response.get_json()["keys"]
    assert [(key["id"], key["status"], key["scopes"], key["name"]) for key in listed] == [
        (administrator.key_id, "active", ["admin"], "admin"),
        (expired.key_id, "expired", ["read"], ""),
    ]
    assert response.headers["Cache-Control"] == "no-store"
    for key in (administrator, expired, other):
        assert key.secret not in response.text
        assert key.digest not in response.text


def test_a_tenant_reads_one_list_of_keys_at_a_time(
    keys: KeyStore, administrator: ApiKey, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, _ = keys.create(tenant="b", scopes=[Scope.ADMIN])
    begun, ended, ids = threading.Semaphore(0), threading.Event(), KeyStore.ids
    client = api.flask.test_client()
    assert client.get("/v1/keys", headers=bearer(other)).status_code == 200

    def read_slowly(store: KeyStore) -> frozenset[str]:
        begun.release()
        assert ended.wait(20)
        return ids(store)

    monkeypatch.setattr(KeyStore, "ids", read_slowly)
    with ThreadPoolExecutor(2) as threads:
        running = []
        for key in (administrator, other):
            list_keys = partial(api.flask.test_client().get, "/v1/keys", headers=bearer(key))
            running.append(threads.submit(list_keys))
            assert begun.acquire(timeout=20)
        response = client.get("/v1/keys", headers=bearer(administrator))
        assert_problem(response, 503, "too_many_listings")
        assert response.headers["Retry-After"] == "1"
        ended.set()
        assert [one.result(20).status_code for one in running] == [200, 200]
    assert client.get("/v1/keys", headers=bearer(administrator)).status_code == 200


def test_an_administrator_revokes_a_key_of_the_tenant_only(
    keys: KeyStore, administrator: ApiKey, api: Api
) -> None:
    leaked, _ = keys.create(tenant="a", scopes=Scope)
    other, _ = keys.create(tenant="b", scopes=Scope)
    client = api.flask.test_client()
    for key, status in ((leaked, 200), (other, 404)):
        path = f"/v1/keys/{key.key_id}/revoke"
        assert client.post(path, headers=bearer(administrator)).status_code == status
    revoked = {record.key_id for record in keys.records() if record.revoked_at}
    assert revoked == {leaked.key_id}


def test_on_a_loopback_address_without_keys_there_are_none_to_administer(api: Api) -> None:
    response = api.flask.test_client().get("/v1/keys")
    assert (response.status_code, response.get_json()) == (200, {"keys": []})


@pytest.mark.parametrize(
    "changes",
    [
        {"auth": "none"},
        {"auth": "none", "api_host": "0.0.0.0"},  # noqa: S104
        {"tenant_header": "X-Tenant", "trusted_proxies": "127.0.0.1/32"},
    ],
)
def test_without_a_key_nobody_else_administers_keys(
    settings: Settings, changes: dict[str, str]
) -> None:
    client = create_api(load(as_environment(settings), **changes)).flask.test_client()
    response = client.get("/v1/keys", headers={"X-Tenant": "a"})
    assert (response.status_code, response.get_json()["code"]) == (403, "insufficient_scope")


def test_list_shows_when_a_key_was_used_last(
    settings: Settings, keys: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    used, unused = (keys.create(tenant="a", scopes=Scope)[0] for _ in range(2))
    wrong = ApiKey.generate(unused.key_id)
    api = create_api(settings)
    for key in (used, wrong):
        api.flask.test_client().get("/v1/models", headers=bearer(key))
    api.key_use.record_key_use()
    last_used_ms = open_ledger(settings).key_use.last_used_ms()
    assert set(last_used_ms) == {used.key_id}

    monkeypatch.setenv("SEEWHY_REDIS_URL", settings.redis_url)
    monkeypatch.setenv("SEEWHY_STORE_URL", settings.store_url)
    monkeypatch.setenv("COLUMNS", "250")
    lines = CliRunner().invoke(app, ["keys", "list"]).stdout.splitlines()[1:]
    dates = {line.split()[0]: line.count(":") for line in lines}
    assert dates == {used.key_id: 2, unused.key_id: 1}, "created, and last use"


def test_uses_are_kept_while_redis_is_unavailable(
    settings: Settings, keys: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LedgerUnavailable("down")

    key, _ = keys.create(tenant="a", scopes=Scope)
    api = create_api(settings)
    api.flask.test_client().get("/v1/models", headers=bearer(key))
    with monkeypatch.context() as patched:
        patched.setattr(RedisKeyUse, "record", fail)
        with pytest.raises(LedgerUnavailable):
            api.key_use.record_key_use()
    api.key_use.record_key_use()
    assert set(open_ledger(settings).key_use.last_used_ms()) == {key.key_id}


def test_list_works_while_redis_does_not_answer(
    settings: Settings, keys: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, _ = keys.create(tenant="a", scopes=Scope)
    monkeypatch.setenv("SEEWHY_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("SEEWHY_STORE_URL", settings.store_url)
    listed = CliRunner().invoke(app, ["keys", "list"])
    assert listed.exit_code == 0
    assert "last use of the keys is not known" in listed.stderr
    assert key.key_id in listed.stdout


def test_the_url_of_the_embedded_valkey_is_found_again(tmp_path: Path) -> None:
    with lock_data_directory(tmp_path / "data") as directory:
        assert embedded_valkey.find_url(directory.valkey) is None
        prepared = embedded_valkey.prepare(directory.valkey, max_bytes=1_000_000_000)
        assert embedded_valkey.find_url(directory.valkey) == prepared.url
