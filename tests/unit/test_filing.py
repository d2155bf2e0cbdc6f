"""Filing outcomes, on the twin and a store in memory that can be told to fail."""

import pytest

from ledgers.bench import MemoryBench
from seewhy.errors import StoreUnavailable
from seewhy.ids import new_job_id
from seewhy.jobs.archiver import archive_outcomes, read_outcome
from seewhy.ledger.types import JobFailure, JobOutcome, Submission
from seewhy.schemas.job import JobState
from seewhy.storage.keys import outcome_key
from seewhy.storage.obstore_adapter import memory_store
from seewhy.storage.port import ObjectStore


class TiredStore:
    """Takes a number of objects, then falls silent."""

    def __init__(self, store: ObjectStore, *, puts: int) -> None:
        self.store = store
        self.puts = puts

    def put(self, key: str, body: bytes, *, content_type: str) -> None:
        if self.puts == 0:
            raise StoreUnavailable("too tired")
        self.puts -= 1
        self.store.put(key, body, content_type=content_type)


@pytest.fixture
def bench() -> MemoryBench:
    return MemoryBench()


@pytest.fixture
def failed(bench) -> list[str]:
    """Three jobs that failed one after the other."""
    job_ids = [new_job_id() for _ in range(3)]
    for job_id in job_ids:
        bench.ledger.submit(Submission(job_id, "m:batch", "text"))
        [claim] = bench.ledger.claim(["m:batch"], owner="w", limit=1)
        bench.tick(7)
        bench.ledger.fail([JobFailure(claim, "broken_image", f"{job_id} is broken")])
    return job_ids


def test_an_outcome_is_filed_beside_the_manifest_once(bench, failed):
    store = memory_store()
    assert archive_outcomes(ledger=bench.ledger, store=store, limit=2) == 2
    assert archive_outcomes(ledger=bench.ledger, store=store, limit=2) == 1
    assert archive_outcomes(ledger=bench.ledger, store=store, limit=2) == 0
    record = bench.ledger.read(failed[0])
    assert read_outcome(store.get(outcome_key(failed[0]))) == JobOutcome(
        state=JobState.FAILED,
        finished_ms=record.finished_ms,
        started_ms=record.started_ms,
        attempts=1,
        error_code="broken_image",
        error_detail=f"{failed[0]} is broken",
    )


def test_what_a_failing_store_cut_short_is_filed_by_the_next(bench, failed):
    store = memory_store()
    with pytest.raises(StoreUnavailable):
        archive_outcomes(ledger=bench.ledger, store=TiredStore(store, puts=1), limit=10)
    assert len(bench.ledger.list_unarchived()) == 3, "nothing is acknowledged before all is written"
    assert archive_outcomes(ledger=bench.ledger, store=store, limit=10) == 3
    assert len(list(store.keys("jobs/"))) == 3


def test_two_who_file_at_once_write_the_same(bench, failed):
    store = memory_store()

    class Twice(TiredStore):
        def put(self, key: str, body: bytes, *, content_type: str) -> None:
            if key not in seen:
                seen.add(key)
                archive_outcomes(ledger=bench.ledger, store=self, limit=10)
            super().put(key, body, content_type=content_type)

    seen: set[str] = set()
    archive_outcomes(ledger=bench.ledger, store=Twice(store, puts=100), limit=10)
    assert bench.ledger.list_unarchived() == []
    assert [read_outcome(store.get(outcome_key(j))).state for j in failed] == [JobState.FAILED] * 3


def test_what_a_later_version_adds_does_not_matter_and_nonsense_does():
    body = b'{"state": "expired", "finished_ms": 5, "mood": "fine"}'
    assert read_outcome(body) == JobOutcome(JobState.EXPIRED, finished_ms=5)
    for nonsense in (b"", b"{}", b'{"state": "lost", "finished_ms": 5}'):
        with pytest.raises(ValueError, match="Outcome"):
            read_outcome(nonsense)
