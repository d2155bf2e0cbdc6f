"""Rebuilding and recovery on the twin: whatever state the jobs were in when all was lost."""

import json
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seewhy.broker.wakeups import WakeupPublisher, create_celery
from seewhy.errors import LedgerUnavailable, StoreUnavailable
from seewhy.ids import new_job_id
from seewhy.jobs.archiver import archive_outcomes
from seewhy.jobs.manifest import Manifest
from seewhy.jobs.rebuild import Rebuilder, RebuildProgress
from seewhy.jobs.recovery import Recovery
from seewhy.jobs.submission import JobSubmitter, UploadedImage
from seewhy.ledger.memory.ledger import MemoryLedger
from seewhy.ledger.types import Claim, Completion, IdempotencyKey, JobFailure, ReservationStatus
from seewhy.schemas.context import DEFAULT_CONTEXT, RequestContext
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.job import JobState
from seewhy.schemas.result import Result
from seewhy.storage.keys import EPOCH_KEY, image_key, manifest_key, result_key
from seewhy.storage.obstore_adapter import memory_store

RETENTION_S = 7 * 86_400
PICTURE = UploadedImage(image_key("0" * 64), b"a picture", "image/jpeg")
FATES = (
    "queued",
    "running",
    "published",
    "succeeded",
    "succeeded on the second attempt",
    "failed",
    "cancelled",
    "expired",
)


class SilentBell(WakeupPublisher):
    def __init__(self) -> None:
        super().__init__(create_celery("redis://127.0.0.1:1/0", lanes=[]))

    def notify(self, lane: str, *, times: int = 1) -> bool:
        return True


class House:
    """A store that lasts, and a ledger that can be lost."""

    def __init__(self) -> None:
        self.store = memory_store()
        self.ahead_ms = 0
        self.lose_all()

    def lose_all(self) -> None:
        self.ledger = MemoryLedger(clock_ms=lambda: time.time_ns() // 1_000_000 + self.ahead_ms)
        self.promises = JobSubmitter(ledger=self.ledger, store=self.store, wakeups=SilentBell())

    def accept(
        self, *, key: str | None = None, deadline_ms: int | None = None, **more: object
    ) -> str:
        job_id = new_job_id()
        manifest = Manifest(
            job_id=job_id,
            lane="m:batch",
            job=f'{{"of": "{job_id}"}}',
            deadline_ms=deadline_ms,
            idempotency_key=key,
            request_digest="digest",
            **more,
        )
        self.promises.submit(manifest, PICTURE)
        return job_id

    def claim(self) -> Claim:
        [claim] = self.ledger.claim(["m:batch"], owner="w", limit=1)
        return claim

    def publish(self, claim: Claim) -> str:
        """Write what a worker writes last, and return what it tells the ledger."""
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
        whole = {"job_id": claim.job_id, "attempt": claim.attempt, "metadata": {"a": 1}}
        body = json.dumps({**whole, **result.model_dump(mode="json")}).encode()
        key = result_key(claim.job_id, claim.fence, "result.json")
        self.store.put(key, body, content_type="application/json")
        return result.model_dump_json()

    def live(self, fate: str, key: str | None = None) -> str:
        """Let a new job meet its fate, with nothing else waiting."""
        job_id = self.accept(key=key, deadline_ms=5 if fate == "expired" else None)
        if fate == "cancelled":
            self.ledger.cancel(job_id)
        elif fate == "expired":
            self.ahead_ms += 5
            self.ledger.sweep()
        elif fate != "queued":
            self._run(fate, self.claim())
        return job_id

    def _run(self, fate: str, claim: Claim) -> None:
        if fate == "succeeded on the second attempt":
            self.publish(claim)
            self.ledger.release([claim])
            claim = self.claim()
        if fate.startswith("succeeded"):
            self.ledger.complete([Completion(claim, self.publish(claim))])
        elif fate == "published":
            self.publish(claim)
        elif fate == "failed":
            self.ledger.fail([JobFailure(claim, "broken_image", "it is broken")])

    def rebuild(self, hours: int | None = None) -> RebuildProgress:
        rebuilder = Rebuilder(ledger=self.ledger, store=self.store, retention_s=RETENTION_S)
        *_, done = rebuilder.rebuild(hours=hours)
        return done


@pytest.fixture
def house() -> House:
    return House()


@settings(max_examples=25, deadline=None)
@given(
    fates=st.lists(st.sampled_from(sorted(FATES, reverse=True)), max_size=8),
    survivors=st.integers(0, 2),
)
def test_whatever_was_under_way_every_job_is_back_as_it_was_or_to_run(fates, survivors):
    house = House()
    fates.sort(key=lambda fate: fate == "queued")  # the others claim what is ready
    before = {}
    for fate in fates:
        job_id = house.live(fate)
        before[job_id] = house.ledger.read(job_id)
    archive_outcomes(ledger=house.ledger, store=house.store, limit=100)
    house.lose_all()
    since = [house.accept() for _ in range(survivors)]

    done = house.rebuild()

    assert (done.seen, done.unreadable) == (len(fates) + survivors, 0)
    assert done.restored.total() == len(fates)
    counts = house.ledger.counts()
    assert (counts.accepted, counts.drift) == (len(fates) + survivors, 0)
    for fate, (job_id, was) in zip(fates, before.items(), strict=True):
        record = house.ledger.read(job_id)
        assert (record.lane, record.job) == (was.lane, was.job)
        if was.state.terminal:
            ended = (was.state, was.result, was.error_code, was.error_detail)
            assert (record.state, record.result, record.error_code, record.error_detail) == ended
        else:
            assert record.state is (JobState.SUCCEEDED if fate == "published" else JobState.QUEUED)
    again = house.rebuild()
    assert again.restored == Counter(), "twice changes nothing"
    assert house.ledger.counts() == counts
    waiting = [c.job_id for c in house.ledger.claim(["m:batch"], owner="w", limit=100)]
    assert sorted(waiting) == waiting, "the older first"
    assert set(since) <= set(waiting)


def test_the_key_of_a_lost_job_still_stands_for_it(house):
    job_id = house.live("succeeded", key="k")
    house.lose_all()
    house.rebuild()
    answer = house.ledger.reserve(
        IdempotencyKey("k", "digest"), new_job_id(), context=DEFAULT_CONTEXT
    )
    assert (answer.status, answer.job_id) == (ReservationStatus.ACCEPTED, job_id)


def test_a_request_that_was_refused_without_a_key_is_not_brought_to_life(house, monkeypatch):
    def away(_: object) -> None:
        raise LedgerUnavailable("it is away")

    monkeypatch.setattr(house.ledger, "submit", away)
    with pytest.raises(LedgerUnavailable):
        house.accept()
    house.lose_all()
    assert house.rebuild().seen == 0


def test_an_object_that_is_no_manifest_is_counted_and_passed_over(house):
    good, bad = house.accept(), new_job_id()
    for key in (manifest_key(bad), manifest_key(bad).replace(bad, "stray")):
        house.store.put(key, b"nonsense", content_type="application/json")
    house.lose_all()
    done = house.rebuild()
    assert (done.seen, done.unreadable, done.restored) == (3, 2, Counter({JobState.QUEUED: 1}))
    assert house.ledger.read(good).state is JobState.QUEUED


def test_only_the_hours_asked_for_are_read(house):
    assert house.rebuild(hours=2).hours == 4, "and the next, and the one that began before them"
    assert house.rebuild(hours=10_000).hours == 7 * 24 + 2


def recovery(house: House) -> Recovery:
    return Recovery(ledger=house.ledger, store=house.store, retention_s=RETENTION_S)


def test_a_new_installation_is_marked_on_both_sides_and_not_rebuilt(house):
    assert recovery(house).recover() is None
    assert house.ledger.epoch_marker().epoch == house.store.get(EPOCH_KEY).decode()
    house.accept()
    assert recovery(house).recover() is None


def test_a_loss_is_noticed_once_and_by_one(house):
    recovery(house).recover()
    job_id = house.live("succeeded")
    house.lose_all()
    assert house.ledger.acquire_leadership("another", lease_ms=1_000)
    assert recovery(house).recover() is None, "another is at it"
    house.ahead_ms += 1_000
    assert recovery(house).recover().restored == {JobState.SUCCEEDED: 1}
    assert house.ledger.read(job_id).state is JobState.SUCCEEDED
    assert recovery(house).recover() is None


def test_a_recovery_that_is_stopped_half_way_is_begun_anew(house):
    recovery(house).recover()
    house.live("queued")
    house.lose_all()
    assert recovery(house).recover(go_on=lambda: False) is None
    assert house.ledger.epoch_marker().epoch is None
    house.ahead_ms += 60_000
    assert recovery(house).recover() is not None


def test_a_second_loss_during_the_recovery_is_not_hidden_by_its_end(house):
    recovery(house).recover()
    job_id = house.live("queued")
    house.lose_all()

    def lose_again() -> bool:
        house.ledger._book.__init__(
            house.ledger._book.policy, house.ledger._book.now, house.ledger._book.hints_waiting
        )
        return True

    assert recovery(house).recover(go_on=lose_again) is None
    assert house.ledger.epoch_marker().epoch is None
    assert recovery(house).recover() is not None
    assert house.ledger.read(job_id).state is JobState.QUEUED


def test_a_store_that_is_away_is_not_taken_for_a_new_installation(house, monkeypatch):
    recovery(house).recover()
    house.lose_all()

    def away(_: str) -> bytes:
        raise StoreUnavailable("it is away")

    with monkeypatch.context() as patched:
        patched.setattr(house.store, "get", away)
        with pytest.raises(StoreUnavailable):
            recovery(house).recover()
    assert house.ledger.epoch_marker().epoch is None


def test_an_outcome_that_was_another_jobs_comes_back_as_it_was(house):
    first, shared = (house.accept(fingerprint="f") for _ in range(2))
    claim = house.claim()
    house.ledger.complete([Completion(claim, house.publish(claim))])
    assert house.ledger.read(shared).cached
    archive_outcomes(ledger=house.ledger, store=house.store, limit=10)
    before = house.ledger.read(shared)
    house.lose_all()
    house.rebuild()
    after = house.ledger.read(shared)
    assert (after.state, after.cached, after.result) == (before.state, True, before.result)
    assert house.ledger.read(first).result == before.result


def test_whose_a_job_is_and_who_is_to_be_told_come_back_too(house):
    job_id = house.accept(context=RequestContext("a"), key="k", webhook="https://hooks.test:443/x")
    house.lose_all()
    house.rebuild()
    record = house.ledger.read(job_id)
    assert (record.context.tenant, record.webhook.url) == ("a", "https://hooks.test:443/x")
    key = IdempotencyKey("k", "digest")
    assert house.ledger.reserve(key, new_job_id(), context=RequestContext("a")).job_id == job_id
    house.ledger.cancel(job_id)
    assert house.ledger.outbox.lease_origin(limit=1).origin == "https://hooks.test:443"
