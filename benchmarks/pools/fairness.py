"""L8: tenants beside one that sends ten times as much, on a pool that cannot take all of it."""

from collections.abc import Mapping, Sequence
from functools import partial

import httpx2

from pools.section import Plan, Section, unaccounted
from pools.sending import poisson, send_together
from pools.service import SERVED_CPU_MS, Pool, require_cores, running
from seewhy.access.key_store import KeyStore
from seewhy.access.records import Scope
from seewhy.storage.obstore_adapter import open_store
from seewhy_loadtest.generation.schedules import Schedule, Step
from seewhy_loadtest.measures.percentiles import Percentile, percentile
from seewhy_loadtest.measures.summary import StageSummary, job_times, summarize
from seewhy_loadtest.report.blocks import Table, Text
from seewhy_loadtest.report.content import stage_blocks
from seewhy_loadtest.stages.record import StageRecord
from servers.waiting import wait_until

LIGHT = ("a", "b", "c")
HEAVY = "heavy"
SHARE = 0.12
"""What each light tenant sends, of what the pool can do."""

Records = Mapping[str, StageRecord]
"""Tenant → its jobs."""


def fairness(plan: Plan) -> Section:
    """Compare the latencies of the light tenants alone with those beside the heavy one."""
    rate = SHARE * plan.capacity_per_s
    require_cores(jobs_per_s=13 * rate, cpu_ms=SERVED_CPU_MS)
    schedules = {
        tenant: poisson(Step(rate, plan.seconds), seed=plan.seed + number)
        for number, tenant in enumerate(LIGHT)
    }
    heavy = {HEAVY: poisson(Step(10 * rate, plan.seconds), seed=plan.seed + len(LIGHT))}
    with running(plan.profile, auth="keys") as pool:
        keys = _keys(pool)
        pool.start_workers(plan.workers)
        alone = _send(pool, keys, schedules)
        beside = _send(pool, keys, schedules | heavy)
    rows = [
        _row("the light ones alone", alone, LIGHT),
        _row("beside the heavy one", beside, LIGHT),
        _row("the heavy one", beside, [HEAVY]),
    ]
    ratio = _percentile(beside, LIGHT, 0.95).value / _percentile(alone, LIGHT, 0.95).value
    stages: list[tuple[StageRecord, StageSummary]] = [
        (record, summarize(record)) for record in (*alone.values(), *beside.values())
    ]
    return Section(
        title="Fairness",
        blocks=[
            Text(
                f"{len(LIGHT)} tenants with {rate:.1f} jobs/s each and one with {10 * rate:.0f} "
                f"on a pool of {plan.capacity_per_s:.0f}. The p95 of the light ones is "
                f"**{ratio:.2f}** times that without the heavy one."
            ),
            Table(["tenants", "p50, s", "p95, s"], rows),
            *stage_blocks(stages, level=3),
        ],
        document={"p95_ratio": ratio},
        problems=[problem for _, each in stages for problem in unaccounted(each, "Fairness")],
        stages=stages,
    )


def _keys(pool: Pool) -> dict[str, str]:
    """Return an API key of each tenant, once the API has read all of them."""
    store = KeyStore(open_store(pool.cluster.settings))
    scopes = {Scope.SUBMIT, Scope.READ}
    keys = {
        tenant: store.create(tenant=tenant, scopes=scopes)[0].text for tenant in (*LIGHT, HEAVY)
    }
    for key in keys.values():
        wait_until(partial(_is_accepted, pool, key), what="the API has read the keys")
    return keys


def _is_accepted(pool: Pool, key: str) -> bool:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx2.get(f"{pool.url}/v1/models", headers=headers).status_code == httpx2.codes.OK


def _send(pool: Pool, keys: Mapping[str, str], schedules: Mapping[str, Schedule]) -> Records:
    records = send_together(pool.url, {keys[name]: each for name, each in schedules.items()})
    return dict(zip(schedules, records, strict=True))


def _row(name: str, records: Records, tenants: Sequence[str]) -> list[str]:
    found = (_percentile(records, tenants, share) for share in (0.5, 0.95))
    return [name, *(f"{each.value:.2f}" for each in found)]


def _percentile(records: Records, tenants: Sequence[str], share: float) -> Percentile:
    latencies_s = sorted(
        each.finished_s - each.submission.intended_s
        for tenant in tenants
        for each in job_times(records[tenant])[0]
    )
    found = percentile(latencies_s, share)
    assert found is not None, "no job has ended"
    return found
