"""F9 and F12: memory runs out, in the task itself and on the device; nothing is lost."""

from pathlib import Path
from typing import Any

import pytest

from seewhy.client import Client
from seewhy.explanations import State
from seewhy.ledger.redis import open_ledger
from servers.faults import start_faulty_worker, strikes
from servers.house import House
from servers.waiting import wait_until

GOOD = 10


@pytest.fixture
def changes() -> dict[str, Any]:
    return {"max_batch": 8, "lease_s": 30}


def test_a_worker_whose_tasks_ran_out_of_memory_twice_over_works_on(
    building: House, photos: Path
) -> None:
    """Celery 5.7 loses a slot of the pool for ever with each task that raises `MemoryError`."""
    ledger = open_ledger(building.settings)
    worker = start_faulty_worker(building, "starve")
    accepted = []
    with Client(building.url) as client:
        for struck in range(2 * building.settings.in_flight):
            accepted.append(client.submit(photos / "cat.jpg", cache=False).id)
            wait_until(lambda n=struck: strikes(building) > n, what=f"strike {struck + 1}")
        assert ledger.counts().terminal == {}
        accepted += [client.submit(photos / "cat.jpg", cache=False).id for _ in range(GOOD)]
        wait_until(lambda: ledger.counts().non_terminal == 0, what="all jobs have ended")
    assert ledger.counts().terminal == {State.SUCCEEDED: len(accepted)}
    assert {ledger.read(job_id).attempts for job_id in accepted} == {1}
    assert worker.poll() is None


def test_a_device_with_room_for_four_gets_batches_of_four(building: House, photos: Path) -> None:
    ledger = open_ledger(building.settings)
    with Client(building.url) as client:
        accepted = [client.submit(photos / "cat.jpg", cache=False).id for _ in range(6 * 8)]
    worker = start_faulty_worker(building, "small-device")
    wait_until(lambda: ledger.counts().non_terminal == 0, what="all jobs have ended")
    assert ledger.counts().terminal == {State.SUCCEEDED: len(accepted)}
    assert {ledger.read(job_id).attempts for job_id in accepted} == {1}
    assert worker.poll() is None
    assert "batches of 4 from now on" in building.log("worker")
    assert 1 <= strikes(building) <= building.settings.in_flight, "only what was claimed before"
