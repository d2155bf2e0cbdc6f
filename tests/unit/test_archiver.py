"""The archiver, on the memory ledger and an in-memory store that can fail."""

import pytest

from ledger_harness import MemoryHarness
from seewhy.errors import StoreUnavailable
from seewhy.ids import new_job_id
from seewhy.jobs.archiver import archive_outcomes, parse_outcome
from seewhy.ledger.types import JobFailure, JobOutcome, Submission
from seewhy.schemas.job import JobState
from seewhy.storage.keys import outcome_key
from seewhy.storage.obstore_adapter import memory_store
from seewhy.storage.port import ObjectStore


class FailingStore:
    """Accepts a number of objects, then becomes unavailable."""

    def __init__(self, store: ObjectStore, *, puts: int) -> None:
        self.store = store
        self.puts = puts

    def put(self, key: str, body: bytes, *, content_type: str) -> None:
        if self.puts == 0:
            raise StoreUnavailable("The object store does not respond.")
        self.puts -= 1
        self.store.put(key, body, content_type=content_type)


@pytest.fixture
def bench() -> MemoryHarness:
    return MemoryHarness()


@pytest.fixture
def failed(bench) -> list[str]:
    """Three jobs that failed one after the other."""
    job_ids = [new_job_id() for _ in range(3)]
    for job_id in job_ids:
        bench.ledger.submit(Submission(job_id, "m:batch", "text"))
        [claim] = bench.ledger.claim(["m:batch"], owner="w", limit=1)
        bench.advance(7)
        bench.ledger.fail([JobFailure(claim, "broken_image", f"{job_id} is broken")])
    return job_ids


def test_each_outcome_is_archived_once(bench, failed):
    store = memory_store()
    assert archive_outcomes(ledger=bench.ledger, store=store, limit=2) == 2
    assert archive_outcomes(ledger=bench.ledger, store=store, limit=2) == 1
    assert archive_outcomes(ledger=bench.ledger, store=store, limit=2) == 0
    record = bench.ledger.read(failed[0])
    assert parse_outcome(store.get(outcome_key(failed[0]))) == JobOutcome(
        state=JobState.FAILED,
        finished_ms=record.finished_ms,
        started_ms=record.started_ms,
        attempts=1,
        error_code="broken_image",
        error_detail=f"{failed[0]} is broken",
    )


def test_an_interrupted_archiver_is_repeated(bench, failed):
    store = memory_store()
    with pytest.raises(StoreUnavailable):
        archive_outcomes(ledger=bench.ledger, store=FailingStore(store, puts=1), limit=10)
    assert len(bench.ledger.list_unarchived()) == 3, "nothing is marked before all are written"
    assert archive_outcomes(ledger=bench.ledger, store=store, limit=10) == 3
    assert len(list(store.list_keys("jobs/"))) == 3


def test_concurrent_archivers_write_the_same_objects(bench, failed):
    store = memory_store()

    class ConcurrentStore(FailingStore):
        """Runs a second archiver inside the first one's writes."""

        def put(self, key: str, body: bytes, *, content_type: str) -> None:
            if key not in seen:
                seen.add(key)
                archive_outcomes(ledger=bench.ledger, store=self, limit=10)
            super().put(key, body, content_type=content_type)

    seen: set[str] = set()
    archive_outcomes(ledger=bench.ledger, store=ConcurrentStore(store, puts=100), limit=10)
    assert bench.ledger.list_unarchived() == []
    states = [parse_outcome(store.get(outcome_key(job_id))).state for job_id in failed]
    assert states == [JobState.FAILED] * 3


@pytest.mark.parametrize("body", [b"", b"{}", b'{"state": "lost", "finished_ms": 5}'])
def test_other_content_is_not_parsed_as_an_outcome(body):
    with pytest.raises(ValueError, match="Outcome"):
        parse_outcome(body)
