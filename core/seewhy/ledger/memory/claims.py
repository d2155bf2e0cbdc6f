"""Claiming and finishing jobs of the in-memory ledger."""

from collections.abc import Callable, Sequence
from itertools import chain

from seewhy.ledger.memory.state.finish import cancel_or_expire, finish
from seewhy.ledger.memory.state.queues import (
    charge_turn,
    correct_charge,
    make_ready,
    quarantined,
    requeue,
    tenants_with_jobs,
    turns,
)
from seewhy.ledger.memory.state.state import Entry, LedgerState, StateOwner
from seewhy.ledger.types import Claim, Completion, FinishReceipt, JobFailure, LeaseStatus
from seewhy.schemas.job import JobState


class MemoryClaims(StateOwner):
    """Implements `seewhy.ledger.ports.claims.ClaimLedger`."""

    def claim(
        self,
        lanes: Sequence[str],
        *,
        owner: str,
        limit: int,
        max_cost: int | None = None,
        quarantine_lanes: Sequence[str] = (),
    ) -> list[Claim]:
        """Take up to `limit` ready jobs, earlier lanes first."""
        with self._state.changed:
            alone, skipped = self._claim_quarantined((*lanes, *quarantine_lanes), owner)
            if alone is not None:
                return alone
            taken: list[Claim] = []
            for entry in chain.from_iterable(turns(self._state, lane) for lane in lanes):
                if entry and not _fits(self._state, taken, entry, max_cost):
                    break
                if entry and (claim := _take(self._state, entry, owner)):
                    taken.append(claim)
                else:
                    skipped += 1
                    if taken and skipped % self._state.policy.max_skipped == 0:
                        break
                if len(taken) == limit:
                    break
            return taken

    def _claim_quarantined(
        self, lanes: Sequence[str], owner: str
    ) -> tuple[list[Claim] | None, int]:
        """Claim a job that must run alone; also return how many expired ones it passed over.

        None: no such job stands before the others.
        """
        state, skipped = self._state, 0
        held = [e for e in state.entries.values() if e.record.owner == owner]
        if any(entry.record.quarantined for entry in held):
            return [], 0
        for lane in lanes:
            while waiting := quarantined(state, lane):
                if held:
                    return [], skipped
                if claim := _take(state, waiting[0], owner):
                    return [claim], skipped
                skipped += 1
        return None, skipped

    def renew(self, claims: Sequence[Claim]) -> list[LeaseStatus]:
        """Renew leases and return their states, in the order given."""
        with self._state.changed:
            return [self._renew_one(claim) for claim in claims]

    def complete(self, completions: Sequence[Completion]) -> FinishReceipt:
        """Make jobs `succeeded`."""
        known = {done.claim: done for done in completions}

        def succeed(claim: Claim) -> None:
            state, done = self._state, known[claim]
            if done.cost is not None:
                correct_charge(state, state.entries[claim.job_id].record, done.cost)
            stored = {} if done.stored_fence is None else {"fence": done.stored_fence}
            finish(state, claim.job_id, JobState.SUCCEEDED, result=done.result, **stored)

        return self._report([done.claim for done in completions], succeed)

    def fail(self, failures: Sequence[JobFailure]) -> FinishReceipt:
        """Make jobs `failed`, or queue them again while attempts are left."""
        known = {failure.claim: failure for failure in failures}

        def fail_or_retry(claim: Claim) -> None:
            state, failure, job_id = self._state, known[claim], claim.job_id
            record = state.entries[job_id].record
            attempts = record.attempts - record.crashes
            if failure.retry_in_ms is None or attempts >= state.policy.max_attempts:
                error = {"error_code": failure.code, "error_detail": failure.detail}
                finish(state, job_id, JobState.FAILED, **error)
            elif not cancel_or_expire(state, job_id):
                requeue(state, job_id)
                state.due[job_id] = state.now() + failure.retry_in_ms

        return self._report([failure.claim for failure in failures], fail_or_retry)

    def release(self, claims: Sequence[Claim], *, retry_in_ms: int = 0) -> list[bool]:
        """Return jobs unrun and uncharged to their place in the queue, after a delay."""

        def release_one(claim: Claim) -> None:
            state, job_id = self._state, claim.job_id
            attempts = state.entries[job_id].record.attempts
            record = state.update(job_id, attempts=attempts - 1)
            charge_turn(state, record, -record.cost)
            if cancel_or_expire(state, job_id):
                return
            requeue(state, job_id)
            if retry_in_ms:
                state.due[job_id] = state.now() + retry_in_ms
            else:
                make_ready(state, job_id)

        with self._state.changed:
            return [self._change(claim, release_one) for claim in claims]

    def set_exposed(self, claim: Claim, *, exposed: bool) -> bool:
        """Record whether the worker of a quarantined job is exposed to it."""

        def change(claim: Claim) -> bool:
            if not self._state.entries[claim.job_id].record.quarantined:
                return False
            self._state.update(claim.job_id, exposed=exposed)
            return True

        with self._state.changed:
            return self._change(claim, change)

    def cancel_claimed(self, claims: Sequence[Claim]) -> list[bool]:
        """Make jobs `cancelled` that their clients asked to cancel."""

        def confirm(claim: Claim) -> bool:
            if not self._state.entries[claim.job_id].record.cancel_requested:
                return False
            finish(self._state, claim.job_id, JobState.CANCELLED)
            return True

        with self._state.changed:
            return [self._change(claim, confirm) for claim in claims]

    def _renew_one(self, claim: Claim) -> LeaseStatus:
        state = self._state
        if not self._is_current(claim):
            return LeaseStatus.LOST
        record = state.entries[claim.job_id].record
        if state.past_deadline(record):
            finish(state, claim.job_id, JobState.EXPIRED)
            return LeaseStatus.LOST
        state.due[claim.job_id] = state.now() + state.policy.lease_ms
        return LeaseStatus.CANCEL if record.cancel_requested else LeaseStatus.HELD

    def _report(self, claims: list[Claim], change: Callable[[Claim], None]) -> FinishReceipt:
        state = self._state
        with state.changed:
            before = state.deliveries_added
            state.shareable = state.policy.max_shared
            applied = [self._change(claim, change) for claim in claims]
            added = state.deliveries_added > before
            return FinishReceipt(applied, state.dispatcher_wakeups_needed() if added else 0)

    def _change(self, claim: Claim, change: Callable[[Claim], bool | None]) -> bool:
        """Change a claimed job if the claim is current; False if it is not, or nothing changed."""
        return self._is_current(claim) and change(claim) is not False

    def _is_current(self, claim: Claim) -> bool:
        """Whether the claim can change its job.

        A call with the fence of a crash withdraws the evidence: the worker only lost its lease.
        """
        entry = self._state.entries.get(claim.job_id)
        if entry is None or entry.record.state.terminal:
            return False
        if entry.crash_fence == claim.fence:
            entry.crash_fence = None
            fewer = entry.record.exposed_crashes - 1
            self._state.update(claim.job_id, exposed_crashes=fewer)
        return entry.record.state is JobState.RUNNING and entry.record.fence == claim.fence


def _fits(state: LedgerState, taken: Sequence[Claim], entry: Entry, max_cost: int | None) -> bool:
    """Whether a claim may have another job, too."""
    if not taken or max_cost is None:
        return True
    lower, higher = sorted((taken[0].cost, entry.record.cost))
    total = sum(claim.cost for claim in taken) + entry.record.cost
    return total <= max_cost and higher <= state.policy.max_cost_ratio * lower


def _take(state: LedgerState, entry: Entry, owner: str) -> Claim | None:
    """Claim one ready job, unless its deadline has passed."""
    record, now = entry.record, state.now()
    tenants = 1 if record.quarantined else tenants_with_jobs(state, record.lane)
    entry.ready = False
    if state.past_deadline(record):
        finish(state, record.job_id, JobState.EXPIRED)
        return None
    entry.claimed_ms = now
    charge_turn(state, record, record.cost)
    is_old = state.marked_ms is not None and record.submitted_ms <= state.marked_ms
    record = state.update(
        record.job_id,
        state=JobState.RUNNING,
        owner=owner,
        fence=max(record.fence + 1, now if is_old else 0),
        attempts=record.attempts + 1,
        started_ms=now if record.started_ms is None else record.started_ms,
    )
    state.due[record.job_id] = now + state.policy.lease_ms
    state.publish_event(record.job_id, JobState.RUNNING)
    return Claim(
        record.job_id,
        record.fence,
        record.attempts,
        record.lane,
        record.job,
        record.context,
        record.quarantined,
        waited_ms=max(0, now - record.submitted_ms),
        tenants=tenants,
        may_have_result=is_old,
        cost=record.cost,
    )
