"""The record of an ended job in Redis: what it keeps, and that it reads as before."""

import pytest
from redis import Redis

from ledger_harness import START_MS, RedisHarness, read_job
from seewhy.ledger.redis.client.keys import job_key
from seewhy.ledger.types import Completion, JobOutcome, JobRestoration, Submission
from seewhy.schemas.job import JobState
from servers.valkey import RedisServer

LANE = "m:interactive"
JOB = '{"model":"m"}'
SUBMISSION = Submission("a", LANE, JOB, fingerprint="f")
OPEN_ONLY = {"sequence", "fingerprint", "owner"}


@pytest.fixture
def harness(valkey: RedisServer) -> RedisHarness:
    return RedisHarness(valkey.client())


def fields(harness: RedisHarness) -> dict[str, str]:
    client: Redis = harness.client
    return client.hgetall(job_key("a"))  # type: ignore[return-value]


def test_an_ended_job_keeps_no_field_of_an_open_one(harness: RedisHarness) -> None:
    harness.ledger.submit(SUBMISSION)
    claims = harness.ledger.claim([LANE], owner="w", limit=1)
    assert set(fields(harness)) >= OPEN_ONLY
    before = read_job(harness.ledger, "a")
    harness.ledger.complete([Completion(claim, '{"model":"m"}') for claim in claims])
    assert not OPEN_ONLY & set(fields(harness))
    after = read_job(harness.ledger, "a")
    assert (after.job, after.result) == (before.job, '{"model":"m"}')
    assert {fields(harness)[name][:3] for name in ("job", "result")} == {"z1:"}


def test_a_restored_outcome_has_the_same_texts(harness: RedisHarness) -> None:
    outcome = JobOutcome(JobState.SUCCEEDED, START_MS, attempts=1, result='{"a":1}')
    assert harness.ledger.restore(JobRestoration(SUBMISSION, START_MS, outcome))
    assert not OPEN_ONLY & set(fields(harness))
    restored = read_job(harness.ledger, "a")
    assert (restored.job, restored.result) == (JOB, '{"a":1}')


def test_a_record_of_an_earlier_version_is_read(harness: RedisHarness) -> None:
    harness.ledger.submit(SUBMISSION)
    earlier = {"state": "succeeded", "finished_ms": START_MS, "result": '{"plain":1}'}
    harness.client.hset(job_key("a"), mapping=earlier)  # type: ignore[arg-type]
    record = read_job(harness.ledger, "a")
    assert (record.job, record.result) == (JOB, '{"plain":1}')
