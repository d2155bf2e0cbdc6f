"""F10: a device hangs. Its worker ends itself, and another finishes every job."""

from pathlib import Path
from typing import Any

import pytest

from seewhy.client import Client
from seewhy.explanations import State
from seewhy.ledger.redis import open_ledger
from seewhy_worker.watchdog import HUNG
from servers.faults import start_faulty_worker
from servers.house import House
from servers.waiting import wait_until

JOBS = 8


@pytest.fixture
def changes() -> dict[str, Any]:
    return {"device_timeout_s": 3}


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        pytest.param("hang", HUNG, id="a call that waits for ever"),
        pytest.param("hang-holding-the-interpreter", 1, id="a call that lets no thread run"),
    ],
)
def test_a_hung_device_ends_its_worker_and_another_finishes_the_jobs(
    building: House, photos: Path, fault: str, status: int
) -> None:
    ledger = open_ledger(building.settings)
    hung = start_faulty_worker(building, fault)
    with Client(building.url) as client:
        accepted = [client.submit(photos / "cat.jpg", cache=False).id for _ in range(JOBS)]
    assert hung.wait(timeout=60) == status
    log = building.log("worker")
    assert "faulty_worker.py" in log, "the stack that shows where"
    assert "Thread 0x" in log, "and those of all threads"
    assert ledger.counts().non_terminal == JOBS, "no job ended without having been explained"

    building.start_stub_worker()

    wait_until(lambda: ledger.counts().non_terminal == 0, what="all jobs have ended")
    assert ledger.counts().terminal == {State.SUCCEEDED: JOBS}
    assert ledger.counts().drift == 0
    assert {ledger.read(job_id).crashes for job_id in accepted} <= {0, 1}
    assert any(ledger.read(job_id).crashes for job_id in accepted), "no job was in flight"
