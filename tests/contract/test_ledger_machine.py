"""Random interleavings: the Lua scripts agree with the in-memory ledger, field by field."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from batch_rules import BatchRules
from ledger_harness import POLICY, START_MS, MemoryHarness, RedisHarness
from seewhy.ledger.types import (
    Attempt,
    Charge,
    Claim,
    Completion,
    DeliveryResult,
    IdempotencyKey,
    JobFailure,
    JobOutcome,
    JobRestoration,
    OriginLease,
    Quotas,
    Submission,
    lane_of,
    lanes_of,
    wakeup_queue,
)
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import JobState, Priority
from servers.valkey import RedisServer

OWNERS = st.sampled_from(["w1", "w2"])
LANES = st.sampled_from(
    [lane_of("m", p) for p in Priority] * 2 + [lane_of("m", Priority.BATCH, long=True)]
)
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
    fence=st.none() | st.just(2),
)
CONTEXTS = st.sampled_from(
    [
        *(RequestContext(tenant) for tenant in ("default", "a", "b")),
        *(RequestContext("a", key_id=key_id) for key_id in ("k1", "k2")),
    ]
)
KEYS = st.builds(IdempotencyKey, st.sampled_from("kl"), st.sampled_from(["one", "two"]))
WEBHOOKS = st.sampled_from([None, None, "https://one.test/a?b", "https://one.test", "http://two:1"])
FEW_RECORDS = replace(POLICY, record_limit=8, tenant_backlog_ms=20_000, lane_backlog_ms=30_000)
COSTS = st.integers(1, 100_000)
RECENT = st.integers(0, 8)
"""How many submissions ago: most operations concern jobs that are still open."""


def charge_of(context: RequestContext) -> Charge | None:
    """Return what a submission takes from the small quotas of a key."""
    quotas = Quotas(open_jobs=3, submissions_per_minute=5, passes_per_minute=20)
    return Charge(quotas, passes=6) if context.key_id else None


class LedgerMachine(BatchRules):
    """Applies the same steps to both; compares answers, records, counters and due times."""

    server: RedisServer
    claims = Bundle("claims")
    leases = Bundle("leases")

    @initialize()
    def open(self) -> None:
        self.memory = MemoryHarness(policy=FEW_RECORDS)
        self.redis = RedisHarness(self.server.client(), policy=FEW_RECORDS)
        self.terminal: dict[str, Any] = {}
        self.jobs: list[str] = ["unknown"]

    def teardown(self) -> None:
        if hasattr(self, "redis"):
            self.redis.client.close()

    def both(self, call: Any) -> Any:
        expected = call(self.memory.ledger)
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
        fingerprint=st.sampled_from([None, None, "same", "same", "other"]),
        webhook=WEBHOOKS,
        cost=COSTS,
    )
    def submit(
        self,
        lane: str,
        deadline: int | None,
        context: RequestContext,
        fingerprint: Any,
        webhook: Any,
        cost: int,
    ) -> None:
        job = self.new_job()
        more = {"context": context, "fingerprint": fingerprint, "webhook_url": webhook}
        more["cost"] = cost
        self.submit_this(Submission(job, lane, f"text {job}", deadline, **more))

    @rule(back=RECENT, lane=LANES)
    def submit_again(self, back: int, lane: str) -> None:
        self.submit_this(Submission(self.recent(back), lane, "text"))

    def submit_this(self, submission: Submission) -> None:
        charge = charge_of(submission.context)
        receipt = self.both(lambda x: x.submit(submission, charge=charge))
        if receipt.notify:
            self.memory.add_unread_wakeup(wakeup_queue(submission.lane))
            self.redis.add_unread_wakeup(wakeup_queue(submission.lane))

    @rule(
        lanes=st.lists(LANES, min_size=2, max_size=4),
        webhook=WEBHOOKS,
        end=st.sampled_from(["complete", "fail", "cancel", "cancel claimed", "crash", "wait"]),
        late=st.booleans(),
    )
    def submit_duplicates(self, lanes: list[str], webhook: Any, end: str, late: bool) -> None:
        """Submit several jobs with one fingerprint, and finish the first in various ways."""
        fingerprint = f"fingerprint {len(self.jobs)}"
        jobs = [self.new_job() for _ in lanes]
        for job, lane in zip(jobs, lanes, strict=True):
            self.submit_this(
                Submission(job, lane, "same", fingerprint=fingerprint, webhook_url=webhook)
            )
        if end == "cancel":
            self.both(lambda x: x.cancel(jobs[0]))
        elif end != "wait":
            self.finish_first(jobs[0], end)
        if late:
            job = self.new_job()
            self.submit_this(Submission(job, lanes[0], "same", fingerprint=fingerprint))
        self.wait(POLICY.lease_ms)
        self.sweep(500)

    def finish_first(self, job: str, end: str) -> None:
        taken: list[Claim] = self.both(lambda x: x.claim(lanes_of("m"), owner="w1", limit=20))
        mine = [claim for claim in taken if claim.job_id == job]
        if end == "complete":
            self.both(lambda x: x.complete([Completion(c, "r") for c in mine]))
        elif end == "fail":
            self.both(lambda x: x.fail([JobFailure(c, "code", "detail") for c in mine]))
        elif end == "cancel claimed":
            self.both(lambda x: x.cancel(job))
            self.both(lambda x: x.cancel_claimed(mine))

    @rule(lane=LANES, context=CONTEXTS)
    def reached_limit(self, lane: str, context: RequestContext) -> None:
        self.both(lambda x: x.reached_limit(lane, context=context, charge=charge_of(context)))

    @rule(target=leases, limit=st.integers(1, 3))
    def lease_origin(self, limit: int) -> Any:
        lease = self.memory.outbox.lease_origin(limit=limit)
        assert self.redis.outbox.lease_origin(limit=limit) == lease
        return multiple(lease) if lease else multiple()

    @rule(
        lease=leases,
        results=st.lists(st.sampled_from(DeliveryResult), min_size=3, max_size=3),
        pause_ms=st.sampled_from([0, 300]),
    )
    def report(self, lease: OriginLease, results: list[DeliveryResult], pause_ms: int) -> None:
        attempts = [
            Attempt(delivery, result, "answered 500", retry_in_ms=200)
            for delivery, result in zip(lease.deliveries, results, strict=False)
        ]
        for harness in (self.memory, self.redis):
            harness.outbox.report(lease, attempts, pause_ms=pause_ms)

    @rule(back=RECENT)
    def redeliver(self, back: int) -> None:
        job = self.recent(back)
        answers = {harness.outbox.redeliver(job) for harness in (self.memory, self.redis)}
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

    @rule(target=claims, owner=OWNERS, limit=st.integers(1, 4), max_cost=st.none() | COSTS)
    def claim(self, owner: str, limit: int, max_cost: int | None = None) -> Any:
        lanes = lanes_of("m")
        for lane in lanes:
            self.memory.read_wakeups(wakeup_queue(lane))
            self.redis.read_wakeups(wakeup_queue(lane))
        taken: list[Claim] = self.both(
            lambda x: x.claim(lanes, owner=owner, limit=limit, max_cost=max_cost)
        )
        return multiple(*taken)

    @rule(batch=st.lists(claims, min_size=1, max_size=4, unique_by=lambda c: c.job_id))
    def renew(self, batch: list[Claim]) -> None:
        self.both(lambda x: x.renew(batch))

    @rule(
        batch=st.lists(claims, min_size=1, max_size=4, unique_by=lambda c: c.job_id),
        cost=st.none() | COSTS,
    )
    def complete(self, batch: list[Claim], cost: int | None) -> None:
        self.both(lambda x: x.complete([Completion(c, f"by {c.fence}", cost) for c in batch]))

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

    @rule(claim=claims, exposed=st.booleans())
    def set_exposed(self, claim: Claim, exposed: bool) -> None:
        self.both(lambda x: x.set_exposed(claim, exposed=exposed))

    @rule(batch=st.lists(claims, min_size=1, max_size=3, unique_by=lambda c: c.job_id))
    def cancel_claimed(self, batch: list[Claim]) -> None:
        self.both(lambda x: x.cancel_claimed(batch))

    @rule(back=RECENT)
    def cancel(self, back: int) -> None:
        self.both(lambda x: x.cancel(self.recent(back)))

    @rule(limit=st.sampled_from([1, 100]), acknowledge=st.booleans())
    def archive(self, limit: int, acknowledge: bool) -> None:
        records = self.both(lambda x: x.list_unarchived(limit=limit))
        if acknowledge:
            self.both(lambda x: x.mark_archived([record.job_id for record in records]))

    @rule(limit=st.sampled_from([1, 100]), back=st.none() | RECENT)
    def dead_letters(self, limit: int, back: int | None) -> None:
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
        cost=COSTS,
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
        cost: int,
    ) -> None:
        job = self.new_job() if back is None else self.recent(back)
        submission = Submission(
            job, lane, f"text {job}", deadline, key, context, webhook_url=webhook, cost=cost
        )
        lost = JobRestoration(submission, self.memory.now_ms - ago_ms, outcome)
        self.both(lambda x: x.restore(lost))

    @rule(back=RECENT, outcome=OUTCOMES)
    def restore_outcome(self, back: int, outcome: JobOutcome | None) -> None:
        if outcome:
            self.both(lambda x: x.restore_outcome(self.recent(back), outcome))

    @rule(owner=OWNERS, renew=st.booleans(), set_epoch=st.booleans())
    def lead_recovery(self, owner: str, renew: bool, set_epoch: bool) -> None:
        if renew:
            self.both(lambda x: x.renew_leadership(owner, lease_ms=500))
        else:
            self.both(lambda x: x.acquire_leadership(owner, lease_ms=500))
        if set_epoch:
            self.both(lambda x: x.set_epoch("epoch", owner=owner))

    @rule(ms=WAITS)
    def wait(self, ms: int) -> None:
        self.memory.advance(ms)
        self.redis.advance(ms)

    @rule(survivors=st.lists(claims, max_size=2, unique_by=lambda c: c.job_id), owner=OWNERS)
    def others_crash(self, survivors: list[Claim], owner: str) -> None:
        """Only the survivors renew their leases before the sweep; then an owner claims again."""
        self.wait(POLICY.lease_ms - 1)
        self.renew(survivors)
        self.wait(1)
        self.sweep(500)
        self.claim(owner, 4)

    @rule(claim=claims, owner=OWNERS)
    def crash_exposed(self, claim: Claim, owner: str) -> None:
        """A worker dies with its job exposed; then an owner claims again."""
        self.set_exposed(claim, True)
        self.others_crash([], owner)

    @rule(claim=claims, owner=OWNERS)
    def late_finish(self, claim: Claim, owner: str) -> None:
        """A worker reports late, after another owner may have claimed the job."""
        self.claim(owner, 4)
        self.complete([claim], None)

    @rule(limit=st.sampled_from([1, 500]))
    def sweep(self, limit: int) -> None:
        if limit == 1 and len(set(self.memory.due().values())) != len(self.memory.due()):
            return  # the order of equally overdue jobs is undefined
        self.both(lambda x: x.sweep(limit=limit))

    @invariant()
    def state_agrees(self) -> None:
        if not hasattr(self, "memory"):
            return
        due = self.memory.due()
        assert self.redis.due() == due
        counts = self.both(lambda x: x.status()).counts
        assert self.both(lambda x: x.counts()) == counts
        assert counts.drift == 0, "I5"
        assert sum(counts.open.values()) == counts.non_terminal, "I7"
        assert self.memory.outbox.list_undelivered() == self.redis.outbox.list_undelivered()
        assert self.memory.outbox.wakeups_needed() == self.redis.outbox.wakeups_needed()
        for tenant in ("default", "a"):
            self.both(lambda x, tenant=tenant: x.latest(tenant, limit=5))
        for job in self.jobs:
            record = self.both(lambda x, job=job: x.read(job))
            if record is None:
                continue
            for more in (0, 3):
                self.both(lambda x, job=job, more=more: x.work_ahead(job, more=more))
            assert (job in due) is not record.state.terminal, "I1"
            assert record.attempts - record.crashes <= POLICY.max_attempts, "I2"
            assert record.exposed_crashes <= min(record.crashes, POLICY.max_exposed_crashes), "I2"
            assert record.state is JobState.RUNNING or not record.exposed
            final = replace(record, webhook=None)
            if job in self.terminal:
                assert final == self.terminal[job], "terminal states never change"
            if record.state.terminal:
                self.terminal[job] = final

    @invariant()
    def the_costs_in_each_lane_are_the_sums_over_its_jobs(self) -> None:
        if hasattr(self, "memory"):
            for lane in lanes_of("m"):
                assert self.redis.queue_costs(lane) == self.memory.queue_costs(lane)

    @invariant()
    def a_quarantined_job_is_the_only_claim_of_its_owner(self) -> None:
        if not hasattr(self, "memory"):
            return
        records = [self.memory.ledger.read(job) for job in self.jobs]
        running = [r for r in records if r and r.state is JobState.RUNNING]
        for job in (r for r in running if r.quarantined):
            assert [r for r in running if r.owner == job.owner] == [job], "I2"


@pytest.mark.no_cover  # the other contract tests run every line, and this would take a third longer
@pytest.mark.parametrize(("server", "examples"), [("valkey", 100), ("redis_server", 30)])
def test_the_scripts_and_the_memory_ledger_agree_on_random_interleavings(
    server: str, examples: int, request: pytest.FixtureRequest
) -> None:
    machine = type("Machine", (LedgerMachine,), {"server": request.getfixturevalue(server)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
