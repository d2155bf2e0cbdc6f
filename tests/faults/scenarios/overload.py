"""More is asked for than can be served, by one tenant; another asks for little."""

from faults.scenario import scenario
from faults.submitter import TENANT_HEADER
from faults.world import World
from seewhy.ledger.types import JobRecord
from seewhy.schemas.job import JobState
from servers.waiting import wait_until

MODEST = 10


@scenario(
    "F34",
    "ten times the load that can be served, and a modest tenant in the middle of it",
    over_s=0.5,
    fewest=120,
    batch_ms=200,
    settings={"queue_limit": 60, "tenant_queue_limit": 40, "tenant_header": TENANT_HEADER},
)
def crowd_in(world: World) -> None:
    wait_until(lambda: world.submitter.statuses[429] >= 5, what="the greedy one was sent away")
    modest = []
    for number in range(MODEST):
        if world.all_promised():
            break  # the crowd is gone, at the small size
        modest.append(world.submitter.ask_aside(f"modest-{number}", tenant="modest"))
        world.await_end(modest[-1])
    assert modest, "nobody came in the middle of it"
    world.await_all()
    world.struck()
    assert world.submitter.statuses[503] == 0, "there was room for everybody's jobs"
    records = world.records()
    overtaken = max(_overtook(world, records[job_id]) for job_id in modest)
    # One batch has both; a queue without turns would have let forty go first.
    assert overtaken <= 2 * world.settings.max_batch, f"{overtaken} jobs went before one"


def _overtook(world: World, record: JobRecord) -> int:
    """Count the jobs that began between a job's acceptance and its own beginning."""
    began = [event for event in world.history([]).events if event.state is JobState.RUNNING]
    mine = next(n for n, event in enumerate(began) if event.job_id == record.job_id)
    at_ms = [int(event.position.partition("-")[0]) for event in began[:mine]]
    return sum(moment >= record.submitted_ms for moment in at_ms)
