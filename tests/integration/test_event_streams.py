"""Event streams of an API process over a real Valkey; the tests act as the worker."""

import json
import signal
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any
from uuid import UUID

import httpx2
import pytest

from ledger_harness import latest_position, read_job
from seewhy.client import Client
from seewhy.client.sse import Message
from seewhy.embedded.tcp_ports import free_port
from seewhy.ledger.redis.ledger import RedisLedger, open_ledger
from seewhy.ledger.types import Claim, JobFailure, lanes_of
from seewhy.schemas.job import JobState
from seewhy.settings import Settings, load
from seewhy_api.connections.worker import GRACEFUL_TIMEOUT_S
from servers.event_stream_clients import EventStreamClients
from servers.process_cluster import ProcessCluster, start_cluster
from servers.valkey import RedisServer, start_valkey
from servers.waiting import wait_until
from sse_messages import read_messages

MODEL = "efficientnet-lite0"
STREAMS = 500
FEW_CONNECTIONS = 16
"""More than all threads of the API and the test itself open when they first need one."""
END = b"0\r\n\r\n"
"""The end of a complete chunked response."""


def settings_for(server: RedisServer, tmp_path: Path, **changes: Any) -> Settings:
    return load(
        {},
        redis_url=server.url,
        store_url=f"file://{tmp_path}/objects",
        default_model=MODEL,
        api_port=free_port(),
        api_threads=4,
        **changes,
    )


@pytest.fixture
def cluster(valkey: RedisServer, tmp_path: Path) -> Iterator[ProcessCluster]:
    with valkey.client() as client:
        client.flushdb()
    with start_cluster(
        settings_for(valkey, tmp_path, api_streams=STREAMS, api_streams_per_client=STREAMS),
        tmp_path,
    ) as running:
        running.start_api()
        yield running


@pytest.fixture
def ledger(cluster: ProcessCluster) -> RedisLedger:
    return open_ledger(cluster.settings)


@pytest.fixture
def job_id(cluster: ProcessCluster, photos: Path) -> str:
    return submit(cluster, photos)


def submit(cluster: ProcessCluster, photos: Path) -> str:
    with Client(cluster.url) as client:
        return client.submit(photos / "cat.jpg", cache=False).id


def claim(ledger: RedisLedger) -> Claim:
    (claimed,) = ledger.claim(lanes_of(MODEL), owner="test", limit=1)
    return claimed


def fail(ledger: RedisLedger, claimed: Claim) -> None:
    assert ledger.fail([JobFailure(claimed, "explainer_failed", "It was a test.")]).applied == [
        True
    ]


def events_path(job_id: str) -> str:
    return f"/v1/explanations/{job_id}/events"


def read_all(cluster: ProcessCluster, job_id: str, *, after: str = "") -> list[Message]:
    """Read a stream to its end, which follows the outcome at once."""
    headers = {"Last-Event-ID": after} if after else {}
    response = httpx2.get(cluster.url + events_path(job_id), headers=headers, timeout=60)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    return list(read_messages(response.text.splitlines()))


def statuses(messages: list[Message]) -> list[str]:
    return [json.loads(message.data)["status"] for message in messages if message.data]


def contains_status(status: str) -> Any:
    return lambda text: f'"status": "{status}"'.encode() in text


def test_a_stream_sends_the_current_state_each_change_and_the_outcome(
    cluster: ProcessCluster, ledger: RedisLedger, job_id: str
) -> None:
    with EventStreamClients("127.0.0.1", cluster.settings.api_port) as clients:
        clients.open(events_path(job_id))
        clients.read_until(contains_status("queued"), what="the current state")
        claimed = claim(ledger)
        clients.read_until(contains_status("running"), what="the claim")
        fail(ledger, claimed)
        clients.read_until(lambda text: text.endswith(END), what="the end of the stream")
        (text,) = clients.received.values()
    order = [text.index(f'"status": "{s}"'.encode()) for s in ("queued", "running", "failed")]
    assert order == sorted(order)
    assert text.count(b"data: ") == 3
    assert text.count(b"id: end\n") == 1
    assert b"retry: " in text
    assert b"Access-Control-Allow-Origin" not in text


def test_the_outcome_contains_the_full_explanation(
    cluster: ProcessCluster, ledger: RedisLedger, job_id: str
) -> None:
    fail(ledger, claim(ledger))
    outcome = json.loads(read_all(cluster, job_id)[-1].data)
    assert outcome == httpx2.get(f"{cluster.url}/v1/explanations/{job_id}").json()
    assert outcome["error"] == {"code": "explainer_failed", "detail": "It was a test."}
    assert outcome["links"]["events"] == events_path(job_id)


def test_a_late_client_receives_the_outcome_even_if_its_event_is_gone(
    cluster: ProcessCluster, ledger: RedisLedger, job_id: str, valkey: RedisServer
) -> None:
    fail(ledger, claim(ledger))
    with valkey.client() as client:
        client.delete("{seewhy}:events")
    retry, outcome = read_all(cluster, job_id)
    assert retry.retry_ms is not None
    assert (outcome.id, statuses([outcome])) == ("end", ["failed"])


def test_a_resumed_stream_sends_missed_changes_once_and_in_order(
    cluster: ProcessCluster, ledger: RedisLedger, photos: Path
) -> None:
    assert ledger.cancel(submit(cluster, photos)) is not None
    before = latest_position(ledger)
    job_id = submit(cluster, photos)
    claimed = claim(ledger)
    ran = latest_position(ledger)
    assert ledger.fail([JobFailure(claimed, "c", "d", retry_in_ms=0)]).applied == [True]
    assert ledger.cancel(job_id) is not None
    wait_until(
        lambda: len(statuses(read_all(cluster, job_id, after=before))) == 3,
        what="the API has read the events",
    )
    assert statuses(read_all(cluster, job_id, after=before)) == ["running", "queued", "cancelled"]
    assert statuses(read_all(cluster, job_id, after=ran)) == ["queued", "cancelled"]
    assert statuses(read_all(cluster, job_id)) == ["cancelled"]
    response = httpx2.get(cluster.url + events_path(job_id), headers={"Last-Event-ID": "end"})
    assert (response.status_code, response.content) == (204, b"")


def test_errors_are_sent_before_the_stream_starts(cluster: ProcessCluster, job_id: str) -> None:
    def status(job_id: str, **headers: str) -> tuple[int, str]:
        response = httpx2.get(cluster.url + events_path(job_id), headers=headers)
        assert response.headers["cache-control"] == "no-store"
        return response.status_code, response.json()["code"]

    assert status("no-such-job") == (404, "unknown_explanation")
    past_ms = int((datetime.now(UTC) - timedelta(days=8)).timestamp() * 1000)
    assert status(str(UUID(int=past_ms << 80 | 7 << 76 | 2 << 62))) == (410, "explanation_gone")
    for last_id in ("yesterday", ""):
        assert status(job_id, **{"Last-Event-ID": last_id}) == (422, "invalid_request")


def test_hundreds_of_streams_share_few_redis_connections_and_block_no_request(
    cluster: ProcessCluster, ledger: RedisLedger, job_id: str, valkey: RedisServer, photos: Path
) -> None:
    def connections() -> int:
        with valkey.client() as client:
            return len(client.client_list())

    before = connections()
    with EventStreamClients("127.0.0.1", cluster.settings.api_port) as clients:
        for _ in range(STREAMS):
            clients.open(events_path(job_id))
        clients.read_until(contains_status("queued"), what="all clients receive the current state")
        assert connections() <= before + FEW_CONNECTIONS
        response = httpx2.get(cluster.url + events_path(job_id))
        assert (response.status_code, response.json()["code"]) == (503, "too_many_streams")
        assert int(response.headers["retry-after"]) > 0
        other = submit(cluster, photos)
        fail(ledger, claim(ledger))
        clients.read_until(lambda text: text.endswith(END), what="all clients receive the outcome")
        assert connections() <= before + FEW_CONNECTIONS
        assert all(text.count(b"id: end\n") == 1 for text in clients.received.values())
    assert read_job(ledger, other).state is JobState.QUEUED


def test_an_idle_client_blocks_no_other_and_a_closed_one_frees_its_slot(
    valkey: RedisServer, tmp_path: Path, photos: Path
) -> None:
    with valkey.client() as client:
        client.flushdb()
    settings = settings_for(valkey, tmp_path, api_streams=2)
    ledger = open_ledger(settings)
    with start_cluster(settings, tmp_path) as cluster:
        cluster.start_api()
        job_id = submit(cluster, photos)
        with EventStreamClients("127.0.0.1", settings.api_port) as idle:
            idle.open(events_path(job_id))
            with EventStreamClients("127.0.0.1", settings.api_port) as clients:
                dropped = clients.open(events_path(job_id))
                clients.read_until(contains_status("queued"), what="the second client is served")
                assert httpx2.get(cluster.url + events_path(job_id)).status_code == 503
                clients.drop(dropped)

                def served() -> bool:
                    # The API notices a closed connection when it writes to it.
                    ledger.release([claim(ledger)])
                    with httpx2.stream("GET", cluster.url + events_path(job_id)) as response:
                        return response.status_code == 200

                wait_until(served, what="the slot is free")


def test_a_stream_ends_cleanly_at_shutdown_and_the_client_reconnects(
    cluster: ProcessCluster, ledger: RedisLedger, job_id: str
) -> None:
    received: SimpleQueue[JobState] = SimpleQueue()

    def follow() -> None:
        with Client(cluster.url) as client:
            for event in client.events(job_id):
                received.put(event.status)

    thread = Thread(target=follow)
    with EventStreamClients("127.0.0.1", cluster.settings.api_port) as clients:
        clients.open(events_path(job_id))
        clients.read_until(contains_status("queued"), what="the client is connected")
        thread.start()
        assert received.get(timeout=60) is JobState.QUEUED
        (api,) = cluster.processes
        api.send_signal(signal.SIGTERM)
        limit_s = GRACEFUL_TIMEOUT_S - 1
        clients.read_until(
            lambda text: text.endswith(END), what="the stream has ended", limit_s=limit_s
        )
        assert api.wait(timeout=60) == 0
    claimed = claim(ledger)
    cluster.start_api()
    assert received.get(timeout=60) is JobState.RUNNING
    fail(ledger, claimed)
    assert received.get(timeout=60) is JobState.FAILED
    thread.join(timeout=60)
    assert received.empty()


def test_the_outcome_survives_a_restart_of_redis(tmp_path: Path, photos: Path) -> None:
    with start_valkey(tmp_path / "valkey", appendfsync="always") as server:
        settings = settings_for(server, tmp_path)
        with start_cluster(settings, tmp_path) as cluster:
            cluster.start_api()
            ledger = open_ledger(settings)
            job_id = submit(cluster, photos)
            with Client(cluster.url) as client, closing(client.events(job_id)) as events:
                assert next(events).status is JobState.QUEUED
                server.kill()
                server.start()
                fail(ledger, claim(ledger))
                *_, last = events
    assert last.status is JobState.FAILED
    assert last.explanation is not None
    assert last.explanation.error is not None
