"""Workers die, stop, sleep and come back."""

import signal
import time
from collections import Counter

from faults.scenario import scenario
from faults.world import World
from seewhy.storage.keys import result_key
from servers.faulty_worker import DEATHS
from servers.house import Process
from servers.waiting import wait_until


@scenario("F1", "the worker is killed in the middle of a batch, five times in a row", batch_ms=100)
def kill_the_worker_again_and_again(world: World) -> None:
    for _ in range(5):
        world.await_running()
        world.pause(0, 0.3)
        world.kill(world.fleet[-1])
        world.struck()
        world.fleet.start(batch_ms=100)


@scenario("F3", "a worker with all it can hold is asked to stop", workers=0)
def ask_a_full_worker_to_stop(world: World) -> None:
    worker = _stopping_with_a_batch_on_the_device(world)
    world.fleet.marks("held").let_go()
    assert world.fleet.end_of(worker) == 0
    world.struck()
    world.fleet.start(batch_ms=20)
    world.await_all()
    charged = {(record.attempts, record.crashes) for record in world.records().values()}
    assert charged == {(1, 0)}, "a worker that was asked to stop cost somebody an attempt"


@scenario("F4", "a worker is asked to stop, and killed before it can", workers=0)
def lose_patience_with_a_worker(world: World) -> None:
    worker = _stopping_with_a_batch_on_the_device(world)
    world.pause(0.2, 1)
    world.kill(worker)
    world.struck()
    world.fleet.start(batch_ms=20)
    world.await_all()
    charged = Counter((record.attempts, record.crashes) for record in world.records().values())
    on_device = world.settings.max_batch
    assert charged == {(1, 0): len(world.log) - on_device, (2, 1): on_device}


def _stopping_with_a_batch_on_the_device(world: World) -> Process:
    """Return a worker that has been sent SIGTERM and has given back all but one batch."""
    on_device = world.settings.max_batch
    held = on_device * world.settings.worker_concurrency
    world.await_promises(2 * held)
    worker = world.fleet.start(fault="held")
    wait_until(lambda: len(world.running()) == held, what="every batch is in flight")
    wait_until(lambda: world.fleet.marks("held").count() == 1, what="one is on the device")
    worker.send_signal(signal.SIGTERM)
    wait_until(lambda: len(world.running()) == on_device, what="the others are back")
    assert worker.poll() is None
    return worker


@scenario("F5", "two workers are replaced one after the other under load", workers=2)
def roll_the_workers(world: World) -> None:
    for worker in tuple(world.fleet):
        world.await_progress(1)
        world.fleet.start()
        assert world.fleet.stop(worker) == 0
    world.struck()
    world.await_all()
    charged = {record.attempts for record in world.records().values()}
    assert charged == {1}, "a worker that was asked to stop cost somebody an attempt"


@scenario("F21", "a worker dies with its results stored and not reported, twice", workers=0)
def die_before_telling(world: World) -> None:
    fault = "die-before-telling"
    deaths = world.fleet.supervise(world.ended, fault=fault, died=world.struck, at_most=DEATHS)
    assert deaths == [-signal.SIGKILL] * DEATHS
    again = [record for record in world.records().values() if record.crashes]
    assert again, "nothing was in flight"
    assert any(world.wrote(record.job_id, fence=1) for record in again)
    assert all(result_key(r.job_id, r.fence, "map.npy") in (r.result or "") for r in again)


@scenario(
    "F22",
    "a worker sleeps through its lease, and reports what another has begun anew",
    workers=0,
)
def wake_a_zombie(world: World) -> None:
    batches = world.settings.worker_concurrency
    world.await_promises(2 * batches * world.settings.max_batch)
    zombie = world.fleet.start(fault="held-before-telling")
    waiting = world.fleet.marks("held-before-telling")
    wait_until(lambda: waiting.count() == batches, what="every batch is stored and not reported")
    zombie.send_signal(signal.SIGSTOP)
    world.struck()
    held = set(world.running())
    wait_until(lambda: not held & set(world.running()), what="its leases ran out")
    world.fleet.start(fault="held")
    wait_until(lambda: bool(held & set(world.running())), what="another has one of its jobs")
    waiting.let_go()
    zombie.send_signal(signal.SIGCONT)
    assert world.fleet.stop(zombie) == 0
    assert all(world.wrote(job_id, fence=1) for job_id in held)
    world.fleet.marks("held").let_go()
    world.await_all()


@scenario(
    "F23",
    "one worker's clock is ten minutes fast, another's ten minutes slow",
    workers=0,
    settings={"lease_s": 1.0, "max_batch": 16},
)
def set_clocks_wrong(world: World) -> None:
    skews_s = (600, -600)
    for skew_s in skews_s:
        world.fleet.start(skew_s=skew_s, batch_ms=1500)
    seen: set[int] = set()

    def both_seen() -> bool:
        """By the scores that a worker's own clock gives to the hints it has not acknowledged."""
        for _, at_s in world.client.zrange("unacked_index", 0, -1, withscores=True):
            seen.add(round((at_s - time.time()) / 600) * 600)
        return seen >= set(skews_s)

    def ended_in_peace() -> bool:
        crashes = {record.crashes for record in world.records().values()}
        assert crashes <= {0}, "a lease ran out under a living worker"
        return world.ended()

    wait_until(both_seen, what="both clocks are wrong")
    world.struck()
    wait_until(ended_in_peace, what="every job has ended", limit_s=90)
    assert {record.attempts for record in world.records().values()} == {1}, "a job ran twice"


@scenario("F30", "no worker at all, with jobs queued and others whose lease ran out", batch_ms=300)
def scale_to_zero(world: World) -> None:
    world.await_running()
    world.kill(world.fleet[0])
    world.await_promises(len(world.submitter.keys))
    wait_until(lambda: not world.running(), what="the sweep took the jobs back")
    waiting = len(world.log) - world.succeeded()
    assert world.client.zcard("seewhy:due") == waiting > 0, "nothing would wake a worker"
    world.struck()
    world.fleet.start(batch_ms=20)
