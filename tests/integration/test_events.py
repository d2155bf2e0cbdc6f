"""Event streams of a real API over a real Valkey: no worker runs, the test moves the jobs."""

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

from ledgers.positions import latest
from seewhy.client import Client
from seewhy.client.sse import Message, read_messages
from seewhy.embedded.tcp_ports import free_port
from seewhy.ledger.redis.ledger import RedisLedger, open_ledger
from seewhy.ledger.types import Claim, JobFailure, lanes_of
from seewhy.schemas.job import JobState
from seewhy.settings import Settings, load
from seewhy_api.server import GRACEFUL_TIMEOUT_S
from seewhy_api.streaming.sse_writer import CONCURRENT_READS
from servers.listeners import Listeners
from servers.process_cluster import ProcessCluster, start_cluster
from servers.valkey import RedisServer, start_valkey
from servers.waiting import wait_until

MODEL = "efficientnet-lite0"
STREAMS = 500
END = b"0\r\n\r\n"
"""How a chunked answer says that it is whole."""


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
    with start_cluster(settings_for(valkey, tmp_path, api_streams=STREAMS), tmp_path) as running:
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
    (taken,) = ledger.claim(lanes_of(MODEL), owner="a test", limit=1)
    return taken


def fail(ledger: RedisLedger, taken: Claim) -> None:
    assert ledger.fail([JobFailure(taken, "explainer_failed", "It was a test.")]) == [True]


def path_of(job_id: str) -> str:
    return f"/v1/explanations/{job_id}/events"


def read_all(cluster: ProcessCluster, job_id: str, *, after: str = "") -> list[Message]:
    """Read a stream to its end, which comes at once when the job has its outcome."""
    headers = {"Last-Event-ID": after} if after else {}
    answer = httpx2.get(cluster.url + path_of(job_id), headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return list(read_messages(answer.text.splitlines()))


def statuses(messages: list[Message]) -> list[str]:
    return [json.loads(message.data)["status"] for message in messages if message.data]


def holds(status: str) -> Any:
    return lambda text: f'"status": "{status}"'.encode() in text


def test_a_stream_tells_the_present_state_each_change_and_the_outcome_and_ends(
    cluster, ledger, job_id
):
    with Listeners("127.0.0.1", cluster.settings.api_port) as clients:
        clients.open(path_of(job_id))
        clients.read_until(holds("queued"), what="the present state")
        taken = claim(ledger)
        clients.read_until(holds("running"), what="the claim")
        fail(ledger, taken)
        clients.read_until(lambda text: text.endswith(END), what="the end of the stream")
        (text,) = clients.received.values()
    order = [text.index(f'"status": "{s}"'.encode()) for s in ("queued", "running", "failed")]
    assert order == sorted(order)
    assert text.count(b"data: ") == 3
    assert text.count(b"id: end\n") == 1
    assert b"retry: " in text
    assert b"Access-Control-Allow-Origin: *" in text


def test_the_outcome_carries_the_whole_explanation(cluster, ledger, job_id):
    fail(ledger, claim(ledger))
    outcome = json.loads(read_all(cluster, job_id)[-1].data)
    assert outcome == httpx2.get(f"{cluster.url}/v1/explanations/{job_id}").json()
    assert outcome["error"] == {"code": "explainer_failed", "detail": "It was a test."}
    assert outcome["links"]["events"] == path_of(job_id)


def test_who_comes_late_gets_the_outcome_though_its_event_is_gone(cluster, ledger, job_id, valkey):
    fail(ledger, claim(ledger))
    with valkey.client() as client:
        client.delete("seewhy:events")
    retry, outcome = read_all(cluster, job_id)
    assert retry.retry_ms is not None
    assert (outcome.id, statuses([outcome])) == ("end", ["failed"])


def test_who_resumes_gets_what_was_missed_once_and_in_order(cluster, ledger, photos):
    assert ledger.cancel(submit(cluster, photos)) is not None
    before = latest(ledger)
    job_id = submit(cluster, photos)
    taken = claim(ledger)
    ran = latest(ledger)
    assert ledger.fail([JobFailure(taken, "c", "d", retry_in_ms=0)]) == [True]
    assert ledger.cancel(job_id) is not None
    wait_until(
        lambda: len(statuses(read_all(cluster, job_id, after=before))) == 3,
        what="the API has read the events",
    )
    assert statuses(read_all(cluster, job_id, after=before)) == ["running", "queued", "cancelled"]
    assert statuses(read_all(cluster, job_id, after=ran)) == ["queued", "cancelled"]
    assert statuses(read_all(cluster, job_id)) == ["cancelled"]
    answer = httpx2.get(cluster.url + path_of(job_id), headers={"Last-Event-ID": "end"})
    assert (answer.status_code, answer.content) == (204, b"")


def test_what_cannot_be_listened_to_is_said_before_the_stream(cluster, job_id):
    def status(job_id: str, **headers: str) -> tuple[int, str]:
        answer = httpx2.get(cluster.url + path_of(job_id), headers=headers)
        assert answer.headers["access-control-allow-origin"] == "*"
        return answer.status_code, answer.json()["code"]

    assert status("no-such-job") == (404, "unknown_explanation")
    past_ms = int((datetime.now(UTC) - timedelta(days=8)).timestamp() * 1000)
    assert status(str(UUID(int=past_ms << 80 | 7 << 76 | 2 << 62))) == (410, "explanation_gone")
    assert status(job_id, **{"Last-Event-ID": "yesterday"}) == (422, "invalid_request")


def test_hundreds_of_streams_cost_redis_no_connection_each_and_hold_up_nobody(
    cluster, ledger, job_id, valkey, photos
):
    def connections() -> int:
        with valkey.client() as client:
            return len(client.client_list())

    before = connections()
    with Listeners("127.0.0.1", cluster.settings.api_port) as clients:
        for _ in range(STREAMS):
            clients.open(path_of(job_id))
        clients.read_until(holds("queued"), what="all listen")
        assert connections() <= before + CONCURRENT_READS
        refused = httpx2.get(cluster.url + path_of(job_id))
        assert (refused.status_code, refused.json()["code"]) == (503, "too_many_streams")
        assert int(refused.headers["retry-after"]) > 0
        other = submit(cluster, photos)
        fail(ledger, claim(ledger))
        clients.read_until(lambda text: text.endswith(END), what="all have the outcome")
        assert connections() <= before + CONCURRENT_READS
        assert all(text.count(b"id: end\n") == 1 for text in clients.received.values())
    assert ledger.read(other).state is JobState.QUEUED


def test_a_client_that_never_reads_holds_up_nobody_and_one_that_hangs_up_frees_its_place(
    valkey, tmp_path, photos
):
    with valkey.client() as client:
        client.flushdb()
    settings = settings_for(valkey, tmp_path, api_streams=2)
    ledger = open_ledger(settings)
    with start_cluster(settings, tmp_path) as cluster:
        cluster.start_api()
        job_id = submit(cluster, photos)
        with Listeners("127.0.0.1", settings.api_port) as idle:
            idle.open(path_of(job_id))
            with Listeners("127.0.0.1", settings.api_port) as clients:
                dropped = clients.open(path_of(job_id))
                clients.read_until(holds("queued"), what="the other one is served")
                assert httpx2.get(cluster.url + path_of(job_id)).status_code == 503
                clients.drop(dropped)

                def served() -> bool:
                    # What is written to a closed connection tells the API that it is closed.
                    ledger.release([claim(ledger)])
                    with httpx2.stream("GET", cluster.url + path_of(job_id)) as answer:
                        return answer.status_code == 200

                wait_until(served, what="the place is free")


def test_a_stream_ends_whole_when_the_api_is_told_to_stop_and_the_client_comes_back(
    cluster, ledger, job_id
):
    heard: SimpleQueue[JobState] = SimpleQueue()

    def listen() -> None:
        with Client(cluster.url) as client:
            for event in client.events(job_id):
                heard.put(event.status)

    thread = Thread(target=listen)
    with Listeners("127.0.0.1", cluster.settings.api_port) as clients:
        clients.open(path_of(job_id))
        clients.read_until(holds("queued"), what="it listens")
        thread.start()
        assert heard.get(timeout=60) is JobState.QUEUED
        (api,) = cluster.processes
        api.send_signal(signal.SIGTERM)
        patience_s = GRACEFUL_TIMEOUT_S - 1  # of the server, which then gives up on whoever is left
        clients.read_until(
            lambda text: text.endswith(END), what="the stream is ended", limit_s=patience_s
        )
        assert api.wait(timeout=60) == 0
    taken = claim(ledger)
    cluster.start_api()
    assert heard.get(timeout=60) is JobState.RUNNING
    fail(ledger, taken)
    assert heard.get(timeout=60) is JobState.FAILED
    thread.join(timeout=60)
    assert heard.empty()


def test_the_outcome_survives_a_restart_of_redis(tmp_path, photos):
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
