"""Random interleavings: the Lua must do what the plain Python model does, field by field."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from ledgers.bench import POLICY, START_MS, MemoryBench, RedisBench
from seewhy.ledger.ports.outbox import Attempt, DeliveryResult, OriginLease
from seewhy.ledger.types import (
    Claim,
    Completion,
    IdempotencyKey,
    JobFailure,
    JobOutcome,
    JobRestoration,
    Submission,
    lane_of,
    lanes_of,
)
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import JobState, Priority
from servers.valkey import RedisServer

OWNERS = st.sampled_from(["w1", "w2"])
LANES = st.sampled_from([lane_of("m", p) for p in Priority])
WAITS = st.sampled_from([1, 60, 100, 400, 1_000, 30_000])
ENDS = [s for s in JobState if s.terminal]
OUTCOMES = st.none() | st.builds(
    JobOutcome,
    state=st.sampled_from(ENDS),
    finished_ms=st.sampled_from([START_MS, START_MS + 1_000]),
    attempts=st.integers(0, 3),
    started_ms=st.none() | st.just(START_MS),
    result=st.none() | st.just("its result"),
    error_code=st.none() | st.just("code"),
)
CONTEXTS = st.sampled_from([RequestContext(tenant) for tenant in ("default", "a", "b")])
KEYS = st.builds(IdempotencyKey, st.sampled_from("kl"), st.sampled_from(["one", "two"]))
WEBHOOKS = st.sampled_from([None, None, "https://one.test/a?b", "https://one.test", "http://two:1"])
RECENT = st.integers(0, 8)
"""How many submissions ago: most operations are about jobs that are still alive."""


class LedgerMachine(RuleBasedStateMachine):
    """Does the same to both and compares answers, records, books and due times."""

    server: RedisServer
    claims = Bundle("claims")
    turns = Bundle("turns")

    @initialize()
    def open(self) -> None:
        self.model = MemoryBench()
        self.redis = RedisBench(self.server.client())
        self.terminal: dict[str, Any] = {}
        self.jobs: list[str] = ["unknown"]

    def teardown(self) -> None:
        if hasattr(self, "redis"):
            self.redis.client.close()

    def both(self, call: Any) -> Any:
        expected = call(self.model.ledger)
        assert call(self.redis.ledger) == expected
        return expected

    def new_job(self) -> str:
        self.jobs.append(f"job-{len(self.jobs)}")
        return self.jobs[-1]

    def recent(self, back: int) -> str:
        return self.jobs[max(0, len(self.jobs) - 1 - back)]

    @rule(
        lane=LANES,
        deadline=st.sampled_from([None, None, 50, 1_500]),
        context=CONTEXTS,
        asks=st.sampled_from([None, None, "the same", "the same", "other"]),
        webhook=WEBHOOKS,
    )
    def submit(
        self, lane: str, deadline: int | None, context: RequestContext, asks: Any, webhook: Any
    ) -> None:
        job = self.new_job()
        more = {"context": context, "fingerprint": asks, "webhook": webhook}
        self.submit_this(Submission(job, lane, f"text {job}", deadline, **more))

    @rule(back=RECENT, lane=LANES)
    def submit_again(self, back: int, lane: str) -> None:
        self.submit_this(Submission(self.recent(back), lane, "text"))

    def submit_this(self, submission: Submission) -> None:
        receipt = self.both(lambda x: x.submit(submission))
        if receipt.notify:
            self.model.leave_hint(submission.lane)
            self.redis.leave_hint(submission.lane)

    @rule(
        lanes=st.lists(LANES, min_size=2, max_size=4),
        webhook=WEBHOOKS,
        end=st.sampled_from(["complete", "fail", "cancel", "withdraw", "die", "wait"]),
        late=st.booleans(),
    )
    def ask_alike(self, lanes: list[str], webhook: Any, end: str, late: bool) -> None:
        """Several ask the same; the first comes to one end or another."""
        asks = f"flight {len(self.jobs)}"
        jobs = [self.new_job() for _ in lanes]
        for job, lane in zip(jobs, lanes, strict=True):
            self.submit_this(Submission(job, lane, "same", fingerprint=asks, webhook=webhook))
        if end == "cancel":
            self.both(lambda x: x.cancel(jobs[0]))
        elif end != "wait":
            self.end_first(jobs[0], end)
        if late:
            job = self.new_job()
            self.submit_this(Submission(job, lanes[0], "same", fingerprint=asks))
        self.wait(POLICY.lease_ms)
        self.sweep(500)

    def end_first(self, job: str, end: str) -> None:
        taken: list[Claim] = self.both(lambda x: x.claim(lanes_of("m"), owner="w1", limit=20))
        mine = [claim for claim in taken if claim.job_id == job]
        if end == "complete":
            self.both(lambda x: x.complete([Completion(c, "r") for c in mine]))
        elif end == "fail":
            self.both(lambda x: x.fail([JobFailure(c, "code", "detail") for c in mine]))
        elif end == "withdraw":
            self.both(lambda x: x.cancel(job))
            self.both(lambda x: x.cancel_claimed(mine))

    @rule(lane=LANES, context=CONTEXTS)
    def ask_for_room(self, lane: str, context: RequestContext) -> None:
        self.both(lambda x: x.reached_limit(lane, context=context))

    @rule(target=turns, limit=st.integers(1, 3))
    def lease_origin(self, limit: int) -> Any:
        turn = self.model.outbox.lease_origin(limit=limit)
        assert self.redis.outbox.lease_origin(limit=limit) == turn
        return multiple(turn) if turn else multiple()

    @rule(
        turn=turns,
        verdicts=st.lists(st.sampled_from(DeliveryResult), min_size=3, max_size=3),
        pause_ms=st.sampled_from([0, 300]),
    )
    def report(self, turn: OriginLease, verdicts: list[DeliveryResult], pause_ms: int) -> None:
        tried = [
            Attempt(notice, verdict, "heard", retry_in_ms=200)
            for notice, verdict in zip(turn.notices, verdicts, strict=False)
        ]
        for bench in (self.model, self.redis):
            bench.outbox.report(turn, tried, pause_ms=pause_ms)

    @rule(back=RECENT)
    def redeliver(self, back: int) -> None:
        job = self.recent(back)
        answers = {bench.outbox.redeliver(job) for bench in (self.model, self.redis)}
        assert len(answers) == 1

    @rule(lane=LANES, key=KEYS, context=CONTEXTS)
    def submit_with_key(self, lane: str, key: IdempotencyKey, context: RequestContext) -> None:
        job = self.new_job()
        reservation = self.both(lambda x: x.reserve(key, job, context=context))
        if reservation.status == "new":
            bound = reservation.job_id
            self.both(
                lambda x: x.submit(Submission(bound, lane, "keyed", key=key, context=context))
            )

    @rule(key=KEYS, back=RECENT, context=CONTEXTS)
    def release_reservation(self, key: IdempotencyKey, back: int, context: RequestContext) -> None:
        self.both(lambda x: x.release_reservation(key, self.recent(back), context=context))

    @rule(key=KEYS, context=CONTEXTS)
    def reserve(self, key: IdempotencyKey, context: RequestContext) -> None:
        job = self.new_job()
        self.both(lambda x: x.reserve(key, job, context=context))

    @rule(target=claims, owner=OWNERS, limit=st.integers(1, 4))
    def claim(self, owner: str, limit: int) -> Any:
        lanes = lanes_of("m")
        for lane in lanes:
            self.model.take_hints(lane)
            self.redis.take_hints(lane)
        taken: list[Claim] = self.both(lambda x: x.claim(lanes, owner=owner, limit=limit))
        return multiple(*taken)

    @rule(batch=st.lists(claims, min_size=1, max_size=4, unique_by=lambda c: c.job_id))
    def renew(self, batch: list[Claim]) -> None:
        self.both(lambda x: x.renew(batch))

    @rule(batch=st.lists(claims, min_size=1, max_size=4, unique_by=lambda c: c.job_id))
    def complete(self, batch: list[Claim]) -> None:
        self.both(lambda x: x.complete([Completion(c, f"by {c.fence}") for c in batch]))

    @rule(
        batch=st.lists(claims, min_size=1, max_size=3, unique_by=lambda c: c.job_id),
        retry=st.sampled_from([None, 10, 500]),
    )
    def fail(self, batch: list[Claim], retry: int | None) -> None:
        self.both(lambda x: x.fail([JobFailure(c, "code", "detail", retry) for c in batch]))

    @rule(
        batch=st.lists(claims, min_size=1, max_size=3, unique_by=lambda c: c.job_id),
        delay=st.sampled_from([0, 0, 200]),
    )
    def release(self, batch: list[Claim], delay: int) -> None:
        self.both(lambda x: x.release(batch, retry_in_ms=delay))

    @rule(batch=st.lists(claims, min_size=1, max_size=3, unique_by=lambda c: c.job_id))
    def cancel_claimed(self, batch: list[Claim]) -> None:
        self.both(lambda x: x.cancel_claimed(batch))

    @rule(back=RECENT)
    def cancel(self, back: int) -> None:
        self.both(lambda x: x.cancel(self.recent(back)))

    @rule(limit=st.sampled_from([1, 100]), acknowledge=st.booleans())
    def file(self, limit: int, acknowledge: bool) -> None:
        records = self.both(lambda x: x.list_unarchived(limit=limit))
        if acknowledge:
            self.both(lambda x: x.mark_archived([record.job_id for record in records]))

    @rule(limit=st.sampled_from([1, 100]), back=st.none() | RECENT)
    def look_at_the_dead(self, limit: int, back: int | None) -> None:
        self.both(lambda x: x.list_dead_letters(limit=limit))
        if back is not None:
            self.both(lambda x: x.dismiss([self.recent(back)]))

    @rule(
        back=st.none() | RECENT,
        lane=LANES,
        outcome=OUTCOMES,
        key=st.none() | KEYS,
        context=CONTEXTS,
        webhook=WEBHOOKS,
        ago_ms=st.sampled_from([-50, 0, 1_000, 80_000_000]),
        deadline=st.sampled_from([None, None, 1_500]),
    )
    def restore(
        self,
        back: int | None,
        lane: str,
        outcome: JobOutcome | None,
        key: IdempotencyKey | None,
        context: RequestContext,
        webhook: str | None,
        ago_ms: int,
        deadline: int | None,
    ) -> None:
        job = self.new_job() if back is None else self.recent(back)
        submission = Submission(job, lane, f"text {job}", deadline, key, context, webhook=webhook)
        lost = JobRestoration(submission, self.model.now_ms - ago_ms, outcome)
        self.both(lambda x: x.restore(lost))

    @rule(owner=OWNERS, again=st.booleans(), mark=st.booleans())
    def acquire_leadership(self, owner: str, again: bool, mark: bool) -> None:
        self.both(lambda x: x.acquire_leadership(owner, lease_ms=500, again=again))
        if mark:
            self.both(lambda x: x.set_epoch("epoch", owner=owner))

    @rule(ms=WAITS)
    def wait(self, ms: int) -> None:
        self.model.tick(ms)
        self.redis.tick(ms)

    @rule(survivors=st.lists(claims, max_size=2, unique_by=lambda c: c.job_id), owner=OWNERS)
    def others_die(self, survivors: list[Claim], owner: str) -> None:
        """Only survivors are heard of before a sweep comes by; then someone claims again."""
        self.wait(POLICY.lease_ms - 1)
        self.renew(survivors)
        self.wait(1)
        self.sweep(500)
        self.claim(owner, 4)

    @rule(claim=claims, owner=OWNERS)
    def late_finish(self, claim: Claim, owner: str) -> None:
        """A worker finishes what another has claimed meanwhile: only one of them may."""
        self.claim(owner, 4)
        self.complete([claim])

    @rule(limit=st.sampled_from([1, 500]))
    def sweep(self, limit: int) -> None:
        if limit == 1 and len(set(self.model.due().values())) != len(self.model.due()):
            return  # which of two equally overdue jobs goes first is nobody's promise
        self.both(lambda x: x.sweep(limit=limit))

    @invariant()
    def same_books(self) -> None:
        if not hasattr(self, "model"):
            return
        due = self.model.due()
        assert self.redis.due() == due
        counts = self.both(lambda x: x.counts())
        assert counts.drift == 0, "I5"
        assert sum(counts.open.values()) == counts.non_terminal, "I7"
        assert self.model.outbox.list_undelivered() == self.redis.outbox.list_undelivered()
        assert self.model.outbox.wakeups_needed() == self.redis.outbox.wakeups_needed()
        for job in self.jobs:
            record = self.both(lambda x, job=job: x.read(job))
            if record is None:
                continue
            self.both(lambda x, record=record: x.queue_position(record))
            assert (job in due) is not record.state.terminal, "I1"
            assert record.attempts <= 3, "I2"
            ended = replace(record, webhook=None)
            if job in self.terminal:
                assert ended == self.terminal[job], "terminal states never change"
            if record.state.terminal:
                self.terminal[job] = ended

    @invariant()
    def a_suspect_is_alone_with_its_owner(self) -> None:
        if not hasattr(self, "model"):
            return
        records = [self.model.ledger.read(job) for job in self.jobs]
        running = [r for r in records if r and r.state is JobState.RUNNING]
        for suspect in (r for r in running if r.alone):
            assert [r for r in running if r.owner == suspect.owner] == [suspect], "I2"


@pytest.mark.parametrize("server", ["valkey", "redis_server"])
def test_the_lua_and_the_plain_model_agree_on_random_interleavings(
    server: str, request: pytest.FixtureRequest
) -> None:
    machine = type("Machine", (LedgerMachine,), {"server": request.getfixturevalue(server)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=100,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
