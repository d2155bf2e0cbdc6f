"""Sends schedules to a service as `seewhy load` does."""

import asyncio
from collections.abc import Mapping

from pools.service import Pool
from seewhy_loadtest.generation.images import default_image
from seewhy_loadtest.generation.schedules import Schedule, ScheduleKind, Step, make_schedule
from seewhy_loadtest.stages.options import LoadOptions
from seewhy_loadtest.stages.record import StageRecord
from seewhy_loadtest.stages.stage import run_stage

DRAIN_S = 600.0
BACKLOG_PER_S = 100.0
"""Fewer jobs than the API accepts beside suspended workers, so that no request waits."""


def poisson(*steps: Step, seed: int) -> Schedule:
    """Return independent arrivals whose rate changes with each step."""
    return make_schedule(ScheduleKind.POISSON, steps, seed=seed)


def evenly(jobs: int, *, per_s: float = BACKLOG_PER_S) -> Schedule:
    """Return arrivals with equal gaps."""
    return make_schedule(ScheduleKind.CONSTANT, [Step(per_s, jobs / per_s)], seed=1)


def send(url: str, schedule: Schedule) -> StageRecord:
    """Send a schedule, wait until its jobs have ended, and return what was recorded."""
    return asyncio.run(_send(url, schedule))


def send_together(url: str, schedules: Mapping[str, Schedule]) -> list[StageRecord]:
    """Send the schedule of each API key at the same time; return the records in their order."""

    async def send_all() -> list[StageRecord]:
        stages = (_send(url, schedule, key=key) for key, schedule in schedules.items())
        return await asyncio.gather(*stages)

    return asyncio.run(send_all())


def send_backlog(pool: Pool, schedule: Schedule) -> StageRecord:
    """Send jobs while the workers are suspended; they stay so.

    Raises `AssertionError` if one is not accepted.
    """
    pool.suspended(is_suspended=True)
    record = asyncio.run(_send(pool.url, schedule, follow_jobs=False))
    assert all(each.job_id for each in record.submissions), "a job was not accepted"
    return record


async def _send(
    url: str, schedule: Schedule, *, key: str | None = None, follow_jobs: bool = True
) -> StageRecord:
    options = LoadOptions(key=key, drain=DRAIN_S)
    images = [default_image()]
    return await run_stage(options, schedule, url=url, images=images, follow_jobs=follow_jobs)
