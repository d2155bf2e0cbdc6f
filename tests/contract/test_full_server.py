"""A server at its memory limit: nothing more is accepted, and what was accepted goes on."""

from collections.abc import Iterator
from importlib import resources

import pytest
from redis import Redis

from ledger_harness import POLICY, RedisHarness, queue_position, read_job
from optionals import present
from seewhy.errors import LedgerUnavailable
from seewhy.ledger.types import (
    Attempt,
    Completion,
    DeliveryResult,
    DeliveryState,
    IdempotencyKey,
    JobFailure,
    JobRestoration,
    LeaseStatus,
    Submission,
    lane_of,
    lanes_of,
)
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import JobState, Priority

LANE, LANES = lane_of("vgg16", Priority.INTERACTIVE), lanes_of("vgg16")
CONTEXT = RequestContext()


@pytest.fixture(params=["valkey", "redis_server"])
def harness(request: pytest.FixtureRequest) -> Iterator[RedisHarness]:
    with request.getfixturevalue(request.param).client() as client:
        yield RedisHarness(client)
        client.config_set("maxmemory", 0)


def fill(client: "Redis") -> None:
    client.config_set("maxmemory", 1)


def advance(harness: RedisHarness, ms: int) -> None:
    """Set the clock, which is a key of the same server, forward."""
    harness.client.config_set("maxmemory", 0)
    harness.advance(ms)
    fill(harness.client)


def submit(harness: RedisHarness, *job_ids: str) -> None:
    for job_id in job_ids:
        harness.ledger.submit(Submission(job_id, LANE, "x", webhook_url="https://hooks.test/"))


def state(harness: RedisHarness, job_id: str) -> JobState:
    return read_job(harness.ledger, job_id).state


def test_every_script_says_what_it_may_do_at_the_memory_limit() -> None:
    folders = resources.files("seewhy.ledger").joinpath("lua").iterdir()
    scripts = [file for folder in folders if folder.name != "shared" for file in folder.iterdir()]
    flags = {file.name: file.read_text("utf-8").splitlines()[0] for file in scripts}
    known = {"#!lua", "#!lua flags=allow-oom", "#!lua flags=no-writes"}
    assert {name: line for name, line in flags.items() if line not in known} == {}


def test_a_full_server_accepts_nothing(harness: RedisHarness) -> None:
    fill(harness.client)
    submission = Submission("a", LANE, "x")
    for accept in (
        lambda: harness.ledger.submit(submission),
        lambda: harness.ledger.reserve(IdempotencyKey("k", "d"), "a", context=CONTEXT),
        lambda: harness.ledger.restore(JobRestoration(submission, 0)),
        harness.ledger.check,
    ):
        with pytest.raises(LedgerUnavailable):
            accept()
    harness.client.config_set("maxmemory", 0)
    assert harness.ledger.counts().accepted == 0


def test_accepted_jobs_run_to_their_end_on_a_full_server(harness: RedisHarness) -> None:
    submit(harness, "done", "failed", "retried", "released", "cancelled", "waiting")
    fill(harness.client)
    claims = harness.ledger.claim(LANES, owner="w", limit=5)
    done, failed, retried, released, cancelled = claims
    assert harness.ledger.renew(claims) == [LeaseStatus.HELD] * 5
    assert harness.ledger.complete([Completion(done, "r")]).applied == [True]
    assert harness.ledger.fail([JobFailure(failed, "x", "y")]).applied == [True]
    assert harness.ledger.fail([JobFailure(retried, "x", "y", retry_in_ms=1)]).applied == [True]
    assert harness.ledger.release([released]) == [True]
    harness.ledger.cancel("cancelled")
    assert harness.ledger.cancel_claimed([cancelled]) == [True]
    assert present(harness.ledger.cancel("waiting")).state is JobState.CANCELLED
    advance(harness, 1)
    assert harness.ledger.sweep().wakeups == {LANE: 1}
    taken = harness.ledger.claim(LANES, owner="w", limit=5)
    assert sorted(claim.job_id for claim in taken) == ["released", "retried"]
    advance(harness, POLICY.lease_ms)
    harness.ledger.sweep()
    assert {state(harness, job_id) for job_id in ("released", "retried")} == {JobState.QUEUED}
    assert queue_position(harness.ledger, "released") == 2


def test_webhooks_workers_and_the_recovery_go_on_on_a_full_server(harness: RedisHarness) -> None:
    submit(harness, "a")
    harness.ledger.cancel("a")
    fill(harness.client)
    assert harness.outbox.wakeups_needed() == 1
    lease = present(harness.outbox.lease_origin(limit=1))
    harness.outbox.report(lease, [Attempt(lease.deliveries[0], DeliveryResult.REFUSED, "410")])
    assert [record.job_id for record in harness.outbox.list_undelivered()] == ["a"]
    assert harness.outbox.redeliver("a").scheduled
    assert present(read_job(harness.ledger, "a").webhook).state is DeliveryState.PENDING
    harness.ledger.mark_archived([record.job_id for record in harness.ledger.list_unarchived()])
    assert harness.ledger.list_unarchived() == []
    harness.workers.register("w", models=["vgg16"])
    assert [worker.worker_id for worker in harness.workers.list_workers()] == ["w"]
    assert harness.ledger.acquire_leadership("me", lease_ms=100)
    assert harness.ledger.set_epoch("e", owner="me")
