"""L0: the generator alone, at twice the highest rate of the other experiments."""

from pools.section import Plan, Section
from pools.sending import BACKLOG_PER_S, poisson, send
from seewhy_loadtest.generation.schedules import Step
from seewhy_loadtest.measures.summary import summarize
from seewhy_loadtest.noop_service import running_noop_service
from seewhy_loadtest.report.blocks import Text
from seewhy_loadtest.report.content import stage_blocks
from seewhy_loadtest.sweep import EXCESS


def check_generator(plan: Plan) -> Section:
    """Load a service that does nothing."""
    rate_per_s = 2 * max(BACKLOG_PER_S, EXCESS * plan.capacity_per_s)
    with running_noop_service() as url:
        record = send(url, poisson(Step(rate_per_s, plan.seconds), seed=plan.seed))
    stage = record, summarize(record)
    return Section(
        title="The generator alone",
        blocks=[
            Text("A service that does nothing, at twice the highest rate of this report."),
            *stage_blocks([stage], level=3),
        ],
        problems=[f"The generator: {problem}" for problem in stage[1].self_check.problems],
        stages=[stage],
    )
