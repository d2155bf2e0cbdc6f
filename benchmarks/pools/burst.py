"""L3: a burst on a half-loaded pool, and how long the backlog takes to drain."""

from pools.section import Plan, Section, unaccounted
from pools.sending import poisson, send
from pools.service import SERVED_CPU_MS, require_cores, running
from seewhy_loadtest.generation.schedules import Step
from seewhy_loadtest.measures.summary import summarize
from seewhy_loadtest.report.blocks import Text
from seewhy_loadtest.report.content import stage_blocks

BASE_S = 15.0


def burst(plan: Plan) -> Section:
    """Send half of what the pool can do, three times as much, and half again."""
    base, high = 0.5 * plan.capacity_per_s, 1.5 * plan.capacity_per_s
    drain_s = (high - plan.capacity_per_s) * plan.seconds / (plan.capacity_per_s - base)
    steps = (Step(base, BASE_S), Step(high, plan.seconds), Step(base, 1.5 * drain_s))
    require_cores(jobs_per_s=high, cpu_ms=SERVED_CPU_MS)
    with running(plan.profile) as pool:
        pool.start_workers(plan.workers)
        record = send(pool.url, poisson(*steps, seed=plan.seed))
    stage = record, summarize(record)
    found = stage[1].recovery
    return Section(
        title="A burst",
        blocks=[
            Text(
                f"{base:.0f} jobs/s, {high:.0f} for {plan.seconds:.0f} s, and {base:.0f} again, "
                f"on {plan.workers} devices of {plan.profile.images_per_s:.0f} images/s."
            ),
            *(
                [Text(f"Measured ÷ formula: **{found.measured_s / found.predicted_s:.2f}**.")]
                if found and found.measured_s and found.predicted_s
                else []
            ),
            *stage_blocks([stage], level=3),
        ],
        problems=unaccounted(stage[1], "Burst"),
        stages=[stage],
    )
