"""The faults, by the numbers they have in the project's list. Each breaks a world under load.

A scenario runs while the submitter does, returns when everything is whole again, and asserts
only what is its own: that the fault took place, and what it must not have cost. The rest, that
nothing is lost and nothing happens twice, is the checker's.
"""

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from faults.nonsense import send_nonsense
from faults.world import World
from servers.waiting import wait_until


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One fault: how it is staged, and in which world."""

    name: str
    title: str
    stage: Callable[[World], None]
    over_s: float = 3.0
    """How long the submitter spreads its jobs."""
    workers: int = 1
    """How many are there when the load begins."""
    batch_ms: float = 50
    on_s3: bool = False
    appendfsync: str = "everysec"
    settings: Mapping[str, Any] = field(default_factory=dict)


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    name: str, title: str, **world: Any
) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
    """Enter a function into the table."""

    def enter(stage: Callable[[World], None]) -> Callable[[World], None]:
        SCENARIOS[name] = Scenario(name=name, title=title, stage=stage, **world)
        return stage

    return enter


@scenario("F1", "the worker is killed in the middle of a batch, five times in a row", batch_ms=100)
def kill_the_worker_again_and_again(world: World) -> None:
    for _ in range(5):
        world.await_running()
        world.pause(0, 0.3)
        world.kill(world.fleet[-1])
        world.struck()
        world.start_worker(batch_ms=100)


@scenario("F2", "a hint vanishes between Redis and the worker, which bare Celery never notices")
def lose_hints_in_a_stopped_worker(world: World) -> None:
    worker = world.fleet[0]
    world.await_progress(1)
    worker.send_signal(signal.SIGSTOP)
    world.await_promises(len(world.submitter.keys))
    world.kill(worker)
    world.struck()
    world.start_worker(batch_ms=20)


@scenario("F5", "two workers are replaced one after the other under load", workers=2)
def roll_the_workers(world: World) -> None:
    for worker in tuple(world.fleet):
        world.await_progress(1)
        world.start_worker()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=30) == 0
    world.struck()
    world.await_all()
    charged = {record.attempts for record in world.records().values()}
    assert charged == {1}, "a worker that was asked to stop cost somebody an attempt"


@scenario("F13", "Redis is killed and started again on its append-only file, twice")
def kill_redis_twice(world: World) -> None:
    for _ in range(2):
        world.await_progress(1)
        world.pause(0, 0.3)
        world.valkey.kill()
        world.pause(0, 0.5)
        world.valkey.start()
    world.struck()


@scenario("F14", "Redis is away while clients submit")
def take_redis_away(world: World) -> None:
    world.await_promises(len(world.submitter.keys) // 4)
    world.valkey.kill()
    wait_until(lambda: world.submitter.statuses[503] >= 5, what="clients were sent away")
    promised = len(world.log)
    world.pause(0.5, 1.5)
    assert len(world.log) == promised, "a promise was made without a ledger"
    world.valkey.start()
    world.struck()


@scenario("F15", "the hint fails after the job was written down")
def cut_off_every_hint(world: World) -> None:
    cuts = world.chance.randint(2, 5)
    world.redis_of_api.cut(up_bytes=0, marker=b"\r\nLPUSH\r\n", times=cuts)
    wait_until(lambda: world.redis_of_api.cuts == cuts, what="the hints were cut off")
    world.struck()
    assert world.submitter.statuses[503] == 0, "a hint is no reason to refuse"


@scenario("F17", "the ledger's answer to a submission is lost, and the client asks again")
def lose_the_answer_to_a_submission(world: World) -> None:
    submit = world.ledger._scripts["submit"].sha.encode()
    for _ in range(5):
        world.await_promises(min(len(world.log) + 1, len(world.submitter.keys)))
        # One lost answer is made good by the API's own second try; two are the client's affair.
        times = world.chance.randint(1, 4)
        world.redis_of_api.cut(down_bytes=0, marker=submit, times=times)
        wait_until(
            lambda: world.redis_of_api.cuts_left == 0 or world.all_promised(),
            what="answers were lost",
        )
    world.redis_of_api.pass_on()
    world.struck()
    assert world.redis_of_api.cuts > 0


@scenario("F18", "all connections to Redis are killed while jobs run", batch_ms=200)
def kill_all_connections(world: World) -> None:
    for _ in range(5):
        world.await_running()
        killed = world.client.client_kill_filter(_type="normal", skipme=True)
        assert killed > 0
        world.pause(0.1, 0.5)
    world.struck()


@scenario("F19", "Redis falls silent: a black hole, then a server that is stopped", over_s=5.0)
def silence_redis(world: World) -> None:
    world.await_progress(1)
    for proxy in (world.redis_of_api, world.redis_of_workers):
        proxy.black_hole()
    world.pause(3, 6)
    for proxy in (world.redis_of_api, world.redis_of_workers):
        proxy.half_open()
    world.struck()
    world.await_progress(1)
    pid = world.valkey.pid
    os.kill(pid, signal.SIGSTOP)
    world.pause(2, 5)
    os.kill(pid, signal.SIGCONT)
    world.struck()


@scenario("F20", "the object store is slow, resets, truncates and falls silent", on_s3=True)
def break_the_store(world: World) -> None:
    store = world.store_port
    assert store is not None
    faults = [
        lambda: store.slow(delay_s=0.05),
        lambda: store.cut(down_bytes=world.chance.randint(0, 300), times=8),
        lambda: store.cut(up_bytes=world.chance.randint(0, 1500), times=8),
        store.reset,
        store.half_open,
        store.black_hole,
    ]
    world.chance.shuffle(faults)
    for fault in faults:
        fault()
        world.pause(0.2, 0.8)
        store.pass_on()
        world.await_progress(2)
    world.struck()


@scenario(
    "F22",
    "a worker sleeps through its lease, and wakes when another has done its work",
    batch_ms=300,
)
def wake_a_zombie(world: World) -> None:
    zombie = world.fleet[0]
    world.await_running()
    world.pause(0, 0.2)
    zombie.send_signal(signal.SIGSTOP)
    world.struck()
    held = world.running()
    assert held, "nothing was in flight"
    wait_until(lambda: not set(held) & set(world.running()), what="its leases ran out")
    world.start_worker(batch_ms=20)
    world.await_all()
    zombie.send_signal(signal.SIGCONT)
    wait_until(
        lambda: any(world.wrote(job_id, fence=1) for job_id in held),
        what="the zombie wrote what it had made",
    )
    zombie.send_signal(signal.SIGTERM)
    assert zombie.wait(timeout=30) == 0


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


@scenario("F30", "no worker at all, with jobs queued and others whose lease ran out", batch_ms=300)
def scale_to_zero(world: World) -> None:
    world.await_running()
    world.kill(world.fleet[0])
    world.await_promises(len(world.submitter.keys))
    wait_until(lambda: not world.running(), what="the sweep took the jobs back")
    waiting = len(world.log) - world.succeeded()
    assert world.client.zcard("seewhy:due") == waiting > 0, "nothing would wake a worker"
    world.struck()
    world.start_worker(batch_ms=20)


@scenario(
    "F31",
    "two API processes sweep at once, one is killed, and workers die meanwhile",
    over_s=6.0,
    batch_ms=400,
    settings={"sweep_interval_s": 0.05, "lease_s": 1.0},
)
def sweep_twice(world: World) -> None:
    deaths = 3
    second = world.second.start_api()
    for death in range(deaths):
        world.await_running()
        world.kill(world.fleet[-1])
        if death == 1:
            world.pause(0.8, 1.2)
            world.kill(second)
        world.struck()
        world.start_worker(batch_ms=400 if death < deaths - 1 else 20)
    world.await_all()
    for record in world.records().values():
        assert record.crashes <= deaths, "one death was charged twice"
        assert record.attempts <= record.crashes + 1, "an attempt was charged for nothing"
