"""Rebuild and recovery, on the memory ledger: a data loss at every stage of a job."""

import json
import time
from collections import Counter
from dataclasses import asdict, fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionals import present
from seewhy.broker.wakeups import WakeupPublisher, create_celery
from seewhy.errors import LedgerUnavailable, StoreUnavailable
from seewhy.ids import job_time, new_job_id
from seewhy.jobs.archiver import archive_outcomes
from seewhy.jobs.manifest import Manifest
from seewhy.jobs.rebuild import Rebuilder, RebuildProgress
from seewhy.jobs.recovery import Recovery
from seewhy.jobs.submission import JobSubmitter, UploadedImage
from seewhy.ledger.memory.ledger import MemoryLedger
from seewhy.ledger.memory.state.state import LedgerState
from seewhy.ledger.types import (
    Claim,
    Completion,
    IdempotencyKey,
    JobFailure,
    JobOutcome,
    JobRecord,
    ReservationStatus,
    Submission,
)
from seewhy.schemas.context import DEFAULT_CONTEXT, RequestContext
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.job import JobState
from seewhy.schemas.result import Result
from seewhy.storage.keys import (
    EPOCH_KEY,
    RESULT_DOCUMENT,
    image_key,
    manifest_key,
    outcome_key,
    result_key,
)
from seewhy.storage.obstore_adapter import memory_store

RETENTION_S = 7 * 86_400
IMAGE = UploadedImage(image_key("0" * 64, tenant="default"), b"an image", "image/jpeg")
STAGES = (
    "queued",
    "running",
    "published",
    "succeeded",
    "succeeded on the second attempt",
    "failed",
    "cancelled",
    "expired",
)


class NoWakeups(WakeupPublisher):
    def __init__(self) -> None:
        super().__init__(create_celery("redis://127.0.0.1:1/0", lanes=[]))

    def notify(self, lane: str, *, times: int = 1) -> bool:
        return True


class Installation:
    """A durable store, and a ledger that can lose its data."""

    def __init__(self) -> None:
        self.store = memory_store()
        self.ahead_ms = 0
        self.lose_data()

    def lose_data(self) -> None:
        self.ledger = MemoryLedger(clock_ms=lambda: time.time_ns() // 1_000_000 + self.ahead_ms)
        self.submitter = JobSubmitter(ledger=self.ledger, store=self.store, wakeups=NoWakeups())

    def submit(self, *, key: str | None = None, deadline_ms: int | None = None, **more: Any) -> str:
        job_id = new_job_id()
        submission = Submission(
            job_id=job_id,
            lane="m:batch",
            job=f'{{"of": "{job_id}"}}',
            deadline_ms=deadline_ms,
            key=IdempotencyKey(key, "digest") if key else None,
            **more,
        )
        self.submitter.submit(Manifest(submission=submission), IMAGE)
        return job_id

    def read(self, job_id: str) -> JobRecord:
        return present(self.ledger.read(job_id))

    def claim(self) -> Claim:
        [claim] = self.ledger.claim(["m:batch"], owner="w", limit=1)
        return claim

    def publish(self, claim: Claim) -> str:
        """Write the result document as a worker does; return the result for the ledger."""
        result = Result(
            model="m",
            model_digest="d",
            method="gradcam",
            layer="last",
            linear=True,
            targets=(),
            top=(),
            map_height=7,
            map_width=7,
            covers=Rectangle(x=0, y=0, width=1 / 3, height=2.5e-7),
            image_width_px=10,
            image_height_px=10,
            objects={"map": result_key(claim.job_id, claim.fence, "map.npy")},
            digests={"map": "0" * 64},
            timings_ms={"explain": 0.1 + 0.2},
            versions={"seewhy": "0"},
        )
        document = {"job_id": claim.job_id, "attempt": claim.attempt, "metadata": {"a": 1}}
        body = json.dumps({**document, **result.model_dump(mode="json")}).encode()
        key = result_key(claim.job_id, claim.fence, RESULT_DOCUMENT)
        self.store.put(key, body, content_type="application/json")
        return result.model_dump_json()

    def run_to(self, stage: str, key: str | None = None) -> str:
        """Bring a new job to a stage. No other job may be waiting."""
        job_id = self.submit(key=key, deadline_ms=5 if stage == "expired" else None)
        if stage == "cancelled":
            self.ledger.cancel(job_id)
        elif stage == "expired":
            self.ahead_ms += 5
            self.ledger.sweep()
        elif stage != "queued":
            self._run(stage, self.claim())
        return job_id

    def _run(self, stage: str, claim: Claim) -> None:
        if stage == "succeeded on the second attempt":
            self.publish(claim)
            self.ledger.release([claim])
            claim = self.claim()
        if stage.startswith("succeeded"):
            self.ledger.complete([Completion(claim, self.publish(claim))])
        elif stage == "published":
            self.publish(claim)
        elif stage == "failed":
            self.ledger.fail([JobFailure(claim, "broken_image", "it is broken")])

    def rebuild(self, hours: int | None = None) -> RebuildProgress:
        rebuilder = Rebuilder(ledger=self.ledger, store=self.store, retention_s=RETENTION_S)
        *_, final = rebuilder.rebuild(hours=hours)
        return final


@pytest.fixture
def installation() -> Installation:
    return Installation()


@settings(max_examples=25)
@given(
    stages=st.lists(st.sampled_from(sorted(STAGES, reverse=True)), max_size=8),
    newer=st.integers(0, 2),
)
def test_a_rebuild_restores_finished_jobs_and_queues_the_others(
    stages: list[str], newer: int
) -> None:
    installation = Installation()
    stages.sort(key=lambda stage: stage == "queued")  # a claim takes the oldest queued job
    before = {}
    for stage in stages:
        job_id = installation.run_to(stage)
        before[job_id] = installation.read(job_id)
    archive_outcomes(ledger=installation.ledger, store=installation.store, limit=100)
    installation.lose_data()
    newer_ids = [installation.submit() for _ in range(newer)]

    progress = installation.rebuild()

    assert (progress.seen, progress.unreadable) == (len(stages) + newer, 0)
    assert progress.restored.total() == len(stages)
    counts = installation.ledger.counts()
    assert (counts.accepted, counts.drift) == (len(stages) + newer, 0)
    for stage, (job_id, was) in zip(stages, before.items(), strict=True):
        record = installation.read(job_id)
        assert (record.lane, record.job) == (was.lane, was.job)
        if was.state.terminal:
            outcome = (was.state, was.result, was.error_code, was.error_detail)
            assert (record.state, record.result, record.error_code, record.error_detail) == outcome
        else:
            assert record.state is (JobState.SUCCEEDED if stage == "published" else JobState.QUEUED)
    again = installation.rebuild()
    assert again.restored == Counter(), "a second rebuild changes nothing"
    assert installation.ledger.counts() == counts
    waiting = [c.job_id for c in installation.ledger.claim(["m:batch"], owner="w", limit=100)]
    times = list(map(job_time, waiting))
    assert sorted(times) == times, "oldest first"
    assert set(newer_ids) <= set(waiting)


def test_an_idempotency_key_returns_its_restored_job(installation: Installation) -> None:
    job_id = installation.run_to("succeeded", key="k")
    installation.lose_data()
    installation.rebuild()
    reservation = installation.ledger.reserve(
        IdempotencyKey("k", "digest"), new_job_id(), context=DEFAULT_CONTEXT
    )
    assert (reservation.status, reservation.job_id) == (ReservationStatus.ACCEPTED, job_id)


def test_a_rejected_request_without_a_key_is_not_restored(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*_: object, **__: object) -> None:
        raise LedgerUnavailable("Redis does not respond.")

    monkeypatch.setattr(installation.ledger, "submit", unavailable)
    with pytest.raises(LedgerUnavailable):
        installation.submit()
    installation.lose_data()
    assert installation.rebuild().seen == 0


def test_unreadable_objects_are_counted_and_skipped(installation: Installation) -> None:
    good, bad = installation.submit(), new_job_id()
    for key in (manifest_key(bad), manifest_key(bad).replace(bad, "stray")):
        installation.store.put(key, b"nonsense", content_type="application/json")
    installation.lose_data()
    progress = installation.rebuild()
    assert (progress.seen, progress.unreadable, progress.restored) == (
        3,
        2,
        Counter({JobState.QUEUED: 1}),
    )
    assert installation.read(good).state is JobState.QUEUED


def test_only_the_requested_hours_are_read(installation: Installation) -> None:
    assert installation.rebuild(hours=2).hours == 2 + 2, "with the current and the next hour"
    assert installation.rebuild(hours=10_000).hours == 7 * 24 + 2


def recovery(installation: Installation) -> Recovery:
    return Recovery(ledger=installation.ledger, store=installation.store, retention_s=RETENTION_S)


def test_a_new_installation_gets_an_epoch_in_ledger_and_store(installation: Installation) -> None:
    assert recovery(installation).recover() is None
    assert installation.ledger.epoch_marker().epoch == installation.store.get(EPOCH_KEY).decode()
    installation.submit()
    assert recovery(installation).recover() is None


def test_one_process_recovers_from_a_loss_once(installation: Installation) -> None:
    recovery(installation).recover()
    job_id = installation.run_to("succeeded")
    installation.lose_data()
    assert installation.ledger.acquire_leadership("another", lease_ms=1_000)
    assert recovery(installation).recover() is None, "another process leads"
    installation.ahead_ms += 1_000
    assert present(recovery(installation).recover()).restored == {JobState.SUCCEEDED: 1}
    assert installation.read(job_id).state is JobState.SUCCEEDED
    assert recovery(installation).recover() is None


def test_an_interrupted_recovery_starts_again(installation: Installation) -> None:
    recovery(installation).recover()
    installation.run_to("queued")
    installation.lose_data()
    assert recovery(installation).recover(should_stop=lambda: True) is None
    assert installation.ledger.epoch_marker().epoch is None
    installation.ahead_ms += 60_000
    assert recovery(installation).recover() is not None


def test_a_second_loss_during_a_recovery_is_detected(installation: Installation) -> None:
    recovery(installation).recover()
    job_id = installation.run_to("queued")
    installation.lose_data()

    def lose_again() -> bool:
        state = installation.ledger._state
        empty = LedgerState(state.policy, state.now, state.unread_wakeups)
        for field in fields(LedgerState):
            setattr(state, field.name, getattr(empty, field.name))
        return False

    assert recovery(installation).recover(should_stop=lose_again) is None
    assert installation.ledger.epoch_marker().epoch is None
    assert recovery(installation).recover() is not None
    assert installation.read(job_id).state is JobState.QUEUED


def test_an_unavailable_store_is_not_mistaken_for_a_new_installation(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    recovery(installation).recover()
    installation.lose_data()

    def unavailable(_: str) -> bytes:
        raise StoreUnavailable("The object store does not respond.")

    with monkeypatch.context() as patched:
        patched.setattr(installation.store, "get", unavailable)
        with pytest.raises(StoreUnavailable):
            recovery(installation).recover()
    assert installation.ledger.epoch_marker().epoch is None


def test_the_outcome_of_a_duplicate_is_restored_as_cached(installation: Installation) -> None:
    original, duplicate = (installation.submit(fingerprint="f") for _ in range(2))
    claim = installation.claim()
    installation.ledger.complete([Completion(claim, installation.publish(claim))])
    assert installation.read(duplicate).cached
    archive_outcomes(ledger=installation.ledger, store=installation.store, limit=10)
    before = installation.read(duplicate)
    installation.lose_data()
    installation.rebuild()
    after = installation.read(duplicate)
    assert (after.state, after.cached, after.result) == (before.state, True, before.result)
    assert installation.read(original).result == before.result


def test_tenant_webhook_and_idempotency_key_are_restored(installation: Installation) -> None:
    job_id = installation.submit(
        context=RequestContext("a"), key="k", webhook_url="https://hooks.test:443/x"
    )
    installation.lose_data()
    installation.rebuild()
    record = installation.read(job_id)
    assert (record.context.tenant, present(record.webhook).url) == ("a", "https://hooks.test:443/x")
    reservation = installation.ledger.reserve(
        IdempotencyKey("k", "digest"), new_job_id(), context=RequestContext("a")
    )
    assert reservation.job_id == job_id
    installation.ledger.cancel(job_id)
    lease = present(installation.ledger.outbox.lease_origin(limit=1))
    assert lease.origin == "https://hooks.test:443"


@pytest.mark.parametrize("stage", ["published", "released"])
def test_an_open_job_with_a_stored_result_succeeds_without_running_again(
    installation: Installation, stage: str
) -> None:
    """As after a failover to a replica that lacks the success, and perhaps the claim."""
    job_id = installation.submit()
    claim = installation.claim()
    result = installation.publish(claim)
    if stage == "released":
        installation.ledger.release([claim])
        installation.ledger.fail(
            [JobFailure(installation.claim(), "out_of_memory", "", retry_in_ms=1_000)]
        )
    assert installation.rebuild().restored == {JobState.SUCCEEDED: 1}
    record = installation.read(job_id)
    assert (record.state, record.result, record.fence) == (JobState.SUCCEEDED, result, claim.fence)
    assert installation.ledger.claim(["m:batch"], owner="w", limit=1) == []
    assert installation.rebuild().restored == Counter()


def test_an_open_job_with_an_archived_outcome_ends_with_it(installation: Installation) -> None:
    job_id = installation.submit()
    outcome = JobOutcome(JobState.FAILED, 5, attempts=3, error_code="x", error_detail="y")
    outcome = replace(outcome, finished_ms=time.time_ns() // 1_000_000 - 1_000)
    body = json.dumps(asdict(outcome)).encode()
    installation.store.put(outcome_key(job_id), body, content_type="application/json")
    assert installation.rebuild().restored == {JobState.FAILED: 1}
    record = installation.read(job_id)
    assert (record.state, record.error_code) == (JobState.FAILED, "x")
    assert (record.attempts, record.finished_ms) == (3, outcome.finished_ms)


def test_an_open_job_without_an_outcome_stays_as_it_is(installation: Installation) -> None:
    ids = [installation.submit() for _ in range(2)]
    installation.claim()
    before = [installation.read(job_id) for job_id in ids]
    assert installation.rebuild().restored == Counter()
    assert [installation.read(job_id) for job_id in ids] == before
