"""Hints vanish, multiply and lie."""

import signal

from faults.nonsense import send_later_hints, send_nonsense
from faults.scenario import scenario
from faults.world import World
from servers.waiting import wait_until


@scenario("F2", "a hint vanishes between Redis and the worker, which bare Celery never notices")
def lose_hints_in_a_stopped_worker(world: World) -> None:
    worker = world.fleet[0]
    world.await_progress(1)
    worker.send_signal(signal.SIGSTOP)
    world.await_promises(len(world.submitter.keys))
    world.kill(worker)
    world.struck()
    world.fleet.start(batch_ms=20)


@scenario("F15", "the hint fails after the job was written down")
def cut_off_every_hint(world: World) -> None:
    cuts = world.chance.randint(2, 5)
    world.redis_of_api.cut(up_bytes=0, marker=b"\r\nLPUSH\r\n", times=cuts)
    wait_until(lambda: world.redis_of_api.cuts == cuts, what="the hints were cut off")
    world.struck()
    assert world.submitter.statuses[503] == 0, "a hint is no reason to refuse"


@scenario("F26", "hints ten times over, for lanes nobody serves, and messages that are none")
def confuse_the_worker(world: World) -> None:
    worker = world.fleet[0]
    for _ in range(10):
        world.await_progress(1)
        send_nonsense(world.settings, world.client, world.chance, trap=str(world.trap))
    assert worker.poll() is None, "nonsense ended the worker"
    world.await_all()
    assert not world.trap.exists(), "the worker unpickled a message"
    world.struck()


@scenario("F27", "hints of a later version, which has added to them")
def ring_in_a_later_dialect(world: World) -> None:
    for _ in range(10):
        world.await_progress(1)
        send_later_hints(world.settings)
    world.await_all()
    world.struck()
    log = world.fleet.house.log("worker")
    assert "raised unexpected" not in log, "the worker did not take the hint"
