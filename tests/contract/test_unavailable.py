"""Which answers of a server mean that the ledger is unavailable; on Valkey and on Redis."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from seewhy.errors import LedgerUnavailable
from seewhy.ledger.redis.client.connection import connect, translated
from seewhy.ledger.redis.ledger import RedisLedger, open_ledger
from seewhy.settings import load
from servers.valkey import RedisServer


@pytest.fixture(params=["valkey", "redis_server"])
def server(request: pytest.FixtureRequest) -> RedisServer:
    found: RedisServer = request.getfixturevalue(request.param)
    return found


@contextmanager
def configured(client: "Redis", name: str, value: int) -> Iterator[None]:
    before = str(client.config_get(name)[name])
    client.config_set(name, value)
    try:
        yield
    finally:
        client.config_set(name, before)


def test_a_server_held_by_a_script_is_unavailable(server: RedisServer) -> None:
    ledger = RedisLedger(connect(server.url))
    with server.held_by_a_script():
        for call in (ledger.check, ledger.counts, ledger.epoch_marker):
            with pytest.raises(LedgerUnavailable, match="BUSY"):
                call()
    ledger.check()


def test_a_server_without_memory_is_unavailable(server: RedisServer) -> None:
    ledger = RedisLedger(connect(server.url))
    with (
        server.client() as client,
        configured(client, "maxmemory", 1),
        pytest.raises(LedgerUnavailable),
    ):
        ledger.check()


def test_a_server_with_too_many_clients_is_unavailable(server: RedisServer) -> None:
    with (
        server.client() as client,
        configured(client, "maxclients", 1),
        pytest.raises(LedgerUnavailable, match="max number of clients"),
    ):
        RedisLedger(connect(server.url)).check()


@pytest.mark.parametrize("login", ["wrong password", "missing permission"])
def test_a_server_that_forbids_the_user_is_unavailable(server: RedisServer, login: str) -> None:
    with server.client() as client:
        client.acl_setuser("reader", enabled=True, passwords=["+right"], commands=["+ping"])
        word = "right" if login == "missing permission" else "wrong"
        url = server.url.replace("redis://", f"redis://reader:{word}@")
        try:
            with pytest.raises(LedgerUnavailable):
                RedisLedger(connect(url)).counts()
        finally:
            client.acl_deluser("reader")


def test_a_mistake_in_the_program_is_not_an_outage(server: RedisServer) -> None:
    with server.client() as client, pytest.raises(ResponseError), translated():
        client.execute_command("HSET", "only the key")


def test_every_thread_of_the_api_gets_a_connection(valkey: RedisServer) -> None:
    settings = load({}, redis_url=valkey.url, api_threads=200, api_streams=100)
    ledger = open_ledger(settings)
    pool = ledger.scripts.client.connection_pool
    try:
        for _ in range(settings.api_threads + settings.api_streams):
            pool.get_connection()  # as a call does until it has its answer
        ledger.check()
    finally:
        pool.disconnect()


def test_a_collected_client_closes_its_connections_whatever_is_collected_first(
    server: RedisServer,
) -> None:
    client = connect(server.url)
    client.ping()
    connection = client.connection_pool.get_connection()
    client.connection_pool.release(connection)
    client.auto_close_connection_pool = False  # as if its own finalizer came too late
    assert connection.is_connected
    del client
    gc.collect()
    assert not connection.is_connected
