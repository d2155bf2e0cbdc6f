"""F3 and F4: a worker is told to stop with several batches in flight, and may or may not."""

import signal
import subprocess
from pathlib import Path

from seewhy.client import Client
from seewhy.explanations import State
from seewhy.ledger.ledger import Ledger
from seewhy.ledger.records import Record
from seewhy.ledger.redis import open_ledger
from servers.faults import start_faulty_worker, strikes
from servers.house import House
from servers.waiting import wait_until

JOBS = 24


def submit_all(building: House, photos: Path) -> list[str]:
    with Client(building.url) as client:
        return [client.submit(photos / "cat.jpg", cache=False).id for _ in range(JOBS)]


def read_all(ledger: Ledger, accepted: list[str]) -> list[Record]:
    records = [ledger.read(job_id) for job_id in accepted]
    return [record for record in records if record is not None]


def running(building: House, accepted: list[str]) -> int:
    records = read_all(open_ledger(building.settings), accepted)
    return sum(record.state is State.RUNNING for record in records)


def start_with_every_batch_in_flight(
    building: House, accepted: list[str]
) -> subprocess.Popen[bytes]:
    """Return the worker once it holds all the batches it can, one of them on the device."""
    worker = start_faulty_worker(building, "held")
    held = building.settings.in_flight * building.settings.max_batch
    wait_until(lambda: running(building, accepted) == held, what="every batch is in flight")
    wait_until(lambda: strikes(building) == 1, what="one is on the device")
    return worker


def stop(worker: subprocess.Popen[bytes], building: House, accepted: list[str]) -> None:
    """Send SIGTERM, and return once all but the batch on the device has been given back."""
    worker.send_signal(signal.SIGTERM)
    on_device = building.settings.max_batch
    wait_until(lambda: running(building, accepted) == on_device, what="the others are back")
    assert worker.poll() is None


def finish(building: House, accepted: list[str]) -> list[Record]:
    """Let another worker finish what is left; return how each job ended."""
    ledger = open_ledger(building.settings)
    building.start_stub_worker()
    wait_until(lambda: ledger.counts().non_terminal == 0, what="all jobs have ended")
    assert ledger.counts().terminal == {State.SUCCEEDED: JOBS}
    assert ledger.counts().drift == 0
    return read_all(ledger, accepted)


def test_sigterm_finishes_the_batch_on_the_device_and_gives_the_others_back_uncharged(
    building: House, photos: Path
) -> None:
    accepted = submit_all(building, photos)
    worker = start_with_every_batch_in_flight(building, accepted)
    stop(worker, building, accepted)
    (building.directory / "open").touch()
    assert worker.wait(timeout=60) == 0
    on_device = building.settings.max_batch
    records = read_all(open_ledger(building.settings), accepted)
    assert sorted((record.state, record.attempts) for record in records) == [
        *[(State.QUEUED, 0)] * (JOBS - on_device),
        *[(State.SUCCEEDED, 1)] * on_device,
    ]
    assert {(r.attempts, r.crashes) for r in finish(building, accepted)} == {(1, 0)}


def test_sigkill_soon_after_sigterm_costs_only_the_batch_on_the_device_an_attempt(
    building: House, photos: Path
) -> None:
    accepted = submit_all(building, photos)
    worker = start_with_every_batch_in_flight(building, accepted)
    stop(worker, building, accepted)
    worker.kill()
    worker.wait()
    on_device = building.settings.max_batch
    ended = sorted((r.attempts, r.crashes) for r in finish(building, accepted))
    assert ended == [(1, 0)] * (JOBS - on_device) + [(2, 1)] * on_device
