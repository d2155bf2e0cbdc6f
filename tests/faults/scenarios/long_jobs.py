"""Jobs of many passes occupy the device."""

import json

import httpx2

from faults.environment import Environment
from faults.scenario import scenario
from seewhy.schemas.job import JobState
from servers.waiting import wait_until


@scenario("F39", "long jobs that would never end", workers=0, load_s=1.0)
def occupy_device(env: Environment) -> None:
    """Check that others go on beside a long job, and what ends it: client, deadline or SIGTERM."""
    worker = env.workers.start(fault="endless", batch_ms=20)
    passes = env.workers.fault_counter("endless")
    job = _start_long_job(env, "cancelled")
    others = [env.submitter.submit_extra(f"beside-{number}") for number in range(12)]
    wait_until(
        lambda: {_state(env, other) for other in others} == {JobState.SUCCEEDED},
        what="the other jobs have succeeded",
        limit_s=60,
    )
    assert _state(env, job) is JobState.RUNNING
    httpx2.post(f"{env.api.url}/v1/explanations/{job}/cancel", timeout=30).raise_for_status()
    env.await_outcome(job)
    assert _state(env, job) is JobState.CANCELLED
    ended = passes.count()
    job = _start_long_job(env, "expired", deadline_s=1)
    env.await_outcome(job)
    assert _state(env, job) is JobState.EXPIRED
    job = _start_long_job(env, "released")
    assert passes.count() > ended, "the device is free for the next long job"
    assert env.workers.stop(worker) == 0
    env.record_fault()
    record = env.records()[job]
    assert (record.state, record.attempts) == (JobState.QUEUED, 0), "a stopped worker charged it"
    env.workers.start(batch_ms=20)
    env.await_outcome(job)
    assert _state(env, job) is JobState.SUCCEEDED


def _start_long_job(env: Environment, key: str, **request: object) -> str:
    """Return the id of a job that is on the device."""
    passes = env.workers.fault_counter("endless")
    before = passes.count()
    body = json.dumps({"cache": False, "method": "scorecam", **request})
    job_id = env.submitter.submit_extra(key, request=body)
    wait_until(lambda: passes.count() > before, what=f"the job {key} is on the device")
    return job_id


def _state(env: Environment, job_id: str) -> JobState:
    return env.records()[job_id].state
