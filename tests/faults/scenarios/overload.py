"""One tenant submits more than the workers can serve; another submits little."""

from faults.environment import Environment
from faults.scenario import scenario
from faults.submitter import TENANT_HEADER
from seewhy.ledger.types import JobRecord
from seewhy.schemas.job import JobState
from servers.waiting import wait_until

SMALL_TENANT_JOBS = 10


@scenario(
    "F34",
    "ten times the load that can be served, and a second tenant with few jobs",
    load_s=0.5,
    min_jobs=120,
    batch_ms=200,
    settings={
        "queue_limit": 60,
        "tenant_queue_limit": 40,
        "tenant_header": TENANT_HEADER,
        "trusted_proxies": "127.0.0.0/8",
    },
)
def overload_one_tenant(env: Environment) -> None:
    """Check that the small tenant is never refused and waits for about one batch."""
    wait_until(lambda: env.submitter.statuses[429] >= 5, what="the first tenant was refused")
    small_tenant = []
    for number in range(SMALL_TENANT_JOBS):
        if env.all_accepted():
            break  # the overload is over, in small runs
        small_tenant.append(env.submitter.submit_extra(f"small-{number}", tenant="small"))
        env.await_outcome(small_tenant[-1])
    assert small_tenant, "the second tenant came too late"
    env.await_all_ended()
    env.record_fault()
    assert env.submitter.statuses[503] == 0, "the queue's limit was reached"
    records = env.records()
    overtaken = max(_started_before(env, records[job_id]) for job_id in small_tenant)
    # One batch serves both tenants; a single queue would let forty jobs go first.
    assert overtaken <= 2 * env.settings.max_batch, f"{overtaken} jobs overtook one"


def _started_before(env: Environment, record: JobRecord) -> int:
    """Count the jobs that started between a job's submission and its own start."""
    starts = [event for event in env.history([]).events if event.state is JobState.RUNNING]
    own = next(n for n, event in enumerate(starts) if event.job_id == record.job_id)
    starts_ms = [int(event.position.partition("-")[0]) for event in starts[:own]]
    return sum(start_ms >= record.submitted_ms for start_ms in starts_ms)
