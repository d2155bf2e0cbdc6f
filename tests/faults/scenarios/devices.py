"""Memory runs out, and the device hangs."""

from faults.environment import Environment
from faults.scenario import scenario
from seewhy_worker.pipeline.watchdog import EXIT_DEVICE_HUNG
from servers.faulty_worker import MEMORY_ERRORS
from servers.waiting import wait_until


@scenario("F9", "tasks run out of memory, twice as often as a worker has threads", workers=0)
def exhaust_task_memory(env: Environment) -> None:
    """Check that no thread is lost: Celery 5.7 loses one per `MemoryError` that a task raises."""
    assert 2 * env.settings.worker_concurrency == MEMORY_ERRORS
    fault = "exhaust-task-memory"
    worker = env.workers.start(fault=fault)
    tasks = env.workers.fault_counter(fault)
    wait_until(lambda: tasks.count() > MEMORY_ERRORS, what="every MemoryError was raised")
    env.record_fault()
    env.await_all_ended()
    assert worker.poll() is None
    assert {record.attempts for record in env.records().values()} == {1}


@scenario(
    "F10",
    "the device hangs, with and without holding the GIL; the watchdog ends both workers",
    workers=0,
    settings={"device_timeout_s": 2.0},
)
def hang_device(env: Environment) -> None:
    """Check the watchdog's exit statuses, its stack traces, and that jobs are retried."""
    for fault, status in (("hang", EXIT_DEVICE_HUNG), ("hang-holding-gil", 1)):
        worker = env.workers.start(fault=fault)
        assert env.workers.wait_for_exit(worker) == status
        env.record_fault()
    log = env.workers.cluster.read_log("worker")
    assert log.count("faulty_worker.py") >= 2, "no stack trace of the hanging call"
    assert "Thread 0x" in log, "no stack traces of all threads"
    env.workers.start(batch_ms=20)
    env.await_all_ended()
    assert any(record.crashes for record in env.records().values()), "no job was in flight"
    assert not env.failed_keys()


@scenario(
    "F12",
    "the device has memory for four images, and batches are of eight",
    workers=0,
    settings={"max_batch": 8},
)
def limit_device_memory(env: Environment) -> None:
    """Check that the worker reduces its batch size and charges no attempt."""
    env.await_accepted(len(env.submitter.keys))
    worker = env.workers.start(fault="small-device")
    env.await_all_ended()
    env.record_fault()
    assert worker.poll() is None
    log = env.workers.cluster.read_log("worker")
    assert "reducing the batch size to 4" in log, "the batch size was not reduced"
    errors = env.workers.fault_counter("small-device").count()
    assert 1 <= errors <= env.settings.worker_concurrency, "the limit was exceeded again"
    assert {record.attempts for record in env.records().values()} == {1}
