"""Sentinel promotes a replica that lacks the last writes: what holds, and what does not."""

from pathlib import Path

from faults.checker import Anomaly, Violation
from faults.environment import Environment
from faults.run import run
from faults.scenario import Scenario
from seewhy.schemas.job import JobState
from seewhy.storage.keys import RESULT_DOCUMENT, result_prefix
from servers.proxy import start_proxy
from servers.sentinel import replicated
from servers.waiting import wait_until

JOBS_AFTER_DETACHING = 12
"""More than the submitter has in flight."""


def promote_replica(env: Environment) -> None:
    """Kill the primary of Redis; its address then leads to the promoted replica."""
    replication = env.resources.enter_context(replicated(env.valkey))
    env.await_accepted(len(env.submitter.keys) // 3)
    known = _successes(env)
    replication.detach()
    env.await_accepted(len(env.submissions) + JOBS_AFTER_DETACHING)
    env.await_progress(1)  # Sentinel promotes no replica that was cut off for long
    lost = _successes(env) - known
    env.valkey.kill()
    accepted = {submission.job_id for submission in env.submissions.read()}
    assert accepted - replication.promote(), "the replica has all accepted jobs"
    env.resources.enter_context(start_proxy(replication.replica.port, port=env.valkey.port))
    env.record_fault()
    wait_until(lambda: "jobs restored" in env.api.read_log("api"), what="the API has restored jobs")
    env.await_all_ended()
    assert lost
    assert {job_id: _runs(env, job_id) for job_id in lost} == dict.fromkeys(lost, 1)


def _successes(env: Environment) -> set[str]:
    return {r.job_id for r in env.records().values() if r.state is JobState.SUCCEEDED}


def _runs(env: Environment, job_id: str) -> int:
    """Count the claims that have stored a result of the job."""
    keys = env.store.list_keys(result_prefix(job_id))
    return sum(key.endswith(RESULT_DOCUMENT) for key in keys)


FAILOVER = Scenario(
    name="failover",
    title="the primary of Redis dies, and Sentinel promotes a replica that lacks the last writes",
    inject=promote_replica,
    load_s=15.0,
    batch_ms=100,
)


def test_no_job_is_lost_and_none_has_two_outcomes(tmp_path: Path) -> None:
    """A success that the replica lacks is absent, then open for a while, and does not run again."""
    report = run(FAILOVER, seed=1, jobs=60, directory=tmp_path).report
    assert [violation for violation in report.violations if not _runs_again(violation)] == []
    assert report.accepted == 60


def _runs_again(violation: Violation) -> bool:
    between = {f"succeeded, then {state}" for state in ("None", "queued", "running")}
    return violation.anomaly is Anomaly.CHANGED and violation.detail in between
