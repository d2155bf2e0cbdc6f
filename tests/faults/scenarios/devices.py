"""Memory runs out, and a device hangs."""

from faults.scenario import scenario
from faults.world import World
from seewhy_worker.pipeline.watchdog import HUNG
from servers.faulty_worker import MEMORY_ERRORS
from servers.waiting import wait_until


@scenario(
    "F9", "the tasks themselves run out of memory, twice as often as there are threads", workers=0
)
def starve_the_tasks(world: World) -> None:
    """Celery 5.7 loses a slot of the pool for ever with each task that raises `MemoryError`."""
    assert 2 * world.settings.worker_concurrency == MEMORY_ERRORS
    worker = world.fleet.start(fault="starve")
    strikes = world.fleet.marks("starve")
    wait_until(lambda: strikes.count() > MEMORY_ERRORS, what="every strike has fallen")
    world.struck()
    world.await_all()
    assert worker.poll() is None
    assert {record.attempts for record in world.records().values()} == {1}


@scenario(
    "F10",
    "a device hangs, then one that holds the interpreter; the watchdog ends both workers",
    workers=0,
    settings={"device_timeout_s": 2.0},
)
def hang_the_device(world: World) -> None:
    for fault, status in (("hang", HUNG), ("hang-holding-the-interpreter", 1)):
        worker = world.fleet.start(fault=fault)
        assert world.fleet.end_of(worker) == status
        world.struck()
    log = world.fleet.house.log("worker")
    assert log.count("faulty_worker.py") >= 2, "the stacks that show where"
    assert "Thread 0x" in log, "and those of all threads"
    world.fleet.start(batch_ms=20)
    world.await_all()
    assert any(record.crashes for record in world.records().values()), "no job was in flight"
    assert not world.failed()


@scenario(
    "F12",
    "the device has room for four pictures, and batches are of eight",
    workers=0,
    settings={"max_batch": 8},
)
def shrink_the_device(world: World) -> None:
    world.await_promises(len(world.submitter.keys))
    worker = world.fleet.start(fault="small-device")
    world.await_all()
    world.struck()
    assert worker.poll() is None
    log = world.fleet.house.log("worker")
    assert "batches of 4 from now on" in log, "the batches were not made smaller"
    strikes = world.fleet.marks("small-device").count()
    assert 1 <= strikes <= world.settings.worker_concurrency, "only what was claimed before"
    assert {record.attempts for record in world.records().values()} == {1}
