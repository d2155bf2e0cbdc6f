"""Redis is away, silent, full or empty."""

import os
import resource
import signal

from faults.scenario import scenario
from faults.world import World
from servers.waiting import wait_until


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


@scenario("F17", "the ledger's answer to a submission is lost, and the client asks again")
def lose_the_answer_to_a_submission(world: World) -> None:
    for _ in range(5):
        world.await_promises(min(len(world.log) + 1, len(world.submitter.keys)))
        # One lost answer is made good by the API's own second try; two are the client's affair.
        times = world.chance.randint(1, 4)
        world.redis_of_api.cut(down_bytes=0, marker=world.submission, times=times)
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


@scenario("F24", "Redis has no more memory, and evicts nothing", over_s=5.0)
def fill_redis(world: World) -> None:
    world.await_promises(len(world.submitter.keys) // 4)
    used = int(world.client.info("memory")["used_memory"])
    world.client.config_set("maxmemory", used + 50_000)
    wait_until(lambda: world.submitter.statuses[503] >= 5, what="clients were sent away")
    world.pause(0.5, 1.5)
    world.client.config_set("maxmemory", 0)
    world.struck()
    world.await_all()
    assert world.client.info("stats")["evicted_keys"] == 0


@scenario("F25", "Redis forgets everything, twice", over_s=5.0)
def empty_redis(world: World) -> None:
    for part in (1, 2):
        world.await_promises(part * len(world.submitter.keys) // 4)
        world.pause(0, 0.5)
        known = len(world.records())
        world.forget_everything()
        world.struck()
        wait_until(lambda: bool(world.client.exists("seewhy:epoch")), what="all is brought back")
        assert len(world.records()) >= known > 0
    assert world.api.log("api").count("Redis lost all") == 2


@scenario("F33", "the disk is full, and Redis cannot write its append-only file", over_s=5.0)
def fill_the_disk(world: World) -> None:
    world.await_promises(len(world.submitter.keys) // 4)
    pid = world.valkey.pid
    (written,) = (world.valkey.directory / "appendonlydir").glob("*.incr.aof")
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    room_bytes = written.stat().st_size + world.chance.randint(0, 20_000)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (room_bytes, unlimited[1]))
    wait_until(lambda: world.submitter.statuses[503] >= 5, what="clients were sent away")
    promised = len(world.log)
    world.pause(0.5, 1.5)
    assert len(world.log) == promised, "a promise was made that no disk knows of"
    resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
    world.struck()
    world.await_all()
    assert "MISCONF" in world.api.log("api")
    world.valkey.kill()
    world.valkey.start()
