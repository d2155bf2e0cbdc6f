"""L8: tenants beside one that sends ten times as much, on a pool that cannot take all of it."""

from pools.service import (
    SERVED_CPU_MS,
    Pool,
    Profile,
    percentile,
    require_cores,
    running,
)
from pools.submissions import TENANT_HEADER, Sender, describe, latencies_s, poisson

LIGHT = ("a", "b", "c")
HEAVY = "heavy"


def fairness(profile: Profile, *, workers: int, seconds: float, seed: int) -> None:
    """Print the latency of the light tenants alone, and beside the heavy one."""
    capacity = workers * profile.images_per_s
    rate = 0.12 * capacity
    require_cores(jobs_per_s=13 * rate, cpu_ms=SERVED_CPU_MS)
    with running(
        profile, auth="gateway", tenant_header=TENANT_HEADER, trusted_proxies="127.0.0.0/8"
    ) as pool:
        pool.start_workers(workers)
        schedule = [
            each
            for number, tenant in enumerate(LIGHT)
            for each in poisson(
                rate=rate, begin_s=0, end_s=seconds, seed=seed + number, tenant=tenant
            )
        ]
        alone = _run(pool, schedule)
        heavy = poisson(rate=10 * rate, begin_s=0, end_s=seconds, seed=seed + 9, tenant=HEAVY)
        beside = _run(pool, [*schedule, *heavy])
        print(f"L8: {pool.accounts()}")
    for name, found in (("alone", alone), ("beside", beside)):
        shown = ", ".join(f"{who} {p50:.2f} / {p95:.2f} s" for who, (p50, p95) in found.items())
        print(f"L8: {name}, p50 / p95: {shown}")
    ratio = beside["light"][1] / alone["light"][1]
    print(
        f"L8: N = {workers}, {len(LIGHT)} tenants with {rate:.1f} jobs/s and one with "
        f"{10 * rate:.0f} on a pool of {capacity:.0f}: p95 of the light ones {ratio:.2f} x alone"
    )


def _run(pool: Pool, schedule: list[tuple[float, str]]) -> dict[str, tuple[float, float]]:
    sender = Sender(pool)
    sender.send_on_time(schedule)
    pool.await_end()
    print(f"L8: {describe(sender.sent)}")
    groups = {"light": LIGHT, HEAVY: (HEAVY,)}
    found = {}
    for who, tenants in groups.items():
        ids = [job_id for tenant in tenants for job_id in sender.sent.job_ids.get(tenant, [])]
        if ids:
            times_s = latencies_s(pool, ids)
            found[who] = percentile(times_s, 0.5), percentile(times_s, 0.95)
    return found
