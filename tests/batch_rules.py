"""Rules about batches, for the state machine that compares the ledgers."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ledger_harness import MemoryHarness, RedisHarness
from seewhy.ledger.types import (
    BatchItem,
    BatchOutcome,
    BatchRecord,
    BatchRestoration,
    BatchState,
    BatchSubmission,
    Quotas,
    Submission,
    lane_of,
)
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import Priority

BATCH_CONTEXTS = st.sampled_from([RequestContext("a"), RequestContext("a", key_id="k1")])
ACCEPTORS = st.sampled_from(["one", "two"])
BATCHES = st.integers(0, 2)
"""How many batches ago."""
LEASE_MS = 1_000
QUOTAS = Quotas(open_jobs=3, submissions_per_minute=5, passes_per_minute=20)


class BatchRules(RuleBasedStateMachine):
    """Creates, accepts, cancels and restores batches on both ledgers."""

    memory: MemoryHarness
    redis: RedisHarness
    jobs: list[str]

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[BatchSubmission] = []
        self.ended: dict[str, Any] = {}

    def both_batches(self, call: Any) -> Any:
        expected = call(self.memory.batches)
        assert call(self.redis.batches) == expected
        return expected

    @rule(
        total=st.integers(1, 6),
        context=BATCH_CONTEXTS,
        restored=st.sampled_from([False, False, True]),
        cancelled=st.booleans(),
        webhook=st.sampled_from([None, "https://one.test/batch"]),
        listing=st.sampled_from([False, False, True]),
        had_ended=st.sampled_from([False, False, True]),
    )
    def create_batch(
        self,
        total: int,
        context: RequestContext,
        restored: bool,
        cancelled: bool,
        webhook: str | None,
        listing: bool,
        had_ended: bool,
    ) -> None:
        name = f"batch-{len(self.batches)}"
        submission = BatchSubmission(
            name,
            0 if listing else total,
            0,
            "a batch",
            context=context,
            webhook_url=webhook,
            listing=listing,
        )
        self.batches.append(submission)
        if restored:
            now_ms = self.memory.now_ms
            outcome = BatchOutcome(BatchState.FINISHED, now_ms - 60, now_ms - 20, total, total)
            restoration = BatchRestoration(
                submission, now_ms - 50, cancelled, outcome if had_ended else None
            )
            self.both_batches(lambda x: x.restore(restoration))
        else:
            self.both_batches(lambda x: x.create(submission))

    def items_of(self, batch: BatchSubmission, fingerprint: str | None) -> list[BatchItem]:
        current = self.memory.batches.read(batch.batch_id)
        total = current.total if current else batch.total
        ids = [f"{batch.batch_id}-{index}" for index in range(total)]
        self.jobs += [job for job in ids if job not in self.jobs]
        return [
            BatchItem(
                Submission(
                    job,
                    lane_of("m", Priority.BATCH),
                    "an item",
                    context=batch.context,
                    fingerprint=fingerprint,
                    batch=batch.batch_id,
                    batch_index=index,
                ),
                passes=2,
            )
            for index, job in enumerate(ids)
        ]

    @rule(
        owner=ACCEPTORS,
        first=st.integers(0, 3),
        fingerprint=st.sampled_from([None, None, "same"]),
        refuse=st.booleans(),
        release=st.booleans(),
    )
    def accept_items(
        self, owner: str, first: int, fingerprint: str | None, refuse: bool, release: bool
    ) -> None:
        due = self.memory.memory._state.batches_due
        if len(set(due.values())) != len(due):
            self.memory.advance(1)
            self.redis.advance(1)
        leased = self.both_batches(lambda x: x.lease(owner, lease_ms=LEASE_MS))
        if leased is None:
            return
        batch = next(each for each in self.batches if each.batch_id == leased.batch_id)
        if leased.state is BatchState.LISTING:
            self.list_items(leased, owner, first=first, release=release, refuse=refuse)
            return
        chosen = self.items_of(batch, fingerprint)[first:]
        if refuse and chosen:
            chosen[-1] = BatchItem(newly_refused=True)
        quotas = QUOTAS if batch.context.key_id else None
        more = {"first": first, "lease_ms": LEASE_MS, "quotas": quotas}
        self.both_batches(lambda x: x.submit_many(batch.batch_id, owner, chosen, **more))
        if release:
            self.both_batches(lambda x: x.release(batch.batch_id, owner, retry_in_ms=100))

    def list_items(
        self, batch: BatchRecord, owner: str, *, first: int, release: bool, refuse: bool
    ) -> None:
        """Add two items; sometimes end the listing, or fail it."""
        name = batch.batch_id
        if refuse and first == 0:
            self.both_batches(lambda x: x.fail(name, owner, code="c", detail="d"))
        more = {"first": first, "count": 2, "complete": release, "lease_ms": LEASE_MS}
        self.both_batches(lambda x: x.extend(name, owner, **more))

    @rule(back=BATCHES, owner=ACCEPTORS, first=st.integers(0, 3), size=st.integers(1, 4))
    def cancel_batch(self, back: int, owner: str, first: int, size: int) -> None:
        if len(self.batches) <= back:
            return
        name = self.batches[-1 - back].batch_id
        self.both_batches(lambda x: x.cancel(name))
        ids = [f"{name}-{index}" for index in range(first, first + size)]
        more = {"first": first, "lease_ms": LEASE_MS}
        self.both_batches(lambda x: x.cancel_jobs(name, owner, ids, **more))

    @invariant()
    def batches_agree(self) -> None:
        if not hasattr(self, "memory"):
            return
        self.both_batches(lambda x: x.list_unarchived())
        for submission in self.batches:
            name = submission.batch_id
            batch = self.both_batches(lambda x, name=name: x.read(name))
            if batch is None:
                continue
            if name in self.ended:
                final = replace(batch, webhook=None)
                assert final == self.ended[name], "terminal states never change"
            if batch.state.terminal:
                self.ended[name] = replace(batch, webhook=None)
                assert batch.open == 0
            elif batch.state is BatchState.RUNNING:
                assert batch.open > 0, "a batch without open jobs has ended"
