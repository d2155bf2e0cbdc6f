"""The users of infra/redis_users: each does its work, and no more.

The Redis is real, has TLS, and is in cluster mode with one shard.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from kombu.exceptions import OperationalError
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from batch_requests import item, ndjson
from conftest import skip_without
from redis_users.__main__ import FILE, document
from redis_users.scripts import use_of
from seewhy.broker.wakeups import create_celery
from seewhy.client import Client
from seewhy.ledger.redis.client.connection import connect
from servers.process_cluster import ProcessCluster, monitored_settings, start_cluster
from servers.receivers import Receiver, acknowledge, receiving
from servers.secured_redis import SecuredRedis, connected, start_secured_redis
from servers.valkey import redis_binary
from servers.waiting import wait_until

ROLES = ("api", "worker", "dispatcher")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredRedis]:
    binary = redis_binary() or skip_without("redis-server")
    with start_secured_redis(tmp_path_factory.mktemp("secured") / "redis", binary=binary) as server:
        yield server


@pytest.fixture(scope="module")
def clusters(
    server: SecuredRedis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, ProcessCluster]]:
    """An API, a stub worker and a dispatcher, each with the URL of its user."""
    with server.client() as client:
        client.acl_log_reset()
    folder = tmp_path_factory.mktemp("processes")
    settings = monitored_settings(server, folder).model_copy(update={"sweep_interval_s": 0.2})
    with ExitStack() as stack:
        clusters = {}
        for role in ROLES:
            (folder / role).mkdir()
            own = settings.model_copy(update={"redis_url": server.url_of(role)})
            clusters[role] = stack.enter_context(start_cluster(own, folder / role))
        clusters["worker"].start_stub_worker()
        clusters["dispatcher"].start_dispatcher()
        clusters["api"].start_api()
        yield clusters


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving(acknowledge) as receiver:
        yield receiver


def test_the_users_have_the_rights_that_the_scripts_of_the_ledger_need() -> None:
    assert FILE.read_text("utf-8") == document(), "run `make redis-users`"


def test_the_rights_of_a_script_include_those_of_the_functions_that_it_calls() -> None:
    use = use_of(["claims/complete"])
    assert {"hset", "zadd", "xadd"} <= use.commands, "finish() writes the state, and an event"
    assert {
        "{seewhy}:job:*",
        "{seewhy}:due",
        "{seewhy}:outbox",
        "{seewhy}:dead_letters",
    } <= use.keys
    assert not use.keys & {"{seewhy}:idempotency:*", "{seewhy}:epoch"}


def test_every_process_does_its_work_as_its_user(
    server: SecuredRedis, clusters: dict[str, ProcessCluster], receiver: Receiver, photos: Path
) -> None:
    url = clusters["api"].url
    webhook = f"http://127.0.0.1:{receiver.port}/"
    photo = (photos / "cat.jpg").read_bytes()
    with Client(url) as client:
        explanation = client.submit(photo, webhook=webhook, idempotency_key="once")
        assert client.wait(explanation.id, timeout_s=20).status == "succeeded"
        again = client.submit(photo, webhook=webhook, idempotency_key="once")
        assert again.id == explanation.id
        client.cancel(client.submit(photo, deadline_s=60, methods=["gradcam", "eigencam"]).id)
        body = ndjson([item(photo), item(photo, method="eigencam")])
        headers = {"Content-Type": "application/x-ndjson"}
        batch = httpx2.post(f"{url}/v1/batches", content=body, headers=headers).json()
        wait_until(
            lambda: httpx2.get(f"{url}/v1/batches/{batch['id']}").json()["status"] == "finished",
            what="the batch has ended",
        )
    wait_until(lambda: bool(receiver.acknowledged), what="the webhook is delivered")
    (port, *_) = clusters["api"].metrics_ports("api")
    metrics = httpx2.get(f"http://127.0.0.1:{port}/metrics").text
    assert "\nseewhy_ledger_up 1.0" in metrics
    assert server.denied() == []
    assert len(server.slots()) == 1, "a script refuses keys of several slots"


REFUSED: dict[str, tuple[tuple[Any, ...], ...]] = {
    "api": (("FLUSHALL",), ("CONFIG", "GET", "*"), ("KEYS", "*"), ("GET", "other"), ("SHUTDOWN",)),
    "worker": (
        ("FLUSHDB",),
        ("SET", "{seewhy}:idempotency:x", "1"),
        ("HSET", "{seewhy}:epoch", "epoch", "x"),
        ("SET", "{seewhy}:leadership", "x"),
        ("HSET", "{seewhy}:key_use", "x", "1"),
        ("XRANGE", "{seewhy}:events", "-", "+"),
        ("ACL", "LIST"),
    ),
    "dispatcher": (
        ("FLUSHDB",),
        ("ZADD", "{seewhy}:due", 1, "x"),
        ("ZADD", "{seewhy}:ready:a:interactive:t", 1, "x"),
        ("HGET", "{seewhy}:counters", "accepted"),
        ("GET", "{seewhy}:idempotency:x"),
        ("HGET", "{seewhy}:quota:x:1", "x"),
        ("DEL", "{seewhy}:events"),
    ),
    "monitor": (
        ("ZADD", "{seewhy}:due", 1, "x"),
        ("ZRANGE", "{seewhy}:due", 0, -1),
        ("HGETALL", "{seewhy}:job:x"),
        ("GET", "{seewhy}:idempotency:x"),
        ("EVAL", "return redis.call('DEL', KEYS[1])", 1, "{seewhy}:due"),
    ),
}


@pytest.mark.parametrize(
    ("user", "command"), [(user, each) for user, commands in REFUSED.items() for each in commands]
)
def test_a_user_is_refused_what_it_need_not_do(
    server: SecuredRedis, user: str, command: tuple[Any, ...]
) -> None:
    with connected(server, user) as client, pytest.raises(Exception) as refusal:  # noqa: PT011
        client.execute_command(*command)
    assert isinstance(refusal.value, NoPermissionError) or "can't run" in str(refusal.value)


def test_a_monitor_reads_the_backlog_as_keda_does(server: SecuredRedis) -> None:
    script = "return redis.call('TYPE', KEYS[1]).ok == 'zset' and redis.call('ZCARD', KEYS[1]) or 0"
    with connected(server, "monitor") as client:
        assert client.eval(script, 1, "{seewhy}:due") == client.zcard("{seewhy}:due")


def test_the_server_is_in_cluster_mode(server: SecuredRedis) -> None:
    script = "#!lua\nredis.call('GET', 'a') redis.call('GET', 'b')"
    with server.client() as client, pytest.raises(ResponseError, match="do not hash to the same"):
        client.eval(script, 0)


def test_nobody_enters_without_a_password_or_tls(server: SecuredRedis) -> None:
    with connected(server, "nobody") as client, pytest.raises(AuthenticationError):
        client.ping()
    plain = f"redis://api:API_PASSWORD@localhost:{server.port}/0"
    with connect(plain) as client, pytest.raises(RedisConnectionError):
        client.ping()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda url: url.partition("?")[0], id="unknown authority"),
        pytest.param(lambda url: url.replace("localhost", "127.0.0.1"), id="other name"),
    ],
)
def test_a_certificate_that_proves_nothing_is_refused(
    server: SecuredRedis, change: Callable[[str], str]
) -> None:
    """By the ledger and by the broker, which would accept any unless told to verify."""
    url = change(server.url_of("api"))
    with connect(url) as client, pytest.raises(RedisConnectionError, match="VERIFY_FAILED"):
        client.ping()
    with (
        create_celery(url, lanes=[]).connection_for_write() as connection,
        pytest.raises(OperationalError, match="VERIFY_FAILED"),
    ):
        connection.ensure_connection(max_retries=1, timeout=1)
