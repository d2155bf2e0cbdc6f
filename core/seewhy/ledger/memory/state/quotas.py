"""The quotas of API keys in the in-memory ledger, counted in steps of ten seconds."""

from collections import Counter
from collections.abc import Sequence

from seewhy.ledger.memory.state.admission import cost_of_jobs, retry_after_ms
from seewhy.ledger.memory.state.state import LedgerState, QuotaUse
from seewhy.ledger.types import Charge, QuotaLimit, QuotaName, Quotas, QuotaUsage, Remaining
from seewhy.schemas.context import RequestContext

STEP_MS, STEPS = 10_000, 6

Cost = tuple[QuotaName, int, int]
"""A quota, how much a minute has of it, and how much of that is taken."""


def reached_quota(
    state: LedgerState, lane: str, context: RequestContext, charge: Charge
) -> QuotaLimit | None:
    """Return the quota that refuses a submission, if any."""
    quotas = charge.quotas
    records = [entry.record for entry in state.entries.values()]
    mine = (record for record in records if record.context.key_id == context.key_id)
    count = sum(not record.state.terminal for record in mine)
    if count >= quotas.open_jobs:
        excess = count - quotas.open_jobs * 9 // 10
        cost = cost_of_jobs(state, lane, context.tenant, excess)
        retry_in_ms = retry_after_ms(state, lane, context.tenant, cost)
        return QuotaLimit(QuotaName.OPEN_JOBS, retry_in_ms, remaining=0)
    return reached_cost(state, context.key_id, _costs_of(quotas, charge.passes))


def reached_cost(
    state: LedgerState, key_id: str | None, costs: Sequence[Cost]
) -> QuotaLimit | None:
    """Return the quota that refuses the costs, if any."""
    for name, quota, cost in costs:
        use = _recent_use(state, key_id, name)
        if wait_ms := _fits_in_ms(state.now(), use, quota - cost):
            left = max(quota - use.total(), 0)
            return QuotaLimit(name, wait_ms, remaining=left)
    return None


def take_costs(
    state: LedgerState, key_id: str | None, costs: Sequence[Cost]
) -> tuple[Remaining, ...]:
    """Take the costs; return what is left of each quota."""
    step = state.now() // STEP_MS
    state.quota_uses += [QuotaUse(step, key_id, name, cost) for name, _, cost in costs]
    return tuple(_remaining(state, key_id, name, quota) for name, quota, _ in costs)


def _costs_of(quotas: Quotas, passes: int) -> tuple[Cost, Cost]:
    return (
        (QuotaName.SUBMISSIONS, quotas.submissions_per_minute, 1),
        (QuotaName.PASSES, quotas.passes_per_minute, passes),
    )


def take_quota(state: LedgerState, job_id: str, charge: Charge, *, computes: bool) -> QuotaUsage:
    """Take a submission, and its passes if it must be computed; return what is left."""
    entry = state.entries[job_id]
    context = entry.record.context
    passes = charge.passes if computes else 0
    entry.owed_passes = charge.passes - passes
    return QuotaUsage(*take_costs(state, context.key_id, _costs_of(charge.quotas, passes)))


def take_owed(state: LedgerState, job_id: str) -> None:
    """Take what a duplicate owes when it must be computed, even beyond the quota."""
    entry = state.entries[job_id]
    step, key_id = state.now() // STEP_MS, entry.record.context.key_id
    state.quota_uses.append(QuotaUse(step, key_id, QuotaName.PASSES, entry.owed_passes))
    entry.owed_passes = 0


def _recent_use(state: LedgerState, key_id: str | None, name: QuotaName) -> Counter[int]:
    """Return what a key used in each step that the last minute touches."""
    oldest = state.now() // STEP_MS - STEPS
    use: Counter[int] = Counter()
    for used in state.quota_uses:
        if (used.key_id, used.name) == (key_id, name) and used.step >= oldest:
            use[used.step] += used.amount
    return use


def _fits_in_ms(now: int, use: Counter[int], allowed: int) -> int:
    """Return how long until no more than `allowed` was used; 0 when that is so now."""
    excess, wait_ms = use.total() - allowed, 0
    for step in range(now // STEP_MS - STEPS, now // STEP_MS + 1):
        if excess <= 0:
            break
        excess -= use[step]
        wait_ms = _ends_in_ms(step, now)
    return wait_ms


def _remaining(state: LedgerState, key_id: str | None, name: QuotaName, quota: int) -> Remaining:
    use = _recent_use(state, key_id, name)
    steps = sorted(step for step, amount in use.items() if amount)
    reset_ms = _ends_in_ms(steps[0], state.now()) if steps else 0
    return Remaining(max(quota - use.total(), 0), reset_ms)


def _ends_in_ms(step: int, now: int) -> int:
    """Return when the last minute no longer touches a step."""
    return (step + STEPS + 1) * STEP_MS - now
