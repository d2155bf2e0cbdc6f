"""Short faults that the nemesis combines: each one starts, lasts a while, and ends."""

import os
import resource
import signal
from collections.abc import Callable

import httpx2
import psutil

from faults.environment import Environment
from faults.malformed_wakeups import send_malformed_wakeups
from servers.process_cluster import Process
from servers.proxy import FaultProxy
from servers.waiting import wait_until


def kill_worker(env: Environment) -> None:
    """Send SIGKILL to a random worker."""
    env.kill(env.rng.choice(env.workers))


def stop_worker(env: Environment) -> None:
    """Send SIGTERM to the newest worker."""
    _stop(env, env.workers[-1])


def suspend_worker(env: Environment) -> None:
    """Suspend a random worker, possibly beyond its leases."""
    worker = env.rng.choice(env.workers)
    if worker.poll() is None:
        worker.send_signal(signal.SIGSTOP)
        env.pause(1, 4)
        worker.send_signal(signal.SIGCONT)


def skew_clock(env: Environment) -> None:
    """Run a worker whose clock is ten minutes off."""
    worker = env.workers.start(skew_s=env.rng.choice([-600, 600]))
    env.pause(1, 2)
    _stop(env, worker)


def kill_redis(env: Environment) -> None:
    """Kill and restart Redis."""
    env.valkey.kill()
    env.pause(0, 2)
    env.valkey.start()


def suspend_redis(env: Environment) -> None:
    """Suspend the Redis process."""
    pid = env.valkey.pid
    os.kill(pid, signal.SIGSTOP)
    env.pause(1, 5)
    os.kill(pid, signal.SIGCONT)


def flush_redis(env: Environment) -> None:
    """Empty Redis and wait for the rebuild."""
    env.flush_redis()
    wait_until(lambda: bool(env.redis.exists("{seewhy}:epoch")), what="the ledger is rebuilt")


def fill_redis_memory(env: Environment) -> None:
    """Let Redis run out of memory."""
    used = int(env.redis.info("memory")["used_memory"])
    env.redis.config_set("maxmemory", used + env.rng.randint(0, 50_000))
    env.pause(0.5, 3)
    env.redis.config_set("maxmemory", 0)


def fill_disk(env: Environment) -> None:
    """Limit the size of Redis's append-only file (Linux)."""
    pid = env.valkey.pid
    files = (env.valkey.directory / "appendonlydir").glob("*.incr.aof")
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit_bytes = max(file.stat().st_size for file in files) + env.rng.randint(0, 20_000)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit_bytes, unlimited[1]))
    env.pause(0.5, 3)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
    wait_until(lambda: _redis_writes(env), what="Redis writes again")


def kill_redis_connections(env: Environment) -> None:
    """Close all connections to Redis."""
    env.redis.client_kill_filter(_type="normal", skipme=True)


def lose_wakeups(env: Environment) -> None:
    """Close the API's connections to Redis while it publishes wakeups."""
    env.api_redis_proxy.cut(up_bytes=0, marker=b"\r\nLPUSH\r\n", times=3)
    env.pause(0.5, 2)
    env.api_redis_proxy.heal()


def lose_submit_responses(env: Environment) -> None:
    """Lose the ledger's responses to submissions."""
    times = env.rng.randint(1, 4)
    env.api_redis_proxy.cut(down_bytes=0, marker=env.submit_marker, times=times)
    env.pause(0.5, 2)
    env.api_redis_proxy.heal()


def partition_workers(env: Environment) -> None:
    """Partition the workers from Redis, then leave their connections half-open."""
    env.worker_redis_proxy.black_hole()
    env.pause(1, 5)
    env.worker_redis_proxy.half_open()


def kill_serving_process(env: Environment) -> None:
    """Kill gunicorn's serving process; gunicorn restarts it."""
    for child in psutil.Process(env.api.processes[-1].pid).children():
        child.kill()
    wait_until(env.api.is_ready, what="the API is ready again")


def kill_api(env: Environment) -> None:
    """Kill and restart the API."""
    env.kill_api()
    env.pause(0, 1)
    env.api.start_api()


def send_malformed_messages(env: Environment) -> None:
    """Send malformed messages to the wakeup queues."""
    send_malformed_wakeups(env.settings, env.redis, env.rng, canary=env.canary)


def cancel_jobs(env: Environment) -> None:
    """Cancel up to ten random jobs."""
    submissions = env.submissions.read()
    for submission in env.rng.sample(submissions, min(10, len(submissions))):
        httpx2.post(f"{env.api.url}/v1/explanations/{submission.job_id}/cancel", timeout=30)


def slow_store(env: Environment) -> None:
    """Delay the object store."""
    _briefly(env, lambda store: store.slow(delay_s=0.05))


def reset_store(env: Environment) -> None:
    """Reset connections to the object store."""
    _briefly(env, FaultProxy.reset)


def truncate_store_requests(env: Environment) -> None:
    """Cut requests to the object store short."""
    up_bytes = env.rng.randint(0, 1500)
    _briefly(env, lambda store: store.cut(up_bytes=up_bytes, times=8))


def _stop(env: Environment, worker: Process) -> None:
    """Stop a worker; poison may kill it first, or SIGTERM arrive before its handler exists."""
    status = env.workers.stop(worker)
    expected = {0, -signal.SIGKILL, -signal.SIGTERM}
    assert status in expected, f"a worker exited with {status}"


def _briefly(env: Environment, fault: Callable[[FaultProxy], None]) -> None:
    """Inject a fault into the object store for less than a second."""
    assert env.store_proxy is not None
    fault(env.store_proxy)
    env.pause(0.2, 0.8)
    env.store_proxy.heal()


def _redis_writes(env: Environment) -> bool:
    return env.redis.info("persistence")["aof_last_write_status"] == "ok"


def _by_name(*actions: Callable[[Environment], None]) -> dict[str, Callable[[Environment], None]]:
    return {action.__name__.replace("_", " "): action for action in actions}


FAULT_ACTIONS = _by_name(
    kill_worker,
    stop_worker,
    suspend_worker,
    skew_clock,
    kill_redis,
    suspend_redis,
    flush_redis,
    fill_redis_memory,
    fill_disk,
    kill_redis_connections,
    lose_wakeups,
    lose_submit_responses,
    partition_workers,
    kill_serving_process,
    kill_api,
    send_malformed_messages,
    cancel_jobs,
)
STORE_FAULT_ACTIONS = _by_name(slow_store, reset_store, truncate_store_requests)
