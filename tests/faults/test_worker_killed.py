"""Workers die by SIGKILL under load; every accepted job still has exactly one outcome."""

import hashlib
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from seewhy.client import Client
from seewhy.explanations import Result, State
from seewhy.ledger.ledger import Ledger
from seewhy.ledger.redis import open_ledger
from seewhy.objects.adapter import open_store
from seewhy.processes.ports import free_port
from seewhy.settings import load
from servers.house import House, house
from servers.valkey import RedisServer, start_valkey
from servers.waiting import wait_until

JOBS = 40


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with start_valkey(tmp_path / "valkey") as running:
        yield running


@pytest.fixture
def building(server: RedisServer, tmp_path: Path) -> Iterator[House]:
    settings = load(
        {},
        redis_url=server.url,
        store_url=f"file://{tmp_path}/objects",
        default_model="efficientnet-lite0",
        api_port=free_port(),
        lease_s=2,
        sweep_interval_s=0.5,
        max_batch=4,
    )
    with house(settings, tmp_path) as running:
        running.start_api()
        yield running


def submit_all(building: House, photos: Path) -> list[str]:
    pictures = sorted(photos.glob("*.jpg"))
    with Client(building.url) as client:
        return [client.submit(pictures[n % len(pictures)], cache=False).id for n in range(JOBS)]


def succeeded(ledger: Ledger) -> int:
    return ledger.counts().terminal.get(State.SUCCEEDED, 0)


def check_books(building: House, accepted: list[str]) -> None:
    """Nothing lost, nothing twice, nothing invented, every result whole."""
    ledger, store = open_ledger(building.settings), open_store(building.settings)
    wait_until(lambda: ledger.counts().non_terminal == 0, what="all jobs have ended")
    counts = ledger.counts()
    assert (counts.accepted, counts.drift) == (len(accepted), 0)
    assert counts.terminal == {State.SUCCEEDED: len(accepted)}
    ends = Counter(
        event.job_id for event in ledger.events(after="0-0", wait_ms=1) if event.state.terminal
    )
    assert ends == dict.fromkeys(accepted, 1)
    for job_id in accepted:
        record = ledger.read(job_id)
        assert record is not None
        assert record.attempts <= building.settings.max_attempts
        assert record.result is not None
        result = Result.model_validate_json(record.result)
        for name, digest in result.digests.items():
            assert hashlib.sha256(store.get(result.objects[name])).hexdigest() == digest


def test_killing_the_worker_under_load_loses_nothing_and_repeats_no_outcome(building, photos):
    ledger = open_ledger(building.settings)
    worker = building.start_stub_worker(batch_ms=200)
    accepted = submit_all(building, photos)
    wait_until(
        lambda: ledger.counts().terminal.get(State.SUCCEEDED, 0) >= 4, what="some have ended"
    )
    worker.kill()
    worker.wait()
    assert ledger.counts().non_terminal > 0, "it died too late to prove anything"
    building.start_stub_worker()
    check_books(building, accepted)
    assert any(ledger.read(job_id).crashes for job_id in accepted), "no job was in flight"


def test_a_worker_told_to_stop_finishes_or_gives_back_uncharged(building, photos):
    ledger = open_ledger(building.settings)
    worker = building.start_stub_worker(batch_ms=200)
    accepted = submit_all(building, photos)
    wait_until(
        lambda: ledger.counts().terminal.get(State.SUCCEEDED, 0) >= 4, what="some have ended"
    )
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=20) == 0
    records = [ledger.read(job_id) for job_id in accepted]
    assert {r.state for r in records} == {State.SUCCEEDED, State.QUEUED}
    assert all(r.attempts == 0 for r in records if r.state is State.QUEUED)
    building.start_stub_worker()
    check_books(building, accepted)
    assert all(ledger.read(job_id).attempts == 1 for job_id in accepted)


def test_a_batch_that_outlasts_its_lease_keeps_it(building, photos):
    building.start_stub_worker(batch_ms=3 * 1000 * building.settings.lease_s)
    with Client(building.url) as client:
        explanation = client.explain(photos / "cat.jpg")
    assert explanation.attempts == 1
