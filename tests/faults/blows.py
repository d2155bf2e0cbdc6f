"""Single blows, each whole in itself: it falls, does its harm for a while, and is over."""

import os
import resource
import signal
from collections.abc import Callable

import httpx2
import psutil

from faults.nonsense import send_nonsense
from faults.world import World
from servers.house import Process
from servers.waiting import wait_until


def kill_a_worker(world: World) -> None:
    world.kill(world.chance.choice(world.fleet))


def stop_a_worker(world: World) -> None:
    _ask_to_stop(world, world.fleet[-1])


def let_a_worker_sleep(world: World) -> None:
    worker = world.chance.choice(world.fleet)
    if worker.poll() is None:
        worker.send_signal(signal.SIGSTOP)
        world.pause(1, 4)
        worker.send_signal(signal.SIGCONT)


def set_a_clock_wrong(world: World) -> None:
    worker = world.fleet.start(skew_s=world.chance.choice([-600, 600]))
    world.pause(1, 2)
    _ask_to_stop(world, worker)


def kill_redis(world: World) -> None:
    world.valkey.kill()
    world.pause(0, 2)
    world.valkey.start()


def stop_redis(world: World) -> None:
    pid = world.valkey.pid
    os.kill(pid, signal.SIGSTOP)
    world.pause(1, 5)
    os.kill(pid, signal.SIGCONT)


def empty_redis(world: World) -> None:
    world.forget_everything()
    wait_until(lambda: bool(world.client.exists("seewhy:epoch")), what="all is brought back")


def fill_redis(world: World) -> None:
    used = int(world.client.info("memory")["used_memory"])
    world.client.config_set("maxmemory", used + world.chance.randint(0, 50_000))
    world.pause(0.5, 3)
    world.client.config_set("maxmemory", 0)


def fill_the_disk(world: World) -> None:
    pid = world.valkey.pid
    files = (world.valkey.directory / "appendonlydir").glob("*.incr.aof")
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    room_bytes = max(file.stat().st_size for file in files) + world.chance.randint(0, 20_000)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (room_bytes, unlimited[1]))
    world.pause(0.5, 3)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
    wait_until(lambda: _writes(world), what="Redis writes again")


def cut_all_connections(world: World) -> None:
    world.client.client_kill_filter(_type="normal", skipme=True)


def cut_off_hints(world: World) -> None:
    world.redis_of_api.cut(up_bytes=0, marker=b"\r\nLPUSH\r\n", times=3)
    world.pause(0.5, 2)
    world.redis_of_api.pass_on()


def lose_answers(world: World) -> None:
    world.redis_of_api.cut(down_bytes=0, marker=world.submission, times=world.chance.randint(1, 4))
    world.pause(0.5, 2)
    world.redis_of_api.pass_on()


def cut_off_the_workers(world: World) -> None:
    world.redis_of_workers.black_hole()
    world.pause(1, 5)
    world.redis_of_workers.half_open()


def kill_the_serving_process(world: World) -> None:
    for child in psutil.Process(world.api.children[-1].pid).children():
        child.kill()
    wait_until(world.api.ready, what="the API is ready again")


def kill_the_api(world: World) -> None:
    world.kill_api()
    world.pause(0, 1)
    world.api.start_api()


def talk_nonsense(world: World) -> None:
    send_nonsense(world.settings, world.client, world.chance, trap=str(world.trap))


def cancel_some(world: World) -> None:
    promises = world.log.read()
    for promise in world.chance.sample(promises, min(10, len(promises))):
        httpx2.post(f"{world.api.url}/v1/explanations/{promise.job_id}/cancel", timeout=30)


def slow_the_store(world: World) -> None:
    _for_a_while(world, lambda: world.store_port.slow(delay_s=0.05))


def reset_the_store(world: World) -> None:
    _for_a_while(world, world.store_port.reset)


def truncate_in_the_store(world: World) -> None:
    cut = world.chance.randint(0, 1500)
    _for_a_while(world, lambda: world.store_port.cut(up_bytes=cut, times=8))


def _ask_to_stop(world: World, worker: Process) -> None:
    """It ends well, unless poison is quicker, or it had not begun to listen to signals."""
    status = world.fleet.stop(worker)
    assert status in {0, -signal.SIGKILL, -signal.SIGTERM}, f"a worker ended with {status}"


def _for_a_while(world: World, fault: Callable[[], None]) -> None:
    fault()
    world.pause(0.2, 0.8)
    world.store_port.pass_on()


def _writes(world: World) -> bool:
    return world.client.info("persistence")["aof_last_write_status"] == "ok"


BLOWS: dict[str, Callable[[World], None]] = {
    blow.__name__.replace("_", " "): blow
    for blow in (
        kill_a_worker,
        stop_a_worker,
        let_a_worker_sleep,
        set_a_clock_wrong,
        kill_redis,
        stop_redis,
        empty_redis,
        fill_redis,
        fill_the_disk,
        cut_all_connections,
        cut_off_hints,
        lose_answers,
        cut_off_the_workers,
        kill_the_serving_process,
        kill_the_api,
        talk_nonsense,
        cancel_some,
    )
}
STORE_BLOWS: dict[str, Callable[[World], None]] = {
    blow.__name__.replace("_", " "): blow
    for blow in (slow_the_store, reset_the_store, truncate_in_the_store)
}
