"""Workers die, stop, sleep and run with skewed clocks."""

import signal
import time
from collections import Counter
from typing import cast

from faults.environment import Environment
from faults.scenario import scenario
from seewhy.pacing import UNKNOWN_BATCHES
from seewhy.storage.keys import result_key
from servers.faulty_worker import DEATHS, UNLUCKY_DEATHS
from servers.poison import Poison
from servers.process_cluster import Process
from servers.waiting import wait_until

CLOCK_SKEWS_S = (600, -600)


@scenario("F1", "the worker is killed during a batch, five times in a row", batch_ms=100)
def kill_worker_repeatedly(env: Environment) -> None:
    """Kill and replace the worker five times."""
    for _ in range(5):
        env.await_running()
        env.pause(0, 0.3)
        env.kill(env.workers[-1])
        env.record_fault()
        env.workers.start(batch_ms=100)


@scenario("F3", "a fully loaded worker is stopped", workers=0)
def stop_loaded_worker(env: Environment) -> None:
    """Check that SIGTERM finishes the batch on the device and releases the rest uncharged."""
    worker = _stopping_with_batch_on_device(env)
    env.workers.fault_counter("hold").release()
    assert env.workers.wait_for_exit(worker) == 0
    env.record_fault()
    env.workers.start(batch_ms=20)
    env.await_all_ended()
    charged = {(record.attempts, record.crashes) for record in env.records().values()}
    assert charged == {(1, 0)}, "a stopped worker charged an attempt"


@scenario("F4", "a worker is stopped, and killed before it can finish", workers=0)
def kill_stopping_worker(env: Environment) -> None:
    """Check that only the batch on the device is charged."""
    worker = _stopping_with_batch_on_device(env)
    env.pause(0.2, 1)
    env.kill(worker)
    env.record_fault()
    env.workers.start(batch_ms=20)
    env.await_all_ended()
    charged = Counter((record.attempts, record.crashes) for record in env.records().values())
    on_device = env.settings.max_batch
    assert charged == {(1, 0): len(env.submissions) - on_device, (2, 1): on_device}


def _stopping_with_batch_on_device(env: Environment) -> Process:
    """Return a worker that got SIGTERM and has released all but the batch on the device."""
    on_device = env.settings.max_batch
    claimed = on_device * UNKNOWN_BATCHES  # the worker has not measured a batch
    env.await_accepted(2 * claimed)
    worker = env.workers.start(fault="hold")
    wait_until(lambda: len(env.running_jobs()) == claimed, what="a batch waits for the device")
    held = env.workers.fault_counter("hold")
    wait_until(lambda: held.count() == 1, what="one batch is on the device")
    worker.send_signal(signal.SIGTERM)
    wait_until(lambda: len(env.running_jobs()) == on_device, what="the others are released")
    assert worker.poll() is None
    return worker


@scenario("F5", "two workers are replaced one after the other under load", workers=2)
def replace_workers(env: Environment) -> None:
    """Check that a rolling restart charges nothing."""
    for worker in tuple(env.workers):
        env.await_progress(1)
        env.workers.start()
        assert env.workers.stop(worker) == 0
    env.record_fault()
    env.await_all_ended()
    charged = {record.attempts for record in env.records().values()}
    assert charged == {1}, "a stopped worker charged an attempt"


@scenario("F21", "a worker dies between storing results and reporting them, twice", workers=0)
def die_before_report(env: Environment) -> None:
    """Check that the result of the later claim counts."""
    deaths = env.workers.supervise(
        env.all_ended, fault="die-before-report", on_death=env.record_fault, max_deaths=DEATHS
    )
    assert deaths == [-signal.SIGKILL] * DEATHS
    retried = [record for record in env.records().values() if record.crashes]
    assert retried, "no job was in flight"
    assert any(env.result_written(record.job_id, fence=1) for record in retried)
    assert all(result_key(r.job_id, r.fence, "map.npy") in (r.result or "") for r in retried)


@scenario(
    "F22",
    "a worker sleeps past its leases, then reports jobs that another worker has claimed",
    workers=0,
)
def resume_stale_worker(env: Environment) -> None:
    """Check that a stale fence cannot finish a job."""
    batches = env.settings.worker_concurrency
    env.await_accepted(2 * batches * env.settings.max_batch)
    stale_worker = env.workers.start(fault="hold-before-report")
    unreported = env.workers.fault_counter("hold-before-report")
    wait_until(lambda: unreported.count() == batches, what="results are stored, not reported")
    stale_worker.send_signal(signal.SIGSTOP)
    env.record_fault()
    held = set(env.running_jobs())
    wait_until(lambda: not held & set(env.running_jobs()), what="its leases expired")
    env.workers.start(fault="hold")
    wait_until(lambda: bool(held & set(env.running_jobs())), what="another claimed one of its jobs")
    unreported.release()
    stale_worker.send_signal(signal.SIGCONT)
    assert env.workers.stop(stale_worker) == 0
    assert all(env.result_written(job_id, fence=1) for job_id in held)
    env.workers.fault_counter("hold").release()
    env.await_all_ended()


@scenario(
    "F23",
    "one worker's clock is ten minutes fast, another's ten minutes slow",
    workers=0,
    clock_skews_s=CLOCK_SKEWS_S,
    batch_ms=1500,
    settings={"lease_s": 1.0, "max_batch": 16},
)
def skew_clocks(env: Environment) -> None:
    """Check that leases depend on Redis's clock only."""
    seen: set[int] = set()

    def both_seen() -> bool:
        """Read each worker's clock from the scores of its unacknowledged wakeups."""
        unacknowledged = env.redis.zrange("{seewhy}:unacked_index", 0, -1, withscores=True)
        scores = cast("list[tuple[str, float]]", unacknowledged)
        seen.update(round((at_s - time.time()) / 600) * 600 for _, at_s in scores)
        return seen >= set(CLOCK_SKEWS_S)

    def ended_without_crash() -> bool:
        crashes = {record.crashes for record in env.records().values()}
        assert crashes <= {0}, "a lease expired under a running worker"
        return env.all_ended()

    wait_until(both_seen, what="both clocks are skewed")
    env.record_fault()
    wait_until(ended_without_crash, what="every job has ended", limit_s=90)
    assert {record.attempts for record in env.records().values()} == {1}, "a job ran twice"


@scenario(
    "F37",
    "one job is in flight in six deaths from outside: in a batch, then alone",
    workers=0,
    poisons=[Poison.UNLUCKY],
    settings={"max_batch": 8, "lease_s": 1.0, "sweep_interval_s": 0.2},
)
def kill_workers_of_one_job(env: Environment) -> None:
    """Check that only the death with the job alone on the device is evidence against it."""
    deaths = env.workers.supervise(
        env.all_ended, fault="none", on_death=env.record_fault, max_deaths=len(UNLUCKY_DEATHS)
    )
    assert deaths == [-signal.SIGKILL] * len(UNLUCKY_DEATHS)
    unlucky = max(env.records().values(), key=lambda record: record.crashes)
    assert unlucky.crashes >= len(UNLUCKY_DEATHS), "a death was not counted"
    assert unlucky.exposed_crashes == 1


@scenario("F30", "there are no workers, with jobs queued and leases expired", batch_ms=300)
def scale_to_zero(env: Environment) -> None:
    """Check that a worker that starts later finds all jobs."""
    env.await_running()
    env.kill(env.workers[0])
    env.await_accepted(len(env.submitter.keys))
    wait_until(lambda: not env.running_jobs(), what="the sweep requeued the jobs")
    waiting = len(env.submissions) - env.succeeded_count()
    assert env.redis.zcard("{seewhy}:due") == waiting > 0, "no job would wake a worker"
    env.record_fault()
    env.workers.start(batch_ms=20)
