"""L2: rising rates, up to more than the pool can do."""

import sys

from pools.section import Plan, Section, unaccounted
from pools.service import SERVED_CPU_MS, require_cores, running
from seewhy_loadtest.generation.images import default_image
from seewhy_loadtest.report.blocks import Text
from seewhy_loadtest.report.content import stage_blocks
from seewhy_loadtest.stages.options import LoadOptions
from seewhy_loadtest.sweep import run_sweep


def sweep(plan: Plan) -> Section:
    """Saturate the pool, then send shares of that."""
    options = LoadOptions(
        sweep=True,
        keep_going=True,
        rates=plan.rates,
        duration=plan.seconds,
        objectives=(plan.objective,),
        seed=plan.seed,
    )
    require_cores(jobs_per_s=plan.capacity_per_s, cpu_ms=SERVED_CPU_MS)
    with running(plan.profile) as pool:
        pool.start_workers(plan.workers)
        found = run_sweep(
            options,
            url=pool.url,
            images=[default_image()],
            progress=lambda line: print(line, file=sys.stderr),
        )
    saturated_per_s = found.saturated_per_s or 0.0
    return Section(
        title="A sweep",
        blocks=[
            Text(
                f"Saturated, the pool does {saturated_per_s:.2f} jobs/s, "
                f"{saturated_per_s / plan.capacity_per_s:.3f} of its "
                f"{plan.workers} devices: X / X_raw."
            ),
            *stage_blocks(found.stages, saturated_per_s=saturated_per_s, level=3),
        ],
        document={"saturated_per_s": saturated_per_s, "devices_per_s": plan.capacity_per_s},
        problems=[
            problem
            for _, summary in found.stages
            for problem in unaccounted(summary, f"Sweep, {summary.offered_per_s:.1f}/s")
        ],
        stages=found.stages,
    )
