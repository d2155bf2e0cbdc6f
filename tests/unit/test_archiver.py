"""The archiver, on the memory ledger and an in-memory store that can fail."""

import pytest
from obstore.store import MemoryStore

from ledger_harness import MemoryHarness
from optionals import present
from seewhy.errors import StoreUnavailable
from seewhy.ids import new_job_id
from seewhy.jobs.archiver import archive_outcomes, parse_outcome
from seewhy.ledger.types import JobFailure, JobOutcome, Submission
from seewhy.schemas.job import JobState
from seewhy.storage.keys import outcome_key
from seewhy.storage.obstore_adapter import ObstoreAdapter, memory_store


class FailingStore(ObstoreAdapter):
    """An in-memory store that accepts `puts_left` objects, then becomes unavailable."""

    def __init__(self, *, puts_left: int) -> None:
        super().__init__(MemoryStore())
        self.puts_left = puts_left

    def put(self, key: str, body: bytes, *, content_type: str) -> None:
        if self.puts_left == 0:
            raise StoreUnavailable("The object store does not respond.")
        self.puts_left -= 1
        super().put(key, body, content_type=content_type)


@pytest.fixture
def harness() -> MemoryHarness:
    return MemoryHarness()


@pytest.fixture
def failed(harness: MemoryHarness) -> list[str]:
    """Three jobs that failed one after the other."""
    job_ids = [new_job_id() for _ in range(3)]
    for job_id in job_ids:
        harness.ledger.submit(Submission(job_id, "m:batch", "text"))
        [claim] = harness.ledger.claim(["m:batch"], owner="w", limit=1)
        harness.advance(7)
        harness.ledger.fail([JobFailure(claim, "broken_image", f"{job_id} is broken")])
    return job_ids


def test_each_outcome_is_archived_once(harness: MemoryHarness, failed: list[str]) -> None:
    store = memory_store()
    assert archive_outcomes(ledger=harness.ledger, store=store, limit=2) == 2
    assert archive_outcomes(ledger=harness.ledger, store=store, limit=2) == 1
    assert archive_outcomes(ledger=harness.ledger, store=store, limit=2) == 0
    record = present(harness.ledger.read(failed[0]))
    assert parse_outcome(store.get(outcome_key(failed[0]))) == JobOutcome(
        state=JobState.FAILED,
        finished_ms=present(record.finished_ms),
        started_ms=record.started_ms,
        attempts=1,
        error_code="broken_image",
        error_detail=f"{failed[0]} is broken",
    )


def test_an_interrupted_archiver_is_repeated(harness: MemoryHarness, failed: list[str]) -> None:
    store = FailingStore(puts_left=1)
    assert archive_outcomes(ledger=harness.ledger, store=store, limit=10) == 1
    assert [each.job_id for each in harness.ledger.list_unarchived()] == failed[1:]
    with pytest.raises(StoreUnavailable):
        archive_outcomes(ledger=harness.ledger, store=store, limit=10)
    store.puts_left = 2
    assert archive_outcomes(ledger=harness.ledger, store=store, limit=10) == 2
    assert len(list(store.list_keys("jobs/"))) == 3


def test_an_outcome_that_the_store_refuses_does_not_hold_back_later_ones(
    harness: MemoryHarness, failed: list[str]
) -> None:
    class RefusingStore(ObstoreAdapter):
        """Refuses the first outcome."""

        def put(self, key: str, body: bytes, *, content_type: str) -> None:
            if key == outcome_key(failed[0]):
                raise StoreUnavailable("The object store refuses this key.")
            super().put(key, body, content_type=content_type)

    store = RefusingStore(MemoryStore())
    assert archive_outcomes(ledger=harness.ledger, store=store, limit=2) == 1
    assert archive_outcomes(ledger=harness.ledger, store=store, limit=2) == 1
    assert [each.job_id for each in harness.ledger.list_unarchived()] == failed[:1]
    assert parse_outcome(store.get(outcome_key(failed[2]))).state is JobState.FAILED
    with pytest.raises(StoreUnavailable):
        archive_outcomes(ledger=harness.ledger, store=store, limit=2)


def test_concurrent_archivers_write_the_same_objects(
    harness: MemoryHarness, failed: list[str]
) -> None:
    class ConcurrentStore(ObstoreAdapter):
        """Runs a second archiver inside the first one's writes."""

        def put(self, key: str, body: bytes, *, content_type: str) -> None:
            if key not in seen:
                seen.add(key)
                archive_outcomes(ledger=harness.ledger, store=self, limit=10)
            super().put(key, body, content_type=content_type)

    seen: set[str] = set()
    store = ConcurrentStore(MemoryStore())
    archive_outcomes(ledger=harness.ledger, store=store, limit=10)
    assert harness.ledger.list_unarchived() == []
    states = [parse_outcome(store.get(outcome_key(job_id))).state for job_id in failed]
    assert states == [JobState.FAILED] * 3


@pytest.mark.parametrize("body", [b"", b"{}", b'{"state": "lost", "finished_ms": 5}'])
def test_other_content_is_not_parsed_as_an_outcome(body: bytes) -> None:
    with pytest.raises(ValueError, match="Outcome"):
        parse_outcome(body)
