"""Poison images kill, crash or confuse the worker that processes them."""

import json
import signal
from collections import Counter

from faults.environment import Environment
from faults.scenario import scenario
from seewhy.schemas.result import Verdict
from servers.poison import Poison
from servers.waiting import wait_until


@scenario(
    "F6",
    "an image kills its worker, in a batch of one",
    workers=0,
    poisons=[Poison.KILL],
    settings={"max_batch": 1, "lease_s": 1.0},
)
def kill_worker_with_single_image(env: Environment) -> None:
    """Check that a poison job kills `max_attempts` workers and then fails."""
    attempts = env.settings.max_attempts
    deaths = env.workers.supervise(
        env.all_ended, fault="none", on_death=env.record_fault, max_deaths=attempts
    )
    assert deaths == [-signal.SIGKILL] * attempts
    assert env.failed_keys() == set(env.expected_failures), "a healthy job failed"


@scenario(
    "F7",
    "two images kill their worker, in batches of eight",
    workers=0,
    poisons=[Poison.KILL] * 2,
    settings={"max_batch": 8, "lease_s": 1.0},
)
def kill_worker_with_full_batches(env: Environment) -> None:
    """Check that only the poison jobs fail."""
    _kill_with_others_in_flight(env, signal.SIGKILL)


@scenario(
    "F8",
    "the decoder crashes on an image and takes the worker with it",
    workers=0,
    poisons=[Poison.SEGFAULT],
    settings={"max_batch": 8, "lease_s": 1.0},
)
def crash_decoder(env: Environment) -> None:
    """Check that only the poison job fails."""
    _kill_with_others_in_flight(env, signal.SIGSEGV)


def _kill_with_others_in_flight(env: Environment, death: signal.Signals) -> None:
    env.await_accepted(len(env.submitter.keys))
    attempts = env.settings.max_attempts
    deaths = env.workers.supervise(
        env.all_ended,
        fault="none",
        on_death=env.record_fault,
        max_deaths=attempts * len(env.expected_failures),
    )
    assert set(deaths) == {-death}
    assert len(deaths) >= attempts
    assert env.failed_keys() == set(env.expected_failures), "a healthy job failed"
    evidence = Counter(record.exposed_crashes for record in env.records().values())
    poisons = len(env.expected_failures)
    assert evidence == {0: len(env.submissions) - poisons, attempts - 1: poisons}


@scenario(
    "F11",
    "the explainer raises for one image of eight, omits one, and returns NaN for a third",
    workers=0,
    poisons=[Poison.RAISE, Poison.SHORT, Poison.NAN],
    settings={"max_batch": 8},
)
def break_explainer(env: Environment) -> None:
    """Check that failing images are isolated and no attempt is charged to the others."""
    env.await_accepted(len(env.submitter.keys))
    worker = env.workers.start(fault="none", batch_ms=20)
    wait_until(
        lambda: "failed on 8 image(s)" in env.workers.cluster.read_log("worker"),
        what="a batch has failed",
    )
    env.await_all_ended()
    env.record_fault()
    assert worker.poll() is None
    assert env.failed_keys() == set(env.expected_failures), "a healthy job failed"
    records = env.records().values()
    assert {record.attempts for record in records} == {1}, "a whole batch was retried"
    results = [json.loads(record.result) for record in records if record.result]
    verdicts = [result["targets"][0]["verdict"] for result in results]
    assert verdicts.count(Verdict.NOT_FINITE) == 1
