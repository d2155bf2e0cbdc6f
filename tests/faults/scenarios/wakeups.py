"""Wakeups are lost, duplicated and malformed."""

import signal

from faults.environment import Environment
from faults.malformed_wakeups import send_future_wakeups, send_malformed_wakeups
from faults.scenario import scenario
from servers.waiting import wait_until


@scenario("F2", "a wakeup is lost between Redis and the worker; Celery alone never resends it")
def lose_wakeups_in_suspended_worker(env: Environment) -> None:
    """Kill a suspended worker that has prefetched wakeups."""
    worker = env.workers[0]
    env.await_progress(1)
    worker.send_signal(signal.SIGSTOP)
    env.await_accepted(len(env.submitter.keys))
    env.kill(worker)
    env.record_fault()
    env.workers.start(batch_ms=20)


@scenario("F15", "publishing the wakeup fails after the job is in the ledger")
def fail_to_publish_wakeups(env: Environment) -> None:
    """Check that a lost wakeup does not refuse the submission."""
    cuts = env.rng.randint(2, 5)
    env.api_redis_proxy.cut(up_bytes=0, marker=b"\r\nLPUSH\r\n", times=cuts)
    wait_until(lambda: env.api_redis_proxy.cuts == cuts, what="wakeups were lost")
    env.record_fault()
    assert env.submitter.statuses[503] == 0, "a submission was refused for a lost wakeup"


@scenario("F26", "duplicate wakeups, wakeups for unknown lanes, and malformed messages")
def send_malformed_messages(env: Environment) -> None:
    """Check that the worker survives and never unpickles."""
    worker = env.workers[0]
    for _ in range(10):
        env.await_progress(1)
        send_malformed_wakeups(env.settings, env.redis, env.rng, canary=env.canary)
    assert worker.poll() is None, "a malformed message ended the worker"
    env.await_all_ended()
    assert not env.canary.exists(), "the worker unpickled a message"
    messages = (
        "Ignoring a wakeup for 'unknown:batch'",
        "Ignoring a message: Received unregistered task of type 'no.such.task'",
        "Ignoring a message: Can't decode message body",
    )
    wait_until(
        lambda: all(message in env.workers.cluster.read_log("worker") for message in messages),
        what="the worker names each malformed message",
    )
    assert "Traceback" not in env.workers.cluster.read_log("worker"), "a message ended in one"
    env.record_fault()


@scenario("F27", "wakeups of a later version, with additional fields")
def send_wakeups_of_later_version(env: Environment) -> None:
    """Check that the worker ignores unknown fields."""
    for _ in range(10):
        env.await_progress(1)
        send_future_wakeups(env.settings)
    env.await_all_ended()
    env.record_fault()
    log = env.workers.cluster.read_log("worker")
    assert "raised unexpected" not in log, "the worker rejected a wakeup"
